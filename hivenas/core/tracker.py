"""The port through which everything that is worth watching leaves the core."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hivenas.core.recipe import RECIPE_FILE
from hivenas.core.records import EpochFigures, Evaluation, Phase, Proposal
from hivenas.core.seeds import arch_hash

DIAGRAM_FILE = "architecture.svg"
# What a note says of a model before it is published, a line each.
MODEL_URI, MODEL_VERDICT = "{model_uri}", "{model_verdict}"


@dataclass(frozen=True, slots=True)
class Child:
    """A nested run: one evaluation, continuation or full training.

    Args:
        name: such as `0017-onlooker`.
        tags, params, metrics: as they are shown; a metric that is not finite is left out.
        history: figures of every epoch.
        artifacts: local files and the folders under which they are kept; files that are gone are left out.
        texts: further artifacts by path, as text.
        failed: whether the run is closed as FAILED.
        key: names it among all children, so that it is tracked once however often that is tried; may be empty.
        links: tags whose values are ids of other runs, each given as such an id or as the key of that child.
        progress: points that the parent's curves get, at `step`.
        step: number of the evaluation within the search.
        end_ms: when it ended, in milliseconds since 1970; every figure carries this time, so that tracking it again
            adds nothing.
        note: its description, in markdown; see `link_to`.
        overview: the parent's description from now on, in markdown; empty to leave that as it is.
        drops: keys of children whose weights are not to be kept any longer.
    """

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    history: tuple[EpochFigures, ...] = ()
    artifacts: tuple[tuple[Path, str], ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    key: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    progress: Mapping[str, float] = field(default_factory=dict)
    step: int = 0
    end_ms: int = 0
    note: str = ""
    overview: str = ""
    drops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What a nested run says of a candidate in words and pictures.

    Args:
        note: its description, in markdown.
        changed: in what it differs from its parent; empty without one.
        diagram: the architecture as a picture (SVG); empty for none.
    """

    note: str = ""
    changed: str = ""
    diagram: str = ""


def link_to(run: str, text: str) -> str:
    """A link to another run, by its id or the key of its child, for descriptions; the tracker fills in the address."""
    return f"[{text}](run:{run})"


@dataclass(frozen=True, slots=True)
class SearchCard:
    """What a search's parent run shows from its first minute on.

    Args:
        name: the search's name.
        params: the configuration, flattened.
        config_file: the resolved configuration.
        data: what `Dataset.describe` or `Table.describe` says; empty for numerical objectives.
        pictures: files to keep under `plots/`.
        uid: names the search, so that its run is found again where its id was lost.
        note: the description, in markdown, until there is more to say.
    """

    name: str
    params: Mapping[str, str]
    config_file: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Path] = ()
    uid: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """How a search's parent run ends.

    Args:
        run_id: of the parent.
        status: FINISHED, FAILED or KILLED.
        metrics: final figures.
        note: the description, in markdown.
        reason: why it did not finish; empty otherwise.
        artifacts: local files and the folders under which they are kept.
        pointer: the run that was made for a resumption and is closed as a pointer to the parent; empty without one.
        end_ms: when it ended, in milliseconds since 1970.
        step: evaluations that were recorded; the figures are kept as of then.
        trained: key of the full training whose model the note names by `MODEL_URI` and `MODEL_VERDICT`, which are
            known only when it has been published; empty without one.
        drops: keys of children whose weights are not to be kept any longer.
    """

    run_id: str
    status: str
    metrics: Mapping[str, float]
    note: str
    reason: str = ""
    artifacts: tuple[tuple[Path, str], ...] = ()
    pointer: str = ""
    end_ms: int = 0
    step: int = 0
    trained: str = ""
    drops: tuple[str, ...] = ()

    def named(self, published: Published) -> str:
        """The note with what a model's publication came to; lines that would name nothing are left out."""
        note = self.note
        for placeholder, text in ((MODEL_URI, published.uri), (MODEL_VERDICT, published.verdict)):
            if not text:
                note = "".join(line for line in note.splitlines(keepends=True) if placeholder not in line)
            note = note.replace(placeholder, text)
        return note


