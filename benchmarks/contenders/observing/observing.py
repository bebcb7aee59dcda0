"""Watches the trainings of a contender from inside its processes, for benchmarks/real_size.py; costs it nothing.

After every epoch of every training its validation accuracy is written down, with the CPU time that the contender has
spent by then. Whenever it is the best one so far, the network is tested on Fashion-MNIST's test images. The contender
does not see that, and neither the CPU time that it takes nor `time.process_time` counts it.

It runs in the contenders' own environments, so it needs numpy and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

_BATCH = 500
_SIDE, _CLASSES = 28, 10
_NAMES = ("val_accuracy", "val_sparse_categorical_accuracy")


def begin() -> None:
    """Waits for the modules that train."""
    observer = Observer(os.environ["REAL_SIZE_EVENTS"], int(os.environ["REAL_SIZE_ROOT"]))
    time.process_time = observer.process_time
    patches = {"keras": observer.watch_keras, "hivenas.core.nas.training.loop": observer.watch_hivenas}
    sys.meta_path.insert(0, _After(patches))


class Observer:
    """Writes down what a process's trainings come to.

    Args:
        file: the events of all processes of the contender, a line of JSON each.
        root: pid of the process below which all processes of the contender are.
    """

    def __init__(self, file: str, root: int) -> None:
        self._file = file
        self._root = root
        self._process_time = time.process_time
        self._cost = 0.0  # of this process's measuring
        self._test: Any = None
        self._cpu_below = _process_tree().cpu_below

    def process_time(self) -> float:
        """CPU seconds of this process, without the measuring."""
        return self._process_time() - self._cost

    def watch_keras(self, keras: Any) -> None:
        """Has every `fit` with validation data write down its epochs."""
        fit = keras.Model.fit
        after = self._after_epoch

        class Watch(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                values = [float(logs[name]) for name in _NAMES if name in (logs or {})]
                if values:
                    after(values[0], lambda images: _answers(self.model, _shaped(images, self.model)))

        @functools.wraps(fit)
        def watched(self: Any, *args: Any, **more: Any) -> Any:
            given = more.get("callbacks") or []
            is_list = isinstance(given, list | tuple)
            if is_list and not any(type(each).__name__ == "Watch" for each in given):
                more["callbacks"] = [*given, Watch()]  # after those that put averaged weights in place
            return fit(self, *args, **more)

        keras.Model.fit = watched

    def watch_hivenas(self, loop: Any) -> None:
        """Has every training loop write down its epochs."""
        one = loop.TrainingLoop._one
        after = self._after_epoch

        @functools.wraps(one)
        def watched(self: Any, epoch: int) -> Any:
            figures = one(self, epoch)
            if self.network.input_shape[1:3] == (_SIDE, _SIDE) and self.network.output_shape[-1] == _CLASSES:
                averaged = getattr(self, "averaged", contextlib.nullcontext)

                def answers(images: Any) -> Any:
                    with averaged():
                        return _answers(self.network, self._arrays.standardisation.standardise(images[..., None]))

                after(figures.val_accuracy, answers)
            return figures

        loop.TrainingLoop._one = watched

    def _after_epoch(self, val: float, answers: Callable[[Any], Any]) -> None:
        """Writes an epoch down, and what the network answers of the test images if it is the best so far."""
        began = self._process_time()
        seen = self._seen()
        cpu = self._cpu_below(self._root) - sum(each.get("cost", 0.0) for each in seen)
        best = max((each["val"] for each in seen if each["event"] == "ends"), default=-1.0)
        if math.isnan(val) or val <= best:  # without validation images there is none
            self._write({"event": "epoch", "cpu": round(cpu, 2), "val": None if math.isnan(val) else val})
            return
        self._write({"event": "begins"})
        images, labels = self._test_images()
        test = float((answers(images) == labels).mean())
        cost = self._process_time() - began
        self._cost += cost
        self._write({"event": "ends", "cpu": round(cpu, 2), "val": val, "test": test, "cost": round(cost, 2)})

    def _test_images(self) -> Any:
        if self._test is None:
            import keras

            self._test = keras.datasets.fashion_mnist.load_data()[1]
        return self._test

    def _seen(self) -> list[dict[str, Any]]:
        try:
            with open(self._file, encoding="utf-8") as file:
                whole = file.read().rpartition("\n")[0]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in whole.splitlines()]

    def _write(self, event: dict[str, Any]) -> None:
        line = json.dumps({**event, "pid": os.getpid()}) + "\n"
        # One write of a short line does not mix with those of other processes.
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def _answers(model: Any, images: Any) -> Any:
    """The class of every image, batch by batch, as in inference."""
    import numpy as np

    parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    return np.concatenate([np.argmax(np.asarray(model(part, training=False)), axis=-1) for part in parts])


def _shaped(images: Any, model: Any) -> Any:
    """Raw images as a model takes them, with or without a channel."""
    channels = (1,) * (len(model.input_shape) - 3)
    return images.reshape(*images.shape, *channels).astype("float32")


class _After:
    """Calls functions with modules right after these have been imported."""

    def __init__(self, patches: dict[str, Callable[[Any], None]]) -> None:
        self._patches = patches

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """A module's own spec, whose loader calls the function afterwards; None for all other modules."""
        patch = self._patches.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if patch else None
        if spec is None or spec.loader is None or patch is None:
            return None
        execute = spec.loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def _process_tree() -> Any:
    """The module benchmarks/process_tree.py, whose folder is not on the contenders' path."""
    file = os.path.join(os.path.dirname(__file__), "..", "..", "process_tree.py")
    spec = importlib.util.spec_from_file_location("_real_size_process_tree", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module
