"""The words for a candidate that fails, and for a disk without space, for which no candidate is to blame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from hivenas.config import from_mapping, registry
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.operations import register_operation
from hivenas.core.records import Proposal
from hivenas.core.tracker import NullTracker
from hivenas.errors import DiskFullError

pytestmark = pytest.mark.keras

GOOD = "input|identity|output"
BAD = "input|bad|output"


def on_the_disk(tiny: dict[str, Any], disk: Path) -> NASInterface:
    """An interface that keeps every epoch on a disk, for two-epoch trainings."""
    config = from_mapping(
        {
            "name": "tiny",
            "seed": tiny["seed"],
            "dataset": tiny["dataset"],
            "space": {"preset": "layerwise", "depth": 2},
            "evaluation": {"epochs": 2, "stopping": "none"},
            "full_train": {"epochs": 2},
            "results": {"dir": str(disk)},
            "execution": {"checkpoint_s": 0.0},
        }
    )
    return NASInterface.from_config(config, tracker=NullTracker())


class Raises(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A user's layer with a mistake that only a training shows."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        if training:
            raise KeyError("no such feature\nsecond line")
        return x


class Exhausts(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    def call(self, x: Any, training: bool | None = None) -> Any:
        if training:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[99999,99999]")
        return x


class Overflows(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """One weight becomes infinite, and no figure shows it."""

    def build(self, shape: Any) -> None:
        self.largest = self.add_weight(shape=(), initializer="ones", trainable=False, name="largest")

    def call(self, x: Any, training: bool | None = None) -> Any:
        if training:
            self.largest.assign(self.largest * 1e30)
        return x


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    for layer in (Raises, Exhausts, Overflows):
        register_operation(layer.__name__, layer)


TOO_LARGE = {"op": "Conv2D", "filters": 4, "kernel_size": [9, 9], "padding": "valid"}
FAILURES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("a layer that raises", {"op": "Raises"}, {}, "KeyError: no such feature", "no such feature"),
    ("no memory", {"op": "Exhausts"}, {}, "ResourceExhaustedError: OOM when allocating", "OOM when allocating tensor"),
    ("infinite weights", {"op": "Overflows"}, {}, "NotFiniteError: the weight ", "largest is not finite"),
    (
        "a loss that is not finite",
        {"op": "SeparableConv2D", "filters": 4, "kernel_size": [3, 3]},
        {"initial_lr": 1e30, "final_lr": 1e30},
        "NotFiniteError: the loss is not finite in epoch ",
        "NotFiniteError",
    ),
    ("an operation that does not fit", TOO_LARGE, {}, "ValueError: Computed output size", "Traceback"),
]


@pytest.mark.parametrize(
    ("operation", "settings", "reason", "says"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES]
)
def test_a_candidate_that_fails_is_a_record_with_a_reason_and_the_next_is_evaluated_as_usual(
    tiny: dict[str, Any], operation: dict[str, Any], settings: dict[str, Any], reason: str, says: str
) -> None:
    space = {"depth": 1, "operations": ["bad", "identity"], "reference": {"bad": operation}}
    evaluator = NASInterface(space, tiny | {"epochs": 2} | settings, tracker=NullTracker()).eval_strategy
    failed = evaluator.evaluate(BAD)
    assert (failed.status, failed.fitness, failed.filename, failed.history) == ("failed", 0.0, "", ())
    assert (failed.params, failed.macs) == (0, 0)
    assert failed.reason.startswith(reason)
    assert "\n" not in failed.reason
    assert failed.traceback.startswith("Traceback (most recent call last)")
    assert says in failed.traceback
    sane = NASInterface(space, tiny | {"epochs": 2, "name": "sane"}, tracker=NullTracker()).eval_strategy
    if not settings:
        after = evaluator.evaluate(GOOD)
        assert (after.status, after.history) == ("complete", sane.evaluate(GOOD).history)


@pytest.mark.parametrize("free", [0, 40, 100])
def test_a_full_disk_ends_the_work_and_what_was_kept_goes_on_when_there_is_space(
    tiny: dict[str, Any], small_disk: Path, free: int
) -> None:
    pad = small_disk / "pad"
    interface = on_the_disk(tiny, small_disk)
    proposal = Proposal(0, 0, "scout", 0, "input|sep3x3_64|dropout|output")
    pad.write_bytes(bytes((390 - free) * 1024))
    with pytest.raises(
        DiskFullError, match=r"must have space for results, got .* bytes free \(.*No space left"
    ) as full:
        interface.run(proposal)
    assert str(small_disk / "tiny") in str(full.value)
    assert list(small_disk.rglob(".tmp-*")) == []
    pad.unlink()
    assert interface.run(proposal).status == "complete"


@pytest.mark.process
@pytest.mark.parametrize("free", [0, 100, 180])
def test_a_full_training_on_a_full_disk_is_no_failed_one(tiny: dict[str, Any], small_disk: Path, free: int) -> None:
    interface = on_the_disk(tiny, small_disk)
    (small_disk / "pad").write_bytes(bytes((390 - free) * 1024))
    with pytest.raises(DiskFullError, match="No space left"):
        interface.fully_train("input|sep3x3_64|dropout|output")
    assert list(small_disk.rglob(".tmp-*")) == []
