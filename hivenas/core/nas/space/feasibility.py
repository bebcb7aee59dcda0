"""The architectures of a space that build on the images, counted without building one. No Keras here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hivenas.config import registry
from hivenas.config.text import cut, shown
from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.layer_sizes import Shape
from hivenas.core.nas.space.operations import OpSpec
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.space.sizes import NetworkSizes
from hivenas.errors import ArchitectureError, ConfigError
from hivenas.wording import number_of

FEW = 0.9  # a share below which a search wastes so much of its budget that it should be said aloud
# A space of so many architectures is counted, a larger one estimated from so many draws; of both fewer where an
# operation is registered, whose sizes are found by building it on every shape that it comes to.
_COUNTED, _DRAWS = 4_096, 1_000
_MEASURED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """The share of a space's architectures that build on the images.

    Args:
        size: the number of architectures.
        share: of those that build, 0…1.
        counted: whether every one was looked at; else the share is estimated from uniform draws.
        rarest: the operation of whose architectures the smallest share builds; empty where all build.
        shape: height, width and channels of an image; empty where it did not matter.
        inputs: for every operation that came up, the first input that it builds on, or else the first that it does not.
        arch: the one architecture that was asked about; empty for the whole space.
        answers: of a new network with each operation of the user's own, the same in every process.
    """

    size: int
    share: float = 1.0
    counted: bool = True
    rarest: str = ""
    shape: Shape = ()
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    arch: str = ""
    answers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def is_low(self) -> bool:
        """True where much of a search would be spent on what cannot be built."""
        return self.share < FEW

    def __str__(self) -> str:
        """The share in words, and the operation that fits least."""
        about = "" if self.counted else "about "
        if self.share == 1:
            return f"{about}all of {number_of(self.size, 'architecture')}"
        share = f"{100 * self.share:.3g} % of {number_of(self.size, 'architecture')}"
        return f"{about}{share} on images of {sides(self.shape)}, fewest with {self.rarest}"

    @classmethod
    def of(cls, space: NASSearchSpace, sizes: NetworkSizes, shape: Shape, arch: Chain | None = None) -> Feasibility:
        """Counts, or estimates, the architectures that build.

        Args:
            space: the space.
            sizes: knows what fits on what; asked without limits to parameters and multiply-adds.
            shape: of an image.
            arch: the one architecture that is asked about; None for the whole space.
        """
        whole, built = Counter[str](), Counter[str]()
        chains, counted = ([arch], True) if arch else _spread(space)
        for key, _ in own_operations(space, arch):  # each comes up once, at the front
            _builds(sizes, Chain((key,) * space.depth, (0,) * space.depth))
        for chain in chains:
            used = {"", *chain.operations}
            whole.update(used)
            built.update(used if _builds(sizes, chain) else ())
        shares = {key: built[key] / count for key, count in whole.items()}
        share = shares.pop("")
        failed = {key: shape for key, shape, _ in sizes.never_built()[::-1]}
        return cls(
            size=1 if arch else space.architectures,
            share=share,
            counted=counted,
            rarest="" if share == 1 else min(shares, key=lambda key: shares[key]),
            shape=shape,
            inputs=failed | sizes.built,
            arch=arch.encode() if arch else "",
        )

    def check(self) -> None:
        """Refuses a space of which nothing builds.

        Raises:
            ConfigError: the rule and the way out.
            ArchitectureError: the same of the one architecture that was asked about.
        """
        if self.share == 0 and self.arch:
            raise ArchitectureError(
                f"an architecture must build on images of {sides(self.shape)}, got {self.arch!r}, in which an "
                "operation does not fit its input; choose another one there"
            )
        if self.share == 0:
            raise ConfigError(
                f"architectures of the space must build on images of {sides(self.shape)}, got {self.size:,} of which "
                f"{'none' if self.counted else 'none that was tried'} does; correct space.operations, input_stem or "
                "output_stem, lower space.depth, or pad with padding: same"
            )


def own_operations(space: NASSearchSpace, arch: Chain | None = None) -> Iterator[tuple[str, OpSpec]]:
    """The operations in use that are not the built-in ones, in the order in which they come up.

    Built-in ones fit every image and have sound arguments, as the tests hold.
    """
    operations = arch.operations if arch else space.operations
    frame = space.frame
    for key in dict.fromkeys((*frame.input_stem, *frame.between, *operations, *frame.output_stem)):
        if space.reference[key] != space.built_in.get(key):
            yield key, space.reference[key]


def spoken_of(spec: OpSpec, cause: str) -> list[str]:
    """The arguments that are named in what was said of an operation."""
    return [name for name in spec.arguments if re.search(rf"\b{re.escape(name)}\b", cause)]


def refused(key: str, spec: OpSpec, cause: str, shape: Shape, culprits: Iterable[str] = ()) -> ConfigError:
    """The refusal of an operation that cannot be built or trained, naming the arguments that are to blame.

    Args:
        key: of the operation.
        spec: the layer or cell and its arguments.
        cause: what was said of it.
        shape: of the input that it was tried on.
        culprits: names of arguments; by default those that are spoken of.
    """
    named = list(culprits) or spoken_of(spec, cause)
    arguments = {name: list(each) if isinstance(each, tuple) else each for name, each in spec.arguments.items()}
    what = f"space.reference.{key}.{named[0]}" if len(named) == 1 else f"space.reference.{key}"
    got = ", ".join(f"{name}={shown(value)}" for name, value in arguments.items())
    return ConfigError(
        f"{what} must be such that it can be built and trained, got {spec.op}({got}) on an input of {sides(shape)} "
        f"({cut(cause)}); correct it or leave {key} out"
    )


def sides(shape: Shape) -> str:
    """A shape for people."""
    return "×".join(map(str, shape))


def _spread(space: NASSearchSpace) -> tuple[Iterable[Chain], bool]:
    measured = any(spec.op in registry.OPERATIONS or spec.op in registry.CELLS for _, spec in own_operations(space))
    return space.spread(*((_MEASURED, _MEASURED) if measured else (_COUNTED, _DRAWS)))


def _builds(sizes: NetworkSizes, chain: Chain) -> bool:
    try:
        sizes.of(chain)
    except ArchitectureError:
        return False
    return True
