"""Trained models as files for other runtimes, and what they are worth there: `formats` lists them."""
