"""The size of a network, computed without building it: trainable parameters and multiply-adds. No Keras here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.cells import CELLS
from hivenas.core.nas.space.frame import BARE, Frame
from hivenas.core.nas.space.layer_sizes import LAYER_SIZES, DoesNotBuildError, Shape, Size, dense, flatten
from hivenas.core.nas.space.operations import OpSpec
from hivenas.errors import ArchitectureError, ConfigError

# Measures an operation on an input shape by building it; raises DoesNotBuildError.
Measure = Callable[[OpSpec, Shape], Size]
# Arguments of layers and cells on which no size depends.
_OTHER_ARGUMENTS = frozenset(
    ("activation", "rate", "seed", "stddev", "momentum", "epsilon", "negative_slope", "max_value", "threshold", "l2")
)
_OTHER_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def _has_size(name: str, value: Any) -> bool:
    # A mapping describes an object, which might have weights of its own.
    return isinstance(value, Mapping) or not (name in _OTHER_ARGUMENTS or name.endswith(_OTHER_ENDINGS))


def operation_size(spec: OpSpec, shape: Shape, measure: Measure) -> Size:
    """Size of one operation on an input of a shape, for one image.

    Args:
        spec: the layer or cell and its arguments.
        shape: height, width and channels of its input, or features alone.
        measure: asked for what the tables do not know: registered operations, and rare arguments of layers.

    Raises:
        DoesNotBuildError: it does not fit.
    """
    cell = CELLS.get(spec.op)
    known = cell.optional if cell else spec.arguments  # what a cell does not take, building it refuses
    arguments = {name: value for name, value in spec.arguments.items() if name not in known or _has_size(name, value)}
    count = cell.size if cell else LAYER_SIZES.get(spec.op)
    if count is None:
        return measure(spec, shape)
    try:
        return count(shape, **arguments)
    except (TypeError, ValueError, ArithmeticError):
        return measure(spec, shape)


class NetworkSizes:
    """Sizes of the networks that `build_network` builds, without building them.

    Args:
        reference: what operation keys stand for.
        shape: height, width and channels of an image.
        classes: number of classes.
        frame: the operations around every architecture, and between its stages.
        measure: builds and measures operations that the tables do not know; None where there are none.
    """

    def __init__(
        self,
        reference: Mapping[str, OpSpec],
        *,
        shape: tuple[int, int, int],
        classes: int,
        frame: Frame = BARE,
        measure: Measure | None = None,
    ) -> None:
        self._reference = reference
        self._image: Shape = shape
        self._classes = classes
        self._frame = frame
        self._measure = measure or _nothing_to_measure_with
        self._operations: dict[tuple[str, Shape], Size | str] = {}

    def of(self, chain: Chain) -> Size:
        """Size of a whole network: stems, operations, skip connections and the classes' dense layer.

        Raises:
            ArchitectureError: it does not build, since an operation does not fit its input.
        """
        steps: list[Size] = [Size(self._image)]
        ends: dict[int, list[Shape]] = {}
        starts = self._frame.starts(len(chain.operations))

        def put(*keys: str) -> None:
            for key in keys:
                steps.append(self._step(key, steps[-1].shape, chain))

        put(*self._frame.input_stem)
        for layer, (key, span) in enumerate(zip(chain.operations, chain.skips, strict=True), start=1):
            if layer in starts:
                put(*self._frame.stage_stem)
            if span:
                ends.setdefault(layer + span - 1, []).append(steps[-1].shape)
            put(key)
            steps += [_skip(start, steps[-1].shape, chain) for start in ends.get(layer, ())]
        put(*self._frame.output_stem)
        steps.append(dense(flatten(steps[-1].shape).shape, units=self._classes))
        return Size((self._classes,), sum(step.params for step in steps), sum(step.macs for step in steps))

    def _step(self, key: str, shape: Shape, chain: Chain) -> Size:
        place = (key, shape)
        if place not in self._operations:
            try:
                self._operations[place] = operation_size(self._reference[key], shape, self._measure)
            except DoesNotBuildError as error:
                self._operations[place] = str(error)
        size = self._operations[place]
        if isinstance(size, str):
            raise _does_not_build(chain, repr(key), shape)
        return size

    @property
    def built(self) -> dict[str, Shape]:
        """The operation keys that have been built so far, with the first shape that each has been built on."""
        return {key: shape for (key, shape), size in reversed(self._operations.items()) if isinstance(size, Size)}

    def never_built(self) -> list[tuple[str, Shape, str]]:
        """Operation keys that were tried and built on no shape so far, with the shapes and what went wrong."""
        return [(key, shape, str(size)) for (key, shape), size in self._operations.items() if key not in self.built]


def _skip(start: Shape, end: Shape, chain: Chain) -> Size:
    """A skip connection: a 1×1 convolution from where it starts, and an addition; strides and resizing are free."""
    if len(start) != 3 or len(end) != 3:
        raise _does_not_build(chain, "a skip connection", start)
    kernel = start[2] * end[2]
    return Size(end, kernel + end[2], kernel * end[0] * end[1])


def _does_not_build(chain: Chain, what: str, shape: Shape) -> ArchitectureError:
    return ArchitectureError(
        f"every architecture must build where space.max_params or max_macs is set, got {chain.encode()!r}, in which "
        f"{what} does not fit an input of {'×'.join(map(str, shape))}; choose another operation there"
    )


def _nothing_to_measure_with(spec: OpSpec, shape: Shape) -> Size:
    raise ConfigError(
        f"the size of {spec.op} with {dict(spec.arguments)!r} is known only by building it, got no measure; give "
        "network.measure_operation"
    )


@dataclass(frozen=True, slots=True)
class SizeGuards:
    """The limits of `space.max_params` and `space.max_macs`; None means no limit.

    An architecture that does not build on the images is outside, whatever its size would be.
    """

    sizes: NetworkSizes
    max_params: int | None
    max_macs: int | None

    def admits(self, chain: Chain) -> bool:
        """True where an architecture builds and is within the limits."""
        try:
            size = self.sizes.of(chain)
        except ArchitectureError:
            return False
        fits = self.max_params is None or size.params <= self.max_params
        return fits and (self.max_macs is None or size.macs <= self.max_macs)

    def check(self, chain: Chain) -> None:
        """Refuses what is outside.

        Raises:
            ArchitectureError: with the count, the limit and its key.
        """
        for key, what, count, limit in self._compared(self.sizes.of(chain)):
            if count > limit:
                raise ArchitectureError(
                    f"an architecture of this space has at most {limit:,} {what} (space.{key}), got {count:,} in "
                    f"{chain.encode()!r}; raise the limit or choose smaller operations"
                )

    def smallest(self, chains: Iterator[Chain]) -> str:
        """The smallest figures among some architectures, for people."""
        figures: dict[str, int] = {}
        for chain in chains:
            try:
                size = self.sizes.of(chain)
            except ArchitectureError:
                continue
            for _, what, count, _ in self._compared(size):
                figures[what] = min(count, figures.get(what, count))
        return " and ".join(f"{count:,} {what}" for what, count in figures.items())

    def __str__(self) -> str:
        limits = (("max_params", self.max_params), ("max_macs", self.max_macs))
        return " and ".join(f"space.{key}={limit:,}" for key, limit in limits if limit is not None)

    def _compared(self, size: Size) -> Iterator[tuple[str, str, int, int]]:
        """Key, name, count and limit of everything that is limited."""
        if self.max_params is not None:
            yield "max_params", "trainable parameters", size.params, self.max_params
        if self.max_macs is not None:
            yield "max_macs", "multiply-adds", size.macs, self.max_macs
