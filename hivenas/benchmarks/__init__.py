"""Objectives that cost nothing: for studying the driver, and as stand-ins for training in tests."""
