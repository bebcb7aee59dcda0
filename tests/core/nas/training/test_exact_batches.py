"""Trainings that are interrupted and go on, against those that never stopped: every augmentation, every precision."""

from __future__ import annotations

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
from hivenas.core.nas.training.checkpoints import Saved, save_state
from hivenas.core.nas.training.loop import Arrays, TrainingLoop
from hivenas.core.nas.training.precision import Precision
from hivenas.core.records import EpochFigures

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
