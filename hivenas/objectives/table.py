"""A search over a recorded table: what thousands of trained networks came to, looked up instead of trained."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config.costs import COSTS, Cost
from hivenas.config.text import nearest
from hivenas.core.nas.space.operations import REFERENCE_SPACE
from hivenas.core.nas.space.parameters import position_parameters, run_parameters
from hivenas.core.objective import ArchitectureObjective, ObjectiveInfo
from hivenas.core.records import Candidate, Direction, Evaluation, Proposal
from hivenas.core.seeds import derive_seed
from hivenas.errors import ArchitectureError, ConfigError, DatasetError
from hivenas.objectives.table_file import Table


class TableObjective(ArchitectureObjective):
    """The strings of a recorded table, with the fitness that was recorded; the largest is looked for.

    A table may hold every string of a space or only some. Neighbours are the table's strings that differ in one
    component: an operation, or the skip connection that stands before it.

    Args:
        table: a file, see `Table.read`, or a table that was read before.
        rng: generator of samples and neighbours.
        noise: whether the fitness of an architecture is that of one of its seeds, chosen once for each by the seed
            below, instead of the column `fitness`.
        seed: chooses which architecture gets which of its seeds.

    Raises:
        DatasetError: not a table.
        ConfigError: noise where the table has no columns seed_….

    Source: the recorded benchmarks of neural architecture search, Ying et al. (2019), "NAS-Bench-101".
    """

    def __init__(
        self, table: str | Path | Table, *, rng: np.random.Generator, noise: bool = False, seed: int = 0
    ) -> None:
        self.table = table if isinstance(table, Table) else Table.read(table)
        self.rng = rng
        self._noise = noise
        self._seed = seed
        self._around: dict[str, tuple[str, ...]] = {}
        if len(self.table.architectures) < 2:
            raise DatasetError(
                f"a search needs a table of at least two architectures, got one ({self.table.path}, line 2); choose "
                "another table"
            )
        if noise:
            self._check_seeds()

    def _check_seeds(self) -> None:
        rows = np.isfinite(self.table.seeds).any(axis=1)
        if not self.table.seeds.shape[1]:
            raise ConfigError(
                f"table.noise needs columns seed_0, seed_1, …, got {', '.join(self.table.columns)} in "
                f"{self.table.path}; set noise: false"
            )
        if not rows.all():
            arch = self.table.architectures[int(np.argmin(rows))]
            raise ConfigError(
                f"table.noise needs a seed of every architecture, got none of {arch!r} in {self.table.path}; "
                "set noise: false"
            )

    # -- the space ---------------------------------------------------------------------------------------------

    @property
    def is_minimize(self) -> bool:
        """False: fitness is maximised."""
        return False

    def describe(self) -> ObjectiveInfo:
        """A table, in which looking up costs nothing."""
        entries, depth = self.table.entries, self.table.depth
        return ObjectiveInfo(
            direction=Direction.MAXIMIZE,
            is_share=True,
            in_workers=False,
            parameters=position_parameters(entries[:depth], entries[depth:]),
            data=self.table.describe(),
            size=self.size,
            costs=tuple(key for key in COSTS if key in self.table.figures and self._is_usable(COSTS[key])),
        )

    def _is_usable(self, cost: Cost) -> bool:
        """True where a column has what is recorded of the cost: of sizes whole numbers."""
        return not cost.known or _are_whole(self.table.figures[cost.key])

    def run_params(self, candidate: Candidate) -> dict[str, str]:
        """The candidate's operations as run parameters."""
        chain = self.table.decode(str(candidate))
        return run_parameters(chain.operations, chain.skips, self.table.depth)

    @property
    def size(self) -> int:
        """The number of architectures."""
        return len(self.table.architectures)

    def sample(self) -> str:
        """One of the table's architectures, each equally likely."""
        return self.table.architectures[int(self.rng.integers(self.size))]

    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The components that stand at every position of `components` somewhere in the table."""
        return self.table.entries

    def definitions(self) -> dict[str, dict[str, Any]]:
        """The operations of a table all of whose names are built-in keys; nothing of any other."""
        names = {entry for entries in self.table.entries[: self.table.depth] for entry in entries if entry}
        known = names <= REFERENCE_SPACE.keys()
        return {name: REFERENCE_SPACE[name].definition for name in sorted(names)} if known else {}

    def compose(self, components: Sequence[str]) -> str | None:
        """The table's architecture of these components; None where there is none."""
        row = self.table.named.get(tuple(components))
        return None if row is None else self.table.architectures[row]

    def components(self, arch: str) -> tuple[str, ...]:
        """The operations, filled up with "" to the longest; then, if any architecture has skips, `sc_k` or "" a layer.

        Raises:
            ArchitectureError: not in the table.
        """
        return self.table.components[self._row(arch)]

    def neighbors(self, arch: str) -> Sequence[str]:
        """Every architecture of the table exactly one component away; in a sparse table there may be none.

        Raises:
            ArchitectureError: not in the table.
        """
        if arch not in self._around:
            here = self.components(arch)
            changed = (
                (*here[:position], entry, *here[position + 1 :])
                for position, entries in enumerate(self.table.entries)
                for entry in entries
                if entry != here[position]
            )
            self._around[arch] = tuple(found for each in changed if (found := self.compose(each)) is not None)
        return self._around[arch]

    def get_neighbor(self, orig_arch: str) -> str:
        """One of the neighbours; where there is none, one of the architectures with the fewest other components.

        Each is equally likely.

        Raises:
            ArchitectureError: not in the table.
        """
        neighbors = self.neighbors(orig_arch) or self._nearest(orig_arch)
        return neighbors[int(self.rng.integers(len(neighbors)))]

    def _nearest(self, arch: str) -> Sequence[str]:
        row = self._row(arch)
        distance = (self.table.codes != self.table.codes[row]).sum(axis=1)
        distance[row] = distance.max() + 1
        return [self.table.architectures[int(i)] for i in np.flatnonzero(distance == distance.min())]

    def costs(self, arch: str) -> dict[str, float]:
        """Parameters, multiply-adds, latency and memory, those that the table has.

        Raises:
            ArchitectureError: not in the table.
        """
        row = self._row(arch)
        return {key: float(self.table.figures[key][row]) for key in COSTS if key in self.table.figures}

    def sizes(self, arch: str) -> tuple[float, ...]:
        """The same without their names."""
        return tuple(self.costs(arch).values())

    # -- the fitness -------------------------------------------------------------------------------------------

    def evaluate(self, candidate: str) -> dict[str, Any]:
        """The recorded fitness, or with noise that of one seed; and params, where the table has them.

        Raises:
            ArchitectureError: not in the table.
        """
        evaluation = self._evaluation(candidate)
        params = {"params": evaluation.params} if "params" in self.table.figures else {}
        return {"fitness": evaluation.fitness, **params}

    def momentum_eval(self, candidate: str, weights_filename: str, m_epochs: int) -> dict[str, Any]:
        """A recorded network does not get better by waiting: the same value again."""
        return self.evaluate(candidate)

    def run(self, proposal: Proposal) -> Evaluation:
        """Carries out a proposal; `seconds` is what the training took then, where the table has it."""
        return self._evaluation(str(proposal.candidate))

    def _evaluation(self, arch: str) -> Evaluation:
        row = self._row(arch)
        figures = {name: float(column[row]) for name, column in self.table.figures.items()}
        return Evaluation(
            arch,
            "complete",
            self._seeded_fitness(arch, row) if self._noise else float(self.table.fitness[row]),
            params=round(figures.get("params", 0)),
            macs=round(figures.get("macs", 0)),
            seconds=figures.get("seconds", 0.0),
            extra={key: figures[key] for key, cost in COSTS.items() if not cost.known and key in figures},
        )

    def _seeded_fitness(self, arch: str, row: int) -> float:
        seeds = self.table.seeds[row]
        recorded = seeds[np.isfinite(seeds)]
        return float(recorded[derive_seed(self._seed, "table", arch) % len(recorded)])

    @functools.cached_property
    def best_fitness(self) -> float:
        """The largest fitness of the table, whatever noise hides of it."""
        return float(self.table.fitness.max())

    def true_fitness(self, arch: str) -> float:
        """The column `fitness` of an architecture, without noise.

        Raises:
            ArchitectureError: not in the table.
        """
        return float(self.table.fitness[self._row(arch)])

    def regret(self, arch: str) -> float:
        """The distance of an architecture's true fitness below the best of the table, in the table's unit; ≥ 0."""
        return self.best_fitness - self.true_fitness(arch)

    def _row(self, arch: str) -> int:
        row = self.table.rows.get(arch)
        if row is None:
            near = nearest(str(arch), self.table.architectures) if self.size <= 1000 else ""
            raise ArchitectureError(
                f"an architecture must be one of the {self.size:,} of {self.table.path}, got {arch!r}"
                f"{near or '; choose one of its strings'}"
            )
        return row


def _are_whole(figures: NDArray[np.float64]) -> bool:
    """True of whole numbers, as which sizes are recorded."""
    return bool(np.array_equal(figures, np.round(figures)))
