"""The record of a search: the results folder on the local disk, and Optuna's storage beside it."""

from hivenas.storage.condition import condition_of
from hivenas.storage.search_store import (
    Mirror,
    SearchState,
    SearchStore,
    fixed_keys,
    open_folder,
    open_store,
    read_state,
)

__all__ = [
    "Mirror",
    "SearchState",
    "SearchStore",
    "condition_of",
    "fixed_keys",
    "open_folder",
    "open_store",
    "read_state",
]
