from __future__ import annotations

import json
import math

import pytest

from hivenas.config import from_mapping
from hivenas.core.recipe import Difference, Recipe, different_environment, different_figures, environment
from hivenas.core.records import EpochFigures, Evaluation, Proposal
from hivenas.errors import MissingResultsError

ARCH = "input|identity|output"
HISTORY = (EpochFigures(1, 1 / 3, 0.1 + 0.2, 2.0, 0.5), EpochFigures(2, 0.25, 0.75, 1e-17, 0.625))


def recipe(proposal: Proposal | None = None) -> Recipe:
    evaluation = Evaluation(ARCH, "complete", 0.625, 2, history=HISTORY, environment={"keras": "3"})
    return Recipe.of(from_mapping({"seed": 3, "space": {"depth": 2}}), evaluation, proposal)


PROPOSALS = [
    (None, "full_train", ""),
    (Proposal(0, 0, "scout", 0, ARCH), "evaluate", ""),
    (Proposal(1, 0, "employee", 0, ARCH, inherits="parent.h5"), "evaluate", "parent.h5"),
    (Proposal(2, 0, "employee", 0, ARCH, momentum_epochs=2, weights_filename="own.h5"), "momentum", "own.h5"),
]


@pytest.mark.parametrize(("proposal", "phase", "start"), PROPOSALS, ids=["full", "scratch", "inherited", "momentum"])
def test_a_recipe_comes_back_with_every_bit(proposal: Proposal | None, phase: str, start: str) -> None:
    written = recipe(proposal)
    assert Recipe.from_text(written.to_text()) == written
    assert (written.phase, written.starts_from) == (phase, start)
    assert written.config["seed"] == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 99}', '{"version": 1, "history": []}'])
def test_what_is_no_recipe_is_said(text: str) -> None:
    with pytest.raises(MissingResultsError, match=r"recipe\.json of the run cannot be read"):
        Recipe.from_text(text)


def test_a_password_of_a_storage_is_in_no_recipe() -> None:
    config = from_mapping({"optuna": {"storage": "postgresql://me:secret@host/db"}})
    text = Recipe.of(config, Evaluation(ARCH, "complete", 0.5)).to_text()
    assert "postgresql://me" in text
    assert "secret" not in text


def test_equal_figures_do_not_differ() -> None:
    assert different_figures(HISTORY, tuple(EpochFigures(**json.loads(json.dumps(vars_of(f)))) for f in HISTORY)) == []
    nothing = (EpochFigures(1, math.nan, 0.0, math.nan, 0.0),)
    assert different_figures(nothing, nothing) == []


def test_one_bit_in_one_figure_is_found() -> None:
    now = (HISTORY[0], EpochFigures(2, 0.25, math.nextafter(0.75, 1), 1e-17, 0.625))
    assert different_figures(HISTORY, now) == [Difference("accuracy of epoch 2", "0.75", "0.7500000000000001")]


def test_an_epoch_too_few_or_too_many_is_found() -> None:
    assert [d.now for d in different_figures(HISTORY, HISTORY[:1])] == ["none"] * 4
    assert [d.before for d in different_figures(HISTORY[:1], HISTORY)] == ["none"] * 4


def test_the_environment_names_versions_threads_processor_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    one = environment("abc")
    assert {"hivenas", "tensorflow", "keras", "numpy", "python", "processor", "threads", "onednn", "data"} <= one.keys()
    assert "unknown" not in one.values()
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    assert different_environment(one, environment("abd")) == [
        Difference("data", "abc", "abd"),
        Difference("threads", "1", "2"),
    ]


def vars_of(figures: EpochFigures) -> dict[str, float]:
    return {name: getattr(figures, name) for name in EpochFigures.__slots__}
