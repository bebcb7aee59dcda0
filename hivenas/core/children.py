"""The nested runs that a tracker is given: children of a search's run, or of none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hivenas.config.costs import VARYING
from hivenas.config.metrics import ACCURACY
from hivenas.config.tasks import task_of
from hivenas.config.text import listed
from hivenas.core.clock import now_ms
from hivenas.core.measured import METRIC, tracked_metrics
from hivenas.core.recipe import RECIPE_FILE
from hivenas.core.records import EpochFigures, Evaluation, Phase, Proposal, Trial
from hivenas.core.seeds import arch_hash

DIAGRAM_FILE = "architecture.svg"
_STATUS = "hivenas.status"


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
        progress_ms: their time, in milliseconds since 1970, not before that of earlier points; 0 for the child's end.
        step: number of the evaluation within the search.
        end_ms: when it ended, in milliseconds since 1970; every figure carries this time, so that tracking it again
            adds nothing.
        note: its description, in markdown; see `link_to`.
        overview: the parent's description from now on, in markdown; empty to leave that as it is.
        delete_weights: keys of children whose weights are not to be kept any longer.
        metric: the name of what `history` has values of beside the accuracy; empty for nothing.
        start_ms: when it began, in milliseconds since 1970; 0 for so many seconds before its end as `metrics` says.
        share: the name of what `history` has as accuracy, which is another one of another task than classes.
        used: the data that it was trained and measured on; None where there are none.
        shown_as: the key under which it was shown while it went on; empty for its own.
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
    progress_ms: int = 0
    note: str = ""
    overview: str = ""
    delete_weights: tuple[str, ...] = ()
    metric: str = ""
    start_ms: int = 0
    share: str = ACCURACY
    used: UsedData | None = None
    shown_as: str = ""


@dataclass(frozen=True, slots=True)
class UsedData:
    """The splits of a data set that a run has used.

    Args:
        data: what `Dataset.describe` or `Table.describe` says, or as much of it as a split is known by.
        contexts: what for, a split each: `training`, `validation`, `testing`.
        place: path or address of its files; empty where it comes from hivenas, or from a function.
    """

    data: Mapping[str, Any]
    contexts: tuple[str, ...] = ("training",)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The words and pictures of a candidate on its nested run.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """All that a nested run shows beside what was proposed and what came of it.

    Args:
        search: the search's name.
        phase: evaluate, momentum or full_train.
        params: the candidate as parameters, see `ObjectiveInterface.run_params`.
        weights: h5 files to keep under `weights/`; what does not exist is left out.
        continues: id or key of the run that a momentum evaluation continues.
        parent: id or key of the run of the candidate of which this one is a neighbour.
        pictures: files to keep under `plots/`.
        key: names the child, see `Child`.
        progress: points of the parent's curves.
        recipe: text from which the evaluation can be done again, see `Recipe`; empty for none.
        page: what is said of the candidate in words and pictures.
        overview: the parent's description from now on; empty to leave that as it is.
        delete_weights: keys of children whose weights are not to be kept any longer.
        used: the data that it is trained and measured on; None where there are none.
    """

    search: str
    phase: Phase
    params: Mapping[str, str]
    weights: Sequence[Path] = ()
    continues: str = ""
    parent: str = ""
    pictures: Sequence[Path] = ()
    key: str = ""
    progress: Mapping[str, float] = field(default_factory=dict)
    recipe: str = ""
    page: Page = Page()
    overview: str = ""
    delete_weights: tuple[str, ...] = ()
    used: UsedData | None = None


def child_of(proposal: Proposal | None, evaluation: Evaluation, context: RunContext) -> Child:
    """The nested run of an evaluation.

    Args:
        proposal: who asked for it; None for a full training.
        evaluation: what came of it.
        context: all else that the run shows.
    """
    candidate = str(evaluation.candidate)
    page = context.page
    texts = {RECIPE_FILE: context.recipe, "traceback.txt": evaluation.traceback, DIAGRAM_FILE: page.diagram}
    weights = ((file, "weights") for file in context.weights if file.is_file())
    links = (("hivenas.continues", context.continues), ("hivenas.parent", context.parent))
    changed = {"hivenas.changed": page.changed} if page.changed else {}
    return Child(
        name=proposal.label if proposal else f"{context.phase}-{arch_hash(candidate)[:8]}",
        tags=_tags(proposal, evaluation, context.search, context.phase) | changed,
        params=context.params,
        metrics=_metrics(proposal, evaluation, context.phase),
        history=evaluation.history,
        artifacts=(*weights, *((picture, "plots") for picture in context.pictures)),
        texts={name: text for name, text in texts.items() if text},
        failed=evaluation.status == "failed",
        key=context.key,
        links={tag: run for tag, run in links if run},
        progress=context.progress,
        step=proposal.index if proposal else 0,
        start_ms=int(1000 * evaluation.started),
        end_ms=ended_ms(evaluation) or now_ms(),
        note=page.note,
        overview=context.overview,
        delete_weights=context.delete_weights,
        metric=str(evaluation.extra.get(METRIC, "")),
        share=task_of(evaluation.extra).share,
        used=context.used,
    )


def ended_ms(evaluation: Evaluation) -> int:
    """The time of an evaluation's end, in milliseconds since 1970; 0 where that is not known."""
    return int(1000 * (evaluation.started + evaluation.seconds)) if evaluation.started else 0


