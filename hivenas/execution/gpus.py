"""The GPU that a worker sees."""

from __future__ import annotations

import os
import shutil
import subprocess

from hivenas.config import ExecutionConfig
from hivenas.errors import ConfigError

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def worker_gpus(config: ExecutionConfig) -> tuple[str, ...]:
    """The GPU of each worker, as CUDA names them; none where `execution.gpus` is null and TensorFlow chooses.

    Raises:
        ConfigError: `gpus: all` where there are fewer GPUs than workers.
    """
    if config.gpus is None:
        return ()
    gpus = present_gpus() if config.gpus == "all" else tuple(str(gpu) for gpu in config.gpus)
    if len(gpus) < config.workers:
        raise ConfigError(
            f"execution.workers must be at most the number of GPUs with execution.gpus=all, got {config.workers} with "
            f"{len(gpus)} found; lower workers, or set gpus: null to train on what TensorFlow finds"
        )
    return gpus[: config.workers]


def present_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else those that nvidia-smi lists."""
    visible = os.environ.get(_VISIBLE)
    if visible is not None:
        named = [gpu.strip() for gpu in visible.split(",")]
        return tuple(gpu for gpu in named if gpu not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    lines = [line for line in listed.splitlines() if line.startswith("GPU ")]
    return tuple(str(number) for number, _ in enumerate(lines))


def limit_gpus(gpu: str | None) -> None:
    """Has this process see one GPU, or all for None, and take memory as needed; TensorFlow must not be there yet."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if gpu is not None:
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order in which nvidia-smi counts
        os.environ[_VISIBLE] = gpu
