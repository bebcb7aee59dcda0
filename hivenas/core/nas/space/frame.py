"""The fixed operations around and between those of an architecture. Keys only; no Keras here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hivenas.config import SpaceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The operations that every network of a space has beside those that are searched for.

    Args:
        input_stem: keys of the operations before the architecture.
        output_stem: keys of those after it, before the classes.
        stages: equal parts of the architecture.
        stage_stem: keys of the operations before every stage but the first.
    """

    input_stem: tuple[str, ...] = ()
    output_stem: tuple[str, ...] = ()
    stages: int = 1
    stage_stem: tuple[str, ...] = ()

    @classmethod
    def of(cls, space: SpaceConfig) -> Self:
        """That of a configuration's `space` section."""
        return cls(
            input_stem=space.input_stem,
            output_stem=space.output_stem,
            stages=space.stages,
            stage_stem=space.stage_stem,
        )

    @property
    def between(self) -> tuple[str, ...]:
        """Keys of the operations between two stages; none where there is one stage."""
        return self.stage_stem if self.stages > 1 else ()

    def starts(self, depth: int) -> dict[int, int]:
        """The layers (from 1) of an architecture with which a stage but the first starts, with that stage (from 2).

        An architecture of fewer operations than stages, such as one of a person's own, has so many stages fewer.
        """
        stages = min(self.stages, depth)
        return {depth * stage // stages + 1: stage + 1 for stage in range(1, stages)}


BARE = Frame()
