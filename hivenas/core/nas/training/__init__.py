"""Networks, built and trained: the only room with Keras."""
