"""CPU time of a candidate against `model.fit` on the same arrays, same model, same batches.

    python benchmarks/training_loop.py [--candidates 8] [--threads 1]

For every candidate of the layer-wise preset on digits (5 epochs, both with validation after each), the two are timed in
pairs in one process, in turns. Building the network is part of both; ours saves its h5 file and its history too.
Prints each pair and the ratio of the sums.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable

import numpy as np

from hivenas.execution import limit_threads

EPOCHS, BATCH = 5, 128


def main() -> None:
    """Times pairs and prints their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    limit_threads(options.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.tracker import NullTracker

    settings = {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "seed": 1,
        "stopping": "none",
        "results": {"dir": tempfile.mkdtemp()},
    }
    interface = NASInterface({"depth": 5}, settings, tracker=NullTracker())
    candidates = [interface.sample() for _ in range(options.candidates + 1)]
    ours, fits = [], []
    for number, candidate in enumerate(candidates):
        pair = [_timed(lambda: _fit(interface, candidate)), _timed(lambda: _ours(interface, candidate))]  # noqa: B023
        if number:  # the first pair warms the process up
            fits.append(pair[0])
            ours.append(pair[1])
            print(f"fit {pair[0]:5.2f}  ours {pair[1]:5.2f}  ratio {pair[1] / pair[0]:.2f}  {candidate}", flush=True)
    ratios = np.array(ours) / np.array(fits)
    print(f"CPU seconds, sums: fit {sum(fits):.1f}, ours {sum(ours):.1f}")
    print(f"ratio of sums {sum(ours) / sum(fits):.2f}, median of ratios {np.median(ratios):.2f}")


def _timed(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _ours(interface: object, candidate: str) -> None:
    from hivenas.core.nas.nas_interface import NASInterface

    assert isinstance(interface, NASInterface)
    assert interface.eval_strategy.evaluate(candidate).epochs == EPOCHS


def _fit(interface: object, candidate: str) -> None:
    import keras

    from hivenas.core.nas.nas_interface import NASInterface

    assert isinstance(interface, NASInterface)
    strategy = interface.eval_strategy
    network = strategy.instantiate_network(candidate)
    arrays = strategy.training_data.arrays
    network.compile(
        keras.optimizers.SGD(0.08, momentum=0.9, nesterov=True),
        "sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy"],
    )
    network.fit(
        arrays.x_train.numpy(),
        arrays.y_train.numpy(),
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=(arrays.x_val.numpy(), arrays.y_val.numpy()),
        verbose=0,
    )


if __name__ == "__main__":
    main()
