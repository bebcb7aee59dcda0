"""CPU time of layers and blocks in bfloat16, as a share of what they take in float32.

    TF_NUM_INTRAOP_THREADS=1 python benchmarks/precision.py [--only PART] [--batch 64] [--rounds 7] [--steps 5]

A batch forwards and backwards through four of a layer one after the other (a layer alone would be measured with the
casts at its ends), at 14×14×64 and 28×28×32, weights in float32; the variants of a line in turns, medians of CPU time.
Then two blocks of several layers one after the other, with all of them in bfloat16 and with those that
`evaluation.precision: bfloat16` chooses.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hivenas.core.onednn import choose_onednn
from hivenas.execution import limit_threads

SHAPES = ((14, 14, 64), (28, 28, 32))
REPEATED = 4
F32, BF16 = "float32", "mixed_bfloat16"
Tensor = Any


def main() -> None:
    """Prints a line a layer and a line a block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--only", default="", help="part of the names of lines to measure")
    options = parser.parse_args()
    limit_threads(1)
    choose_onednn()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for shape in SHAPES:
        lines = {
            name: {F32: _chain(layer, F32), "bfloat16": _chain(layer, BF16)}
            for name, layer in _layers(shape[2]).items()
        }
        for name, block in BLOCKS.items():
            chosen = {F32: {}, "all": None, "chosen": {"Conv2D": BF16}}
            lines[name] = {each: _twice(block, shape[2], layers) for each, layers in chosen.items()}
        for name, variants in lines.items():
            if options.only in name:
                _line(f"{'×'.join(map(str, shape))}  {name}", shape, variants, options)


def _layers(width: int) -> Mapping[str, Callable[[str], Any]]:
    """Layers that keep the shape, made in a precision."""
    from keras import layers

    return {
        "Conv2D 3×3": lambda dtype: layers.Conv2D(width, 3, padding="same", dtype=dtype),
        "Conv2D 5×5": lambda dtype: layers.Conv2D(width, 5, padding="same", dtype=dtype),
        "Conv2D 1×1": lambda dtype: layers.Conv2D(width, 1, padding="same", dtype=dtype),
        "DepthwiseConv2D 3×3": lambda dtype: layers.DepthwiseConv2D(3, padding="same", dtype=dtype),
        "SeparableConv2D 3×3": lambda dtype: layers.SeparableConv2D(width, 3, padding="same", dtype=dtype),
        "SeparableConv2D 5×5": lambda dtype: layers.SeparableConv2D(width, 5, padding="same", dtype=dtype),
        "Conv2DTranspose 3×3": lambda dtype: layers.Conv2DTranspose(width, 3, padding="same", dtype=dtype),
        "Dense": lambda dtype: layers.Dense(width, dtype=dtype),
        "BatchNormalization": lambda dtype: layers.BatchNormalization(dtype=dtype),
        "ReLU": lambda dtype: layers.ReLU(dtype=dtype),
        "Activation swish": lambda dtype: layers.Activation("swish", dtype=dtype),
        "MaxPooling2D": lambda dtype: layers.MaxPooling2D(3, strides=1, padding="same", dtype=dtype),
        "AveragePooling2D": lambda dtype: layers.AveragePooling2D(3, strides=1, padding="same", dtype=dtype),
    }


def _chain(layer: Callable[[str], Any], dtype: str) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        for _ in range(REPEATED):
            x = layer(dtype)(x)
        return x

    return apply


def _maker(chosen: Mapping[str, str] | None) -> Callable[..., Any]:
    """Makes layers, those of a class in the precision that is chosen for it: None for bfloat16 everywhere."""
    from keras import layers

    def new(kind: str, *args: Any, **kwargs: Any) -> Any:
        dtype = BF16 if chosen is None else chosen.get(kind, F32)
        return getattr(layers, kind)(*args, **kwargs, dtype=dtype)

    return new


def _conv_bn_relu(new: Callable[..., Any], width: int, x: Tensor) -> Tensor:
    x = new("Conv2D", width, 3, padding="same", use_bias=False)(x)
    return new("ReLU")(new("BatchNormalization")(x))


def _residual(new: Callable[..., Any], width: int, x: Tensor) -> Tensor:
    start = x
    for _ in range(2):
        x = new("ReLU")(new("BatchNormalization")(x))
        x = new("Conv2D", width, 3, padding="same", use_bias=False)(x)
    return new("Add")([start, x])


def _mobile(new: Callable[..., Any], width: int, x: Tensor) -> Tensor:
    start = x
    x = new("ReLU")(new("BatchNormalization")(new("Conv2D", 4 * width, 1, use_bias=False)(x)))
    x = new("ReLU")(new("BatchNormalization")(new("DepthwiseConv2D", 3, padding="same", use_bias=False)(x)))
    x = new("BatchNormalization")(new("Conv2D", width, 1, use_bias=False)(x))
    return new("Add")([start, x])


BLOCKS: Mapping[str, Callable[[Callable[..., Any], int, Tensor], Tensor]] = {
    "conv–BN–ReLU": _conv_bn_relu,
    "pre-activation residual": _residual,
    "1×1–depthwise–1×1": _mobile,
}


def _twice(block: Callable[..., Tensor], width: int, chosen: Mapping[str, str] | None) -> Callable[[Tensor], Tensor]:
    return lambda x: block(_maker(chosen), width, block(_maker(chosen), width, x))


def _line(
    name: str, shape: tuple[int, int, int], variants: Mapping[str, Callable[[Tensor], Tensor]], options: Any
) -> None:
    steps = {each: _step(apply, (options.batch, *shape)) for each, apply in variants.items()}
    times: dict[str, list[float]] = {each: [] for each in steps}
    for _ in range(options.rounds):
        for each, step in steps.items():
            started = time.process_time()
            for _ in range(options.steps):
                step()
            times[each].append((time.process_time() - started) / options.steps * 1e3)
    medians = {each: float(np.median(taken)) for each, taken in times.items()}
    whole = medians.pop(F32)
    shares = "  ".join(f"{each} {taken / whole:5.2f}" for each, taken in medians.items())
    print(f"{name:<36} {whole:7.2f} ms   {shares}", flush=True)


def _step(apply: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Callable[[], Any]:
    """Forwards and backwards through a network from float32 to float32, as one graph."""
    import keras
    import tensorflow as tf

    inputs = keras.Input(shape[1:])
    network = keras.Model(inputs, apply(inputs))
    images = tf.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))

    def there_and_back() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_mean(tf.square(tf.cast(network(images, training=True), tf.float32)))
        return tape.gradient(loss, [images, *network.trainable_variables])

    step: Callable[[], Any] = tf.function(there_and_back)
    step()
    return step


if __name__ == "__main__":
    main()
