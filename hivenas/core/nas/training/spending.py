"""The processor time and the memory that a training takes of its process."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from hivenas.core.measured import CPU_SECONDS, GPU_PEAK_MB, PEAK_RSS_MB

_MIB = 2**20
_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_CLEARS_THE_PEAK = "5"


class Spending:
    """Counts from now on; of the whole process, which trains one network at a time.

    The peak of the memory is that since now where the system forgets an earlier one when it is asked to (Linux), and
    else that of the process so far. It holds all of TensorFlow, and the images.
    """

    def __init__(self) -> None:
        self._cpu = time.process_time()
        with contextlib.suppress(OSError):
            _CLEAR.write_text(_CLEARS_THE_PEAK, encoding="ascii")
        for gpu in _gpus():
            with contextlib.suppress(ValueError, tf.errors.OpError):
                tf.config.experimental.reset_memory_stats(gpu)

    def figures(self) -> Mapping[str, float]:
        """Seconds of processors, all threads together, and peaks of memory in MiB; what is not known is left out."""
        found = {CPU_SECONDS: time.process_time() - self._cpu, PEAK_RSS_MB: _peak_rss() / _MIB}
        found[GPU_PEAK_MB] = max(map(_peak_of, _gpus()), default=0) / _MIB
        return {name: round(value, 3) for name, value in found.items() if value}


def _gpus() -> list[str]:
    return [each.name.removeprefix("/device:") for each in tf.config.list_logical_devices("GPU")]


def _peak_of(gpu: str) -> int:
    with contextlib.suppress(ValueError, tf.errors.OpError):  # an allocator that counts nothing
        return int(tf.config.experimental.get_memory_info(gpu)["peak"])
    return 0


def _peak_rss() -> int:
    """Bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
