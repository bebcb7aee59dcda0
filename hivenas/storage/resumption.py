"""The keys in which a search and its resumption must agree."""

from __future__ import annotations

from hivenas.config import PLACES, Config, from_record
from hivenas.config.text import parse_yaml
from hivenas.errors import ConfigError
from hivenas.storage.ledger import Ledger

# What may differ between a search and its resumption: it decides what comes after, or where, not what was found.
_FREE = (
    *("full_train.", "registry.", "execution.", "results.", "optuna.", "tracking"),
    *("budget.", "colony.iterations", "colony.patience"),
    "objectives.fitness",  # which only says what is so anyway
    *(f"dataset.{key}" for key in PLACES),
)


def fixed_keys(config: Config) -> dict[str, str]:
    """Dotted keys and values, as text, in which a search and its resumption must agree."""
    return {key: value for key, value in config.flat().items() if key != "name" and not key.startswith(_FREE)}


def difference(before: Config, now: Config) -> str:
    """The first key in which two configurations are not of the same search; empty where they are.

    Args:
        before: the configuration that the search was started with.
        now: the one that it is to be resumed with.

    Returns:
        Such as `evaluation.epochs=5, got evaluation.epochs=6 (and 2 more)`.
    """
    old, new = fixed_keys(before), fixed_keys(now)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if not changed:
        return ""
    key = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return f"{key}={old.get(key)}, got {key}={new.get(key)}{more}"


def refuse_other_search(config: Config, ledger: Ledger) -> None:
    """Refuses to go on with the search in an opened folder by a configuration that is another search's.

    Raises:
        ConfigError: names the first key that differs.
    """
    text = ledger.config_yaml
    if not text:
        return
    before = from_record(parse_yaml(text, str(ledger.folder.ledger)) or {})
    if changed := difference(before, config):
        raise ConfigError(
            f"the search in {ledger.folder.path} was started with {changed}; resume with {ledger.folder.yaml}, or "
            "start another search (--set name=…)"
        )
