"""The training loop: the steps of an epoch are few calls of one compiled graph, and its validation of another.

On small tasks tracing graphs costs more than the arithmetic, and `model.fit` traces three times (first step, first
epoch, validation) and keeps metric objects up to date at every step. Here a candidate's network is traced twice, to
train and to validate, whatever the number of steps that a call takes. A call takes about half a second: signals,
progress and checkpoints wait for its end. Figures do not depend on how an epoch is divided.
"""

from __future__ import annotations

import contextlib
import functools
import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from hivenas.config import EvaluationConfig, OptimizerConfig
from hivenas.config.metrics import ACCURACY
from hivenas.core.metrics import value_of
from hivenas.core.nas.training.added_losses import activities_in_float32, total_of
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.augmentation import Augmentation
from hivenas.core.nas.training.averages import WeightAverage
from hivenas.core.nas.training.failures import DIVERGED, MACHINE, PROGRAM, NotFiniteError
from hivenas.core.nas.training.precision import Precision
from hivenas.core.nas.training.rates import learning_rates
from hivenas.core.nas.training.stretches import Inside, Pace, PartialEpoch, answered_at_a_time, stretches
from hivenas.core.records import EpochFigures
from hivenas.core.seeds import derive_seed

_NO_MEMORY = r"OOM|[Oo]ut of memory|[Ff]ailed to allocate|ALLOC_FAILED"
_VALIDATION_BATCH = 512  # of images that are not large

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


