"""The losses of training images: what they are, of labels and of shares of them, and how classes weigh."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hivenas.config import EvaluationConfig
from hivenas.core.nas.training.losses import cross_entropy, focal, training_loss

pytestmark = pytest.mark.keras

LABELS = np.array([0, 2, 1, 2], np.int32)
LOGITS = np.array([[3.0, 0.0, -1.0], [0.5, 0.2, 0.1], [40.0, -40.0, 0.0], [-9.0, 0.0, 9.0]], np.float32)


def settings(**keys: Any) -> EvaluationConfig:
    return EvaluationConfig.model_validate(keys)


def answers(logits: Any) -> Any:
    return tf.nn.softmax(tf.constant(logits))


def test_what_is_known_well_counts_less_in_the_focal_loss() -> None:
    right = answers(LOGITS).numpy()[np.arange(4), LABELS].astype(np.float64)
    known = [0, 1, 3]
    found = focal(tf.constant(LABELS), answers(LOGITS)).numpy()
    assert found[known] == pytest.approx((1 - right[known]) ** 2 * -np.log(right[known]), rel=1e-4)
    assert found[2] == pytest.approx(16.1, abs=0.1) or found[2] == pytest.approx(80, rel=1e-3)
    assert (found <= cross_entropy(tf.constant(LABELS), answers(LOGITS)).numpy()).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_and_the_same_as_shares_have_the_same_loss(smoothing: float) -> None:
    logits, shares = LOGITS[[0, 1, 3]], tf.one_hot(LABELS[[0, 1, 3]], 3)
    one = focal(tf.constant(LABELS[[0, 1, 3]]), answers(logits), smoothing).numpy()
    assert one == pytest.approx(focal(shares, answers(logits), smoothing).numpy(), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_the_loss_of_an_image_is_multiplied_by_the_weight_of_its_class(loss: str) -> None:
    labels, weights = tf.constant(LABELS), np.array([1.0, 3.0, 0.5])
    plain, weighted = (training_loss(settings(loss=loss), each) for each in (None, weights))
    before = plain(labels, answers(LOGITS)).numpy()
    assert weighted(labels, answers(LOGITS)).numpy() == pytest.approx(before * weights[LABELS], rel=1e-6)
    mixed = tf.constant([[0.6, 0.4, 0.0]] * 4)  # which weighs 0.6 · 1 + 0.4 · 3
    assert weighted(mixed, answers(LOGITS)).numpy() == pytest.approx(1.8 * plain(mixed, answers(LOGITS)).numpy())


def test_by_default_it_is_the_cross_entropy_of_smoothed_labels() -> None:
    found = training_loss(settings(label_smoothing=0.1), None)(tf.constant(LABELS), answers(LOGITS))
    truth = keras.ops.one_hot(LABELS, 3)
    expected = keras.losses.categorical_crossentropy(truth, answers(LOGITS), label_smoothing=0.1)
    assert np.array_equal(found, expected)
