"""Search strategies: what they share, those without bees, and the table of all of them."""
