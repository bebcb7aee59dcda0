"""Trials of what a configuration defines itself, on one batch, before anything is trained.

Keras must take it, and all that decides its answers must be kept when it is saved.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

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
from hivenas.core.nas.training.loop import TrainingLoop, accelerators, make_optimizer
from hivenas.core.nas.training.network import apply_operation
from hivenas.core.nas.training.precision import Precision
from hivenas.core.nas.training.predictions import same_answers
from hivenas.core.nas.training.serving import ADVICE
from hivenas.errors import ConfigError, DiskFullError, innermost

T = TypeVar("T")

_IMAGES, _CLASSES, _EPOCHS = 8, 2, 2  # after which a training is saved, and goes on for one more
# Of the way of all weights in an epoch, what may be rounding: on GPUs sums are not rounded alike twice.
_ROUNDED, _ROUNDED_ON_GPUS = 0.001, 0.01
_RATE = 1e-3  # of learning: the configured one may be far too high for random images
# Of an operation of the user's own: what is asked, what was found, and the way out.
_EXACTLY = (
    "draw from a keras.random.SeedGenerator of its own, so that a training goes on exactly from what is saved",
    "other weights from its copy after one more epoch",
    "set self.generator = keras.random.SeedGenerator() and draw with seed=self.generator; make all else that changes "
    "in training by self.add_weight",
)
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
    """Trains a network with an operation of the user's, saves it and compares what its copies answer and come to."""
    named = _own_layers(network) or spec.op

    def refuse(what: str, got: str, way_out: str) -> ConfigError:
        return ConfigError(f"space.reference.{key}: {named} must {what}, got {got}; {way_out}")

    with tempfile.TemporaryDirectory(prefix="hivenas-") as name:
        begun = Path(name, "begun.weights.h5")
        try:
            loop = _loop(network, config)
            _train(loop, 1, _EPOCHS)
            _tried(lambda: _save(network, begun))  # what stands against that is said of the copies below
            # At once: copies are built from other seeds, which ends what draws without a generator of its own.
            _train(loop, _EPOCHS + 1, _EPOCHS + 1)
            answers, again = _answers(network), _answers(network)
        except DiskFullError:
            raise
        except Exception as error:  # layers may raise anything
            raise refused(key, spec, innermost(error), network.input_shape[1:]) from error
        if not same_answers(answers, again):
            way_out = "draw at random, or change state, in training alone (`call(self, x, training=False)`)"
            raise refuse("answer the same image alike at every call", "two answers of one network that differ", way_out)
        for copied, what, way_out in _copies(spec, network, config, Path(name)):
            if isinstance(copied, str):
                raise refuse(what, copied, way_out)
            if not same_answers(answers, copied):
                raise refuse(what, "other answers from its copy", way_out)
        if not _goes_on_alike(spec, network, config, begun):
            raise refuse(*_EXACTLY)


def _loop(network: keras.Model, config: EvaluationConfig) -> TrainingLoop:
    """The very loop that trains candidates, on a few images."""
    plain = config.model_copy(update={"initial_lr": _RATE, "final_lr": _RATE, "batch_size": _IMAGES // 2})
    plain = plain.model_copy(update={"augmentation": AugmentationConfig.only(), "warmup_epochs": 0.0, "ema": 0.0})
    # A metric of one's own is for other classes than these, another task's loss for no classes.
    loss = plain.loss if plain.task.name == CLASSIFY else TASKS[CLASSIFY].losses[0]
    plain = plain.model_copy(update={"fitness": ACCURACY, "loss": loss})
    images = _images(network.input_shape[1:])
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
    return TrainingLoop(network, Arrays.of(data), plain, planned_epochs=_EPOCHS + 1, seed=1)


def _train(loop: TrainingLoop, first: int, last: int) -> None:
    with contextlib.suppress(NotFiniteError):  # random images may be too much for it
        loop.run(first, last)


def _goes_on_alike(spec: OpSpec, network: keras.Model, config: EvaluationConfig, begun: Path) -> bool:
    """True where a copy comes to the network's weights, up to rounding, by the last of its epochs.

    Args:
        spec: the operation.
        network: after that epoch.
        config: how candidates are trained.
        begun: the h5 file of the network before it.
    """
    other = _network(spec, network.input_shape[1:], config, seed=2)
    loop = _loop(other, config)
    other.load_weights(begun)
    before = _weights(other)
    _train(loop, _EPOCHS + 1, _EPOCHS + 1)
    rounded = _ROUNDED_ON_GPUS if accelerators() else _ROUNDED
    for old, one, two in zip(before, _weights(network), _weights(other), strict=True):
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite ones nothing is known
            moved, apart = np.linalg.norm(one - old), np.linalg.norm(one - two)
        if np.isfinite(moved) and not apart <= rounded * moved:
            return False
    return True


def _weights(network: keras.Model) -> list[NDArray[np.float64]]:
    """All weights that are trained in a line, and all others, which may be far larger, in one; no states of draws."""
    kinds = network.trainable_weights, network.non_trainable_weights
    return [np.concatenate([np.empty(0), *(w.numpy().ravel().astype(np.float64) for w in kind)]) for kind in kinds]


def _copies(
    spec: OpSpec, network: keras.Model, config: EvaluationConfig, folder: Path
) -> Iterator[tuple[NDArray[Any] | str, str, str]]:
    """The answers of the network found again, or what stands against that; what is asked of it, and the way out."""
    yield (
        _tried(lambda: _answers(_reloaded(spec, network, config, folder / "probe.weights.h5"))),
        "keep all that decides its answers among its weights, or make it of its arguments",
        "make variables by self.add_weight, and sublayers as attributes of the layer; draw no constants at random",
    )
    yield _tried(lambda: _answers(_loaded(network, folder / "probe.keras"))), "be found again in a saved model", ADVICE


def _tried(work: Callable[[], T]) -> T | str:
    """The result, or what stands against there being one."""
    try:
        return work()
    except DiskFullError:
        raise
    except Exception as error:
        return cut(innermost(error))


def _answers(network: keras.Model) -> NDArray[Any]:
    answers: NDArray[Any] = network(_images(network.input_shape[1:]), training=False).numpy()
    return answers


def _reloaded(spec: OpSpec, network: keras.Model, config: EvaluationConfig, file: Path) -> keras.Model:
    """Another network, of another seed, with the saved weights and optimizer: as continued trainings find them."""
    _save(network, file)
    other = _network(spec, network.input_shape[1:], config, seed=2)
    other.compile(optimizer=Precision.of(config).optimizer(make_optimizer(config.optimizer)))
    other.optimizer.build(other.trainable_variables)
    other.load_weights(file)
    return other


def _save(network: keras.Model, file: Path) -> None:
    save_state(network, file, Saved("probe", _EPOCHS, 0, ()))


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