def running_child(
    proposal: Proposal | None, context: RunContext, marks: Mapping[str, Any], *, candidate: str = ""
) -> Child:
    """The nested run of an evaluation that goes on: what is known of it before its end.

    Args:
        proposal: asks for it; None for a full training.
        context: all else that is known.
        marks: what its evaluation will say of the metric that is looked for, and of its task, see `marked`.
        candidate: that is fully trained.
    """
    begun = Evaluation(proposal.candidate if proposal else candidate, "complete", math.nan, extra=dict(marks))
    made = child_of(proposal, begun, context)
    tags = {key: value for key, value in made.tags.items() if key != _STATUS}
    return replace(made, tags=tags, metrics={})


def _tags(proposal: Proposal | None, evaluation: Evaluation, search: str, phase: Phase) -> dict[str, str]:
    candidate = str(evaluation.candidate)
    tags = {
        "hivenas.search": search,
        "hivenas.phase": phase,
        "hivenas.candidate": candidate,
        "hivenas.arch_hash": arch_hash(candidate),
        _STATUS: evaluation.status,
    }
    if proposal:
        tags |= {
            "hivenas.index": str(proposal.index),
            "hivenas.iteration": str(proposal.iteration),
            "hivenas.bee": proposal.role,
            "hivenas.bee_id": str(proposal.role_id),
        }
    if any(key in evaluation.extra for key in VARYING):
        tags["hivenas.measured_on"] = _machine_of(evaluation)
    if evaluation.reason:
        tags["hivenas.reason"] = evaluation.reason
    if never := evaluation.extra.get("never_named"):
        tags["hivenas.never_named"] = listed(never)
    if proposal and proposal.parent:
        tags["hivenas.parent_candidate"] = proposal.parent
    return tags


def _machine_of(evaluation: Evaluation) -> str:
    """The processor, or the GPUs, that measured an evaluation, and by how many threads."""
    where = evaluation.environment
    return f"{where.get('gpus') or where.get('processor', 'unknown')}, threads: {where.get('threads', 'unknown')}"


def _metrics(proposal: Proposal | None, evaluation: Evaluation, phase: Phase) -> dict[str, float]:
    metrics: dict[str, float] = {
        "fitness": evaluation.fitness,
        "epochs": float(Trial(proposal, evaluation).trained if proposal else evaluation.epochs),
        "param_count": float(evaluation.params),
        "macs": float(evaluation.macs),
        "momentum": evaluation.momentum,
        "seconds": evaluation.seconds,
    }
    if evaluation.inherited:  # else it is a chart of noughts, also where nothing can be inherited
        metrics["inherited"] = evaluation.inherited
    metrics |= {key: value for key, value in evaluation.extra.items() if isinstance(value, float)}
    metrics |= tracked_metrics(evaluation.extra)
    if phase == "momentum":
        metrics["momentum_epochs"] = float(evaluation.momentum_epochs)
        if proposal and proposal.center_fitness is not None:
            metrics["fitness_before"] = proposal.center_fitness
    return metrics
