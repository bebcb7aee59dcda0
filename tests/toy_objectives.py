"""A small objective over encoded architectures that costs nothing, for tests of the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hivenas.config import SpaceConfig
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.objective import ArchitectureObjective
from hivenas.core.records import EpochFigures, Evaluation, Proposal, Status
from hivenas.core.seeds import arch_hash

QUALITY = {"identity": 0.0, "dropout": 1.0, "batch_norm": 2.0, "conv3x3_8": 4.0}
EPOCHS = 3
SMALL_SPACE = SpaceConfig(depth=3, operations=("identity", "dropout", "batch_norm", "conv3x3_8"), skip_rate=0.3)


def _complete(_: str) -> Status:
    return "complete"


class TinyObjective(ArchitectureObjective):
    """A real search space whose fitness is a function of the string; like a network, it gets better by training.

    How long a candidate has been trained stands in the name of its file, as it stands in a network's h5.

    Args:
        rng: generator of samples and neighbours.
        space: the architectures.
        minimize: whether the smallest fitness is looked for.
        status: how the evaluation of a candidate ends.
        fails_to_continue: whether every second continuation fails.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        space: SpaceConfig = SMALL_SPACE,
        *,
        minimize: bool = False,
        status: Callable[[str], Status] = _complete,
        fails_to_continue: bool = False,
    ) -> None:
        self.space = NASSearchSpace(space, rng)
        self._minimize = minimize
        self._status = status
        self._fails_to_continue = fails_to_continue

    @property
    def rng(self) -> np.random.Generator:
        return self.space.rng

    @rng.setter
    def rng(self, rng: np.random.Generator) -> None:
        self.space.rng = rng

    @property
    def is_minimize(self) -> bool:
        return self._minimize

    def sample(self) -> str:
        return self.space.sample()

    def get_neighbor(self, orig_arch: str) -> str:
        return self.space.get_neighbor(orig_arch)

    def neighbors(self, arch: str) -> Sequence[str]:
        return self.space.neighbors(arch)

    def components(self, arch: str) -> tuple[str, ...]:
        return self.space.components(arch)

    def entries(self) -> tuple[tuple[str, ...], ...]:
        return self.space.entries()

    def compose(self, components: Sequence[str]) -> str | None:
        return self.space.compose(components)

    def costs(self, arch: str) -> dict[str, float]:
        return {"params": float(len(arch))}

    def evaluate(self, candidate: str) -> dict[str, Any]:
        return self._trained(candidate, EPOCHS)

    def momentum_eval(self, candidate: str, weights_filename: str, m_epochs: int) -> dict[str, Any]:
        before = int(weights_filename.partition("-")[2].removesuffix(".h5"))
        return self._trained(candidate, before + m_epochs)

    def run(self, proposal: Proposal) -> Evaluation:
        arch = str(proposal.candidate)
        status = self._status(arch)
        if status == "failed" and not proposal.momentum_epochs:
            worst = float("inf") if self._minimize else 0.0
            return Evaluation.failure(arch, "RuntimeError: it does not build", worst=worst)
        if proposal.momentum_epochs and self._fails_to_continue and proposal.index % 2:
            return Evaluation.failure(arch, "RuntimeError: out of memory")
        if proposal.momentum_epochs:
            result = self.momentum_eval(arch, proposal.weights_filename or "", proposal.momentum_epochs)
        else:
            result = self.evaluate(arch)
        epochs = 1 if status == "stopped" else EPOCHS
        return Evaluation(
            arch,
            status,
            result["fitness"],
            epochs=epochs,
            momentum=result["momentum"],
            momentum_epochs=result["epochs"] - EPOCHS,
            params=result["params"],
            filename=result["filename"],
        )

    def _trained(self, arch: str, epochs: int) -> dict[str, Any]:
        chain = self.space.parse(arch)
        worth = sum(QUALITY[key] * (layer + 1) for layer, key in enumerate(chain.operations)) + sum(chain.skips) / 8
        start = 0.2 + worth / 100
        # Skip connections here learn on, everything else overfits: continuations move the fitness both ways.
        gain = 0.02 if any(chain.skips) else -0.02
        return {
            "fitness": start + gain * (epochs - EPOCHS),
            "epochs": epochs,
            "filename": f"{arch_hash(arch)}-{epochs}.h5",
            "params": len(arch),
            "momentum": round(start - 0.25, 6),
        }


class CurvedObjective(TinyObjective):
    """A tiny objective whose candidates have a curve, and pause where they are asked to.

    Args:
        rng: generator of samples and neighbours.
        epochs: of a complete training.
        fails: whether some trainings and some continuations fail.
        space: of the architectures.
    """

    def __init__(
        self, rng: np.random.Generator, epochs: int, *, fails: bool = False, space: SpaceConfig = SMALL_SPACE
    ) -> None:
        super().__init__(rng, space)
        self.epochs = epochs
        self._fails = fails

    def run(self, proposal: Proposal) -> Evaluation:
        # How long its first training and all of them were stands in the name of the file.
        arch, started_from = str(proposal.candidate), proposal.weights_filename or "-0-0.h5"
        first, before = (int(age) for age in started_from.removesuffix(".h5").split("-")[1:])
        if self._fails and int(arch_hash(f"{arch} {before}")[:4], 16) % 7 == 0:
            return Evaluation.failure(arch, "RuntimeError: out of memory")
        age = before + proposal.momentum_epochs or proposal.until or self.epochs
        first = first or age
        epochs = range(before + 1, age + 1)
        return Evaluation(
            arch,
            "paused" if age < self.epochs else "complete",
            self.accuracy(arch, age),
            epochs=first,
            momentum_epochs=age - first,
            filename=f"{arch_hash(arch)}-{first}-{age}.h5",
            history=tuple(EpochFigures(epoch, 1.0, 0.5, 1.0, self.accuracy(arch, epoch)) for epoch in epochs),
        )

    def accuracy(self, arch: str, epoch: int) -> float:
        """Rises towards the tiny objective's fitness, the faster the smaller that is, with noise."""
        worth = self.evaluate(arch)["fitness"]
        noise = int(arch_hash(f"{arch} {epoch}")[:4], 16) / 0xFFFF - 0.5
        return float(worth * (1 - 0.7 ** (epoch / (4 * worth))) + 0.02 * noise)
