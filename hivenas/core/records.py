"""The results folder: where a search's files lie, and its table of evaluations."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from array import array
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from hivenas.core.evaluation import Evaluation, Proposal, decode_candidate, encode_candidate
from hivenas.core.files import cut_torn_line, disk_full_said, sweep_temporaries, written_whole
from hivenas.core.seeds import arch_hash
from hivenas.errors import MissingResultsError, ResultsExistError


@dataclass(frozen=True, slots=True)
class Row:
    """A line of `<name>.csv`; its fields, in this order, are the columns."""

    index: int
    iteration: int
    bee: str
    bee_id: int
    candidate: str
    status: str
    fitness: float
    center_fitness: float | None
    epochs: int
    momentum: float
    momentum_epochs: int
    params: int
    weights_filename: str
    seconds: float
    run_id: str
    reason: str
    phase: str
    parent: str
    inherited: float
    inherited_epochs: int
    macs: int
    curve: str
    started: float
    worker: str

    @classmethod
    def of(cls, proposal: Proposal, evaluation: Evaluation, run_id: str = "") -> Row:
        """The line for what came of a proposal."""
        return cls(
            index=proposal.index,
            iteration=proposal.iteration,
            bee=proposal.bee,
            bee_id=proposal.bee_id,
            candidate=encode_candidate(evaluation.candidate),
            status=evaluation.status,
            fitness=evaluation.fitness,
            center_fitness=proposal.center_fitness,
            epochs=evaluation.epochs,
            momentum=evaluation.momentum,
            momentum_epochs=evaluation.momentum_epochs,
            params=evaluation.params,
            weights_filename=evaluation.filename,
            seconds=round(evaluation.seconds, 3),
            run_id=run_id,
            reason=" ".join(evaluation.reason.split()),
            phase=proposal.phase,
            parent=proposal.parent,
            inherited=evaluation.inherited,
            inherited_epochs=evaluation.inherited_epochs,
            macs=evaluation.macs,
            curve=" ".join(f"{figures.epoch}:{float(figures.val_accuracy)!r}" for figures in evaluation.history),
            started=round(evaluation.started, 3),
            worker=evaluation.worker,
        )

    def evaluation(self) -> Evaluation:
        """What the colony needs of this line to go on: everything but the epochs' history."""
        return Evaluation(
            decode_candidate(self.candidate),
            self.status,  # type: ignore[arg-type]
            self.fitness,
            epochs=self.epochs,
            momentum=self.momentum,
            momentum_epochs=self.momentum_epochs,
            params=self.params,
            macs=self.macs,
            inherited=self.inherited,
            inherited_epochs=self.inherited_epochs,
            filename=self.weights_filename,
            seconds=self.seconds,
            reason=self.reason,
            started=self.started,
            worker=self.worker,
        )

    @property
    def label(self) -> str:
        """The name under which the evaluation is tracked, as `Proposal.label`."""
        return f"{self.index:04d}-{'momentum' if self.phase == 'momentum' else self.bee}"

    def accuracies(self) -> dict[int, float]:
        """Validation accuracy by epoch, of the epochs that this evaluation trained."""
        pairs = (point.split(":") for point in self.curve.split())
        return {int(epoch): float(accuracy) for epoch, accuracy in pairs}


Purpose = Literal["train", "momentum", "full"]

WEIGHTS_SUFFIX = ".weights.h5"
COLUMNS = tuple(field.name for field in fields(Row))
# What differs between two runs of the same search: ids, times, and where they ran.
CIRCUMSTANCES = frozenset({"run_id", "seconds", "started", "worker"})


def weights_name(candidate: str, age: int) -> str:
    """The name of the h5 file of a candidate that has been trained to an age in epochs."""
    return f"{arch_hash(candidate)}-{age:03d}{WEIGHTS_SUFFIX}"


def write_atomically(path: Path, text: str) -> None:
    """Writes a whole file so that a crash leaves either the old text or the new one.

    Raises:
        DiskFullError: there is no space for it.
    """
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


