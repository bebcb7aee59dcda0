"""The things that a search is given beside its configuration."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hivenas.core.candidates import encode_candidate
from hivenas.core.objective import ObjectiveInfo, ObjectiveInterface
from hivenas.core.records import Direction
from hivenas.errors import ConfigError
from hivenas.run.budget import Clock
from hivenas.run.callbacks import Callback
from hivenas.storage import Ledger, Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The things that a search is given beside its configuration.

    Args:
        callbacks: are called at its moments, after those that keep its records.
        mirror: the second record, in Optuna's storage; None for none.
        go_on: the command with which the search goes on, for its run's description; empty for that of the
            configuration's file.
        clock: by which a budget of time is counted, in seconds.
    """

    callbacks: Sequence[Callback] = ()
    mirror: Mirror | None = None
    go_on: str = ""
    clock: Clock = time.monotonic


def refuse_others(objective: object) -> None:
    """Refuses what is no objective, such as a function or a class, before anything is opened.

    Args:
        objective: what is searched; None for the configured one.

    Raises:
        ConfigError: names it.
    """
    if objective is not None and not isinstance(objective, ObjectiveInterface):
        raise ConfigError(
            f"objective must be an instance of hivenas.ObjectiveInterface, got {objective!r}; make one of a class, and "
            "of a function by hivenas.FunctionObjective(function, {name: [values]})"
        )


def refuse_other_objective(ledger: Ledger, info: ObjectiveInfo) -> None:
    """Refuses to go on with an objective that is not the one of the record, as far as that shows.

    Raises:
        ConfigError: better figures lie on the other side, or a recorded candidate is none of the objective's.
    """
    if ledger.trials and (recorded := ledger.state.direction) != info.direction:
        sides = {Direction.MAXIMIZE: "large", Direction.MINIMIZE: "small"}
        raise ConfigError(
            f"the search in {ledger.folder.path} looks for a {sides[recorded]} fitness, got an objective that looks "
            f"for a {sides[info.direction]} one; go on with the one that it was begun with, or start another search"
        )
    if info.parameters is None:
        return
    for trial in ledger.trials:
        candidate = encode_candidate(trial.candidate)
        try:
            info.parameters.values(candidate)
        except ValueError:  # also where a point has other coordinates
            raise ConfigError(
                f"the search in {ledger.folder.path} has the candidate {candidate!r}, which is none of the objective "
                "that is given; go on with the one that it was begun with, or start another search"
            ) from None


def checked_callbacks(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """The callbacks that a caller gives, before anything is opened.

    Args:
        callbacks: several; what can be gone through once only, too.

    Raises:
        ConfigError: names what is none.
    """
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
        raise ConfigError(f"callbacks must be a list of them, got {callbacks!r}; give callbacks=[…]")
    given = tuple(callbacks)
    for each in given:
        if not isinstance(each, Callback):
            raise ConfigError(
                f"callbacks must be instances of classes derived from hivenas.Callback, got {each!r}; give one"
            )
    return given
