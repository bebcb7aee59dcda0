"""The commands, and what a person or a program sees of them."""
