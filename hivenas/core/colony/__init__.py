"""The Artificial Bee Colony: numpy only, on one thread."""
