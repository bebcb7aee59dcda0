"""Findings before a search: by `hivenas check`, and by the search itself before its first candidate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
import yaml
from click.testing import CliRunner, Result

from hivenas import FunctionObjective, api, register_strategy
from hivenas.cli.commands import main
from hivenas.config import STRATEGY_KINDS, from_mapping, registry
from hivenas.core.nas.space.operations import register_operation
from hivenas.core.strategies.random_search import RandomSearch
from hivenas.run import plan

pytestmark = pytest.mark.keras

BASE: dict[str, Any] = {
    "name": "tried",
    "seed": 3,
    "tracking": "none",
    "dataset": {"train_limit": 60},
    "evaluation": {"epochs": 1, "batch_size": 32, "stopping": "none"},
    "colony": {"size": 2, "iterations": 1},
    "full_train": {"epochs": 1, "finalists": 1},
    "execution": {"kind": "serial"},
}
HALVES: dict[str, Any] = {
    "depth": 5,
    "operations": ["halve", "conv", "identity"],
    "reference": {
        "halve": {"op": "MaxPooling2D", "pool_size": 2},
        "conv": {"op": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "relu"},
    },
}
UNIT: dict[str, Any] = {"depth": 1, "operations": ["dropout", "identity"]}


@keras.saving.register_keras_serializable("test_plan")
class Late(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Changes what it answers after some steps of training, more than are taken on trial; nothing of that is saved."""

    def build(self, shape: Any) -> None:
        self.steps = tf.Variable(0.0, trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.steps.assign_add(1.0)
        return x * tf.maximum(1.0, self.steps - 6.0) - tf.maximum(0.0, self.steps - 6.0)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    register_operation("Late", Late)


def invoke(command: str, space: dict[str, Any], *more: str, **sections: Any) -> Result:
    Path("x.yaml").write_text(yaml.safe_dump({**BASE, "space": space, **sections}))
    return CliRunner().invoke(main, [command, "--config", "x.yaml", *more])


def test_check_says_the_share_of_the_space_that_builds() -> None:
    checked = invoke("check", HALVES)
    assert checked.exit_code == 0
    assert "# builds:       49.8 % of 243 architectures on images of 8×8×1, fewest with halve\n" in checked.output
    assert "hivenas: the operations of the space fit together in 49.8 % of 243 architectures" in checked.output
    assert json.loads(invoke("check", HALVES, "--json").stdout.splitlines()[-1])["share_built"] == 121 / 243
    bounded = invoke("check", HALVES | {"max_params": 10**7})
    assert "# builds" not in bounded.output
    assert "fit together" not in bounded.output


def test_check_promises_no_more_evaluations_than_there_are_candidates() -> None:
    many = {"colony": {"size": 3, "iterations": 7}, "budget": {"minutes": 1}}
    checked = invoke("check", UNIT, **many, evaluation={"epochs": 3, "momentum_epochs": 2, "stopping": "none"})
    assert "# evaluations:  2 at the most\n" in checked.output
    assert "# budget:       1 min or 2 evaluations, whichever ends first" in checked.output
    # 2 candidates of 3 epochs, and in each of 7 iterations 2 epochs of those that are known.
    assert "# epochs:       20 at the most\n" in checked.output
    many["budget"] = {"evaluations": 5}  # which 2 candidates never reach
    checked = invoke("check", UNIT, **many, evaluation={"epochs": 3, "momentum_epochs": 2, "stopping": "none"})
    assert "# epochs:       20 at the most\n" in checked.output


class Twice(RandomSearch):
    """A strategy of somebody's own."""


@pytest.mark.parametrize("kind", [*STRATEGY_KINDS, "twice"])
def test_a_search_plans_no_more_evaluations_than_there_are_candidates(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.STRATEGIES, "_entries", {})
    register_strategy("twice", Twice)
    objective = FunctionObjective(lambda a, b: a * b, {"a": [1, 2], "b": [1, 2, 3]})
    colony = {"kind": kind, "size": 4, "iterations": 5}
    config = from_mapping(BASE | {"colony": colony})
    promised = 20 if kind == "twice" else 6  # what others evaluate twice is not known
    assert plan.plan(config, objective).evaluations == promised
    result = api.search(config, objective=objective)
    assert result.planned == promised
    assert sum(trial.phase == "evaluate" for trial in result.trials) <= 6
    points = from_mapping(
        {"name": "p", "objective": "sphere_min", "colony": {"kind": kind, "size": 4, "iterations": 5}}
    )
    assert plan.plan(points).evaluations == 20


@pytest.mark.parametrize("storage", ["books.db", "journal:"])
def test_check_refuses_what_is_no_storage(storage: str) -> None:
    done = invoke("check", {"depth": 2}, optuna={"storage": storage})
    assert done.exit_code == 2
    assert "optuna.storage" in done.stderr


def test_where_everything_fits_there_is_no_warning() -> None:
    for space in ({"depth": 2}, HALVES | {"depth": 1}):
        checked = invoke("check", space)
        assert "hivenas: " not in checked.output
        assert "# builds:       all of " in checked.output


@pytest.mark.parametrize(
    ("evaluation", "execution", "has", "says"),
    [
        ({"precision": "bfloat16"}, {}, False, True),
        ({"precision": "bfloat16"}, {}, True, False),
        ({"precision": "bfloat16"}, {}, None, False),
        ({"precision": "bfloat16"}, {"gpus": "all"}, False, False),
        ({"precision": "bfloat16"}, {"kind": "dask"}, False, False),
        ({}, {}, False, False),
    ],
)
def test_bfloat16_without_instructions_for_it_is_warned_of_once(
    evaluation: dict[str, Any],
    execution: dict[str, Any],
    has: bool | None,
    says: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(plan, "has_bfloat16", lambda: has)
    config = from_mapping({"evaluation": evaluation, "execution": execution})
    plan.say_precision(config)
    said = [record.getMessage() for record in caplog.records if record.name == "hivenas"]
    assert [text.startswith("evaluation.precision=bfloat16 is for processors") for text in said] == [True] * says


def test_check_warns_of_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "has_bfloat16", lambda: False)
    checked = invoke("check", {"depth": 1}, "--set", "evaluation.precision=bfloat16")
    assert checked.exit_code == 0
    assert checked.output.count("takes longer than float32 here; set precision: float32") == 1


@pytest.mark.parametrize("command", ["check", "search"])
def test_wrong_values_are_refused_by_check_and_before_the_first_candidate(command: str) -> None:
    conv = {"op": "Conv2D", "filters": 8, "kernel_size": 3, "activation": "rellu"}
    refused = invoke(command, UNIT | {"operations": ["mine", "identity"], "reference": {"mine": conv}})
    assert refused.exit_code == 2
    assert refused.output.startswith("hivenas: space.reference.mine.activation must be such that it can be built")
    assert "(x.yaml); correct it" in refused.output
    assert len(refused.output.splitlines()) == 1
    assert not list(Path().glob("results/tried/weights/*"))


def test_a_search_warns_at_its_start_and_a_failed_candidate_says_why() -> None:
    done = invoke("search", HALVES | {"operations": ["halve", "conv"], "depth": 3}, full_train={"enabled": False})
    assert done.output.startswith("hivenas: the operations of the space fit together in ")
    assert " on images of 8×8×1, fewest with " in done.output
    assert "failed: ValueError: Computed output size would be zero or negative." in done.output


UNFAITHFUL = [
    (1, "the saved model must answer as the network that was tested, got an accuracy of"),
    (2, "the saved weights must make a network that answers as the one that was trained, got the same class for"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("finalists", "says"), UNFAITHFUL, ids=["tested at once", "one of several"])
def test_a_model_that_is_not_the_tested_one_ends_a_search_with_what_to_change(finalists: int, says: str) -> None:
    space = UNIT | {"input_stem": ["mine"], "reference": {"mine": {"op": "Late"}}}
    evaluation = BASE["evaluation"] | {"batch_size": 8}
    full = BASE["full_train"] | {"finalists": finalists, "epochs": 2}
    failed = invoke("search", space, evaluation=evaluation, full_train=full)
    assert failed.exit_code == 1
    assert f"failed: {says}" in failed.output
    assert "register_keras_serializable" in failed.output
    assert "Once that is mended, go on with\n  hivenas search --config" in failed.output
    again = invoke("search", space, "--resume", evaluation=evaluation, full_train=full)
    assert again.exit_code == 1
    assert "training fully" not in again.output
    assert says in again.output
    assert "nothing is left" not in again.output


DRAWN = """
import keras
import numpy as np
from hivenas import register_operation

FACTORS = np.random.default_rng().normal(size=64).astype("float32")


@register_operation("Drawn")
@keras.saving.register_keras_serializable("drawn")
class Drawn(keras.layers.Layer):
    def call(self, x):
        return x * FACTORS[: x.shape[-1]]
"""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "search"])
def test_what_a_module_draws_when_it_is_imported_is_refused(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing of it may be left: workers of later tests would be told to import the module.
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    monkeypatch.setattr(registry, "_imported", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("drawn.py").write_text(DRAWN)
    space = UNIT | {"operations": ["mine", "identity"], "reference": {"mine": {"op": "Drawn"}}}
    try:
        refused = invoke(command, space, "--import", "drawn", execution={"kind": "process"})
    finally:
        sys.modules.pop("drawn", None)
    assert refused.exit_code == 2
    assert (
        "space.reference.mine must answer alike in every process, got other answers in a second one" in refused.output
    )
    assert not list(Path().rglob("*.h5"))
