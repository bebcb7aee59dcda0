"""The model that comes of several full trainings: one of them, or their average, tested once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras

from hivenas.config import Config
from hivenas.config.costs import RECORDED
from hivenas.config.metrics import Metric
from hivenas.core.full_training import MEMBERS, REFIT_EPOCHS, TrainingSpec, kept_epoch
from hivenas.core.metrics import value_of
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.training.checkpoints import read_saved
from hivenas.core.nas.training.loop import load_validated
from hivenas.core.nas.training.precision import in_single_precision
from hivenas.core.nas.training.serving import answers_of, serve, served_model
from hivenas.core.records import Evaluation
from hivenas.errors import MissingResultsError


def averaged(networks: Sequence[keras.Model]) -> keras.Model:
    """One network whose answers are the means of those of several; of one it is that itself.

    Source: L. Breiman, Bagging predictors, Machine Learning 24 (1996), 123–140, section 4.1, for probabilities.
    """
    if len(networks) == 1:
        return networks[0]
    for number, network in enumerate(networks, start=1):
        network.name = f"member{number}"  # the layers of a network need names of their own
    images = keras.layers.Input(networks[0].input_shape[1:], name="image")
    mean = keras.layers.Average(name="mean")([network(images) for network in networks])
    return keras.Model(images, mean, name="ensemble")


def loaded(
    made: Sequence[tuple[keras.Model, Path]], members: Sequence[Evaluation], config: Config
) -> Sequence[keras.Model]:
    """The networks of trainings, with the weights that these have kept in h5 files, as they were validated.

    Args:
        made: networks and h5 files.
        members: their trainings.
        config: says with which settings each was trained.

    Raises:
        MissingResultsError: a file is another training's, which was made in the same folder since.
    """
    for (network, file), member in zip(made, members, strict=True):
        was, now = member.history[kept_epoch(member) - 1], read_saved(file).history[-1]
        if (was.epoch, was.loss, was.accuracy) != (now.epoch, now.loss, now.accuracy):
            raise MissingResultsError(
                f"{file} must hold the weights of the training that was recorded, got another one's; delete it, and go "
                "on (--resume)"
            )
        load_validated(network, config.of(str(member.candidate)).evaluation, file)
    return [network for network, _ in made]


def final_model(
    networks: Sequence[keras.Model], members: Sequence[Evaluation], data: Dataset, model: Path, metric: Metric
) -> Evaluation:
    """Makes the model of trained networks, tests it once and saves it.

    Args:
        networks: with the weights that were kept, the best first.
        members: their trainings.
        data: the raw images.
        model: file that the model is written to.
        metric: what is looked for.

    Returns:
        Of one training its own record, of several one of them together; with the figures of the test.

    Raises:
        UnfaithfulModelError: what was saved cannot be loaded, or does not answer as what was tested.
    """
    network = averaged(networks)
    extra = serve(network, data, model, metric)
    names = [TrainingSpec.of(member).stem for member in members]
    if len(members) == 1:
        return replace(members[0], extra={**members[0].extra, **extra, MEMBERS: names})
    refitted = any(REFIT_EPOCHS in member.extra for member in members)
    return Evaluation(
        members[0].candidate,
        "complete",
        fitness=float("nan") if refitted else _validation_figure(network, data, metric),
        epochs=sum(member.epochs for member in members),
        params=sum(member.params for member in members),
        macs=sum(member.macs for member in members),
        extra={**_together(members), **extra, MEMBERS: names},
    )


def _together(members: Sequence[Evaluation]) -> dict[str, float]:
    """The measured costs of trainings one after the other, those that all of them have."""
    keys = [key for key in RECORDED if all(key in member.extra for member in members)]
    return {key: math.fsum(member.extra[key] for member in members) for key in keys}


def _validation_figure(network: keras.Model, data: Dataset, metric: Metric) -> float:
    with in_single_precision(network):
        answers = answers_of(served_model(network, data), data.x_val)
    return value_of(metric, data.y_val, answers)
