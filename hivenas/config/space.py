"""The section `space`: which architectures there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from hivenas.config.arguments import check_operation
from hivenas.config.presets import DEFAULT_PRESET, OF_PRESET, PLAIN, PRESETS, WIDTH, WITHOUT_L2
from hivenas.config.schema import Fraction, Positive, Section
from hivenas.config.text import one_of, shown

Stem = Annotated[tuple[str, ...], Field(strict=False)]
Names = Annotated[tuple[Annotated[str, Field(strict=True)], ...], Field(strict=False, min_length=1)]


class SpaceConfig(Section):
    """`space`: which architectures there are."""

    principal = ("preset", "operations", "depth")

    preset: Annotated[str | None, Field(json_schema_extra={"enum": [*PRESETS, None]})] = DEFAULT_PRESET
    depth: Annotated[int, Field(ge=1, le=100)] = PRESETS[DEFAULT_PRESET].depth
    operations: Names | None = None
    reference: dict[str, dict[str, Any]] = Field(default_factory=dict)
    input_stem: Stem = PRESETS[DEFAULT_PRESET].input_stem
    output_stem: Stem = PRESETS[DEFAULT_PRESET].output_stem
    stages: Annotated[int, Field(ge=1, le=100)] = PRESETS[DEFAULT_PRESET].stages
    stage_stem: Stem = PRESETS[DEFAULT_PRESET].stage_stem
    width: Annotated[int, Field(ge=1, le=65_536)] = WIDTH
    l2: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    skip_rate: Fraction = 0.0
    max_params: Positive | None = None
    max_macs: Positive | None = None

    @property
    def is_bounded(self) -> bool:
        """True where architectures are limited to those that build, and to a size."""
        return self.max_params is not None or self.max_macs is not None

    @field_validator("reference", mode="before")
    @classmethod
    def _of_operations(cls, reference: object) -> object:
        if not isinstance(reference, Mapping):
            raise ValueError(
                f"must be a mapping of keys, got {shown(reference)}; write {{mine: {{op: Conv2D, filters: 32}}}}, say"
            )
        for key, given in reference.items():
            if not isinstance(given, Mapping):
                op = given if isinstance(given, str) and given.isidentifier() else "…"
                raise ValueError(
                    f"space.reference.{key} must be a mapping of keys, got {shown(given)}; write {{op: {op}}}"
                )
        return reference

    @field_validator("operations")
    @classmethod
    def _distinct(cls, operations: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for key in operations or ():
            if operations and operations.count(key) > 1:
                raise ValueError(f"must name each operation once, got {key!r} more than once; remove the others")
        return operations

    @field_validator("reference")
    @classmethod
    def _legal_keys(cls, reference: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for key, arguments in reference.items():
            if not re.fullmatch(r"[A-Za-z0-9_.\-]+", key) or key in ("input", "output") or key.startswith("sc_"):
                raise ValueError(
                    f"has keys of letters, digits, _ . and - other than input, output and sc_…, got {key!r}; rename it"
                )
            check_operation(key, arguments)
        return reference

    @field_validator("preset", mode="before")
    @classmethod
    def _known_preset(cls, preset: object) -> str | None:
        return None if preset is None else one_of(preset, PRESETS, "null")

    @model_validator(mode="after")
    def _has_operations(self) -> Self:
        if self.preset is None and self.operations is None:
            raise ValueError("space.operations must be given when space.preset is null; list some or set a preset")
        return self

    @model_validator(mode="after")
    def _as_its_preset(self) -> Self:
        """Resolves what is left out to what the preset has, which is what is recorded."""
        preset = PLAIN if self.operations and "preset" not in self.model_fields_set else self.preset
        found = PRESETS[preset or PLAIN]
        # Not by assignment: which of them were given stays known, for overrides that come later.
        self.__dict__["preset"] = preset
        for key in OF_PRESET:
            if key not in self.model_fields_set:
                self.__dict__[key] = getattr(found, key)
        return self

    @property
    def choices(self) -> tuple[str, ...]:
        """Keys of the operations to choose from: `operations`, or the preset's."""
        return self.operations or PRESETS[self.preset or PLAIN].operations


def idle_keys(space: SpaceConfig) -> Iterator[str]:
    """A line for every key that was given and changes nothing in this space, or less than it says."""
    given = space.model_fields_set
    shipped = PRESETS[DEFAULT_PRESET]
    if given.issuperset(OF_PRESET) and all(getattr(space, key) == getattr(shipped, key) for key in OF_PRESET):
        own = PRESETS.get(space.preset or "", shipped)
        if differing := [key for key in OF_PRESET if getattr(own, key) != getattr(shipped, key)]:
            yield (
                f"space.preset={space.preset} is used with {', '.join(differing)} of {DEFAULT_PRESET}, which are given "
                "beside it; leave them out for its own"
            )
    if "stage_stem" in given and space.stage_stem and space.stages == 1:
        yield f"space.stage_stem={', '.join(space.stage_stem)} is not used with space.stages=1; it is for more stages"
    if "stages" in given and space.stages > 1 and not space.stage_stem:
        yield f"space.stages={space.stages} is not used without space.stage_stem; it is what stands between two stages"
    elif "stages" in given and space.stages > space.depth:
        yield (
            f"space.stages={space.stages} is not used with space.depth={space.depth}, which gives {space.depth} of one "
            "operation each; raise depth or lower stages"
        )
    between = space.stage_stem if min(space.stages, space.depth) > 1 else ()
    everywhere = {*space.choices, *space.input_stem, *space.output_stem, *between}
    if space.width != WIDTH and "stem" not in everywhere:
        yield f"space.width={space.width} is not used without the operation stem, whose filters it is; name that"
    elif space.width != WIDTH and "stem" in space.reference:
        yield (
            f"space.width={space.width} is not used with space.reference.stem, which is in place of the stem whose "
            "filters it is; give that its filters, or another name"
        )
    if space.l2 is not None and everywhere <= WITHOUT_L2 | space.reference.keys():
        yield (
            f"space.l2={space.l2:g} is not used without a built-in cell, of whose kernels it is; give operations of "
            "your own a kernel_regularizer"
        )
