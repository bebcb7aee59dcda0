"""Trainings that stay alive after their last epoch, so that going on with one pays neither start nor tracing."""

from __future__ import annotations

import gc
import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hivenas.core.nas.training.failures import MACHINE
from hivenas.core.nas.training.loop import TrainingLoop, cause_of
from hivenas.errors import HivenasError

T = TypeVar("T")
_MOST_BYTES = 2**30  # of weights and optimizers' state; what a usual search keeps takes a hundredth of that


@dataclass(frozen=True, slots=True)
class _Kept:
    loop: TrainingLoop
    digest: bytes  # of the h5 file that was written after its last epoch
    size: int  # bytes


class LiveNetworks:
    """A bounded number of trainings, each under the h5 file that holds its state; the oldest goes first.

    One that goes on gives the same bits as a network that is built anew and reads the file: all that an epoch draws,
    and its learning rates, follow from its number, and all else is in the file. The file has the last word: what is
    kept counts only as long as that holds, to the byte, what was written after the last epoch. So a file that is gone,
    or that another attempt has replaced, is never answered by a network of before.

    What stays alive costs little: TensorFlow keeps the memory of a graph until its process ends, whether or not
    anything uses the graph. Beside it are the weights and the optimizer's state alone.

    Args:
        most: trainings that are kept; 0 keeps none.
        most_bytes: that their weights and optimizers take together.
    """

    def __init__(self, most: int, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    @property
    def names(self) -> Sequence[str]:
        """Names of the h5 files whose trainings are alive, the oldest first."""
        return tuple(self._kept)

    def keep(self, path: Path, loop: TrainingLoop) -> None:
        """Keeps a training whose state has just been written to a file."""
        if not self._most:
            return
        self._kept.pop(path.name, None)
        self._kept[path.name] = _Kept(loop, _digest(path), _size(loop))
        while len(self._kept) > self._most or sum(each.size for each in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)

    def take(self, path: Path) -> TrainingLoop | None:
        """Gives a training away, to go on from a file; None where that is to be read."""
        kept = self._kept.pop(path.name, None)
        return kept.loop if kept and path.is_file() and kept.digest == _digest(path) else None

    def make_room(self, train: Callable[[], T]) -> T:
        """Trains something else; where memory does not suffice for both, again with nothing kept alive beside it.

        Raises:
            Exception: whatever the training raises, where that has another cause or nothing was kept.
        """
        try:
            return train()
        except Exception as error:
            if not self._kept or isinstance(error, HivenasError) or cause_of(error) != MACHINE:
                raise
        self._kept.clear()
        gc.collect()  # networks and their graphs refer to each other
        return train()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _size(loop: TrainingLoop) -> int:
    variables = (*loop.network.variables, *loop.network.optimizer.variables)
    numbers: int = sum(math.prod(variable.shape) for variable in variables)
    return 4 * numbers  # float32 in every precision
