"""The nested run of an evaluation: which of its figures it shows."""

from __future__ import annotations

from typing import Any

from hivenas.core.children import RunContext, child_of
from hivenas.core.records import Evaluation, Trial
from tests.trials import trial

FIRST = trial(0, 0.6, epochs=5, curve={epoch: 0.1 * epoch for epoch in range(1, 6)})


def continued(index: int, epochs: tuple[int, ...], **more: Any) -> Trial:
    """A continuation that has trained these epochs, of a candidate that was trained for five at first."""
    curve = dict.fromkeys(epochs, 0.7)
    return trial(index, 0.7, epochs=5, phase="momentum", momentum_epochs=epochs[-1] - 5, curve=curve, **more)


def metrics_of(made: Trial) -> dict[str, float]:
    context = RunContext(search="search", phase=made.phase, params={})
    return dict(child_of(made.proposal, made.evaluation, context).metrics)


def test_every_run_has_the_epochs_that_it_trained_itself_and_a_continuation_those_of_all_beside() -> None:
    assert metrics_of(FIRST)["epochs"] == 5
    assert "momentum_epochs" not in metrics_of(FIRST)
    second = metrics_of(continued(1, (6, 7), center_fitness=0.5))
    assert (second["epochs"], second["momentum_epochs"], second["fitness_before"]) == (2, 2, 0.5)
    third = metrics_of(continued(2, (8, 9, 10)))
    assert (third["epochs"], third["momentum_epochs"]) == (3, 5)
    assert "fitness_before" not in third


def test_a_continuation_without_a_curve_has_what_was_asked_for_and_one_that_failed_nothing() -> None:
    assert metrics_of(trial(1, 0.7, epochs=5, phase="momentum", momentum_epochs=2))["epochs"] == 2
    asked = continued(1, (6, 7)).proposal
    assert metrics_of(Trial(asked, Evaluation.failure(asked.candidate, "out of memory")))["epochs"] == 0


def test_a_full_training_has_its_epochs() -> None:
    context = RunContext(search="search", phase="full_train", params={})
    assert child_of(None, Evaluation("input|a|output", "complete", 0.9, epochs=40), context).metrics["epochs"] == 40
