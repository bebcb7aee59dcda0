"""Trials of what a configuration defines itself, on one batch, before anything is trained.

Keras must take it, and all that decides its answers must be kept when it is saved.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from hivenas.config import AugmentationConfig, EvaluationConfig, registry
from hivenas.config.metrics import ACCURACY
from hivenas.config.tasks import CLASSIFY, TASKS
from hivenas.config.text import cut
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.space.feasibility import refused, spoken_of
from hivenas.core.nas.space.layer_sizes import Shape
from hivenas.core.nas.space.operations import OpSpec
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.checkpoints import Saved, save_state
from hivenas.core.nas.training.failures import NotFiniteError
from hivenas.core.nas.training.heads import softmax
from hivenas.core.nas.training.loop import TrainingLoop, make_optimizer
from hivenas.core.nas.training.network import apply_operation
from hivenas.core.nas.training.precision import Precision
from hivenas.core.nas.training.predictions import same_answers
from hivenas.core.nas.training.serving import ADVICE
from hivenas.errors import ConfigError, DiskFullError, innermost

_IMAGES, _CLASSES, _EPOCHS = 8, 2, 2
_RATE = 1e-3  # of learning: the configured one may be far too high for random images
# Values in place of one that may be to blame, first none: most arguments take one of them.
_SUBSTITUTES: tuple[tuple[Any, ...], ...] = ((), (1,), (0.5,), ("relu",))


def probe_operation(key: str, spec: OpSpec, shape: Shape, config: EvaluationConfig) -> tuple[float, ...]:
    """Builds an operation alone and trains it a little, as the search would; one of the user's own is also saved.

    Args:
        key: of the operation.
        spec: the layer or cell and its arguments.
        shape: of an input that it comes to.
        config: how candidates are trained.

    Returns:
        The answers of a new network with an operation of the user's own, the same in every process; else nothing.

    Raises:
        ConfigError: it cannot be built or trained, or a saved one does not answer as it did.
    """
    own = spec.op in registry.OPERATIONS or spec.op in registry.CELLS
    try:
        network = _network(spec, shape, config, seed=1)
        if not own:
            _step(network)
        answers = network(_images(shape), training=False).numpy() if own else np.empty(0)
    except Exception as error:  # layers may raise anything
        cause = innermost(error)
        raise refused(key, spec, cause, shape, _culprits(spec, shape, config, cause)) from error
    if own:
        _probe_own(key, spec, network, config)
    return tuple(answers.ravel().tolist())


def probe_space(
    operations: Iterable[tuple[str, OpSpec]], inputs: Mapping[str, Shape], config: EvaluationConfig
) -> dict[str, tuple[float, ...]]:
    """Tries operations and the optimizer before anything is trained by them.

    Args:
        operations: their keys and what these stand for.
        inputs: a shape that each comes to.
        config: how candidates are trained.

    Returns:
        The answers of `probe_operation` for every operation of the user's own.

    Raises:
        ConfigError: the first of them that cannot be built, trained, or found again when it was saved.
    """
    probe_optimizer(config)
    answers = {key: probe_operation(key, spec, inputs[key], config) for key, spec in operations if key in inputs}
    return {key: each for key, each in answers.items() if each}


def probe_optimizer(config: EvaluationConfig) -> None:
    """Makes the optimizer and takes a step.

    Raises:
        ConfigError: Keras refuses its arguments.
    """
    try:
        optimizer = make_optimizer(config.optimizer)
        weight = keras.Variable(np.ones(2, np.float32))
        optimizer.build([weight])
        optimizer.apply([tf.ones(2)], [weight])
        if not np.isfinite(weight.numpy()).all():
            raise NotFiniteError("its first step leaves weights that are not finite")
    except Exception as error:
        given = ", ".join(f"{name}={value!r}" for name, value in config.optimizer.arguments.items())
        raise ConfigError(
            f"evaluation.optimizer must be such that {config.optimizer.op} can be made and used, got {given} "
            f"({cut(innermost(error))}); correct it"
        ) from error


def _network(spec: OpSpec, shape: Shape, config: EvaluationConfig, *, seed: int) -> keras.Model:
    """The operation between an image and as few classes as there may be."""
    keras.utils.set_random_seed(seed)

    def make() -> keras.Model:
        inputs = layers.Input(shape, name="image")
        x = layers.Flatten(name="flatten")(apply_operation(spec, inputs, "operation"))
        return keras.Model(inputs, softmax(x, _CLASSES))

    return Precision.of(config).build(make)


def _images(shape: Shape) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(_IMAGES, *shape)).astype(np.float32)


def _step(network: keras.Model) -> None:
    """A batch forwards and backwards, and once more as it is used."""
    images = _images(network.input_shape[1:])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(images, training=True)[:, 0])
    gradients = [each for each in tape.gradient(loss, network.trainable_variables) if each is not None]
    answers = network(images, training=False)
    if not all(np.isfinite(tf.convert_to_tensor(each)).all() for each in (answers, *gradients)):
        raise NotFiniteError("its answers or its gradients are not finite after one batch")


def _culprits(spec: OpSpec, shape: Shape, config: EvaluationConfig, cause: str) -> list[str]:
    """The argument without which, or with another value of which, the operation builds, where nothing names it."""
    if spoken_of(spec, cause):
        return []
    for values in _SUBSTITUTES:
        for name in spec.arguments:
            others = {each: value for each, value in spec.arguments.items() if each != name}
            changed = others | dict.fromkeys((name,) if values else (), *values)
            with contextlib.suppress(Exception):
                _step(_network(OpSpec(spec.op, changed), shape, config, seed=1))
                return [name]
    return []


def _probe_own(key: str, spec: OpSpec, network: keras.Model, config: EvaluationConfig) -> None:
    """Trains a network with an operation of the user's, saves it in both ways and compares what the copies answer."""
    images = _images(network.input_shape[1:])
    named = _own_layers(network) or spec.op

    def refuse(what: str, got: str, way_out: str) -> ConfigError:
        return ConfigError(f"space.reference.{key}: {named} must {what}, got {got}; {way_out}")

    try:
        _train(network, images, config)
        answers = network(images, training=False).numpy()
        again = network(images, training=False).numpy()
    except Exception as error:
        raise refused(key, spec, innermost(error), images.shape[1:]) from error
    if not same_answers(answers, again):
        way_out = "draw at random, or change state, in training alone (`call(self, x, training=False)`)"
        raise refuse("answer the same image alike at every call", "two answers of one network that differ", way_out)
    for copied, what, way_out in _copies(spec, network, config):
        if isinstance(copied, str):
            raise refuse(what, copied, way_out)
        if not same_answers(answers, copied):
            raise refuse(what, "other answers from its copy", way_out)


