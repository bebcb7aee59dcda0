"""A cost that only evaluations tell: what is predicted of it, and the hive that weighs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hivenas.config import ColonyConfig
from hivenas.config.costs import COSTS
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.colony.predicted_cost import MARGIN, PredictedCost
from hivenas.core.front import hypervolume
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Evaluation, Proposal
from hivenas.core.strategies.random_search import RandomSearch
from hivenas.objectives.table import TableObjective
from tests.colonies import evaluations_of, fails_now_and_then, fly, write_table
from tests.colony_contract import WeighingContract
from tests.strategy_contract import RUNS
from tests.toy_objectives import TinyObjective

LATENCY = COSTS["latency_ms"]


class Timed(TinyObjective):
    """Knows the size of its candidates, and with an evaluation how long their answers take."""

    def describe(self) -> ObjectiveInfo:
        return replace(super().describe(), costs=("params",), measures=("latency_ms",))

    def run(self, proposal: Proposal) -> Evaluation:
        evaluation = super().run(proposal)
        told = {"latency_ms": latency(self, str(proposal.candidate))}
        return evaluation if evaluation.status == "failed" else replace(evaluation, extra=told)


def latency(objective: TinyObjective, arch: str) -> float:
    return 0.5 * 1.5 ** sum(ord(entry[0]) % 3 for entry in objective.components(arch) if entry)


def records_of(objective: Timed, count: int) -> dict[str, Evaluation]:
    names = dict.fromkeys(objective.sample() for _ in range(count))
    return {name: objective.run(Proposal(i, 0, "scout", i, name)) for i, name in enumerate(names)}


def predicted(records: Mapping[str, Evaluation]) -> PredictedCost:
    cost = PredictedCost(Timed(np.random.default_rng(1)), LATENCY, lambda: records)
    cost.learn()
    return cost


def test_what_was_recorded_counts_and_what_was_not_is_close_to_what_it_would_be() -> None:
    objective = Timed(np.random.default_rng(0))
    records = records_of(objective, 40)
    cost = predicted(records)
    assert all(cost(name) == each.extra["latency_ms"] for name, each in records.items())
    others = [name for name in dict.fromkeys(objective.sample() for _ in range(60)) if name not in records]
    errors = [math.log(cost(name) / latency(objective, name)) for name in others]
    spread = np.std([math.log(latency(objective, name)) for name in others])
    assert len(others) > 10
    assert np.std(errors) < 0.5 * spread
    values = [each.extra["latency_ms"] for each in records.values()]
    assert all(min(values) <= cost(name) * math.exp(MARGIN) for name in others)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_with_too_few_records_it_is_their_mean(count: int) -> None:
    objective = Timed(np.random.default_rng(0))
    records = dict(list(records_of(objective, 20).items())[:count])
    values = [each.extra["latency_ms"] for each in records.values()]
    mean = math.exp(sum(map(math.log, values)) / count) if count else 1.0
    other = next(name for name in iter(objective.sample, None) if name not in records)
    assert predicted(records)(other) == pytest.approx(mean)


def test_what_failed_or_does_not_build_has_no_cost() -> None:
    class Holed(Timed):
        def costs(self, arch: str) -> dict[str, float]:
            return {} if arch == lost else super().costs(arch)

    objective = Holed(np.random.default_rng(0))
    lost, failed = list(dict.fromkeys(objective.sample() for _ in range(9)))[:2]
    records = {failed: Evaluation(failed, "failed", 0.0)}
    cost = PredictedCost(objective, LATENCY, lambda: records)
    cost.learn()
    assert cost(lost) == cost(failed) == math.inf


@pytest.mark.slow
def test_with_a_predicted_cost_it_keeps_the_contract() -> None:
    _, _, config, momentum = RUNS[2]
    contract = WeighingContract(LATENCY)
    contract.check_that_it_goes_on(lambda rng: Timed(rng, status=fails_now_and_then), config, momentum)


class Untold(TableObjective):
    """A table of which parameters are known of what was evaluated alone, as a latency."""

    def describe(self) -> ObjectiveInfo:
        return replace(super().describe(), costs=(), measures=("latency_ms",))

    def costs(self, arch: str) -> dict[str, float]:
        return {}

    def run(self, proposal: Proposal) -> Evaluation:
        evaluation = super().run(proposal)
        return replace(evaluation, extra={"latency_ms": float(evaluation.params)})


@pytest.mark.slow
def test_a_front_is_found_with_a_cost_that_has_to_be_predicted(tmp_path: Path) -> None:
    file = write_table(tmp_path / "t.csv", layers=5, costs=True)

    def area(seed: int, *, weighs: bool) -> float:
        rng = np.random.default_rng(seed)
        objective = Untold(file, rng=rng)
        config = ColonyConfig(iterations=5)
        strategy = GuidedBeeColony(objective, config, rng) if weighs else RandomSearch(objective, config, rng)
        if isinstance(strategy, GuidedBeeColony):
            strategy.weigh(LATENCY)
        told = evaluations_of(fly(objective, strategy))
        return hypervolume([(e.extra["latency_ms"], e.fitness) for e in told], (39.0, 50.0))

    weighed, drawn = (np.array([area(seed, weighs=weighs) for seed in range(5)]) for weighs in (True, False))
    gains = weighed - drawn
    assert gains.mean() > 2 * gains.std(ddof=1) / len(gains) ** 0.5 > 0
