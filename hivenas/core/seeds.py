"""Seeds that depend on what is done, not on when or where."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *parts: str | int) -> int:
    """A seed in 0…2³¹−1 from the run's seed and what it is for, the same on every machine and in every order."""
    text = "\x1f".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") >> 1


def drawn_seed(seed: int | None) -> int:
    """The seed itself, or one drawn from the system where it is left open."""
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed


def arch_hash(arch: str) -> str:
    """The sha1 of an encoded architecture, with which its files' names start."""
    return hashlib.sha1(arch.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
