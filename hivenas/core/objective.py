"""The objective of a search: a space of candidates with a fitness."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hivenas.config.costs import RECORDED
from hivenas.config.metrics import worst_value
from hivenas.config.text import listed
from hivenas.core.candidates import encode_candidate
from hivenas.core.history import History
from hivenas.core.parameters import Parameters
from hivenas.core.records import Candidate, Direction, Evaluation, Proposal
from hivenas.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveInfo:
    """All that a search, its tracker and its report need to know of an objective.

    Args:
        direction: where a better fitness lies.
        metric: what fitness is, for people.
        trains: whether candidates are networks that are trained, in epochs, and the best of them fully at the end.
        in_workers: whether candidates are evaluated in the configured executor; what costs nothing is done at once in
            the driver's process.
        parameters: how a candidate reads as named parameters; None where that is not known.
        data: what is recorded of the data that candidates are looked up in; empty where there are none, or where they
            are loaded in the workers only.
        size: the number of candidates; None where they are not countable, or not counted.
        costs: keys of `objectives` for which `ArchitectureObjective.costs` knows the cost of every candidate that
            can be evaluated.
        measures: further keys of `objectives`, which are not known beforehand and come with every evaluation.
        is_share: whether fitness is a share, such as accuracy, and so 0 at the least.
    """

    direction: Direction
    metric: str = "fitness"
    trains: bool = False
    in_workers: bool = True
    parameters: Parameters | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None
    costs: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    is_share: bool = False

    @property
    def worst(self) -> float:
        """The fitness of a candidate that failed."""
        return worst_value(minimize=self.direction.minimize, is_share=self.is_share)


class ObjectiveInterface(ABC):
    """A space of candidates with a fitness; strategies know nothing else.

    `sample` and `get_neighbor` are called in the driver's process, in the order in which the strategy proposes, and
    should draw from `rng`: a search gives its own generator, whose state is saved with the strategy's, so that it goes
    on exactly where it was interrupted. `evaluate` and `momentum_eval` may be called in any process and must not depend
    on the order of calls.

    Attributes:
        rng: generator of samples and neighbours.
    """

    rng: np.random.Generator

    @abstractmethod
    def sample(self) -> Any:
        """A new random candidate."""

    @abstractmethod
    def evaluate(self, candidate: Any) -> dict[str, Any]:
        """Evaluates a candidate; the result has at least the key `fitness`."""

    @abstractmethod
    def get_neighbor(self, orig_arch: Any) -> Any:
        """A random candidate one step away from the given one."""

    @abstractmethod
    def momentum_eval(self, candidate: Any, weights_filename: str, m_epochs: int) -> dict[str, Any]:
        """Continues the training of a candidate by m_epochs; the result is like `evaluate`'s."""

    @property
    @abstractmethod
    def is_minimize(self) -> bool:
        """True where a smaller fitness is better."""

    def describe(self) -> ObjectiveInfo:
        """Say what a search needs to know; objectives that have more to say replace it."""
        return ObjectiveInfo(direction=Direction.of(self.is_minimize))

    def get_neighbor_toward(self, candidate: Candidate, partner: Candidate) -> Candidate:
        """A neighbour that may use another candidate; numerical objectives need it, others ignore the partner."""
        neighbor: Candidate = self.get_neighbor(candidate)
        return neighbor

    def set_data(self, data: Mapping[str, Any]) -> None:  # noqa: B027  # most objectives have no data
        """Takes what a search has found its data to be, before the first proposal; nothing, unless replaced.

        Args:
            data: as `Dataset.describe` says.
        """

    def with_context(self, proposal: Proposal, history: History) -> Proposal:
        """Adds what the search's records say of a proposal before it is carried out; nothing, unless replaced.

        Args:
            proposal: as the strategy made it.
            history: the records of everything told before the proposal's phase. Nothing else may be used, so that a
                resumed search does the same, with any number of workers.
        """
        return proposal

    def saved_states(self, evaluation: Evaluation) -> Sequence[str]:
        """Names of the files of an evaluation that later ones may start from; they are kept with its run."""
        return [evaluation.filename] if evaluation.filename else []

    def run_params(self, candidate: Candidate) -> dict[str, str]:
        """A candidate as parameters of its run."""
        parameters = self.describe().parameters
        if parameters is None:
            return {"candidate": encode_candidate(candidate)}
        return {name: str(value) for name, value in parameters.values(encode_candidate(candidate)).items()}

    def evaluator(self) -> tuple[Callable[..., Evaluation], tuple[Any, ...]] | None:
        """An importable function that carries out proposals in any process; None where the objective itself travels.

        Returns:
            The function, and its arguments before the proposal.
        """
        return None

    def run(self, proposal: Proposal) -> Evaluation:
        """Carries out a proposal. Objectives with richer records replace it."""
        if proposal.momentum_epochs:
            result = self.momentum_eval(proposal.candidate, proposal.weights_filename or "", proposal.momentum_epochs)
        else:
            result = self.evaluate(proposal.candidate)
        name = type(self).__name__
        try:
            fitness = float(result["fitness"])
        except (KeyError, TypeError):
            raise TypeError(f"evaluate of {name} must return {{'fitness': a number}}, got {result!r}") from None
        if missing := [key for key in self.describe().measures if key not in result]:
            raise ConfigError(
                f"evaluate of {name} must return {listed(missing)}, which describe() has in measures, got "
                f"{listed([*result])}; return it, or leave it out there"
            )
        return Evaluation(
            proposal.candidate,
            "complete",
            fitness,
            epochs=int(result.get("epochs", 0)),
            momentum=float(result.get("momentum", 0.0)),
            momentum_epochs=proposal.momentum_epochs,
            params=_whole(f"evaluate of {name}", "params", result.get("params", 0)),
            macs=_whole(f"evaluate of {name}", "macs", result.get("macs", 0)),
            filename=str(result.get("filename", "")),
            extra={key: float(result[key]) for key in RECORDED if key in result},
        )


