"""A search, from its configuration to the registered model."""