@dataclass(frozen=True, slots=True)
class Published:
    """What the publication of a model came to.

    Args:
        uri: where to load it from; empty where there is no model.
        verdict: whether it has become the champion, and why, in a line; empty where it is not registered.
    """

    uri: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ServableModel:
    """A fully trained model to log and register.

    Args:
        file: Keras model from raw images to probabilities.
        example: `.npy` file with a few raw images.
        name: of the registered model; None to log it only.
        alias: of the registered version, once it is promoted.
        origin: where it came from, as tags of the version.
        description: the same in markdown.
        promote: when the alias moves to it: `better` (than the version that has it, on the same test images),
            `always` or `never`.
        metadata: what whoever loads it should know of its images and classes; kept in the model.
    """

    file: Path
    example: Path
    name: str | None
    alias: str
    origin: Mapping[str, str]
    description: str
    promote: str = "better"
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Tracker(Protocol):
    """Receives what happens, in order; every method may be called in the driver's process only."""

    def log_child(self, child: Child, *, again: bool = False) -> str:
        """Tracks a finished evaluation as a nested run.

        Args:
            child: what the run shows.
            again: whether it may have been tracked before, wholly or in part; what is there is then completed.

        Returns:
            The run's id.

        Raises:
            TrackingError: it cannot be tracked now; the same call may succeed later.
            TrackingRefusedError: it was refused, and would be again.
        """
        ...

    def close_search(self, closing: Closing) -> None:
        """Ends the parent run of a search; raises as `log_child` does."""
        ...

    def publish(self, model: ServableModel, run: str) -> Published:
        """Logs a model on the run with this id or key and registers it; raises as `log_child` does."""
        ...


class NullTracker:
    """Tracks nothing."""

    def log_child(self, child: Child, *, again: bool = False) -> str:
        """No run, no id."""
        return ""

    def close_search(self, closing: Closing) -> None:
        """Nothing."""

    def publish(self, model: ServableModel, run: str) -> Published:
        """No model, no URI."""
        return Published()


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return int(time.time() * 1000)


def child_of(
    proposal: Proposal | None,
    evaluation: Evaluation,
    *,
    search: str,
    phase: Phase,
    params: Mapping[str, str],
    weights: Sequence[Path],
    continues: str = "",
    parent: str = "",
    pictures: Sequence[Path] = (),
    key: str = "",
    progress: Mapping[str, float] | None = None,
    recipe: str = "",
    page: Page = Page(),
) -> Child:
    """The nested run of an evaluation.

    Args:
        proposal: who asked for it; None for a call from Python or a full training.
        evaluation: what came of it.
        search: the search's name.
        phase: evaluate, momentum or full_train.
        params: the candidate's operations, see `operation_params`.
        weights: h5 files to keep under `weights/`; what does not exist is left out.
        continues: id or key of the run that a momentum evaluation continues.
        parent: id or key of the run of the food source that the candidate is a neighbour of.
        pictures: files to keep under `plots/`.
        key: names the child, see `Child`.
        progress: points of the parent's curves.
        recipe: text from which the evaluation can be done again, see `Recipe`; empty for none.
        page: what is said of the candidate in words and pictures.
    """
    candidate = str(evaluation.candidate)
    texts = {RECIPE_FILE: recipe, "traceback.txt": evaluation.traceback, DIAGRAM_FILE: page.diagram}
    return Child(
        name=proposal.label if proposal else f"{phase}-{arch_hash(candidate)[:8]}",
        tags=_tags(proposal, evaluation, search, phase) | ({"hivenas.changed": page.changed} if page.changed else {}),
        params=params,
        metrics=_metrics(proposal, evaluation, phase),
        history=evaluation.history,
        artifacts=(*((w, "weights") for w in weights if w.is_file()), *((picture, "plots") for picture in pictures)),
        texts={name: text for name, text in texts.items() if text},
        failed=evaluation.status == "failed",
        key=key,
        links={tag: run for tag, run in (("hivenas.continues", continues), ("hivenas.parent", parent)) if run},
        progress=progress or {},
        step=proposal.index if proposal else 0,
        end_ms=now_ms(),
        note=page.note,
    )


def _tags(proposal: Proposal | None, evaluation: Evaluation, search: str, phase: Phase) -> dict[str, str]:
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
    if proposal and proposal.parent:
        tags["hivenas.parent_candidate"] = proposal.parent
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
