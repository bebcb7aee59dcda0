"""The record of a search: the ledger in its results folder, exports of it, and the mirror in Optuna's storage."""

from hivenas.storage.database import read_configuration, read_ledger, read_state
from hivenas.storage.ledger import Ledger, MessageStatus
from hivenas.storage.limits import Ending, Settled, Spent
from hivenas.storage.opening import (
    Condition,
    Mirror,
    best_recorded,
    condition_of,
    open_adhoc,
    open_folder,
    open_search,
    recorded,
    recorded_digest,
)
from hivenas.storage.outbox import Message, Outbox, Sent
from hivenas.storage.removal import Footprint, folder_to_remove, remove_folder
from hivenas.storage.resumption import difference, fixed_keys, refuse_other_search
from hivenas.storage.state import SearchState, Stage

__all__ = [
    "Condition",
    "Ending",
    "Footprint",
    "Ledger",
    "Message",
    "MessageStatus",
    "Mirror",
    "Outbox",
    "SearchState",
    "Sent",
    "Settled",
    "Spent",
    "Stage",
    "best_recorded",
    "condition_of",
    "difference",
    "fixed_keys",
    "folder_to_remove",
    "open_adhoc",
    "open_folder",
    "open_search",
    "read_configuration",
    "read_ledger",
    "read_state",
    "recorded",
    "recorded_digest",
    "refuse_other_search",
    "remove_folder",
]
