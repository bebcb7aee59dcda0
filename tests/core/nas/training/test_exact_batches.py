"""Trainings that are interrupted and go on, against those that never stopped: every augmentation, every precision."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from hivenas.config import AugmentationConfig, DatasetConfig, EvaluationConfig
from hivenas.config.metrics import BUILT_IN_METRICS
from hivenas.core.nas.data.datasets import load_dataset
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.checkpoints import Checkpoint, Saved, save_state
from hivenas.core.nas.training.full_training import joined
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.nas.training.precision import Precision
from hivenas.core.nas.training.stretches import Inside, Pace, PartialEpoch
from hivenas.core.records import EpochFigures
from tests.on_disk import on_disk

pytestmark = pytest.mark.keras

EPOCHS = 3
# Everything that there is, so that a new key is in here by itself.
STRONGEST: dict[str, Any] = {
    key: True if field.annotation is bool else 0.4 for key, field in AugmentationConfig.model_fields.items()
}
SETTINGS: list[dict[str, Any]] = [
    *({"augmentation": {key: value}} for key, value in STRONGEST.items() if key != "saturation"),
    {"precision": "float16"},
    {"precision": "bfloat16"},
    {"precision": "bfloat16", "augmentation": {"rand_augment": 0.4, "mixup": 0.4, "cutmix": 0.4}},
    {"loss": "focal", "fitness": "f1_macro"},
    {"loss": "focal", "label_smoothing": 0.1, "augmentation": {"mixup": 0.4}, "ema": 0.5, "fitness": "log_loss"},
]
WEIGHTS = np.linspace(0.5, 2, 10)  # of the classes, where the loss is not the usual one


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return Arrays.of(load_dataset(DatasetConfig(train_limit=60), 1))


def loop(arrays: Arrays, settings: dict[str, Any]) -> TrainingLoop:
    config = EvaluationConfig.model_validate({"batch_size": 20, "optimizer": {"op": "Adam"}, **settings})

    def tiniest() -> keras.Model:
        keras.utils.set_random_seed(3)
        inputs = layers.Input((8, 8, 1))
        x = layers.Flatten()(layers.Dropout(0.2)(layers.Conv2D(3, 3, activation="relu")(inputs)))
        return keras.Model(inputs, layers.Dense(10, activation="softmax", dtype="float32")(x))

    network = Precision.of(config).build(tiniest)
    if config.loss == "focal":
        arrays = replace(arrays, class_weights=WEIGHTS)
    return TrainingLoop(network, arrays, config, planned_epochs=EPOCHS, seed=5)


def state(trained: TrainingLoop) -> list[Any]:
    return [each.numpy() for each in (*trained.network.variables, *trained.network.optimizer.variables)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_going_on_equals_never_having_stopped_to_the_last_bit(
    arrays: Arrays, settings: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "state.weights.h5"
    whole, rest = loop(arrays, settings), loop(arrays, settings)

    def keep(done: Sequence[EpochFigures]) -> None:
        if len(done) == EPOCHS - 1:
            save_state(whole.network, file, Saved("candidate", len(done), 0, tuple(done)))

    history, _ = whole.run(1, EPOCHS, after=keep)
    rest.network.load_weights(file)
    further, _ = rest.run(EPOCHS, EPOCHS)
    assert further == history[EPOCHS - 1 :]
    scores = whole.scores()
    assert np.array_equal(rest.scores(), scores)
    if "fitness" in settings:
        metric, labels = BUILT_IN_METRICS[settings["fitness"]], arrays.y_val.numpy()
        assert history[-1].figure == metric(labels, scores) != history[-1].val_accuracy
        third = loop(arrays, settings)
        third.network.load_weights(file)  # as of the epoch before, which this loop has not trained
        assert metric(labels, third.scores()) == history[-2].figure
    for one, other in zip(state(whole), state(rest), strict=True):
        assert np.array_equal(one, other)


MUCH: dict[str, Any] = {"augmentation": {"mixup": 0.4, "affine": True}, "ema": 0.5}
DIVIDED: list[tuple[dict[str, Any], Sequence[str]]] = [
    (MUCH | {"schedule": "cosine", "warmup_epochs": 1.5}, ("1-1", "2-5")),
    ({"precision": "float16"}, ("1-4", "2-2")),
]


def in_steps(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Every call takes so many steps, as far as there are any."""
    monkeypatch.setattr(Pace, "steps", lambda pace, left, most=None: min(count, left, most or left))


def assert_same(one: TrainingLoop, other: TrainingLoop) -> None:
    assert np.array_equal(one.scores(), other.scores())
    for mine, others in zip(state(one), state(other), strict=True):
        assert np.array_equal(mine, others)


