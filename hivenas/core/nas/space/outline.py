"""An architecture layer by layer, with output shapes and parameters: what is drawn and described. No Keras here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.frame import BARE, Frame
from hivenas.core.nas.space.layer_sizes import DoesNotBuildError, Shape, Size
from hivenas.core.nas.space.operations import OpSpec
from hivenas.core.nas.space.sizes import operation_size

T = TypeVar("T")
Part = Literal["image", "stem", "operation", "classes"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A line of an outline.

    Args:
        name: the operation key; `image` and `softmax` for the two ends.
        part: image, stem, operation (one that was searched for) or classes.
        kind: the Keras layer or cell behind the key; empty where it is not known.
        shape: of what it gives for one image; None where that is known only by building it.
        params: trainable parameters; None where they are known only by building it.
    """

    name: str
    part: Part
    kind: str = ""
    shape: Shape | None = None
    params: int | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """A skip connection: what line `start` gives is added to what line `end` gives, through a 1×1 convolution."""

    start: int
    end: int
    params: int | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """The lines of an architecture from the image to the classes, and its skip connections."""

    layers: tuple[Layer, ...]
    skips: tuple[Skip, ...] = ()

    @property
    def params(self) -> int | None:
        """Trainable parameters of the whole network; None where those of a part are not known."""
        parts = [layer.params for layer in self.layers] + [skip.params for skip in self.skips]
        known = [count for count in parts if count is not None]
        return sum(known) if len(known) == len(parts) else None


class Outliner:
    """Outlines the architectures of a space.

    Args:
        reference: what operation keys stand for; empty where that is not known, as in a recorded table.
        shape: height, width and channels of an image; None where it is not known.
        classes: number of classes.
        frame: the operations around every architecture, and between its stages.
        activation: of the last layer.
    """

    def __init__(
        self,
        reference: Mapping[str, OpSpec],
        *,
        shape: tuple[int, int, int] | None = None,
        classes: int = 0,
        frame: Frame = BARE,
        activation: str = "softmax",
    ) -> None:
        self._reference = reference
        self._shape = shape
        self._classes = classes
        self._frame = frame
        self._activation = activation

    def of(self, chain: Chain) -> Outline:
        """The outline of an architecture; after an operation whose size is not known without building it, no sizes."""
        layers = [Layer("image", "image", shape=self._shape, params=0)] if self._shape else [Layer("input", "image")]
        layers += self._following(layers[-1], self._frame.input_stem, "stem")
        starts = self._frame.starts(len(chain.operations))
        lines: list[int] = []  # of the operations
        for layer, key in enumerate(chain.operations, start=1):
            if layer in starts:
                layers += self._following(layers[-1], self._frame.stage_stem, "stem")
            lines.append(len(layers))
            layers += self._following(layers[-1], (key,), "operation")
        layers += self._following(layers[-1], self._frame.output_stem, "stem")
        layers.append(self._head(layers[-1]))
        skips = [
            _skip(layers, lines[place] - 1, lines[place + span - 1]) for place, span in enumerate(chain.skips) if span
        ]
        return Outline(tuple(layers), tuple(skips))

    def _following(self, before: Layer, keys: Sequence[str], part: Part) -> list[Layer]:
        found: list[Layer] = []
        for key in keys:
            spec = self._reference.get(key)
            size = _size(spec, (found[-1] if found else before).shape)
            kind = spec.op if spec else ""
            found.append(
                Layer(key, part, kind=kind, shape=size.shape, params=size.params) if size else Layer(key, part, kind)
            )
        return found

    def _head(self, before: Layer) -> Layer:
        if before.shape is None or not self._classes:
            return Layer(self._activation if self._reference else "output", "classes")
        return Layer(
            self._activation,
            "classes",
            kind="Dense",
            shape=(self._classes,),
            params=(math.prod(before.shape) + 1) * self._classes,
        )


def _size(spec: OpSpec | None, shape: Shape | None) -> Size | None:
    if spec is None or shape is None:
        return None
    try:
        return operation_size(spec, shape, _not_measured)
    except DoesNotBuildError:
        return None


def _not_measured(spec: OpSpec, shape: Shape) -> Size:
    """Building an operation takes Keras, which the process that tracks a search does not load."""
    raise DoesNotBuildError


def _skip(layers: Sequence[Layer], start: int, end: int) -> Skip:
    one, other = layers[start].shape, layers[end].shape
    known = one is not None and other is not None and len(one) == len(other) == 3
    return Skip(start, end, (one[-1] + 1) * other[-1] if known and one and other else None)


def changes(before: Chain, after: Chain) -> list[str]:
    """List the changes that make one architecture another, a line each; layers are counted from 1.

    Example:
        >>> changes(Chain(("dropout", "identity"), (0, 0)), Chain(("dropout", "max_pool3x3"), (2, 0)))
        ['layer 2: identity → max_pool3x3', 'skip connection from layer 1: none → sc_2']
    """
    found: list[str] = []
    for place in range(max(len(before.operations), len(after.operations))):
        one, other = (_at(chain.operations, place, "none") for chain in (before, after))
        if one != other:
            found.append(f"layer {place + 1}: {one} → {other}")
    for place in range(max(len(before.skips), len(after.skips))):
        span, now = (_at(chain.skips, place, 0) for chain in (before, after))
        if span != now:
            found.append(f"skip connection from layer {place + 1}: {_skip_name(span)} → {_skip_name(now)}")
    old, new = dict(before.settings), dict(after.settings)
    pairs = [(key, old.get(key, "none"), new.get(key, "none")) for key in old | new]
    return found + [f"{key}: {was} → {is_now}" for key, was, is_now in pairs if was != is_now]


def _at(values: Sequence[T], place: int, default: T) -> T:
    return values[place] if place < len(values) else default


def _skip_name(span: int) -> str:
    return f"sc_{span}" if span else "none"
