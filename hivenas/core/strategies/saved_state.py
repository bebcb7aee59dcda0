"""The version of strategies' saved states, and the refusal of those that are another's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hivenas.errors import ConfigError

STATE_VERSION = 3  # the second called roles bees


def check_state(state: Mapping[str, Any], kind: str) -> None:
    """Refuses a saved state that is not of this version, or not of this kind of strategy.

    Raises:
        ConfigError: it is not; with the way out.
    """
    if state.get("version") != STATE_VERSION:
        raise ConfigError(
            f"the saved state has version {state.get('version')}, this hivenas reads {STATE_VERSION}; finish the "
            "search with the version that began it"
        )
    if state["kind"] != kind:
        raise ConfigError(
            f"the saved search is of the kind {state['kind']}, the configuration asks for {kind}; resume with "
            f"colony.kind: {state['kind']}"
        )