@pytest.mark.parametrize(("settings", "places"), DIVIDED, ids=["much", "float16"])
def test_figures_are_the_same_however_an_epoch_is_divided_and_from_any_step_that_was_kept(
    arrays: Arrays, settings: dict[str, Any], places: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings | {"batch_size": 9}  # six steps, the last of three images
    seen: list[tuple[int, float]] = []
    whole = loop(arrays, settings)
    with monkeypatch.context() as patch:
        in_steps(patch, 99)
        history, _ = whole.run(1, 2, inside=Inside(tell=lambda own, share: seen.append((len(own), share))))
    assert seen == [(0, 1.0), (0, 1.0), (1, 1.0), (1, 1.0)]  # trained, validated

    checkpoint = Checkpoint(tmp_path / "kept.weights.h5", lambda: "same", 1e-9)
    monkeypatch.setattr("hivenas.core.nas.training.checkpoints._SHARE", 0)
    in_steps(monkeypatch, 1)
    singly = loop(arrays, settings)

    def so_far(own: Sequence[EpochFigures]) -> Saved:
        return Saved("candidate", len(own), 0, tuple(own))

    def keep(own: Sequence[EpochFigures], partial: PartialEpoch) -> None:
        checkpoint.keep(singly.network, replace(so_far(own), partial=partial))
        shutil.copy(tmp_path / "kept.weights.h5", tmp_path / f"{partial.epoch}-{partial.step}")

    seen.clear()
    inside = Inside(keep=keep, tell=lambda own, share: seen.append((len(own), share)))
    assert singly.run(1, 2, inside=inside)[0] == history
    assert seen[:7] == [*((0, step / 6) for step in range(1, 7)), (0, 1.0)]
    assert_same(singly, whole)
    assert len(list(tmp_path.glob("?-?"))) == 2 * 5

    in_steps(monkeypatch, 3)
    for place in places:
        shutil.copy(tmp_path / place, tmp_path / "kept.weights.h5")
        rest = loop(arrays, settings)
        kept = checkpoint.take_up(rest.network)
        assert kept is not None
        assert kept.partial is not None
        assert f"{kept.partial.epoch}-{kept.partial.step}" == place
        inside = checkpoint.inside(rest.network, so_far, kept)
        assert rest.run(1, 2, done=kept.history, inside=inside)[0] == history, place
        for mine, others in zip(state(whole), state(rest), strict=True):
            assert np.array_equal(mine, others), place


@pytest.mark.slow
def test_images_that_are_read_on_their_way_give_the_figures_of_those_in_memory(
    arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = MUCH | {"fitness": "f1_macro", "loss": "focal"}
    read = Arrays.of(on_disk(load_dataset(DatasetConfig(train_limit=60), 1), tmp_path))
    assert (read.is_read, arrays.is_read) == (True, False)
    monkeypatch.setattr("hivenas.core.nas.training.arrays._READ", 41 * 8 * 8 * 4)  # of the images 40 at a time
    there, here = loop(read, settings), loop(arrays, settings)
    history, _ = here.run(1, 2)
    assert there.run(1, 2)[0] == history
    assert_same(there, here)
    file = tmp_path / "state.weights.h5"
    save_state(here.network, file, Saved("candidate", 2, 0, tuple(history)))
    there = loop(read, settings)
    there.network.load_weights(file)
    assert there.run(3, 3) == here.run(3, 3)
    assert_same(there, here)
    there, here = loop(joined(read), {}), loop(joined(arrays), {})
    assert repr(there.run(1, 1)) == repr(here.run(1, 1))  # without validation images figures of theirs are NaN
    assert_same(there, here)


def test_large_images_are_validated_in_smaller_steps_alike_in_memory_and_read(
    arrays: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, _ = loop(arrays, {}).run(1, 1)
    monkeypatch.setattr("hivenas.core.nas.training.stretches._STEP_BYTES", 5 * 8 * 8 * 4)  # of twelve images
    here, there = (
        loop(arrays, {}),
        loop(Arrays.of(on_disk(load_dataset(DatasetConfig(train_limit=60), 1), tmp_path)), {}),
    )
    assert (here._at_a_time, there._at_a_time) == (5, 5)
    history, _ = here.run(1, 1)
    assert there.run(1, 1)[0] == history
    assert_same(there, here)
    assert (history[0].loss, history[0].val_accuracy) == (usual[0].loss, usual[0].val_accuracy)
    assert history[0].val_loss == pytest.approx(usual[0].val_loss, rel=1e-6)


def test_labels_may_be_shares_of_classes_of_which_the_largest_is_right(arrays: Arrays) -> None:
    one = loop(arrays, {})
    x, y = arrays.x_train, arrays.y_train
    loss, hits, _ = one._score(x, y, False)
    ones = keras.ops.one_hot(y, 10)
    same, same_hits, _ = one._score(x, ones, False)
    assert float(same) == pytest.approx(float(loss), rel=1e-6)
    assert float(same_hits) == float(hits)
    shares = 0.7 * ones + 0.3 * keras.ops.one_hot((y + 1) % 10, 10)
    mixed, mixed_hits, _ = one._score(x, shares, False)
    other, _, _ = one._score(x, (y + 1) % 10, False)
    assert float(mixed) == pytest.approx(0.7 * float(loss) + 0.3 * float(other), rel=1e-5)
    assert float(mixed_hits) == float(hits)
