"""The model that is served: a trained network with its standardisation in front, saved, and found again as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hivenas.config.metrics import BUILT_IN_METRICS, Metric, figure_told
from hivenas.config.tasks import TASKS, LearningTask
from hivenas.core.files import written_whole
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.stored_images import Images
from hivenas.core.nas.training.arrays import Split
from hivenas.core.nas.training.network import serving_model
from hivenas.core.nas.training.precision import in_single_precision
from hivenas.core.nas.training.predictions import Tested, same_answers
from hivenas.core.nas.training.stretches import answered_at_a_time, held_at_a_time
from hivenas.errors import innermost
from hivenas.wording import number_of

ADVICE = (
    "write layers as classes with @keras.saving.register_keras_serializable, whose get_config names every argument "
    "and whose variables are made by self.add_weight"
)
_BATCH = 256  # of images that are not large
_COMPARED = 1_024  # of these, too


class UnfaithfulModelError(Exception):
    """A saved model cannot be loaded, or does not answer as the network that was tested."""


def serve(network: keras.Model, data: Dataset, model: Path, metric: Metric) -> dict[str, Any]:
    """Tests and saves the model that is served, with an example and what it answers on the test split; says where.

    What is in bfloat16 by the table of `precision` is served in float32: of the same weights it answers as well, and
    on processors without instructions for bfloat16, where a model may be used, many times as fast.

    Args:
        network: trained.
        data: the raw images.
        model: file that the model is written to.
        metric: what is looked for.

    Raises:
        UnfaithfulModelError: what was saved cannot be loaded, or does not answer as what was tested.
        MetricError: a metric of one's own raises, or gives no finite number.
    """
    with in_single_precision(network):
        return _serve(network, data, model, metric)


def _serve(network: keras.Model, data: Dataset, model: Path, metric: Metric) -> dict[str, Any]:
    serving = served_model(network, data)
    example, answered = model.with_suffix(".npy"), model.with_suffix(".npz")
    probabilities = answers_of(serving, data.x_test)
    task = TASKS[metric.task]
    answers: Tested = task.piece("tested").of(probabilities, data.y_test, data.x_test, data.class_names)
    with written_whole(model) as file:
        serving.save(file)
    _compare(model, data, probabilities, metric)
    with written_whole(example) as file:
        np.save(file, data.x_test[:3])
    with written_whole(answered) as file:
        answers.save(file)
    return {"model": str(model), "example": str(example), "answers": str(answered), **answers.told(metric)}


def served_model(network: keras.Model, data: Dataset) -> keras.Model:
    """The network with the standardisation of its data in front, from raw images to its answers."""
    mean, variance = data.statistics()
    return serving_model(network, mean, variance, str(data.x_test.dtype))


def answers_of(serving: keras.Model, images: Images) -> NDArray[np.float32]:
    """The answers of the very model that is served to raw images."""
    size = answered_at_a_time(images.shape[1:], _BATCH)
    batches = [serving(images[i : i + size], training=False).numpy() for i in range(0, len(images), size)]
    answers: NDArray[np.float32] = np.concatenate(batches)
    return answers


def refuse_other_answers(
    network: keras.Model, anew: keras.Model, weights: Path, validation: Split, task: LearningTask
) -> None:
    """Refuses weights that do not make the network which was trained: a model will be made of them.

    Args:
        network: trained.
        anew: the same network made anew; it gets the weights.
        weights: h5 file that the trained one's were saved in.
        validation: images of which the first are answered.
        task: what is answered.

    Raises:
        UnfaithfulModelError: both do not answer alike.
    """
    anew.load_weights(weights)
    images = validation.first(held_at_a_time(network.input_shape[1:], _COMPARED))
    expected, found = (answers_of(each, images) for each in (network, anew))
    if not same_answers(expected, found, relative=task.piece("agreement").relative):
        alike = task.alike.format(share=float((expected.argmax(axis=1) == found.argmax(axis=1)).mean()))
        raise UnfaithfulModelError(
            f"the saved weights must make a network that answers as the one that was trained, got {alike} "
            f"{number_of(len(expected), 'validation image')}; {ADVICE}"
        )


def _compare(model: Path, data: Dataset, probabilities: NDArray[np.float32], metric: Metric) -> None:
    """Loads a saved model as whoever uses it does, and compares its answers with those that were tested."""
    count = held_at_a_time(data.shape, _COMPARED)
    images, labels, expected = data.x_test[:count], data.y_test[:count], probabilities[:count]
    try:
        found = answers_of(keras.saving.load_model(model), images)
    except Exception as error:  # layers may raise anything
        raise UnfaithfulModelError(
            f"the trained model must load from its file, got {innermost(error)} ({model}, which is kept); {ADVICE}"
        ) from error
    task = TASKS[metric.task]
    if not same_answers(expected, found, relative=task.piece("agreement").relative):
        figure = BUILT_IN_METRICS[task.fitness]
        was, now = (figure_told(figure(labels, each), figure.name) for each in (expected, found))
        raise UnfaithfulModelError(
            f"the saved model must answer as the network that was tested, got an {figure.label} of "
            f"{now} instead of {was} on {number_of(len(images), 'test image')}; {ADVICE}"
        )