def _mean(total: Any, count: int) -> float:
    """A sum over images, in float32 by the reciprocal of their number, as it always was; NaN of none.

    Within a graph TensorFlow makes of a division by a constant the multiplication by its reciprocal.
    """
    return float(total.numpy() * (np.float32(1) / np.float32(count))) if count else math.nan


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
        self,
        network: keras.Model,
        arrays: Arrays,
        config: EvaluationConfig,
        *,
        planned_epochs: int,
        seed: int,
    ) -> None:
        self.network = network
        self._arrays = arrays
        self._config = config
        self._planned_epochs = planned_epochs
        self._seed = seed
        self._paces = Pace(), Pace()  # of training and of validation
        self._inside = Inside()  # of the run at work, and its figures so far
        self._history: list[EpochFigures] = []
        self._seconds: list[float] = []  # of the epochs that were trained here
        self._scores: list[Any] = []  # of the validation images after the last of these, part by part
        self._judge = config.task.piece("head").judge(network, config, arrays.class_weights)
        self._optimizer, self._average = compiled(network, config)
        # It has nothing for AutoGraph to convert, which would cost as much as tracing it.
        augmentation = Augmentation(config.augmentation, arrays.standardisation)
        augment = functools.partial(augmentation.batch, classes=network.output_shape[-1])
        self._augment = tf.autograph.experimental.do_not_convert(augment)
        self._dropout_states = [v for v in network.variables if v.name == "seed_generator_state"]
        self._training, self._validation = arrays.training, arrays.validation
        self._at_a_time = answered_at_a_time(network.input_shape[1:], _VALIDATION_BATCH)
        self._steps = math.ceil(len(self._training) / config.batch_size)
        # Asked for its concrete graph, tf.function does not warn that every candidate brings a new one.
        number, sums = tf.TensorSpec((), tf.int32), [tf.TensorSpec((), tf.float32)] * 2
        rates = tf.TensorSpec((None,), tf.float32)
        given, validated = self._training.specs, self._validation.specs
        with activities_in_float32(network):
            self._train = tf.function(self._trained).get_concrete_function(number, number, rates, *sums, *given)
            self._validate = tf.function(self._validated).get_concrete_function(*sums, *validated)

    @property
    def metric(self) -> str:
        """The name of the metric that is looked for."""
        return self._config.metric.name

    def run(
        self,
        first: int,
        last: int,
        stops: Callable[[int, float], bool] | None = None,
        *,
        after: Callable[[Sequence[EpochFigures]], None] | None = None,
        done: Sequence[EpochFigures] = (),
        inside: Inside | None = None,
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
            inside: what to do between the steps of an epoch; where the epoch after those is begun already.

        Returns:
            The figures of every epoch of the stretch, and whether `stops` ended the training early.

        Raises:
            NotFiniteError: the loss or a weight is NaN or infinite.
            MetricError: a metric of one's own raises, or gives no finite number.
        """
        history = list(done)
        self._inside, self._history = inside or Inside(), history

        def ends() -> bool:
            if stops is None or not history or history[-1].epoch >= last:
                return False
            return stops(history[-1].epoch, history[-1].figure)

        stopped = ends()
        while first + len(history) <= last and not stopped:
            started = time.monotonic()
            step = self._begun(epoch := first + len(history)).step
            history.append(self._one(epoch))
            if step <= self._steps / 2:  # what little is left of an epoch says too little of a whole one
                self._seconds.append((time.monotonic() - started) * self._steps / (self._steps - step))
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
        """The answers to the validation images (images, outputs) as of the last epoch, once.

        Where that was trained by an earlier attempt, of which the network is, the images are answered anew.
        """
        if not self._scores:
            self._validation_figures(None)
        found, self._scores = self._scores, []  # a network that stays alive need not keep them
        return self._joined(found)

    def _joined(self, parts: Sequence[Any]) -> NDArray[np.float32]:
        none = np.empty((0, *self.network.output_shape[1:]), np.float32)
        return np.concatenate([each.numpy() for each in parts] or [none])

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Has the network hold what is validated, tested and served: the average of its weights, where one is kept."""
        return contextlib.nullcontext() if self._average is None else self._average.in_place()

    def _one(self, epoch: int) -> EpochFigures:
        figures = EpochFigures(epoch, *self._training_figures(epoch), *self._validation_figures(epoch))
        validated = len(self._validation) > 0  # not where all images are trained on
        if not math.isfinite(figures.loss) or (validated and not math.isfinite(figures.val_loss)):
            raise NotFiniteError(
                f"the loss is not finite in epoch {epoch} (training {figures.loss:g}, validation {figures.val_loss:g}, "
                f"learning rate {float(self._optimizer.learning_rate):g})"
            )
        if self._config.fitness == ACCURACY or not validated:
            return figures
        return replace(
            figures, metric=value_of(self._config.metric, self._arrays.y_val.numpy(), self._joined(self._scores))
        )

    def _begun(self, epoch: int) -> PartialEpoch:
        """The epoch as far as it is behind the network, with the states from which its dropout draws."""
        begun = self._inside.begun
        if begun is not None and begun.epoch == epoch:
            return begun
        seeds = (derive_seed(self._seed, "dropout", number, epoch) for number in range(len(self._dropout_states)))
        return PartialEpoch(epoch, draws=[(seed, 0) for seed in seeds])

    def _training_figures(self, epoch: int) -> tuple[float, float]:
        """Loss and accuracy of the training images, trained on."""
        rates = np.asarray(
            learning_rates(self._config, epoch - 1, epochs=self._planned_epochs, steps=self._steps), np.float32
        )
        rng = np.random.default_rng(derive_seed(self._seed, "order", epoch))
        order = rng.permutation(len(self._training)).astype(np.int32)
        augmentation_seed = tf.constant(derive_seed(self._seed, "augment", epoch), tf.int32)
        begun = self._begun(epoch)
        for state, draws in zip(self._dropout_states, begun.draws, strict=True):
            state.assign(np.array(draws, dtype=np.uint32))
        loss, hits = tf.constant(begun.loss, tf.float32), tf.constant(begun.hits, tf.float32)
        batch, pace = self._config.batch_size, self._paces[0]
        with contextlib.closing(stretches(self._training, order, batch, pace, begin=begun.step)) as parts:
            for part in parts:
                started = time.monotonic()
                own = tf.constant(rates[part.first : part.last])
                loss, hits = self._train(tf.constant(part.first), augmentation_seed, own, loss, hits, *part.given)
                loss.numpy()  # where a device computes, the call has returned before it has
                pace.took(part.last - part.first, time.monotonic() - started)
                self._between(PartialEpoch(epoch, part.last, loss=float(loss), hits=float(hits)))
        return _mean(loss, len(order)), _mean(hits, len(order))

    def _between(self, at: PartialEpoch) -> None:
        """Between two calls."""
        if self._inside.tell is not None:
            self._inside.tell(self._history, at.step / self._steps)
        if self._inside.keep is not None and at.step < self._steps:
            draws = [state.numpy().tolist() for state in self._dropout_states]
            self._inside.keep(self._history, replace(at, draws=draws))

    def _validation_figures(self, epoch: int | None) -> tuple[float, float]:
        """Loss and accuracy of the validation images, and their scores kept.

        Args:
            epoch: the one that is validated; None after the last of an earlier attempt.
        """
        self._scores = []
        loss, hits = tf.constant(0.0), tf.constant(0.0)
        order = np.arange(len(self._validation), dtype=np.int32)
        pace = self._paces[1]
        with contextlib.closing(stretches(self._validation, order, self._at_a_time, pace)) as parts:
            for part in parts:
                started = time.monotonic()
                loss, hits, scores = self._validate(loss, hits, *part.given)
                loss.numpy()
                pace.took(part.last - part.first, time.monotonic() - started)
                self._scores.append(scores)
                if epoch is not None and self._inside.tell is not None:
                    self._inside.tell(self._history, 1.0)
        return _mean(loss, len(order)), _mean(hits, len(order))

    def _check_weights(self, epoch: int) -> None:
        for weight in self.network.weights:
            if not np.isfinite(weight.numpy()).all():
                raise NotFiniteError(
                    f"the weight {weight.path} is not finite after epoch {epoch} "
                    f"(learning rate {float(self._optimizer.learning_rate):g})"
                )

    # The methods below are traced into graphs; loops over tensors become graph loops.

    def _trained(self, first: Any, augmentation_seed: Any, rates: Any, loss: Any, hits: Any, *given: Any) -> Any:
        """Trains as many steps as there are rates; sums of the loss and of right answers go on from call to call."""
        batch = self._config.batch_size
        for step in tf.range(tf.size(rates)):
            x, y = self._training.batch(step * batch, (step + 1) * batch, given)
            if self._config.augmentation.is_on:
                x, y = self._augment(x, y, tf.stack([augmentation_seed, first + step]))
            with tf.GradientTape() as tape:
                batch_loss, right, _ = self._score(x, y, True)
                scaled_loss = self._optimizer.scale_loss(batch_loss)
            variables = self.network.trainable_variables
            self._optimizer.learning_rate = rates[step]
            self._optimizer.apply(tape.gradient(scaled_loss, variables), variables)
            if self._average is not None:
                self._average.update()
            loss += batch_loss * tf.cast(tf.shape(x)[0], tf.float32)
            hits += right
        return loss, hits

    def _validated(self, loss: Any, hits: Any, *given: Any) -> Any:
        """Adds loss and right answers of validation images to the sums; also gives the answers to each.

        The average of the weights is in their place for the time of a call: whoever ends the work between two calls
        finds the network as it is trained.
        """
        raw = [] if self._average is None else self._average.put()
        count = tf.shape(given[0])[0]
        # Batches differ in size, as the last one may.
        each = tf.TensorShape([None, self.network.output_shape[-1]])
        batches = (count + self._at_a_time - 1) // self._at_a_time
        scores = tf.TensorArray(tf.float32, size=batches, infer_shape=False, element_shape=each)
        for start in tf.range(0, count, self._at_a_time):
            x, y = self._validation.batch(start, start + self._at_a_time, given)
            batch_loss, right, answers = self._score(x, y, False)
            loss += batch_loss * tf.cast(tf.shape(x)[0], tf.float32)
            hits += right
            scores = scores.write(start // self._at_a_time, tf.cast(answers, tf.float32))
        if self._average is not None:
            self._average.put_back(raw)
        return loss, hits, scores.concat()

    def _score(self, x: Any, y: Any, training: bool) -> tuple[Any, Any, Any]:
        """Mean loss with the regularisation terms, the sum of the shares of right answers, and the answers.

        Validation's loss is the head's, of labels as they are, whatever is trained on, and these terms, as of
        `model.evaluate`; the metric log_loss and the loss of tests are without. Labels are numbers of classes
        (n,), or shares of them (n, classes), of which the largest is the right answer; of other tasks a row an image.
        """
        answers = self.network(x, training=training)
        losses, right = self._judge(y, answers, training)
        loss = tf.add_n([tf.reduce_mean(losses), *map(total_of, self.network.losses)])
        return loss, tf.reduce_sum(right), answers
