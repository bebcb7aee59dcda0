"""A full training that fails and would fail again: what is said, what is not done again, what helps."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from click.testing import CliRunner

import hivenas
from hivenas.cli.commands import main
from hivenas.cli.errors import ResumeHint, errors
from hivenas.cli.invocation import Invocation
from hivenas.config import Config, from_mapping, registry
from hivenas.config.text import dump_yaml
from hivenas.core.nas.space.operations import register_operation
from hivenas.core.nas.training.failures import CAUSE, failed_training, gentler
from hivenas.core.records import Evaluation
from hivenas.errors import RepeatableTrainingError, TrainingError
from hivenas.run import repeated_failure as module
from hivenas.run.callbacks import Callback
from hivenas.run.repeated_failure import _LATER, _keys, failure_of, repeated_failure, training_mark
from hivenas.storage import SearchState

pytestmark = pytest.mark.keras

ARCH = "input|grows|output"
DIVERGED = "NotFiniteError: the loss is not finite in epoch 2 (training nan, validation nan, learning rate 0.08)"


def failed(reason: str, cause: str) -> Evaluation:
    return Evaluation(ARCH, "failed", 0.0, reason=reason, extra={CAUSE: cause})


# What is configured, and what may help: keys with their values before and after.
GENTLER: list[tuple[dict[str, Any], dict[str, tuple[str, str]]]] = [
    ({}, {"initial_lr": ("0.003", "0.0003"), "final_lr": ("3e-05", "3e-06")}),
    ({"initial_lr": 1e6, "final_lr": 1e6}, {"initial_lr": ("1e+06", "0.001"), "final_lr": ("1e+06", "0.001")}),
    (
        {"optimizer": {"op": "SGD"}, "schedule": "exponential"},
        {"initial_lr": ("0.08", "0.008"), "final_lr": ("0.01", "0.001")},
    ),
    (
        {"optimizer": {"op": "Adam"}, "initial_lr": 0.001},
        {"initial_lr": ("0.001", "0.0001"), "final_lr": ("1e-05", "1e-06")},
    ),
    ({"optimizer": {"op": "Adam", "learning_rate": 0.5}}, {"optimizer.learning_rate": ("0.5", "0.001")}),
    ({"initial_lr": 0}, {"optimizer.learning_rate": ("0.001", "0.0001")}),
    (
        {"schedule": "constant", "optimizer": {"op": "Lamb"}},
        {"initial_lr": ("0.03", "0.001"), "final_lr": ("0.03", "0.001")},
    ),
    (
        {"optimizer": {"op": "SGD", "learning_rate": 0.2}, "final_lr": 0.1, "precision": "float16"},
        {
            "initial_lr": ("0.2", "0.01"),
            "final_lr": ("0.1", "0.005"),
            "optimizer.learning_rate": ("0.2", "0.01"),
            "precision": ("float16", "float32"),
        },
    ),
]


@pytest.mark.parametrize(("evaluation", "changes"), GENTLER, ids=str)
def test_what_is_to_be_changed_is_named_with_both_values_and_accepted(
    evaluation: dict[str, Any], changes: dict[str, tuple[str, str]]
) -> None:
    config = from_mapping({"evaluation": evaluation})
    assert gentler(config) == {f"evaluation.{key}": values for key, values in changes.items()}
    error = failed_training(config, failed(DIVERGED, "diverged"))
    assert isinstance(error, RepeatableTrainingError)
    assert str(error).startswith(f"the full training of {ARCH} failed: {DIVERGED}; the same training would fail again")
    assert all(f"{key} from {before} to {after}" in str(error) for key, (before, after) in changes.items())
    changed = from_mapping({"evaluation": evaluation}, error.changes).flat()
    said = {key: after for key, (_, after) in gentler(config).items()}
    assert {key: changed[key] for key in said} == {
        key: after if after == "float32" else str(float(after)) for key, after in said.items()
    }


@pytest.mark.parametrize(("cause", "again"), [("diverged", True), ("program", True), ("machine", False)])
def test_another_attempt_is_made_where_the_machine_was_to_blame(cause: str, again: bool) -> None:
    error = failed_training(Config(), failed("some reason", cause))
    assert isinstance(error, TrainingError)
    assert isinstance(error, RepeatableTrainingError) is again
    assert (failure_of(Config(), failed("some reason", cause)) is not None) is again


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("evaluation.batch_size=32", False),
        ("full_train.epochs=3", False),
        ("execution.threads=2", False),
        ("evaluation.optimizer.clipnorm=1", False),
        ("registry.alias=best", True),
        ("execution.workers=2", True),
        ("results.keep_weights=none", True),
        ("colony.iterations=20", True),
    ],
)
def test_it_is_final_until_something_changes_on_which_it_depends(override: str, again: bool) -> None:
    state = SearchState(failure=failure_of(Config(), failed(DIVERGED, "diverged")))
    assert str(repeated_failure(Config(), state, ARCH)) == str(failed_training(Config(), failed(DIVERGED, "diverged")))
    assert (repeated_failure(from_mapping({}, [override]), state, ARCH) is not None) is again
    assert repeated_failure(Config(), state, "input|identity|output") is None
    assert repeated_failure(Config(), SearchState(), ARCH) is None


def test_code_that_was_mended_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text("broken = True")
    monkeypatch.setattr(module, "_own_code", lambda: [file])
    state = SearchState(failure=failure_of(Config(), failed("KeyError: 'no such feature'", "program")))
    assert repeated_failure(Config(), state, ARCH) is not None
    file.write_text("broken = False")
    assert repeated_failure(Config(), state, ARCH) is None


def test_the_code_of_ones_own_is_what_was_imported_and_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "operations_of_mine.py"
    file.write_text("import json\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(file.stem)
    monkeypatch.delitem(sys.modules, file.stem, raising=False)
    assert file not in module._own_code()
    monkeypatch.setitem(sys.modules, file.stem, importlib.import_module(file.stem))
    found = list(module._own_code())
    assert file in found
    installed = {Path(str(each.__file__)) for each in (json, keras, hivenas)}
    assert installed.isdisjoint(found)


@pytest.mark.parametrize(
    ("verb", "changes", "says"),
    [
        ("search", (), "Once that is mended, go on with\n  hivenas search --config x.yaml --import mine --resume"),
        ("search", ("a=1",), "Train it so with\n  hivenas train --config x.yaml --import mine --set a=1"),
        (
            "train --from-weights",
            ("a=1", "b=2"),
            "  hivenas train --from-weights --config x.yaml --import mine --set a=1",
        ),
        ("arch 'input|a|output'", ("a=1",), "  hivenas arch 'input|a|output' --config x.yaml --import mine --set a=1"),
    ],
)
def test_the_command_that_helps_is_printed(
    capsys: pytest.CaptureFixture[str], verb: str, changes: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SystemExit) as ended, errors(ResumeHint(Invocation("x.yaml", (), ("mine",)), verb)):
        raise RepeatableTrainingError("it failed", changes)
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("hivenas: it failed. ")
    assert says in told


@keras.saving.register_keras_serializable("tests")
class Grows(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Its only weight is finite after two batches, which one epoch has, and infinite after four."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=False, name="factor")

    def call(self, x: Any, training: bool | None = None) -> Any:
        if training:
            self.factor.assign(self.factor * 1e15)
        return x


class Full(Callback):
    """Counts the full trainings that were begun."""

    begun = 0

    def on_full_training(self, candidate: str, epochs: int) -> None:
        self.begun += 1


SEARCH: dict[str, Any] = {
    "name": "fails",
    "tracking": "none",
    "dataset": {"name": "digits", "train_limit": 100},
    "space": {
        "depth": 1,
        "operations": ["grows", "identity"],
        "reference": {"grows": {"op": "Grows"}},
        "input_stem": ["grows"],
    },
    "evaluation": {"epochs": 1, "batch_size": 40},
    "colony": {"size": 1, "iterations": 1},
    "full_train": {"epochs": 2, "finalists": 1},
    "execution": {"kind": "serial"},
}


@pytest.mark.slow
def test_a_search_whose_full_training_diverges_says_what_to_change_and_does_not_train_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    register_operation("Grows", Grows)
    counted = Full()
    with pytest.raises(
        RepeatableTrainingError, match=r"is not finite after epoch 2 .*initial_lr from 0\.003 to"
    ) as first:
        hivenas.search(SEARCH, callbacks=[counted])
    with pytest.raises(RepeatableTrainingError) as second:
        hivenas.search(SEARCH, resume=True, callbacks=[counted])
    assert (str(second.value), counted.begun) == (str(first.value), 1)

    Path("fails.yaml").write_text(dump_yaml(SEARCH))
    told = CliRunner().invoke(main, ["search", "--config", "fails.yaml", "--resume"])
    command = "hivenas train --config fails.yaml --set evaluation.initial_lr=0.0003 --set evaluation.final_lr=3e-06"
    assert (told.exit_code, told.stderr) == (1, f"hivenas: {first.value}. Train it so with\n  {command}\n")
    page = Path("results/fails/report.html").read_text()
    assert "--set evaluation.initial_lr=0.0003" in page
    assert "--resume" not in page
    alone = CliRunner().invoke(main, ["train", "--config", "fails.yaml"])
    assert (alone.exit_code, alone.stderr) == (1, told.stderr)

    done = hivenas.search(SEARCH, "full_train.epochs=1", resume=True, callbacks=[counted])
    assert done.test_accuracy is not None
    assert (counted.begun, done.failure) == (2, None)


def test_keys_that_came_later_change_no_mark_while_they_have_the_values_of_before() -> None:
    config = from_mapping({})
    assert {key: config.flat()[key] for key in _LATER} == _LATER
    assert not _LATER.keys() & _keys(config, ("evaluation.",), without=()).keys()
    other = from_mapping({}, ["evaluation.fitness=f1_macro"])
    marks = {training_mark(each, "input|identity|output", failed=False) for each in (config, other)}
    assert len(marks) == 2


def test_a_full_training_is_the_same_whatever_part_of_the_images_candidates_see() -> None:
    configs = [from_mapping({}, [f"evaluation.train_limit={limit}"]) for limit in ("null", "100")]
    for failed in (True, False):
        assert len({training_mark(each, "input|identity|output", failed=failed) for each in configs}) == 1
