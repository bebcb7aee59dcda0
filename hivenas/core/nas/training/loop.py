"""The training loop: an epoch and its validation are one compiled graph.

On small tasks tracing graphs costs more than the arithmetic, and `model.fit` traces three times (first step, first
epoch, validation) and keeps metric objects up to date at every step. Here one graph is traced a candidate.
"""

from __future__ import annotations

import contextlib
import functools
import math
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.config import EvaluationConfig, OptimizerConfig
from hivenas.config.metrics import ACCURACY
from hivenas.core.metrics import value_of
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.image_arrays import Images
from hivenas.core.nas.training.augmentation import Augmentation
from hivenas.core.nas.training.averages import WeightAverage
from hivenas.core.nas.training.failures import DIVERGED, MACHINE, PROGRAM, NotFiniteError
from hivenas.core.nas.training.precision import Precision
from hivenas.core.nas.training.rates import learning_rates
from hivenas.core.nas.training.standardisation import Standardisation
from hivenas.core.records import EpochFigures
from hivenas.core.seeds import derive_seed

_NO_MEMORY = r"OOM|[Oo]ut of memory|[Ff]ailed to allocate|ALLOC_FAILED"
_VALIDATION_BATCH = 512  # bounds memory only; whole batches of any size give the same figures

_BLOCK = 2**20  # values that are standardised at a time


_OF_MACHINE = (
    MemoryError,
    OSError,
    tf.errors.ResourceExhaustedError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.UnknownError,
)


def cause_of(error: BaseException) -> str:
    """The cause of a failure, as `failures` names it; Keras wraps what a layer raises."""
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None and before not in chain:
        chain.append(before)
    if any(isinstance(each, NotFiniteError) for each in chain):
        return DIVERGED
    lacks = any(isinstance(each, _OF_MACHINE) or re.search(_NO_MEMORY, str(each)) for each in chain)
    return MACHINE if lacks else PROGRAM


@dataclass(frozen=True, slots=True)
class Arrays:
    """A data set as the loop wants it: standardised, on the device."""

    x_train: Any
    y_train: Any
    x_val: Any
    y_val: Any
    standardisation: Standardisation
    class_weights: Any = None

    @classmethod
    def of(cls, data: Dataset, class_weights: NDArray[np.float64] | None = None) -> Arrays:
        """Standardises with the training split's mean and deviation of every channel.

        Args:
            data: the raw images.
            class_weights: by which the loss of a training image of each class is multiplied (classes,); None for none.
        """
        standardisation = Standardisation.of(data)
        x_train, x_val = (_on_device(standardisation, x) for x in (data.x_train, data.x_val))
        return cls(
            x_train,
            tf.constant(data.y_train),
            x_val=x_val,
            y_val=tf.constant(data.y_val),
            standardisation=standardisation,
            class_weights=class_weights,
        )


def _on_device(standardisation: Standardisation, images: Images) -> Any:
    """Images as one standardised tensor, made in blocks: whole copies on the way to it would be thrice as large."""
    block = max(1, _BLOCK // images[0].size)
    tensor = tf.raw_ops.Empty(shape=images.shape, dtype=tf.float32)
    for start in range(0, len(images), block):
        part = standardisation.standardise(images[start : start + block])
        rows = tf.range(start, start + len(part))
        tensor = tf.raw_ops.InplaceUpdate(x=tensor, i=rows, v=tf.constant(part))
    return tensor


def make_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """The configured Keras optimizer."""
    # Keras refuses whole numbers, such as a momentum of 0, where it asks for a float.
    arguments = {name: float(each) if type(each) is int else each for name, each in config.arguments.items()}
    optimizer: keras.optimizers.Optimizer = getattr(keras.optimizers, config.op)(**arguments)
    return optimizer


def compiled(network: keras.Model, config: EvaluationConfig) -> tuple[keras.optimizers.Optimizer, WeightAverage | None]:
    """Compiles a network with the configured optimizer, built, and with the average of its weights, if one is kept."""
    optimizer = Precision.of(config).optimizer(make_optimizer(config.optimizer))
    optimizer.build(network.trainable_variables)
    average = WeightAverage(network, optimizer, config.ema) if config.ema else None
    network.compile(optimizer=optimizer)
    return optimizer, average


def load_validated(network: keras.Model, config: EvaluationConfig, file: Path) -> None:
    """Gives a network the weights of a training as they were validated: their average, where one was kept.

    Args:
        network: new, not compiled; so it stays.
        config: with which it was trained.
        file: the h5 file of the training.
    """
    if not config.ema:
        network.load_weights(file)
        return
    _, average = compiled(network, config)
    network.load_weights(file)
    assert average is not None  # as there is a decay
    average.put()
    network.optimizer, network.compiled = None, False


def total_of(loss: Any) -> Any:
    """A loss that a layer or regulariser adds, of any shape and type, as `model.fit` counts it: its sum, in float32."""
    entries = tf.convert_to_tensor(loss)
    if entries.dtype == tf.float32 and entries.shape.rank == 0:
        return entries
    return tf.reduce_sum(tf.cast(entries, tf.float32))


@contextlib.contextmanager
def _activities_in_float32(network: keras.Model) -> Iterator[None]:
    """Has layers of half precision regularise their activities in float32, while a graph is traced.

    A sum over a batch of activities is soon more than float16 can hold. The layers are as they were afterwards, since
    they are saved with their regularisers.
    """
    layers = network._flatten_layers(include_self=False)  # also those inside of others, as Keras finds their losses
    found = [layer for layer in layers if layer.activity_regularizer and "16" in str(layer.compute_dtype)]
    before = [layer.activity_regularizer for layer in found]
    try:
        for layer, regulariser in zip(found, before, strict=True):
            layer.activity_regularizer = functools.partial(_regularised, regulariser)
        yield
    finally:
        for layer, regulariser in zip(found, before, strict=True):
            layer.activity_regularizer = regulariser


def _regularised(regulariser: Callable[[Any], Any], activity: Any) -> Any:
    return regulariser(tf.cast(activity, tf.float32))


def accelerators() -> dict[str, str]:
    """The GPUs that TensorFlow sees, on which the last bits of figures depend; nothing without any."""
    found = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in found]
    return {"gpus": ", ".join(names)} if names else {}


