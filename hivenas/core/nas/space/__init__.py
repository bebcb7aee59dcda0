"""The space of architectures: strings and numbers, no Keras."""
