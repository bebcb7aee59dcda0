"""Instructions for bfloat16, without which a processor takes longer for it than for float32."""

from __future__ import annotations

from pathlib import Path

_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})  # x86 processors; ARM's
_CPUINFO = Path("/proc/cpuinfo")


def has_bfloat16(cpuinfo: Path = _CPUINFO) -> bool | None:
    """Tell if this machine's processor has instructions for bfloat16.

    Args:
        cpuinfo: where Linux lists what a processor has.

    Returns:
        None where that cannot be told.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    flags = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return not _FLAGS.isdisjoint(flags[0]) if flags else None
