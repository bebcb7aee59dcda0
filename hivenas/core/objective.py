"""What a search needs to know of the thing that it optimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hivenas.core.history import History
from hivenas.core.records import Candidate, Evaluation, Proposal


class ObjectiveInterface(ABC):
    """A space of candidates with a fitness; the colony knows nothing else.

    `sample` and `get_neighbor` are called in the driver's process, in the order in which the colony's bees fly, and
    draw from the generator that the objective was made with: share it with the colony, whose state includes it.
    `evaluate` and `momentum_eval` may be called in any process and must not depend on the order of calls.
    """

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
        """Whether a smaller fitness is better."""

    def get_neighbor_toward(self, candidate: Candidate, partner: Candidate) -> Candidate:
        """A neighbour that may use another food source; numerical objectives need it, others ignore the partner."""
        neighbor: Candidate = self.get_neighbor(candidate)
        return neighbor

    def brief(self, proposal: Proposal, told: History) -> Proposal:
        """What the search's records add to a proposal before it is carried out; nothing, unless replaced.

        Args:
            proposal: as the colony made it.
            told: the records of everything told before the proposal's phase. Nothing else may be used, so that a
                resumed search briefs its bees alike, with any number of workers.
        """
        return proposal

    def saved_states(self, evaluation: Evaluation) -> Sequence[str]:
        """Names of the files of an evaluation that later ones may start from; they are kept with its run."""
        return [evaluation.filename] if evaluation.filename else []

    def run(self, proposal: Proposal) -> Evaluation:
        """Carries out a proposal; executors call this. Objectives with richer records replace it."""
        if proposal.momentum_epochs:
            result = self.momentum_eval(proposal.candidate, proposal.weights_filename or "", proposal.momentum_epochs)
        else:
            result = self.evaluate(proposal.candidate)
        return Evaluation(
            proposal.candidate,
            "complete",
            float(result["fitness"]),
            epochs=int(result.get("epochs", 0)),
            momentum=float(result.get("momentum", 0.0)),
            momentum_epochs=proposal.momentum_epochs,
            params=int(result.get("params", 0)),
            filename=str(result.get("filename", "")),
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
        """What stands at every position; of the same length for every candidate of the space, and unlike any other's.

        Returns:
            The operations, "" where others have more of them; after them, where the space has skip connections, one
            entry a layer: `sc_k` for the one that starts there, or "".

        Raises:
            ArchitectureError: not an architecture of the space.
        """

    @abstractmethod
    def entries(self) -> tuple[tuple[str, ...], ...]:
        """What may stand at every position of `components`, in a fixed order."""

    @abstractmethod
    def compose(self, components: Sequence[str]) -> str | None:
        """The candidate of these components, the inverse of `components`; None where the space has none."""

    def sizes(self, arch: str) -> tuple[float, ...]:
        """What is known of the network before it is trained, such as trainable parameters and multiply-adds.

        Returns:
            As many figures for every candidate; none where nothing is known, which is the default.
        """
        return ()
