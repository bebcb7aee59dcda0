"""The records that pass between the parts: candidates as text, plain data, the five results."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.candidates import decode_candidate, encode_candidate, point_of
from hivenas.core.records import EpochFigures, Evaluation, Proposal, StopThreshold, Trial, plain

ARCH = "input|sc_1|identity|dropout|output"


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=12).map(tuple))
def test_a_point_comes_back_from_its_text_to_the_last_bit(point: tuple[float, ...]) -> None:
    again = decode_candidate(encode_candidate(point))
    assert isinstance(again, tuple)
    assert [x.hex() for x in again if isinstance(x, float)] == [x.hex() for x in point]


def test_an_architecture_is_its_own_text() -> None:
    assert encode_candidate(ARCH) == ARCH
    assert decode_candidate(ARCH) == ARCH


@pytest.mark.parametrize("text", ['["conv", "pool"]', "[lr]|b", "[1, true]", "[[1]]", "[", '["1"]'])
def test_a_text_that_begins_like_a_point_stays_a_text(text: str) -> None:
    assert decode_candidate(encode_candidate(text)) == text
    assert point_of(text) is None


def test_whole_numbers_in_a_points_text_become_floats() -> None:
    assert decode_candidate("[1, 2.5]") == (1.0, 2.5)


def test_the_result_has_exactly_the_five_keys_and_counts_the_epochs_of_this_call() -> None:
    history = tuple(EpochFigures(epoch, 1.0, 0.5, 1.0, 0.5) for epoch in (6, 7))
    evaluation = Evaluation(
        ARCH, "complete", 0.9, epochs=5, momentum=0.25, momentum_epochs=2, params=1234, filename="x.h5", history=history
    )
    assert evaluation.as_result() == {
        "fitness": 0.9,
        "epochs": 2,
        "filename": "x.h5",
        "params": 1234,
        "momentum": 0.25,
    }


def test_a_failure_has_the_worst_fitness_and_says_why() -> None:
    failure = Evaluation.failure(ARCH, "out of memory", traceback="…", worst=float("inf"), seconds=1.5)
    assert (failure.status, failure.fitness, failure.reason, failure.seconds) == (
        "failed",
        float("inf"),
        "out of memory",
        1.5,
    )
    assert failure.epochs == 0
    assert failure.filename == ""


def test_an_evaluation_as_json_keeps_the_figures_of_every_epoch() -> None:
    evaluation = Evaluation(ARCH, "complete", 0.1 + 0.2, history=(EpochFigures(1, 0.7, 0.6, 0.5, 0.4),))
    data = json.loads(json.dumps(evaluation.to_json()))
    assert data["fitness"] == 0.1 + 0.2
    assert data["history"] == [{"epoch": 1, "loss": 0.7, "accuracy": 0.6, "val_loss": 0.5, "val_accuracy": 0.4}]


@pytest.mark.parametrize(
    ("proposal", "phase", "label"),
    [
        (Proposal(0, 0, "scout", 0, ARCH), "evaluate", "0000-scout"),
        (Proposal(17, 2, "onlooker", 1, ARCH, 0.5), "evaluate", "0017-onlooker"),
        (Proposal(12345, 2, "employee", 0, ARCH, 0.5, 3, "x.h5"), "momentum", "12345-momentum"),
    ],
)
def test_a_proposal_knows_its_phase_and_label(proposal: Proposal, phase: str, label: str) -> None:
    assert (proposal.phase, proposal.label) == (phase, label)


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Evaluation(ARCH, "complete", 0.5).fitness = 1.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Proposal(0, 0, "scout", 0, ARCH).index = 1  # type: ignore[misc]


def test_a_reason_that_is_no_text_is_written_as_text() -> None:
    failed = Evaluation.failure(ARCH, "no file \udc80.png", traceback="\udcff")
    assert (failed.reason, failed.traceback) == ("no file \\udc80.png", "\\udcff")


def test_a_reason_of_several_lines_becomes_one() -> None:
    trial = Trial(Proposal(0, 0, "employee", 0, ARCH), Evaluation.failure(ARCH, "ValueError: a\r\nb\n\n  c"))
    assert trial.reason == "ValueError: a b c"


_FLOATS = st.floats(allow_nan=False)


@settings(deadline=None, max_examples=80)
@given(
    point=st.none() | st.lists(_FLOATS, min_size=1, max_size=4).map(tuple),
    figures=st.lists(_FLOATS, min_size=5, max_size=5),
    reason=st.text(st.characters(codec="utf-8"), max_size=30),
    run_id=st.text("0123456789abcdef", max_size=32),
)
def test_a_trial_comes_back_from_json_to_the_last_bit(
    point: tuple[float, ...] | None, figures: list[float], reason: str, run_id: str
) -> None:
    candidate = point or ARCH
    bars = (StopThreshold(2, figures[0], "the median"),)
    proposal = Proposal(3, 1, "onlooker", 2, candidate, figures[1], parent="p", inherits="x.h5", thresholds=bars)
    history = (EpochFigures(1, *figures[:4]), EpochFigures(2, *figures[1:]))
    evaluation = Evaluation(candidate, "stopped", figures[4], 2, reason=reason, history=history)
    trial = Trial(proposal, evaluation, run_id)
    again = Trial.from_json(json.loads(json.dumps(trial.to_json())), run_id)
    assert again == trial
    assert repr(again) == repr(trial)  # tells -0.0 from 0.0


def test_a_trial_without_what_only_its_run_shows() -> None:
    failed = Evaluation.failure(ARCH, "ValueError", traceback="a long one")
    trial = Trial(Proposal(0, 0, "scout", 0, ARCH), failed, "run")
    assert trial.slim() == Trial(trial.proposal, Evaluation.failure(ARCH, "ValueError"), "run")


def test_the_figure_is_the_accuracy_unless_another_metric_is_looked_for() -> None:
    usual, other = EpochFigures(1, 1.0, 0.5, 1.0, 0.6), EpochFigures(1, 1.0, 0.5, 1.0, 0.6, metric=0.25)
    assert (usual.figure, other.figure) == (0.6, 0.25)
    assert list(plain(usual)) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]  # as ever
    assert EpochFigures(**plain(other)) == other
    evaluation = Evaluation(ARCH, "complete", 0.25, history=(usual, other), extra={"metric": "auc", "note": None})
    assert evaluation.to_json()["extra"] == {"metric": "auc", "note": None}
    assert Evaluation.from_json(json.loads(json.dumps(evaluation.to_json()))) == evaluation