class ArchitectureObjective(ObjectiveInterface):
    """An objective whose candidates are encoded architectures: what a model of the space can learn from.

    The methods below draw nothing and always answer alike, so that they may be called as often as one likes.
    """

    @abstractmethod
    def neighbors(self, arch: str) -> Sequence[str]:
        """Every candidate of the space exactly one component away, in a fixed order.

        `get_neighbor` draws from them, each equally likely. Where the space has holes there may be none; what
        `get_neighbor` then gives, the objective says.

        Raises:
            ArchitectureError: not an architecture of the space.
        """

    @abstractmethod
    def components(self, arch: str) -> tuple[str, ...]:
        """The entry at every position; of the same length for every candidate of the space, and unlike any other's.

        Returns:
            The operations, "" where others have more of them; after them, where the space has skip connections, one
            entry a layer: `sc_k` for the one that starts there, or ""; after these, where settings are searched,
            `key=value` for each.

        Raises:
            ArchitectureError: not an architecture of the space.
        """

    @abstractmethod
    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The possible entries at every position of `components`, in a fixed order."""

    def ranks(self) -> tuple[tuple[int, ...], ...]:
        """The place in the order of each of the `entries` at a position of numbers.

        Returns:
            One tuple a position, empty where its entries have no order; nothing where none has, which is the default.
        """
        return ()

    def definitions(self) -> Mapping[str, Mapping[str, Any]]:
        """The operations among the `entries` as a configuration defines them, by name.

        Returns:
            Of each its layer as `op`, and its arguments; nothing where they are not known, which is the default.
        """
        return {}

    @abstractmethod
    def compose(self, components: Sequence[str]) -> str | None:
        """The candidate of these components, the inverse of `components`; None where the space has none."""

    def run(self, proposal: Proposal) -> Evaluation:
        """Carries out a proposal; costs that are known beforehand need not be in the result.

        Raises:
            ConfigError: such a cost is no whole number.
        """
        known, owner = self.costs(str(proposal.candidate)), f"costs of {type(self).__name__}"
        whole = {name: _whole(owner, name, known[name]) for name in self.describe().costs if name in known}
        evaluation = super().run(proposal)
        missing: dict[str, Any] = {name: cost for name, cost in whole.items() if not getattr(evaluation, name)}
        return replace(evaluation, **missing) if missing else evaluation

    def costs(self, arch: str) -> Mapping[str, float]:
        """The costs of an architecture that are known before it is trained, by the keys of `objectives`.

        Returns:
            Such as params and macs; nothing, which is the default, where nothing is known of it.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        return {}

    def sizes(self, arch: str) -> tuple[float, ...]:
        """Figures of the network that are known before it is trained, such as trainable parameters and multiply-adds.

        Returns:
            As many figures for every candidate, NaN where they are not known of one; none where they are known of none,
            which is the default.
        """
        return ()


def _whole(owner: str, name: str, value: Any) -> int:
    """A cost that is recorded as a whole number.

    Raises:
        ConfigError: it is none.
    """
    number = float(value)
    if not (math.isfinite(number) and number >= 0 and number == int(number)):
        raise ConfigError(
            f"{owner} must give {name} as a whole number from 0 on, got {value!r}; count it in a smaller unit"
        )
    return int(number)
