"""The costs of a network that are not known before it is built: its latency, measured, and its memory, counted."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hivenas.config.costs import Cost
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.training.loop import accelerators
from hivenas.core.nas.training.precision import in_single_precision, layers_of

_BATCH = 32  # images of the batch beside a single one
_WARM = 3  # answers before the first that counts
_LEAST, _MOST = 5, 200  # answers that count
# Seconds after which there are enough of them: the medians of windows of 0.02, 0.03 and 0.05 s differ alike from one
# measurement to the next, as what differs is the machine from moment to moment.
_SPENT_S = 0.02
_DIGITS = 4  # that mean something; the rest would only make bounds and tables long
_BYTES = 4  # of a number in float32, in which networks are served
_MEGA = 1e6


def measured_costs(network: keras.Model, data: Dataset, costs: Sequence[Cost]) -> dict[str, float]:
    """The figures of costs that are not known beforehand, and of those beside them; nothing where none is asked for.

    Neither the network nor any generator of random numbers is other than before.

    Args:
        network: built, trained or not: its weights do not matter.
        data: the raw images, and the figures by which they are standardised.
        costs: what is weighed against the fitness.
    """
    found: dict[str, float] = {}
    for cost in costs:
        found |= {} if cost.known else _MEASURES[cost.key](network, data)
    return found


def latency(network: keras.Model, data: Dataset) -> dict[str, float]:
    """The time that an answer takes: `latency_ms` of a single image, `latency_batch_ms` an image of a batch of 32.

    Of what is served, from raw images to its answers with the standardisation in front, in float32, as one graph:
    the median of up to 200 answers in a row, after three that do not count, in milliseconds, four digits of it.

    The time is that of the processor, which on one thread is what an answer takes where nothing else is at work: of
    a clock on the wall the workers beside this one would take their share. TensorFlow's threads are those that the
    process trains with, one in workers unless `execution.threads` says otherwise; of several the times add up, with
    what it takes to hand work over. Where there are GPUs the network is there, and it is the time on the wall.
    """
    images = np.resize(data.x_val[:_BATCH], (_BATCH, *data.shape))
    with in_single_precision(network):
        answer = _served(network, data, images.dtype)
        single, batch = (_median_ms(answer, tf.constant(each)) for each in (images[:1], images))
    return {"latency_ms": _rounded(single), "latency_batch_ms": _rounded(batch / _BATCH)}


def memory(network: keras.Model, data: Dataset) -> dict[str, float]:
    """The memory that an answer takes at least: `memory_mb`, megabytes of a million bytes; counted, not measured.

    All weights, moving averages included, and the activations of the layer that has most of them, what it reads and
    what it writes for one image, each number in four bytes (float32).
    """
    weights = sum(math.prod(weight.shape) for weight in network.weights)
    activations = max((_numbers(layer.input) + _numbers(layer.output) for layer in layers_of(network)), default=0)
    return {"memory_mb": _BYTES * (weights + activations) / _MEGA}


_MEASURES: Mapping[str, Callable[[keras.Model, Dataset], dict[str, float]]] = MappingProxyType(
    {"latency_ms": latency, "memory_mb": memory}
)


def _served(network: keras.Model, data: Dataset, dtype: Any) -> Callable[[Any], Any]:
    """The graph of what is served; made without a model around the network, which would leave a trace in that."""
    mean, variance = data.statistics()
    standardise = keras.layers.Normalization(mean=mean, variance=variance, name="standardise")
    standardise.build((None, *data.shape))

    def serve(images: Any) -> Any:
        return network(standardise(images), training=False)

    # Asked for its concrete graph, tf.function does not warn that every candidate brings a new one. It has nothing for
    # AutoGraph to convert.
    traced = tf.function(serve, autograph=False)
    graph: Callable[[Any], Any] = traced.get_concrete_function(tf.TensorSpec((None, *data.shape), dtype))
    return graph


def _median_ms(answer: Callable[[Any], Any], images: Any) -> float:
    clock = time.perf_counter if accelerators() else time.process_time
    for _ in range(_WARM):
        answer(images).numpy()
    taken: list[float] = []
    while len(taken) < _LEAST or (len(taken) < _MOST and sum(taken) < _SPENT_S):
        started = clock()
        answer(images).numpy()  # which a GPU is waited for by
        taken.append(clock() - started)
    return 1e3 * statistics.median(taken)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _numbers(tensors: Any) -> int:
    """Numbers in tensors, of one image."""
    return sum(math.prod(tensor.shape[1:]) for tensor in keras.tree.flatten(tensors))
