"""Searches written into real storages, for the tests of Optuna's books."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
from optuna.study import Study

from hivenas.config import Config, from_mapping
from hivenas.core.nas.space.parameters import space_parameters
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Direction, EpochFigures, Evaluation, Proposal, Trial
from hivenas.storage.export import as_columns
from hivenas.storage.optuna_storage import open_storage
from hivenas.storage.optuna_study import MirrorStudy, open_study

SPACE = {"depth": 2, "operations": ["identity", "dropout"], "skip_rate": 0.5}
FIRST, SECOND = "input|identity|dropout|output", "input|sc_2|dropout|identity|output"
STATE = {"stage": "search", "seed": 7, "colony": {"worst": float("inf"), "rng": {"state": 2**127 + 1}, "x": 0.1 + 0.2}}


def _history(*accuracies: float, begin: int = 1) -> tuple[EpochFigures, ...]:
    return tuple(EpochFigures(begin + i, 0.5, 0.5, 0.5, accuracy) for i, accuracy in enumerate(accuracies))


def rows_of_a_search() -> list[Trial]:
    """A complete, a stopped and a failed evaluation, and a continuation of the first."""
    third = 1 / 3
    evaluations = [
        (
            Proposal(0, 0, "scout", 0, FIRST),
            Evaluation(FIRST, "complete", 0.1 + 0.2, 3, third, params=1234, macs=99, filename="a-003.weights.h5",
                       seconds=12.5, history=_history(0.1, third, 0.1 + 0.2)),
        ),
        (
            Proposal(1, 0, "onlooker", 4, SECOND, 0.1 + 0.2, parent=FIRST),
            Evaluation(SECOND, "stopped", 0.125, 1, inherited=0.75, inherited_epochs=2, reason="below ½ of „it“",
                       seconds=0.1, history=_history(0.125, begin=3)),
        ),
        (Proposal(2, 0, "employee", 0, FIRST, 0.3), Evaluation.failure(FIRST, "ValueError: 'a' \\ \"b\" ☃")),
        (
            Proposal(3, 0, "employee", 0, FIRST, 0.3, 2, "a-003.weights.h5"),
            Evaluation(FIRST, "complete", 0.7, 3, 0.2, 2, history=_history(0.6, 0.7, begin=4)),
        ),
    ]  # fmt: skip
    return [Trial(proposal, evaluation, f"run{i}") for i, (proposal, evaluation) in enumerate(evaluations)]


def more_rows(count: int) -> list[Trial]:
    """Evaluations of all the architectures in turn, for pictures."""
    operations = [("identity", "dropout")[i // 2 % 2] + "|" + ("identity", "dropout")[i % 2] for i in range(count)]
    architectures = [f"input|{'sc_1|' if i % 3 == 0 else ''}{pair}|output" for i, pair in enumerate(operations)]
    return [
        Trial(
            Proposal(i, i // 4, "onlooker", i % 4, architecture),
            Evaluation(architecture, "stopped" if i % 5 == 4 else "complete", 0.3 + 0.01 * (i * 7 % 12), 2,
                       seconds=1.0, history=_history(0.2, 0.3 + 0.01 * (i * 7 % 12))),
        )
        for i, architecture in enumerate(architectures)
    ]  # fmt: skip


def config_of(storage: str, **sections: Any) -> Config:
    optuna_section = {"storage": storage} | sections.pop("optuna", {})
    return from_mapping({"name": "probe", "space": SPACE, "optuna": optuna_section} | sections)


def info_of(config: Config) -> ObjectiveInfo:
    """The facts that a study must know of a search of networks."""
    return ObjectiveInfo(direction=Direction.MAXIMIZE, parameters=space_parameters(config.space))


def columns(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """The trials as lines of the table, which is what a study keeps of them."""
    return [as_columns(trial) for trial in trials]


@contextlib.contextmanager
def opened(config: Config, info: ObjectiveInfo | None = None) -> Iterator[MirrorStudy]:
    with contextlib.closing(open_study(config, info or info_of(config))) as mirror:
        yield mirror


def study_of(storage: str, name: str = "probe") -> Study:
    return optuna.load_study(study_name=name, storage=open_storage(storage))


def held(config: Config) -> list[Trial]:
    with opened(config) as mirror:
        recorded = mirror.recorded()
    assert recorded is not None
    return recorded.trials


def write(config: Config, rows: Sequence[Trial], uid: str = "u1") -> None:
    with opened(config) as mirror:
        mirror.begin(uid, overwrite=False)
        mirror.sync(rows, STATE)
