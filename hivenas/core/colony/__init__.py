"""The Artificial Bee Colony: numpy only."""
