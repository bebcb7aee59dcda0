"""A search's records as files for people and other tools: `<name>.csv` and `state.json`, written from the ledger."""

from __future__ import annotations

import csv
import functools
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hivenas.config.costs import RECORDED, VARYING
from hivenas.core.candidates import decode_candidate
from hivenas.core.folder import write_atomically
from hivenas.core.measured import SPENT, SPENT_NAMES, spent_of
from hivenas.core.outage import Outage
from hivenas.core.records import EpochFigures, Evaluation, Proposal, Trial
from hivenas.core.unicode import storable
from hivenas.errors import first_line

_SHARE = 0.02  # of the time goes into the table at the most, however long it has become


def _spent(name: str, trial: Trial) -> float | None:
    return spent_of(trial.evaluation.extra).get(name)


# The columns of the table in their order: what each holds of a trial, and how its text is read.
_COLUMNS: tuple[tuple[str, Callable[[Trial], Any], Callable[[str], Any]], ...] = (
    ("index", lambda trial: trial.index, int),
    ("iteration", lambda trial: trial.iteration, int),
    ("bee", lambda trial: trial.role, str),
    ("bee_id", lambda trial: trial.role_id, int),
    ("candidate", lambda trial: trial.encoded, str),
    ("status", lambda trial: trial.status, str),
    ("fitness", lambda trial: trial.fitness, float),
    ("center_fitness", lambda trial: trial.center_fitness, float),
    ("epochs", lambda trial: trial.epochs, int),
    ("momentum", lambda trial: trial.momentum, float),
    ("momentum_epochs", lambda trial: trial.momentum_epochs, int),
    ("params", lambda trial: trial.params, int),
    ("weights_filename", lambda trial: trial.weights_filename, str),
    ("seconds", lambda trial: round(trial.seconds, 3), float),
    ("run_id", lambda trial: trial.run_id, str),
    ("reason", lambda trial: trial.reason, str),
    ("phase", lambda trial: trial.phase, str),
    ("parent", lambda trial: trial.parent, str),
    ("inherited", lambda trial: trial.inherited, float),
    ("inherited_epochs", lambda trial: trial.inherited_epochs, int),
    ("macs", lambda trial: trial.macs, int),
    ("curve", lambda trial: " ".join(f"{epoch}:{value!r}" for epoch, value in trial.accuracies().items()), str),
    ("started", lambda trial: round(trial.started, 3), float),
    ("worker", lambda trial: trial.worker, str),
    *((name, functools.partial(_spent, name), float) for name in SPENT_NAMES),
)
COLUMNS = tuple(name for name, _, _ in _COLUMNS)
# The columns in which two runs of the same search differ: ids, times, and where they ran.
CIRCUMSTANCES = frozenset({"run_id", "seconds", "epoch_s", "started", "worker", *SPENT_NAMES}) | VARYING
# The columns that records of earlier versions have, too: without one of them a record is not whole.
REQUIRED = frozenset(COLUMNS) - set(SPENT_NAMES)


def as_columns(trial: Trial) -> dict[str, Any]:
    """A trial as a line of the table: numbers and texts by the names of their columns; None for what it lacks.

    Costs that are measured have columns where they are on record.
    """
    extra = trial.evaluation.extra
    return {name: of(trial) for name, of, _ in _COLUMNS} | {key: extra[key] for key in RECORDED if key in extra}


def from_columns(columns: Mapping[str, Any]) -> Trial:
    """The trial of a line of the table: of its epochs only the validation accuracy, or what takes its place, is known.

    Args:
        columns: numbers, or their texts, by the names of the columns.
    """
    known: dict[str, Any] = {
        name: None if value is None or (value == "" and read is float) else read(value)
        for name, _, read in _COLUMNS
        for value in [columns[name] if name in REQUIRED else columns.get(name)]
    }
    candidate = decode_candidate(known["candidate"])
    pairs = (point.split(":") for point in known["curve"].split())
    history = tuple(
        EpochFigures(
            int(epoch), float("nan"), accuracy=float("nan"), val_loss=float("nan"), val_accuracy=float(accuracy)
        )
        for epoch, accuracy in pairs
    )
    # The epochs of all continuations, of which this may be one that failed.
    momentum_epochs = max(1, known["momentum_epochs"]) if known["phase"] == "momentum" else 0
    proposal = Proposal(
        known["index"],
        known["iteration"],
        role=known["bee"],
        role_id=known["bee_id"],
        candidate=candidate,
        center_fitness=known["center_fitness"],
        momentum_epochs=momentum_epochs,
        parent=known["parent"],
    )
    kept = ("fitness", "epochs", "momentum", "momentum_epochs", "params", "macs", "inherited", "inherited_epochs")
    figures = {name: known[name] for name in (*kept, "seconds", "started", "worker", "reason", "status")}
    spent = {name: known[name] for name in SPENT_NAMES if known[name] is not None}
    extra: dict[str, Any] = {SPENT: spent} if spent else {}
    extra |= {key: float(columns[key]) for key in RECORDED if columns.get(key) not in (None, "")}
    evaluation = Evaluation(candidate, filename=known["weights_filename"], history=history, extra=extra, **figures)
    return Trial(proposal, evaluation, known["run_id"])


def as_csv(trials: Iterable[Trial]) -> str:
    """The whole table."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    lines = [as_columns(trial) for trial in trials]
    names = (*COLUMNS, *(key for key in RECORDED if any(key in line for line in lines)))
    writer.writerow(names)
    for line in lines:
        writer.writerow(["" if (value := line.get(name)) is None else value for name in names])
    return text.getvalue()


class Export:
    """A file for people: that it cannot be written, as while a spreadsheet holds it, is a warning; the ledger has all.

    Args:
        file: the file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outage = Outage()

    def write(self, text: str) -> bool:
        """Writes it whole; returns whether that was done.

        Raises:
            DiskFullError: there is no space for it.
        """
        started = time.monotonic()
        try:
            write_atomically(self._file, storable(text), sync=False)
        except OSError as error:
            self._outage.goes_on(
                f"{self._file} cannot be written ({first_line(error)}); it is once it can be, and nothing is lost "
                "meanwhile",
                started,
            )
            return False
        self._outage.is_over(f"{self._file} is written again")
        return True


class TableExport:
    """Writes a search's table whole, again and again, without that costing more the longer the table is.

    Args:
        file: the csv file.
    """

    def __init__(self, file: Path) -> None:
        self._export = Export(file)
        self._not_before = 0.0

    def write(self, trials: Sequence[Trial], *, force: bool = False) -> None:
        """Writes the table, unless the last time took long and was a moment ago.

        Args:
            trials: every trial.
            force: write it in any case.
        """
        started = time.monotonic()
        if started < self._not_before and not force:
            return
        self._export.write(as_csv(trials))
        taken = time.monotonic() - started
        self._not_before = time.monotonic() + taken / _SHARE
