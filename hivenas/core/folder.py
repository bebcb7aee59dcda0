"""The results folder: where a search's files lie."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from hivenas.core.files import sweep_temporaries, written_whole
from hivenas.core.records import Evaluation
from hivenas.core.seeds import arch_hash

WEIGHTS_SUFFIX = ".weights.h5"
LEDGER = "ledger.db"


def weights_name(candidate: str, age: int) -> str:
    """The name of the h5 file of a candidate that has been trained to an age in epochs."""
    return f"{arch_hash(candidate)}-{age:03d}{WEIGHTS_SUFFIX}"


def write_atomically(path: Path, text: str, *, sync: bool = True) -> None:
    """Writes a whole file so that a crash leaves either the old text or the new one.

    Args:
        path: the file.
        text: its content.
        sync: False where a power failure may take the new text, as of what can be written again.

    Raises:
        DiskFullError: there is no space for it.
    """
    with written_whole(path, sync=sync) as temporary:
        temporary.write_text(text, encoding="utf-8")


class ResultsFolder:
    """The files of one search, `<dir>/<name>/`.

    Args:
        directory: the folder that holds the results folders (`results.dir`).
        name: the search's name.
    """

    def __init__(self, directory: str | Path, name: str) -> None:
        self.name = name
        self.path = Path(directory) / name
        self.ledger = self.path / LEDGER
        self.lock = self.path / ".lock"
        self.csv = self.path / f"{name}.csv"
        self.yaml = self.path / f"{name}.yaml"
        self.state = self.path / "state.json"
        self.weights = self.path / "weights"
        self.checkpoints = self.path / "checkpoints"
        self.histories = self.path / "training_history"
        self.plots = self.path / "plots"
        self.report = self.path / "report.html"
        self.attachments = self.path / "attachments"
        self.log = self.path / "worker.log"
        self.crash = self.path / "crash.log"
        folders = (self.weights, self.checkpoints, self.histories, self.plots, self.attachments)
        self.own = (self.state, self.csv, self.yaml, self.report, *folders, self.crash)

    def write_history(self, stem: str, evaluation: Evaluation) -> None:
        """Keeps an evaluation with the figures of its epochs as `training_history/<stem>.json`."""
        write_atomically(self.histories / f"{stem}.json", json.dumps(evaluation.to_json(), indent=1))

    def checkpoint(self, candidate: str, purpose: str) -> Path:
        """The file that keeps an unfinished training of a candidate: `train`, `momentum`, `full`, `full2`, `refit`."""
        return self.checkpoints / f"{arch_hash(candidate)}-{purpose}{WEIGHTS_SUFFIX}"

    def drop_weights(self, names: Iterable[str]) -> None:
        """Removes h5 files: for when nothing starts from them any more."""
        for name in names:
            (self.weights / name).unlink(missing_ok=True)

    def drop_checkpoints(self, candidate: str) -> None:
        """Removes what was kept of a candidate's trainings: for when their outcome is recorded."""
        for path in self.checkpoints.glob(f"{arch_hash(candidate)}-*{WEIGHTS_SUFFIX}"):
            path.unlink(missing_ok=True)

    def clear_checkpoints(self, *purposes: str) -> None:
        """Removes what was kept of trainings of these purposes: for when nothing of them is left to do."""
        for purpose in purposes:
            for path in self.checkpoints.glob(f"*-{purpose}{WEIGHTS_SUFFIX}"):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there are others
            self.checkpoints.rmdir()

    def files(self) -> list[Path]:
        """Every file that a search has left here, but for the ledger and what its workers print."""
        found = [path for path in self.own if path.is_file()]
        return found + [path for folder in self.own if folder.is_dir() for path in folder.rglob("*") if path.is_file()]

    def sweep(self) -> None:
        """Removes what killed processes left half written; files of living ones and all others stay."""
        below = (Path(folder) for own in self.own for folder, _, _ in os.walk(own))
        for folder in (self.path, *below):
            sweep_temporaries(folder)
