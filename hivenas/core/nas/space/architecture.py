"""Architectures as strings: encoded, decoded, refused where they are malformed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hivenas.config.settings import joined, split_candidate
from hivenas.config.text import choose_among
from hivenas.core.nas.space.operations import LISTED, OpSpec
from hivenas.errors import ArchitectureError
from hivenas.wording import number_of


@dataclass(frozen=True, slots=True)
class Chain:
    """A decoded architecture.

    Args:
        operations: one operation key a layer.
        skips: for every layer the number of operations that the skip connection starting there spans; 0 for none.
        settings: what it is trained with where that is searched too, keys without `evaluation.` and values as text.
    """

    operations: tuple[str, ...]
    skips: tuple[int, ...]
    settings: tuple[tuple[str, str], ...] = ()

    def encode(self) -> str:
        """`input|…|output`, a skip connection standing before the operation where it starts, settings at the end."""
        parts = ["input"]
        for operation, span in zip(self.operations, self.skips, strict=True):
            if span:
                parts.append(f"sc_{span}")
            parts.append(operation)
        return joined("|".join([*parts, "output"]), self.settings)

    def components(self, *, with_skips: bool, depth: int = 0) -> tuple[str, ...]:
        """List the components by position: operations, with skip connections `sc_k` or "" a layer, then settings.

        Args:
            with_skips: true where the space has skip connections.
            depth: layers of the space's deepest architecture; this one is filled up with "".
        """
        missing = ("",) * (depth - len(self.operations))
        spans = tuple(f"sc_{span}" if span else "" for span in self.skips)
        settings = tuple(f"{key}={value}" for key, value in self.settings)
        return self.operations + missing + (spans + missing if with_skips else ()) + settings


def decode(arch: str, known: Sequence[str] | Mapping[str, OpSpec]) -> Chain:
    """Decodes an architecture of any depth.

    Args:
        arch: `input|c1|c2|…|output`, with or without `;key=value;…`, whose values are not looked at.
        known: the operation keys that may occur.

    Raises:
        ArchitectureError: names the component, its position (from 1, after `input`) and the legal choices.
    """
    bare, settings = split_candidate(str(arch))
    parts = bare.split("|")
    if len(parts) < 3 or parts[0] != "input" or parts[-1] != "output":
        raise ArchitectureError(
            f"an architecture must read input|operation|…|output with at least one operation, got {arch!r}"
        )
    operations: list[str] = []
    skips: list[int] = []
    started: dict[int, tuple[int, str]] = {}
    for position, part in enumerate(parts[1:-1], start=1):
        layer = len(operations)
        if part.startswith("sc_"):
            if layer in started:
                raise ArchitectureError(
                    f"component {position} ({part!r}): at most one skip connection starts at a layer, got {arch!r}; "
                    "put an operation between the two"
                )
            if not re.fullmatch(r"sc_[1-9][0-9]{0,5}", part):
                raise ArchitectureError(
                    f"component {position} ({part!r}): a skip connection is sc_k with a whole number k ≥ 1, in {arch!r}"
                )
            started[layer] = (position, part)
        elif part in known:
            operations.append(part)
            skips.append(int(started[layer][1][3:]) if layer in started else 0)
        else:
            raise ArchitectureError(
                f"component {position} ({part!r}) of {arch!r} is not an operation of this space"
                f"{choose_among(part, known, LISTED)}; or sc_k, a skip connection"
            )
    for layer, (position, part) in started.items():
        longest = len(operations) - layer
        if int(part[3:]) > longest:
            choices = f"sc_1 … sc_{longest}" if longest else "no skip connection (no operation follows)"
            raise ArchitectureError(
                f"component {position} ({part!r}) of {arch!r} spans {number_of(int(part[3:]), 'operation')} but "
                f"{longest} {'follows' if longest == 1 else 'follow'}; "
                f"legal here: {choices}"
            )
    return Chain(tuple(operations), tuple(skips), settings)
