"""The space of encoded architectures: sampling, neighbours, counting. Strings only, no Keras."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hivenas.config import SpaceConfig
from hivenas.config.choices import Varied
from hivenas.config.text import cut
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.operations import built_in_space, check_keys, own_space
from hivenas.core.nas.space.settings import SettingChoices
from hivenas.core.nas.space.sizes import Measure, NetworkSizes, SizeGuards
from hivenas.errors import ArchitectureError, ConfigError
from hivenas.wording import number_of

Image = tuple[tuple[int, int, int], int]

# Draws after which a search for an architecture within the guards gives up. The search of the constructor gives up so
# much earlier that the ones after it practically never do.
_FIRST_DRAWS, _LATER_DRAWS = 10_000, 1_000_000
# Draws in which every operation should have been built once: far more than it takes where all of them can be.
_BUILDING_DRAWS = 1_000


class NASSearchSpace:
    """All architectures of a fixed depth over a set of operations, with or without skip connections.

    Where settings are searched too, a candidate is an architecture with a value of each.

    With `space.max_params` or `space.max_macs` only architectures that build on the images and are not larger belong
    to the space. Those of them without a neighbour among them are never sampled, so that a search never comes to one.

    Args:
        config: the `space` section of a configuration.
        rng: generator that `sample` and `get_neighbor` draw from.
        image: height, width and channels of an image, and the number of classes; needed for limits and `costs` only.
        measure: measures operations that `sizes` does not know, see `network.measure_operation`; likewise.
        choices: the settings that are searched with the architectures, as `Config.choices` has them.

    Raises:
        ConfigError: an operation that does not exist, a space in which no architecture has a neighbour, or limits
            within which next to none has. With limits also an operation that cannot be built.

    Examples:
        >>> space = NASSearchSpace(SpaceConfig(depth=2, operations=("identity", "dropout")), np.random.default_rng(1))
        >>> space.size
        4
        >>> sorted(space.neighbors("input|identity|identity|output"))
        ['input|dropout|identity|output', 'input|identity|dropout|output']
    """

    def __init__(
        self,
        config: SpaceConfig,
        rng: np.random.Generator,
        *,
        image: Image | None = None,
        measure: Measure | None = None,
        choices: Mapping[str, Varied] | None = None,
    ) -> None:
        self.settings = SettingChoices.of(choices or {})
        self.depth = config.depth
        self.skip_rate = config.skip_rate
        self.built_in = built_in_space(config.width, config.l2)
        self.reference = self.built_in | own_space(config.reference)
        self.operations = config.choices
        self.frame = Frame.of(config)
        self.rng = rng
        check_keys("space.operations", self.operations, self.reference)
        for key in ("input_stem", "output_stem", "stage_stem"):
            check_keys(f"space.{key}", getattr(self.frame, key), self.reference)
        if len(self.operations) == 1 and not self.skip_rate and self.settings.size == 1:
            raise ConfigError(
                f"a space of one operation needs skip connections to have neighbours, got "
                f"space.operations={list(self.operations)} with skip_rate=0; add an operation or set space.skip_rate"
            )

        self._sizes = self._counted = self._make_sizes(image, measure)
        self._guards = self._make_guards(config)
        if self._guards:
            self._check_operations_build(self._guards)
            self._draw_within(self._guards, np.random.default_rng(0), _FIRST_DRAWS)

    def _make_sizes(self, image: Image | None, measure: Measure | None) -> NetworkSizes | None:
        if image is None:
            return None
        shape, classes = image
        return NetworkSizes(self.reference, shape=shape, classes=classes, frame=self.frame, measure=measure)

    def _make_guards(self, config: SpaceConfig) -> SizeGuards | None:
        if config.max_params is None and config.max_macs is None:
            return None
        if self._sizes is None:
            raise ConfigError(
                f"space.max_params and max_macs need the shape of the images and the number of classes, got neither "
                f"with max_params={config.max_params} and max_macs={config.max_macs}; give image=((8, 8, 1), 10)"
            )
        return SizeGuards(self._sizes, config.max_params, config.max_macs)

    def _check_operations_build(self, guards: SizeGuards) -> None:
        """Refuses an operation that builds nowhere: left out as too large, a mistake in it would never be seen."""
        rng = np.random.default_rng(0)
        for _ in range(_BUILDING_DRAWS):
            if guards.sizes.built.keys() >= set(self.operations):
                return
            guards.admits(self._draw(rng))
        for key, shape, problem in guards.sizes.never_built():
            raise ConfigError(
                f"every operation must build on some input where space.max_params or max_macs is set, got {key!r}, "
                f"which builds on none ({cut(problem or 'it does not fit')}, on {'×'.join(map(str, shape))}); correct "
                f"space.reference.{key} or leave it out"
            )

    @property
    def bounded(self) -> bool:
        """True where `space.max_params` or `space.max_macs` leaves architectures out that `size` counts."""
        return self._guards is not None

    @property
    def size(self) -> int:
        """The number of candidates: `architectures`, times the combinations of settings where these are searched.

        It is exact without limits to parameters and multiply-adds; with them (`bounded`) it is what they choose from.
        """
        return self.architectures * self.settings.size

    @property
    def architectures(self) -> int:
        """The number of architectures, whatever their settings: nᵈ, times (d+1)! where skip connections are on."""
        skips = math.factorial(self.depth + 1) if self.skip_rate else 1
        chains: int = len(self.operations) ** self.depth
        return chains * skips

    def share_within(self, draws: int, rng: np.random.Generator) -> float:
        """Share of the `architectures` that the limits admit, estimated from uniform draws; 1 without limits."""
        return sum(self._admits(self._draw_uniformly(rng)) for _ in range(draws)) / draws

    def spread(self, most: int, draws: int) -> tuple[Iterator[Chain], bool]:
        """Architectures that stand for the whole space, whether or not they are within the limits.

        Args:
            most: all of them where there are not more than this.
            draws: so many where there are more, each equally likely, always the same.

        Returns:
            The architectures, and whether these are all.
        """
        if self.architectures <= most:
            return self._all(), True
        rng = np.random.default_rng(0)
        return (self._draw_uniformly(rng) for _ in range(draws)), False

    def sample(self) -> str:
        """A random architecture: an operation a layer, before it a skip connection at the configured rate.

        With limits, drawn anew until it is within them and has a neighbour that is.
        """
        if self._guards:
            return self._draw_within(self._guards, self.rng, _LATER_DRAWS).encode()
        return self._draw(self.rng).encode()

    def _draw(self, rng: np.random.Generator) -> Chain:
        operations, skips = [], []
        for layer in range(self.depth):
            starts = self.skip_rate > 0 and rng.random() < self.skip_rate
            skips.append(int(rng.integers(1, self.depth - layer + 1)) if starts else 0)
            operations.append(self.operations[int(rng.integers(len(self.operations)))])
        return Chain(tuple(operations), tuple(skips), self.settings.draw(rng))

    def _draw_uniformly(self, rng: np.random.Generator) -> Chain:
        operations = rng.integers(len(self.operations), size=self.depth)
        spans = rng.integers(self.depth - np.arange(self.depth) + 1) if self.skip_rate else [0] * self.depth
        return Chain(tuple(self.operations[i] for i in operations), tuple(int(span) for span in spans))

    def _draw_within(self, guards: SizeGuards, rng: np.random.Generator, draws: int) -> Chain:
        for _ in range(draws):
            chain = self._draw(rng)
            if guards.admits(chain) and any(map(guards.admits, self._changed(chain))):
                return chain
        smallest = guards.smallest(self._draw(rng) for _ in range(_FIRST_DRAWS))
        raise ConfigError(
            f"a search needs architectures within {guards} that have neighbours within, got none among {draws:,} drawn "
            f"at random ({f'the smallest has {smallest}' if smallest else 'none of them builds'}); raise the limit, "
            "choose smaller operations or lower space.depth"
        )

    def _admits(self, chain: Chain) -> bool:
        return self._guards is None or self._guards.admits(chain)

    def get_neighbor(self, arch: str) -> str:
        """One of the architecture's neighbours, each equally likely.

        Raises:
            ArchitectureError: not in this space, or without a neighbour in it, which no sample and no neighbour is.
        """
        neighbors = self.neighbors(arch)
        if not neighbors:
            raise ArchitectureError(
                f"an architecture needs a neighbour within {self._guards}, got {arch!r}; raise the limit"
            )
        return neighbors[int(self.rng.integers(len(neighbors)))]

    def neighbors(self, arch: str) -> list[str]:
        """Every architecture of the space exactly one component away, in a fixed order.

        One operation is replaced by another, one skip connection is removed, added or given another legal span, or one
        setting is another one: of numbers the next lower or the next higher.
        """
        return [chain.encode() for chain in self._changed(self.parse(arch)) if self._admits(chain)]

    def components(self, arch: str) -> tuple[str, ...]:
        """List the components by position: operations, with skip connections `sc_k` or "" a layer, then `key=value`."""
        return self.parse(arch).components(with_skips=self.skip_rate > 0)

    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The choices at every position of `components`: the operations, the legal spans of a layer, the settings."""
        layers = range(self.depth) if self.skip_rate else ()
        spans = tuple(("", *(f"sc_{span}" for span in range(1, self.depth - layer + 1))) for layer in layers)
        return (tuple(self.operations),) * self.depth + spans + self.settings.entries()

    def ranks(self) -> tuple[tuple[int, ...], ...]:
        """The place in the order of each of the `entries` at a position of numbers; nothing at others."""
        others = self.depth * (2 if self.skip_rate else 1)
        return ((),) * others + self.settings.ranks()

    def definitions(self) -> dict[str, dict[str, Any]]:
        """The operations that may be chosen, by name: the layer as `op`, and its arguments."""
        return {key: self.reference[key].definition for key in self.operations}

    def compose(self, components: Sequence[str]) -> str | None:
        """The architecture of these components; None for one beyond the limits.

        Args:
            components: one of the entries at every position.
        """
        end = len(components) - len(self.settings.choices)
        skips = tuple(int(span[3:]) if span else 0 for span in components[self.depth : end]) or (0,) * self.depth
        settings = ((key, value) for key, _, value in (each.partition("=") for each in components[end:]))
        chain = Chain(tuple(components[: self.depth]), skips, tuple(settings))
        return chain.encode() if self._admits(chain) else None

    def costs(self, arch: str) -> dict[str, float]:
        """Trainable parameters and multiply-adds by name; nothing without an image, or where it does not build on it.

        Raises:
            ArchitectureError: not in this space.
        """
        chain = self.parse(arch)
        if self._sizes is None:
            return {}
        try:
            size = self._sizes.of(chain)
        except ArchitectureError:
            return {}
        return {"params": float(size.params), "macs": float(size.macs)}

    def set_image(self, image: Image) -> None:
        """Has `sizes` count for such images, where the space does not do so yet; no operation is built for that."""
        if self._counted is None:
            self._counted = self._make_sizes(image, None)

    def sizes(self, arch: str) -> tuple[float, ...]:
        """Trainable parameters and multiply-adds; nothing without an image.

        Returns:
            NaN for both where it does not build, or an operation would have to be built to know.
        """
        chain = self.parse(arch)
        if self._counted is None:
            return ()
        try:
            size = self._counted.of(chain)
        except (ArchitectureError, ConfigError):
            return (math.nan, math.nan)
        return (float(size.params), float(size.macs))

    def _changed(self, chain: Chain) -> Iterator[Chain]:
        """Every chain one component away, within the limits or not."""
        for layer, current in enumerate(chain.operations):
            for operation in self.operations:
                if operation != current:
                    operations = (*chain.operations[:layer], operation, *chain.operations[layer + 1 :])
                    yield replace(chain, operations=operations)
            for span in range(self.depth - layer + 1) if self.skip_rate else ():
                if span != chain.skips[layer]:
                    yield replace(chain, skips=(*chain.skips[:layer], span, *chain.skips[layer + 1 :]))
        yield from (replace(chain, settings=settings) for settings in self.settings.steps(chain.settings))

    def parse(self, arch: str) -> Chain:
        """Decodes an architecture of this space.

        Raises:
            ArchitectureError: malformed, or not in this space; larger than its limits, for one.
        """
        chain = decode(arch, self.operations)
        if len(chain.operations) != self.depth:
            raise ArchitectureError(
                f"an architecture of this space has {number_of(self.depth, 'operation')} (space.depth), got "
                f"{len(chain.operations)} in {arch!r}"
            )
        if any(chain.skips) and not self.skip_rate:
            raise ArchitectureError(
                f"skip connections are off in this space (space.skip_rate: 0), got {arch!r}; "
                "remove its sc_k or set a rate"
            )
        self.settings.check(chain.settings, arch)
        if self._guards:
            self._guards.check(chain)
        return chain

    def eval_format(self, arch: str) -> list[str]:
        """The components of an architecture, without `input`, `output` and settings."""
        self.parse(arch)
        return arch.split("|")[1:-1]

    def enumerate(self) -> Iterator[str]:
        """Every candidate once; meant for small spaces."""
        for chain in self._all():
            if self._admits(chain):
                yield from (replace(chain, settings=settings).encode() for settings in self.settings.all())

    def _all(self) -> Iterator[Chain]:
        spans = [range(self.depth - layer + 1) if self.skip_rate else (0,) for layer in range(self.depth)]
        for operations in itertools.product(self.operations, repeat=self.depth):
            yield from (Chain(operations, skips) for skips in itertools.product(*spans))