class ResultsFolder:
    """The files of one search, `<dir>/<name>/`.

    Args:
        directory: the folder that holds the results folders (`results.dir`).
        name: the search's name.
    """

    def __init__(self, directory: str | Path, name: str) -> None:
        self.name = name
        self.path = Path(directory) / name
        self.csv = self.path / f"{name}.csv"
        self.yaml = self.path / f"{name}.yaml"
        self.state = self.path / "state.json"
        self.weights = self.path / "weights"
        self.checkpoints = self.path / "checkpoints"
        self.histories = self.path / "training_history"
        self.plots = self.path / "plots"
        self.report = self.path / "report.html"
        self.outbox = self.path / "outbox"
        self.log = self.path / "worker.log"
        self.crash = self.path / "crash.log"
        folders = (self.weights, self.checkpoints, self.histories, self.plots, self.outbox)
        self.own = (self.state, self.csv, self.yaml, self.report, *folders, self.log, self.crash)

    def append(self, row: Row) -> None:
        """Adds a line to the table and makes sure that it is on the disk; a line that a crash tore off is cut first.

        Raises:
            DiskFullError: there is no space for it.
        """
        with disk_full_said(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            cut_torn_line(self.csv)
            self._append(row)

    def _append(self, row: Row) -> None:
        is_new = not self.csv.exists() or self.csv.stat().st_size == 0
        with self.csv.open("a", encoding="utf-8", newline="") as file:
            file.write(_as_csv([row], header=is_new))
            file.flush()
            os.fsync(file.fileno())

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Writes the whole table anew, so that a crash leaves either the old one or the new one."""
        write_atomically(self.csv, _as_csv(rows, header=True))

    def rows(self) -> list[Row]:
        """Every line of the table, oldest first; none where there is no table.

        A last line that a crash tore off, or that is just being written, is left out.

        Raises:
            ResultsExistError: a table with other columns, of another version.
        """
        if not self.csv.exists():
            return []
        content = self.csv.read_bytes()
        whole = content[: content.rfind(b"\n") + 1].decode("utf-8")
        lines = csv.DictReader(io.StringIO(whole, newline=""))
        if lines.fieldnames and tuple(lines.fieldnames) != COLUMNS:
            raise ResultsExistError(
                f"{self.csv} has other columns than this version writes; finish that search with the version "
                "that began it, choose another name (--set name=…) or delete it (--overwrite)"
            )
        return [_row(line) for line in lines]

    def best(self, minimize: bool = False) -> Row:
        """The best recorded candidate, as it stands after its latest evaluation.

        Raises:
            MissingResultsError: no table, or nothing in it that did not fail.
        """
        if not self.csv.exists():
            raise MissingResultsError(
                f"no results at {self.csv}; run `hivenas search` first, or give the results.dir and name of one"
            )
        ranked = ranking(self.rows(), minimize)
        if not ranked:
            raise MissingResultsError(
                f"no candidate in {self.csv} was evaluated without failing; look at its column reason"
            )
        return ranked[0]

    def write_history(self, stem: str, evaluation: Evaluation) -> None:
        """Keeps an evaluation with the figures of its epochs as `training_history/<stem>.json`."""
        write_atomically(self.histories / f"{stem}.json", json.dumps(evaluation.to_json(), indent=1))

    def checkpoint(self, candidate: str, purpose: Purpose) -> Path:
        """The file that keeps an unfinished training of a candidate."""
        return self.checkpoints / f"{arch_hash(candidate)}-{purpose}{WEIGHTS_SUFFIX}"

    def drop_weights(self, names: Iterable[str]) -> None:
        """Removes h5 files: for when nothing starts from them any more."""
        for name in names:
            (self.weights / name).unlink(missing_ok=True)

    def drop_checkpoints(self, candidate: str) -> None:
        """Removes what was kept of a candidate's trainings: for when their outcome is recorded."""
        for path in self.checkpoints.glob(f"{arch_hash(candidate)}-*{WEIGHTS_SUFFIX}"):
            path.unlink(missing_ok=True)

    def clear_checkpoints(self) -> None:
        """Removes what was kept of every training: for when nothing is left to do."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def sweep(self) -> None:
        """Removes what killed processes left half written; files of living ones and all others stay."""
        for folder in (self.path, self.weights, self.checkpoints, self.histories, self.outbox, self.plots):
            sweep_temporaries(folder)


class Curves:
    """The accuracies of many trainings, so that what they had at an epoch costs no walk over all of them.

    Args:
        curves: the first of them, accuracy by epoch.
    """

    def __init__(self, curves: Iterable[Mapping[int, float]] = ()) -> None:
        self._seen: dict[int, array[float]] = {}
        for curve in curves:
            self.add(curve)

    def add(self, curve: Mapping[int, float]) -> None:
        """Takes one more."""
        for epoch, accuracy in curve.items():
            insort(self._seen.setdefault(epoch, array("d")), accuracy)

    def at(self, epoch: int) -> Sequence[float]:
        """What they had at an epoch, those that came so far, in ascending order."""
        return self._seen.get(epoch, array("d"))


class Told:
    """What a search was told before a phase: its records, ready for the questions that a phase has.

    Args:
        rows: the first of them, oldest first.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.curves = Curves()  # of every training that did not fail; no continuations
        self._trained: dict[str, Row] = {}
        self._count = 0
        self.extend(rows)

    def __len__(self) -> int:
        return self._count

    def extend(self, rows: Iterable[Row]) -> None:
        """Takes those of another phase."""
        for row in rows:
            self._count += 1
            if row.phase == "evaluate":
                self._trained[row.candidate] = row
                if row.status != "failed":
                    self.curves.add(row.accuracies())

    def trained(self, candidate: str) -> Row | None:
        """The record of a candidate's training, without its continuations; None where there is none, or it failed."""
        row = self._trained.get(candidate)
        return row if row and row.status != "failed" else None


def ranking(rows: Iterable[Row], minimize: bool = False) -> list[Row]:
    """The latest line of every candidate that did not fail, best first; the earlier of two equals stands first."""
    latest: dict[str, Row] = {}
    for row in rows:
        if row.status != "failed":
            latest[row.candidate] = row
    return sorted(latest.values(), key=lambda row: row.fitness if minimize else -row.fitness)


def _as_csv(rows: Iterable[Row], *, header: bool) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(["" if v is None else v for v in (getattr(row, column) for column in COLUMNS)])
    return text.getvalue()


def _row(line: dict[str, Any]) -> Row:
    values: dict[str, Any] = {}
    for field in fields(Row):
        text = line[field.name]
        if field.type == "int":
            values[field.name] = int(text)
        elif field.type == "float":
            values[field.name] = float(text)
        elif field.type == "float | None":
            values[field.name] = float(text) if text else None
        else:
            values[field.name] = text
    return Row(**values)
