"""The search space and the evaluation of networks."""
