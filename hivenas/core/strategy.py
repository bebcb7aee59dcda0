"""The protocol between a search and whatever proposes its candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.records import Evaluation, Proposal


@runtime_checkable
class Strategy(Protocol):
    """Proposes candidates and learns from what came of them; it never evaluates anything itself.

    A search asks, has the proposals evaluated in any order and place, and tells the evaluations in the order of the
    proposals. Two promises make a search exact:

    - **What a strategy knows when it proposes depends on the order of the proposals alone**, never on which of them was
      evaluated first, nor on how many were told at a time. So any number of workers gives the same search.
    - **Restored equals never interrupted**: a strategy of any other seed that is restored to a state, and told again
      what that state had not learned from, asks for the same proposals as the one that was saved.

    Within a search the `index` of proposals counts up from 0 without gaps, and `known` says how many evaluations the
    strategy had learned from when it proposed: the first so many, by which stopping rules and inheritance decide too.
    """

    def ask(self) -> list[Proposal]:
        """The proposals that are not told yet, in order: the same until more is told, none once the search is done."""
        ...

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Takes the evaluations of the first so many proposals that `ask` gives, in their order.

        A failed evaluation is told like any other.

        Raises:
            ValueError: evaluations that do not match the proposals.
        """
        ...

    def state(self) -> dict[str, Any]:
        """The strategy as small JSON data, whose size does not grow with the search.

        Returns:
            Whatever `restore` needs, and for the search itself at least `evaluations`, how many it has learned from,
            the first so many in the order of the proposals; `iteration`, the current one, from 0; and `reused`, how
            often a record took the place of an evaluation. What was told, but not learned from yet, is no part of it:
            restored, the strategy asks for it again.
        """
        ...

    def restore(self, state: Mapping[str, Any], evaluations: Iterable[Evaluation]) -> None:
        """Puts the strategy back to a saved state.

        Args:
            state: what `state` gave, through JSON.
            evaluations: everything that it had learned from (`state["evaluations"]`), in that order; their epochs'
                histories may be missing.

        Raises:
            ConfigError: a state of another kind of strategy, or one that does not fit the configuration.
        """
        ...


@runtime_checkable
class Concluding(Protocol):
    """A strategy that is told where a search ends before its last iteration, which is not asked of strategies."""

    def conclude(self) -> None:
        """Plans no more of the search; what was proposed and is not told yet is forgotten.

        `ask` then gives what is left to be done at a search's end, if anything. From then on `state` has the key
        `iterations`; restored from a state without it, the strategy would search on. A second call changes nothing.
        """
        ...


class StrategyClass(Protocol):
    """The constructor that every strategy offers."""

    def __call__(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> Strategy:
        """A strategy at the start of a search.

        Args:
            objective: an `ObjectiveInterface`: what is searched. It draws from the same generator.
            config: the `colony` section of a configuration: `size` × `iterations` evaluations at the most.
            rng: the generator of every draw; the state includes it.
            momentum_epochs: epochs by which recorded candidates are continued in every iteration; 0 for none.
        """
        ...
