"""CPU time of what a training batch consists of, by TensorFlow's own kernels and by oneDNN's.

    python benchmarks/batch_operations.py [--repeats 5] [--channels 64]

Operations on a batch of 128 images of 28×28 and their gradients, one thread. Prints medians in milliseconds, in user
mode and in the kernel, which hands out memory. What a processor with fewer instructions would do is seen with
ONEDNN_MAX_CPU_ISA=AVX2 in the environment; TensorFlow's own kernels are compiled for AVX in any case.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from hivenas.execution import limit_threads


def main() -> None:
    """Prints both tables side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--channels", type=int, default=64)
    options = parser.parse_args()
    tables = []
    for onednn in ("0", "1"):
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = onednn
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            tables.append(pool.submit(measure, options.channels, options.repeats).result())
    print(f"{'':<34}{'TensorFlow: user, kernel':>26}{'oneDNN: user, kernel':>26}")
    for name in tables[0]:
        (a, b), (c, d) = tables[0][name], tables[1][name]
        print(f"{name:<34}{a:>16.0f} {b:>9.0f}{c:>16.0f} {d:>9.0f}")


def measure(channels: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Milliseconds in user mode and in the kernel, by operation."""
    limit_threads(1)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import tensorflow as tf

    x, upstream = (tf.random.normal((128, 28, 28, channels)) for _ in range(2))
    kernel = tf.random.normal((3, 3, channels, 1))

    def with_gradient(pool: Callable[[Any], Any]) -> Callable[[], Any]:
        def call() -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                pooled = pool(x)
            return tape.gradient(pooled, x, upstream)

        return call

    return {
        "ReLU": _milliseconds(tf.function(lambda: tf.nn.relu(x)), repeats),
        "depthwise convolution, 3×3": _milliseconds(
            tf.function(with_gradient(lambda images: tf.nn.depthwise_conv2d(images, kernel, [1, 1, 1, 1], "SAME"))),
            repeats,
        ),
        "max pooling, 3×3": _milliseconds(
            tf.function(with_gradient(lambda images: tf.nn.max_pool2d(images, 3, 1, "SAME"))), repeats
        ),
    }


def _milliseconds(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    for _ in range(2):
        call()
    times = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_SELF)
        call()
        after = resource.getrusage(resource.RUSAGE_SELF)
        times.append((after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime))
    user, system = np.median(times, axis=0) * 1000
    return float(user), float(system)


if __name__ == "__main__":
    main()
