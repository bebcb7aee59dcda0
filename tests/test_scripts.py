"""Searches that a script begins at its top level, without `if __name__ == "__main__"`: workers do not import it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.outcome import table
from tests.own_layers import SCALE
from tests.processes import Place

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

SEARCH = """
name: script
seed: 3
dataset: {name: mine}
space:
  depth: 2
  operations: [half, conv, max_pool3x3]
  reference:
    half: !Operation {op: Scale, factor: 0.5}
    conv: !Operation {op: ScaledConv, filters: 4}
    max_pool3x3: !Operation {op: MaxPooling2D, pool_size: 3, strides: 1, padding: same}
  input_stem: [conv, half]
evaluation: {epochs: 1, batch_size: 32, stopping: none, augmentation: {shift: 0}, fitness: misses}
colony: {size: 2, iterations: 1}
full_train: {epochs: 1, finalists: 1}
execution: {kind: process, max_consecutive_failures: 1}
"""
SCRIPT = """
print("the script runs")

import keras
import mlflow
import hivenas
from hivenas import register_cell, register_dataset, register_metric, register_operation
from sklearn.datasets import load_digits

FACTOR = 2.0

"""
SCRIPT += SCALE
SCRIPT += """

@register_cell("ScaledConv")
def scaled_conv(x, name, *, filters):
    x = keras.layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv")(x)
    return Scale(FACTOR, name=f"{name}_scale")(x)


@register_dataset("mine")
def mine(path):
    digits = load_digits()
    return {"x_train": digits.images[:300, ..., None].astype("uint8"), "y_train": digits.target[:300]}


@register_metric("misses", direction="minimize")
def misses(labels, scores):
    return FACTOR * (scores.argmax(axis=1) != labels).sum()


result = hivenas.search("search.yaml")
least = min(trial.fitness for trial in result.trials)
assert result.best.fitness == least == FACTOR * round(least / FACTOR), least
print("done", len(result.trials))
"""
FUNCTION = """
print("the script runs")

import hivenas

FACTOR = 2.0


def worth(width, depth):
    return FACTOR * width / depth


result = hivenas.search("search.yaml", objective=hivenas.FunctionObjective(worth, {"width": [1, 2], "depth": [1, 2]}))
print("done", len(result.trials))
"""
MODEL = """
network = mlflow.tensorflow.load_model("models:/script@champion").get_layer("candidate")
print(network.get_layer("input1_scale").factor, network.get_layer("input2").factor)
"""


@pytest.fixture
def place(tmp_path: Path, template: Path) -> Place:
    """A folder with the script and its configuration."""
    place = Place(tmp_path, SEARCH)
    place.share_store(template)
    return place


def search(place: Place, *command: str) -> list[str]:
    """Runs the script to its end; returns what it printed."""
    done = place.run(command=command)
    assert done.wait() == 0, done.output
    assert done.output.count("the script runs") == 1
    assert [row["status"] for row in table(place)] == ["complete", "complete"]
    assert "the script runs" not in (place.results / "worker.log").read_text()
    return done.output.splitlines()


def test_a_script_without_a_guard_searches_over_what_it_defines_itself(place: Place) -> None:
    script = place.folder / "script.py"
    script.write_text(SCRIPT + MODEL)
    assert {"done 2", "2.0 0.5"} <= set(search(place, sys.executable, str(script)))


def test_a_script_that_comes_through_the_standard_input_searches_too(place: Place) -> None:
    place.config.write_text("{name: script, seed: 3, objective: custom, colony: {size: 2, iterations: 1}}")
    (place.folder / "script.py").write_text(FUNCTION)
    assert "done 2" in search(place, "sh", "-c", f"{sys.executable} - < script.py")