class TrainingLoop:
    """Trains a network epoch by epoch; every epoch depends on the state before it and on its number alone.

    The order of the images, their augmentation and the dropout masks of an epoch derive from the seed and the epoch's
    number, so a network whose weights and optimizer state were saved after epoch n goes on as if it had never stopped.

    Args:
        network: a built model; it is compiled with the optimizer, so that `save_weights` saves both.
        arrays: the data.
        config: the `evaluation` section: optimizer, batch size, learning rates, loss, averages, augmentation, metric.
        planned_epochs: over how many epochs the learning rate decays.
        seed: of the order of images, of their augmentation and of dropout.
    """

    def __init__(
        self, network: keras.Model, arrays: Arrays, config: EvaluationConfig, *, planned_epochs: int, seed: int
    ) -> None:
        self.network = network
        self._arrays = arrays
        self._config = config
        self._planned_epochs = planned_epochs
        self._seed = seed
        self._seconds: list[float] = []  # of the epochs that were trained here
        self._scores: Any = None  # of the validation images after the last of these
        self._judge = config.task.piece("head").judge(network, config, arrays.class_weights)
        self._optimizer, self._average = compiled(network, config)
        # It has nothing for AutoGraph to convert, which would cost as much as tracing it.
        augmentation = Augmentation(config.augmentation, arrays.standardisation)
        augment = functools.partial(augmentation.batch, classes=network.output_shape[-1])
        self._augment = tf.autograph.experimental.do_not_convert(augment)
        self._dropout_states = [v for v in network.variables if v.name == "seed_generator_state"]
        # Asked for its concrete graph, tf.function does not warn that every candidate brings a new one.
        order, augmentation_seed = tf.TensorSpec((len(arrays.x_train),), tf.int32), tf.TensorSpec((), tf.int32)
        self._steps = math.ceil(len(arrays.x_train) / config.batch_size)
        rates = tf.TensorSpec((self._steps,), tf.float32)
        with _activities_in_float32(network):
            self._epoch = tf.function(self._train_and_validate).get_concrete_function(order, augmentation_seed, rates)

    def run(
        self,
        first: int,
        last: int,
        stops: Callable[[int, float], bool] | None = None,
        *,
        after: Callable[[Sequence[EpochFigures]], None] | None = None,
        done: Sequence[EpochFigures] = (),
    ) -> tuple[list[EpochFigures], bool]:
        """Trains a stretch of epochs.

        Args:
            first: number of the first epoch, from 1.
            last: number of the last epoch, included.
            stops: asked after every epoch but the last with its number and the validation figure that is looked for
                whether to end.
            after: called after every epoch but the last, before that, with the figures so far.
            done: figures of the stretch's first epochs, where the network comes from after them. Whether to end is
                asked after the last of these again: what kept the network may not have lived to hear the answer.

        Returns:
            The figures of every epoch of the stretch, and whether `stops` ended the training early.

        Raises:
            NotFiniteError: the loss or a weight is NaN or infinite.
            MetricError: a metric of one's own raises, or gives no finite number.
        """
        history = list(done)

        def ends() -> bool:
            if stops is None or not history or history[-1].epoch >= last:
                return False
            return stops(history[-1].epoch, history[-1].figure)

        stopped = ends()
        while first + len(history) <= last and not stopped:
            started = time.monotonic()
            history.append(self._one(first + len(history)))
            self._seconds.append(time.monotonic() - started)
            if after is not None and history[-1].epoch < last:
                after(history)
            stopped = ends()
        self._check_weights(history[-1].epoch if history else first - 1)
        return history, stopped

    @property
    def epoch_s(self) -> float:
        """Wall time of an epoch, in seconds: the median, as the first takes longer; 0 before there was one."""
        return statistics.median(self._seconds) if self._seconds else 0.0

    def scores(self) -> NDArray[np.float32]:
        """The probabilities of every class for the validation images (images, classes) as of the last epoch, once.

        Where that was trained by an earlier attempt, of which the network is, the images are answered anew.
        """
        if self._scores is None:
            self._scores = tf.function(self._validate).get_concrete_function()()[2]
        found, self._scores = self._scores, None  # a network that stays alive need not keep them
        scores: NDArray[np.float32] = found.numpy()
        return scores

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Has the network hold what is validated, tested and served: the average of its weights, where one is kept."""
        return contextlib.nullcontext() if self._average is None else self._average.in_place()

    def _one(self, epoch: int) -> EpochFigures:
        rates = learning_rates(self._config, epoch - 1, epochs=self._planned_epochs, steps=self._steps)
        for number, state in enumerate(self._dropout_states):
            state.assign(np.array([derive_seed(self._seed, "dropout", number, epoch), 0], dtype=np.uint32))
        rng = np.random.default_rng(derive_seed(self._seed, "order", epoch))
        order = rng.permutation(len(self._arrays.x_train)).astype(np.int32)
        augmentation_seed = tf.constant(derive_seed(self._seed, "augment", epoch), tf.int32)
        *values, self._scores = self._epoch(tf.constant(order), augmentation_seed, tf.constant(rates, tf.float32))
        figures = EpochFigures(epoch, *(float(value) for value in values))
        validated = len(self._arrays.x_val) > 0  # not where all images are trained on
        if not math.isfinite(figures.loss) or (validated and not math.isfinite(figures.val_loss)):
            raise NotFiniteError(
                f"the loss is not finite in epoch {epoch} (training {figures.loss:g}, validation {figures.val_loss:g}, "
                f"learning rate {float(self._optimizer.learning_rate):g})"
            )
        if self._config.fitness == ACCURACY or not validated:
            return figures
        return replace(figures, metric=value_of(self._config.metric, self._arrays.y_val.numpy(), self._scores.numpy()))

    def _check_weights(self, epoch: int) -> None:
        for weight in self.network.weights:
            if not np.isfinite(weight.numpy()).all():
                raise NotFiniteError(
                    f"the weight {weight.path} is not finite after epoch {epoch} "
                    f"(learning rate {float(self._optimizer.learning_rate):g})"
                )

    # The methods below are traced into one graph; loops over tensors become graph loops.

    def _train_and_validate(self, order: Any, augmentation_seed: Any, rates: Any) -> tuple[Any, ...]:
        count, batch = tf.size(order), self._config.batch_size
        loss, correct = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, count, batch):
            chosen = order[start : start + batch]
            x, y = tf.gather(self._arrays.x_train, chosen), tf.gather(self._arrays.y_train, chosen)
            if self._config.augmentation.is_on:
                x, y = self._augment(x, y, tf.stack([augmentation_seed, start // batch]))
            with tf.GradientTape() as tape:
                batch_loss, hits, _ = self._score(x, y, True)
                scaled_loss = self._optimizer.scale_loss(batch_loss)
            variables = self.network.trainable_variables
            self._optimizer.learning_rate = rates[start // batch]
            self._optimizer.apply(tape.gradient(scaled_loss, variables), variables)
            if self._average is not None:
                self._average.update()
            loss += batch_loss * tf.cast(tf.size(chosen), tf.float32)
            correct += hits
        total = tf.cast(count, tf.float32)
        return loss / total, correct / total, *self._validate()

    def _validate(self) -> tuple[Any, Any, Any]:
        """Loss and accuracy of the validation images, and the probability of every class for each."""
        raw = [] if self._average is None else self._average.put()
        val_count = len(self._arrays.x_val)
        val_loss, val_correct = tf.constant(0.0), tf.constant(0.0)
        # Batches differ in size, as the last one may.
        each = tf.TensorShape([None, self.network.output_shape[-1]])
        batches = math.ceil(val_count / _VALIDATION_BATCH)
        scores = tf.TensorArray(tf.float32, size=batches, infer_shape=False, element_shape=each)
        for start in tf.range(0, val_count, _VALIDATION_BATCH):
            x, y = (a[start : start + _VALIDATION_BATCH] for a in (self._arrays.x_val, self._arrays.y_val))
            batch_loss, hits, probabilities = self._score(x, y, False)
            val_loss += batch_loss * tf.cast(tf.shape(x)[0], tf.float32)
            val_correct += hits
            scores = scores.write(start // _VALIDATION_BATCH, tf.cast(probabilities, tf.float32))
        if self._average is not None:
            self._average.put_back(raw)
        return val_loss / val_count, val_correct / val_count, scores.concat()

    def _score(self, x: Any, y: Any, training: bool) -> tuple[Any, Any, Any]:
        """Mean loss with the regularisation terms, the number of right answers, and the probabilities.

        Validation's loss is the cross-entropy of labels as they are, whatever is trained on. Labels are numbers of
        classes (n,), or shares of them (n, classes), of which the largest is the right answer; of other tasks a row an
        image, which the task's head judges.
        """
        probabilities = self.network(x, training=training)
        losses, right = self._judge(y, probabilities, training)
        loss = tf.add_n([tf.reduce_mean(losses), *map(total_of, self.network.losses)])
        return loss, tf.reduce_sum(right), probabilities
