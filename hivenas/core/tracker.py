"""The port through which everything that is worth watching leaves the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hivenas.core.evaluation import EpochFigures, Evaluation, Phase, Proposal
from hivenas.core.seeds import arch_hash


@dataclass(frozen=True, slots=True)
class Child:
    """A nested run: one evaluation, continuation or full training.

    Args:
        name: such as `0017-onlooker`.
        tags, params, metrics: as they are shown; a metric that is not finite is left out.
        history: figures of every epoch.
        artifacts: local files and the folders under which they are kept.
        texts: further artifacts by path, as text.
        failed: whether the run is closed as FAILED.
    """

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    history: Sequence[EpochFigures] = ()
    artifacts: Sequence[tuple[Path, str]] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SearchCard:
    """What a search's parent run shows from its first minute on.

    Args:
        name: the search's name.
        params: the configuration, flattened.
        config_file: the resolved configuration.
        data: what `Dataset.describe` says; empty for numerical objectives.
        pictures: files to keep under `plots/`.
    """

    name: str
    params: Mapping[str, str]
    config_file: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Path] = ()


class Tracker(Protocol):
    """Receives what happens, in order; every method may be called in the driver's process only."""

    def open_search(self, card: SearchCard, run_id: str | None) -> str:
        """Starts the parent run of a search, or goes on with the one of a resumed search; returns its id."""
        ...

    def log_child(self, child: Child) -> str:
        """Tracks a finished evaluation as a nested run; returns its id."""
        ...

    def log_progress(self, index: int, fitness: float, best: float) -> None:
        """Adds a point to the parent's curves."""
        ...

    def close_search(
        self, status: str, metrics: Mapping[str, float], note: str, artifacts: Sequence[tuple[Path, str]]
    ) -> None:
        """Ends the parent run as FINISHED, FAILED or KILLED."""
        ...


class NullTracker:
    """Tracks nothing."""

    def open_search(self, card: SearchCard, run_id: str | None) -> str:
        """No run, no id."""
        return ""

    def log_child(self, child: Child) -> str:
        """No run, no id."""
        return ""

    def log_progress(self, index: int, fitness: float, best: float) -> None:
        """Nothing."""

    def close_search(
        self, status: str, metrics: Mapping[str, float], note: str, artifacts: Sequence[tuple[Path, str]]
    ) -> None:
        """Nothing."""


def child_of(
    proposal: Proposal | None,
    evaluation: Evaluation,
    *,
    search: str,
    phase: Phase,
    params: Mapping[str, str],
    weights: Path,
    continues: str = "",
    parent_run: str = "",
    pictures: Sequence[Path] = (),
) -> Child:
    """The nested run of an evaluation.

    Args:
        proposal: who asked for it; None for a call from Python or a full training.
        evaluation: what came of it.
        search: the search's name.
        phase: evaluate, momentum or full_train.
        params: the candidate's operations, see `operation_params`.
        weights: the folder of the h5 files.
        continues: id of the run that a momentum evaluation continues.
        parent_run: id of the run of the food source that the candidate is a neighbour of.
        pictures: files to keep under `plots/`.
    """
    candidate = str(evaluation.candidate)
    file = weights / evaluation.filename
    artifacts = [(file, "weights")] if evaluation.filename and file.is_file() else []
    return Child(
        name=proposal.label if proposal else f"{phase}-{arch_hash(candidate)[:8]}",
        tags=_tags(proposal, evaluation, search, phase, continues, parent_run),
        params=params,
        metrics=_metrics(proposal, evaluation, phase),
        history=evaluation.history,
        artifacts=[*artifacts, *((picture, "plots") for picture in pictures)],
        texts={"traceback.txt": evaluation.traceback} if evaluation.traceback else {},
        failed=evaluation.status == "failed",
    )


def _tags(
    proposal: Proposal | None, evaluation: Evaluation, search: str, phase: Phase, continues: str, parent_run: str
) -> dict[str, str]:
    candidate = str(evaluation.candidate)
    tags = {
        "hivenas.search": search,
        "hivenas.phase": phase,
        "hivenas.candidate": candidate,
        "hivenas.arch_hash": arch_hash(candidate),
        "hivenas.status": evaluation.status,
    }
    if proposal:
        tags |= {
            "hivenas.index": str(proposal.index),
            "hivenas.iteration": str(proposal.iteration),
            "hivenas.bee": proposal.bee,
            "hivenas.bee_id": str(proposal.bee_id),
        }
    if evaluation.reason:
        tags["hivenas.reason"] = evaluation.reason
    if continues:
        tags["hivenas.continues"] = continues
    if proposal and proposal.parent:
        tags["hivenas.parent_candidate"] = proposal.parent
    if parent_run:
        tags["hivenas.parent"] = parent_run
    return tags


def _metrics(proposal: Proposal | None, evaluation: Evaluation, phase: Phase) -> dict[str, float]:
    metrics: dict[str, float] = {
        "fitness": evaluation.fitness,
        "epochs": float(evaluation.epochs),
        "param_count": float(evaluation.params),
        "macs": float(evaluation.macs),
        "momentum": evaluation.momentum,
        "inherited": evaluation.inherited,
        "seconds": evaluation.seconds,
    }
    metrics |= {key: value for key, value in evaluation.extra.items() if isinstance(value, float)}
    if phase == "momentum":
        metrics["momentum_epochs"] = float(evaluation.momentum_epochs)
        if proposal and proposal.center_fitness is not None:
            metrics["fitness_before"] = proposal.center_fitness
    return metrics


def operation_params(operations: Sequence[str], skips: Sequence[int], depth: int) -> dict[str, str]:
    """An architecture as parameters `op_00`, … that every run of a search has, so that runs can be compared.

    Layers beyond the architecture read `none`; `skip_00`, … are there where it has a skip connection.
    """
    layers = max(depth, len(operations))
    padded = [*operations, *["none"] * (layers - len(operations))]
    params = {"depth": str(len(operations))} | {f"op_{i:02d}": operation for i, operation in enumerate(padded)}
    return params | {f"skip_{i:02d}": f"sc_{span}" for i, span in enumerate(skips) if span}