def _train(network: keras.Model, images: NDArray[np.float32], config: EvaluationConfig) -> None:
    """A few steps of the very loop that trains candidates."""
    plain = config.model_copy(update={"initial_lr": _RATE, "final_lr": _RATE, "batch_size": _IMAGES // 2})
    plain = plain.model_copy(update={"augmentation": AugmentationConfig.only(), "warmup_epochs": 0.0, "ema": 0.0})
    # A metric of one's own is for other classes than these, another task's loss for no classes.
    loss = plain.loss if plain.task.name == CLASSIFY else TASKS[CLASSIFY].losses[0]
    plain = plain.model_copy(update={"fitness": ACCURACY, "loss": loss})
    labels = (np.arange(_IMAGES) % _CLASSES).astype(np.int32)
    data = Dataset(
        "probe",
        images,
        y_train=labels,
        x_val=images,
        y_val=labels,
        x_test=images,
        y_test=labels,
        classes=_CLASSES,
        class_names=("0", "1"),
    )
    loop = TrainingLoop(network, Arrays.of(data), plain, planned_epochs=_EPOCHS, seed=1)
    with contextlib.suppress(NotFiniteError):  # random images may be too much for it
        loop.run(1, _EPOCHS)


def _copies(
    spec: OpSpec, network: keras.Model, config: EvaluationConfig
) -> Iterator[tuple[NDArray[Any] | str, str, str]]:
    """The answers of the network found again, or what stands against that; what is asked of it, and the way out."""
    with tempfile.TemporaryDirectory(prefix="hivenas-") as folder:
        weights, model = Path(folder, "probe.weights.h5"), Path(folder, "probe.keras")
        yield (
            _tried(lambda: _reloaded(spec, network, config, weights)),
            "keep all that decides its answers among its weights, or make it of its arguments",
            "make variables by self.add_weight, and sublayers as attributes of the layer; draw no constants at random",
        )
        yield _tried(lambda: _loaded(network, model)), "be found again in a saved model", ADVICE


def _tried(copy: Callable[[], keras.Model]) -> NDArray[Any] | str:
    try:
        found = copy()
        answers: NDArray[Any] = found(_images(found.input_shape[1:]), training=False).numpy()
        return answers
    except DiskFullError:
        raise
    except Exception as error:
        return cut(innermost(error))


def _reloaded(spec: OpSpec, network: keras.Model, config: EvaluationConfig, file: Path) -> keras.Model:
    """Another network, of another seed, with the saved weights and optimizer: as continued trainings find them."""
    save_state(network, file, Saved("probe", _EPOCHS, 0, ()))
    other = _network(spec, network.input_shape[1:], config, seed=2)
    other.compile(optimizer=Precision.of(config).optimizer(make_optimizer(config.optimizer)))
    other.optimizer.build(other.trainable_variables)
    other.load_weights(file)
    return other


def _loaded(network: keras.Model, file: Path) -> keras.Model:
    """The saved model, as whoever uses it loads it."""
    network.save(file)
    keras.utils.set_random_seed(2)
    return keras.saving.load_model(file)


def _own_layers(network: keras.Model) -> str:
    """The classes of its layers that are not Keras' own, and its Lambda layers."""
    kinds = (type(layer) for layer in network.layers)
    own = (kind.__name__ for kind in kinds if not kind.__module__.startswith("keras.") or kind is layers.Lambda)
    return " and ".join(f"the layer {name}" for name in dict.fromkeys(own))
