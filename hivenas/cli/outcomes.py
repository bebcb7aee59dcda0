"""What a command came to: a line for people in a hurry, fields for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivenas.api import Plan
    from hivenas.config import Config
    from hivenas.core.records import Row
    from hivenas.run.final_training import Trained
    from hivenas.run.reproduction import Reproduction
    from hivenas.run.session import Finished


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to.

    Args:
        line: all of it in one line, as `--quiet` prints it.
        fields: of the last object that `--json` prints, plain data.
    """

    line: str
    fields: Mapping[str, Any]


def of_search(config: Config, finished: Finished) -> Outcome:
    """The best candidate, the counts, and the model where one was trained."""
    from hivenas.core.history import ranking
    from hivenas.reports import figure, short

    summary, trained = finished.summary, finished.trained
    best = next(iter(ranking(finished.rows, finished.minimize)), None)
    line = f"{config.name}: {summary.evaluations} evaluations, {summary.failed} failed"
    if best:
        line += f", best {figure(best)} {short(best.candidate)}"
    if trained:
        line += f", {_model_line(trained)}"
    if finished.waiting:
        line += f", {finished.waiting} records wait for hivenas sync"
    counts = {name: getattr(summary, name) for name in ("evaluations", "epochs", "failed", "reused", "seconds")}
    fields = {
        "name": config.name,
        "best": best and candidate_fields(best),
        "run_id": finished.run_id,
        **counts,
        "waiting": finished.waiting,
        **_model_fields(trained),
    }
    return Outcome(line, fields)


def of_training(trained: Trained) -> Outcome:
    """The accuracies of a full training, its run and its model."""
    evaluation = trained.evaluation
    fields = {
        "candidate": evaluation.candidate,
        "fitness": finite(evaluation.fitness),
        "epochs": evaluation.epochs,
        "params": evaluation.params,
        "run_id": trained.run_id,
        **_model_fields(trained),
    }
    return Outcome(f"{evaluation.candidate}: {_model_line(trained)}", fields)


def of_reproduction(run_id: str, reproduction: Reproduction) -> Outcome:
    """Whether a training came out as it was, and what differs."""
    figures, environment = reproduction.figures, reproduction.environment
    epochs = len(reproduction.recipe.history)
    said = f"{len(figures)} figures of {epochs} epochs differ" if figures else f"{epochs} epochs equal to the last bit"
    fields = {
        "run_id": run_id,
        "exact": not figures,
        "epochs": epochs,
        "figures": [asdict(each) for each in figures],
        "environment": [asdict(each) for each in environment],
    }
    return Outcome(f"{run_id}: {said}", fields)


def of_sync(taken: int, waiting: int) -> Outcome:
    """How many records were delivered, and how many still wait."""
    return Outcome(f"{taken} records taken, {waiting} still waiting", {"taken": taken, "waiting": waiting})


def of_plan(config: Config, plan: Plan) -> Outcome:
    """What a configuration would do."""
    size = "a continuous space" if plan.space_size is None else f"{plan.space_size:,} architectures"
    work = f"{plan.evaluations:,} evaluations" + (f" and {plan.epochs:,} epochs" if plan.epochs else "")
    fields = {
        "name": config.name,
        "configuration": config.to_mapping(),
        "warnings": list(config.warnings),
        "space_size": plan.space_size,
        "share_within": plan.share_within,
        "evaluations": plan.evaluations,
        "epochs": plan.epochs,
    }
    return Outcome(f"{config.name}: {work} at the most, in {size}", fields)


def candidate_fields(row: Row) -> dict[str, Any]:
    """A recorded candidate as plain data."""
    return {
        "candidate": row.candidate,
        "fitness": finite(row.fitness),
        "epochs": row.epochs + row.momentum_epochs,
        "params": row.params,
        "index": row.index,
        "run_id": row.run_id,
    }


def finite(value: float) -> float | None:
    """The value, None where it is no number: JSON has no word for infinity."""
    return float(value) if math.isfinite(value) else None


def _model_fields(trained: Trained | None) -> dict[str, Any]:
    if trained is None:
        return {"test_accuracy": None, "model_uri": "", "registered": ""}
    accuracy = trained.evaluation.extra["test_accuracy"]
    return {"test_accuracy": accuracy, "model_uri": trained.published.uri, "registered": trained.published.verdict}


def _model_line(trained: Trained) -> str:
    accuracy = f"test accuracy {trained.evaluation.extra['test_accuracy']:.4f}"
    return f"{accuracy}, {trained.published.uri}" if trained.published.uri else accuracy
