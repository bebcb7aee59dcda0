"""MLflow: nested runs by explicit parent id, the search's parent run, the model registry."""

from hivenas.tracking.runs import MlflowTracker
from hivenas.tracking.store import current_stores, fail_fast, git_tags, prepare_store

__all__ = ["MlflowTracker", "current_stores", "fail_fast", "git_tags", "prepare_store"]
