"""The results folder: where a search's files lie, and its table of evaluations."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from hivenas.core.files import cut_torn_line, disk_full_said, sweep_temporaries, written_whole
from hivenas.core.history import ranking
from hivenas.core.records import Evaluation, Row
from hivenas.core.seeds import arch_hash
from hivenas.errors import MissingResultsError, ResultsExistError

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
