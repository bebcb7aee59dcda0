"""Trackers: MLflow, with nested runs by explicit parent id, the search's parent run and the model registry; or none; or
those that users register.
"""

from hivenas.tracking.kinds import make_tracker, register_tracker

__all__ = ["make_tracker", "register_tracker"]
