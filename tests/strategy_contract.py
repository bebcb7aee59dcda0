"""The contract of every strategy, whatever it proposes: for hivenas' own, and for anyone's.

Inherit `StrategyContract` in a class `Test…`, beside it `PointsContract` where the strategy searches numerical points,
`PhasedContract` where it is a `PhasedStrategy`, and give `make_strategy`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig, EvaluationConfig, SpaceConfig
from hivenas.core.records import Candidate, Evaluation, Proposal, Trial
from hivenas.core.strategies.ladder import Ladder, Rungs
from hivenas.core.strategies.phased import PhasedStrategy
from hivenas.core.strategy import Strategy
from hivenas.errors import ConfigError
from hivenas.objectives.numerical import Sphere
from hivenas.objectives.table import TableObjective
from hivenas.storage.export import as_columns, from_columns
from tests.colonies import (
    History,
    Make,
    answer,
    ends_in_every_way,
    evaluations_of,
    fails_now_and_then,
    fly,
    proposals_of,
    write_table,
)
from tests.toy_objectives import EPOCHS, SMALL_SPACE, CurvedObjective, TinyObjective

PLAIN = SMALL_SPACE.model_copy(update={"skip_rate": 0.0})
# Of nine architectures: fewer than a search plans.
NINE = SpaceConfig(depth=2, operations=("identity", "dropout", "batch_norm"))
# What a strategy is saved and restored in the midst of.
RUNS: list[tuple[str, Make, ColonyConfig, int]] = [
    ("skips", TinyObjective, ColonyConfig(iterations=5, abandonment_limit=2), 0),
    ("no skips", lambda rng: TinyObjective(rng, PLAIN), ColonyConfig(iterations=5, abandonment_limit=1), 0),
    ("momentum", TinyObjective, ColonyConfig(iterations=5, abandonment_limit=2), 5),
    ("no onlookers", TinyObjective, ColonyConfig(size=3, employee_ratio=1.0, iterations=6), 3),
    ("minimising", lambda rng: TinyObjective(rng, minimize=True), ColonyConfig(iterations=5, abandonment_limit=1), 3),
    (
        "failures and stops",
        lambda rng: TinyObjective(rng, status=ends_in_every_way),
        ColonyConfig(iterations=6, abandonment_limit=2),
        0,
    ),
    (
        "minimising failures",
        lambda rng: TinyObjective(rng, minimize=True, status=fails_now_and_then),
        ColonyConfig(iterations=5, abandonment_limit=2),
        2,
    ),
    (
        "failing continuations",
        lambda rng: TinyObjective(rng, fails_to_continue=True),
        ColonyConfig(iterations=6),
        5,
    ),
    (
        "small space",
        lambda rng: TinyObjective(rng, NINE),
        ColonyConfig(size=4, employee_ratio=0.5, iterations=10, abandonment_limit=2),
        2,
    ),
    ("overlap", TinyObjective, ColonyConfig(iterations=5, abandonment_limit=1, overlap=1), 0),
    ("larger overlap, momentum", TinyObjective, ColonyConfig(size=9, iterations=5, overlap=3), 5),
    (
        "overlap of employees alone",
        TinyObjective,
        ColonyConfig(size=3, employee_ratio=1.0, iterations=6, abandonment_limit=1, overlap=2),
        3,
    ),
    (
        "overlap in a small space",
        lambda rng: TinyObjective(rng, NINE),
        ColonyConfig(size=5, employee_ratio=0.5, iterations=10, abandonment_limit=2, overlap=1),
        2,
    ),
]


def restore(colony: Strategy, saved: str, told: Sequence[Evaluation]) -> None:
    """Puts a strategy back to a saved state, and tells it again what it had not learned from."""
    state = json.loads(saved)
    colony.restore(state, told[: state["evaluations"]])
    assert json.dumps(colony.state()) == saved
    if rest := told[state["evaluations"] :]:
        colony.tell(rest)


def figures_of(strategy: PhasedStrategy) -> dict[str, float]:
    """The figures by which a strategy knows candidates."""
    return {name: evaluation.fitness for name, evaluation in strategy._memory.items()}


class StrategyContract(ABC):
    """Every `Strategy`, through its protocol alone."""

    continues = True  # whether it has recorded candidates trained on, where momentum epochs are given

    @abstractmethod
    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> Strategy:
        """The strategy that is held to the contract."""

    def pair(self, make: Make, config: ColonyConfig, seed: int = 1, *, momentum: int = 0) -> tuple[Any, Any]:
        """An objective and a strategy over it that share a generator."""
        rng = np.random.default_rng(seed)
        objective = make(rng)
        return objective, self.make_strategy(objective, config, rng, momentum_epochs=momentum)

    def test_it_has_what_a_search_needs(self) -> None:
        _, strategy = self.pair(TinyObjective, ColonyConfig())
        assert isinstance(strategy, Strategy)
        assert {"evaluations": 0, "iteration": 0, "reused": 0}.items() <= strategy.state().items()

    # -- asking and telling

    def test_ask_gives_the_same_proposals_until_they_are_told(self) -> None:
        objective, strategy = self.pair(TinyObjective, ColonyConfig(iterations=3), momentum=3)
        while proposals := strategy.ask():
            state = json.dumps(strategy.state())
            assert strategy.ask() == proposals
            assert json.dumps(strategy.state()) == state
            strategy.tell([objective.run(proposal) for proposal in proposals])
        asked_once, once = self.pair(TinyObjective, ColonyConfig(iterations=3), momentum=3)
        fly(asked_once, once)
        assert once.state() == strategy.state()

    def test_tell_refuses_evaluations_that_do_not_match_the_proposals(self) -> None:
        objective, strategy = self.pair(TinyObjective, ColonyConfig())
        proposals = strategy.ask()
        evaluations = [objective.run(proposal) for proposal in proposals]
        foreign = replace(evaluations[0], candidate="input|identity|identity|identity|output")
        before = json.dumps(strategy.state())
        out_of_order = [evaluations[::-1], evaluations[1:]] if len(evaluations) > 1 else []
        for wrong in ([*evaluations, evaluations[0]], [foreign], *out_of_order):
            with pytest.raises(ValueError, match=f"evaluations of the first of the {len(proposals)} proposals"):
                strategy.tell(wrong)
        assert json.dumps(strategy.state()) == before
        assert strategy.ask() == proposals
        strategy.tell(evaluations[:1])
        with pytest.raises(ValueError, match="evaluations of the first of the"):
            strategy.tell(evaluations)
        strategy.tell(evaluations[1:])
        assert not set(proposals) & set(strategy.ask())

    @pytest.mark.parametrize(("make", "config", "momentum"), [r[1:] for r in RUNS], ids=[r[0] for r in RUNS])
    def test_proposals_are_numbered_in_order_and_keep_the_budget(
        self, make: Make, config: ColonyConfig, momentum: int
    ) -> None:
        objective, strategy = self.pair(make, config, momentum=momentum)
        proposals = proposals_of(fly(objective, strategy))
        assert [p.index for p in proposals] == list(range(len(proposals)))
        assert [p.iteration for p in proposals] == sorted(p.iteration for p in proposals)
        assert [p.known for p in proposals] == sorted(p.known for p in proposals)
        assert all(p.known <= p.index and p.role for p in proposals)
        state = strategy.state()
        assert state["iteration"] == config.iterations
        trained, planned = sum(not p.momentum_epochs for p in proposals), config.size * config.iterations
        if config.overlap:
            # Of the last phase something may wait for a phase that never comes.
            assert len(proposals) - config.overlap <= state["evaluations"] <= len(proposals)
            assert trained + state["reused"] <= planned
        else:
            assert state["evaluations"] == len(proposals)
            assert trained + state["reused"] == planned
        assert strategy.ask() == []

    @pytest.mark.parametrize(("make", "config", "momentum"), [r[1:] for r in RUNS], ids=[r[0] for r in RUNS])
    def test_what_is_told_one_by_one_gives_the_search_that_telling_a_phase_gives(
        self, make: Make, config: ColonyConfig, momentum: int
    ) -> None:
        objective, strategy = self.pair(make, config, momentum=momentum)
        told = fly(objective, strategy)
        same, one_by_one = self.pair(make, config, momentum=momentum)
        proposals: list[Proposal] = []
        while asked := one_by_one.ask():
            proposals.append(asked[0])
            one_by_one.tell([same.run(asked[0])])
        assert proposals == proposals_of(told)
        assert json.dumps(one_by_one.state()) == json.dumps(strategy.state())

    def test_the_same_seed_gives_the_same_proposals_and_another_one_others(self) -> None:
        def proposals(seed: int) -> list[Proposal]:
            objective, strategy = self.pair(TinyObjective, ColonyConfig(iterations=4), seed, momentum=4)
            return proposals_of(fly(objective, strategy))

        assert proposals(5) == proposals(5)
        assert proposals(5) != proposals(6)

    # -- what is proposed

    @pytest.mark.parametrize("overlap", [0, 2])
    @pytest.mark.parametrize("momentum", [0, 4])
    @pytest.mark.parametrize("minimize", [False, True])
    def test_no_architecture_is_proposed_twice_but_to_be_continued(
        self, minimize: bool, momentum: int, overlap: int
    ) -> None:
        objective, strategy = self.pair(
            lambda rng: TinyObjective(rng, minimize=minimize, status=ends_in_every_way),
            ColonyConfig(size=10, iterations=12, overlap=overlap),
            momentum=momentum,
        )
        proposals = proposals_of(fly(objective, strategy))
        new = [p.candidate for p in proposals if not p.momentum_epochs]
        assert len(new) == len(set(new))
        assert len(new) + strategy.state()["reused"] == 120
        assert any(p.momentum_epochs for p in proposals) == bool(momentum and self.continues)

    def test_where_everything_fails_it_goes_on_to_the_end(self) -> None:
        objective, strategy = self.pair(
            lambda rng: TinyObjective(rng, status=lambda _: "failed"), ColonyConfig(iterations=6), momentum=3
        )
        assert len(evaluations_of(fly(objective, strategy))) + strategy.state()["reused"] == 42

    # -- the saved state

    def check_that_it_goes_on(self, make: Make, config: ColonyConfig, momentum: int = 0) -> None:
        """Saves after every tell and every ask; from each of the states a fresh strategy goes on as this one did."""
        objective, strategy = self.pair(make, config, momentum=momentum)
        saved: list[tuple[str, str]] = []
        told: list[History] = []
        while True:
            after_tell = json.dumps(strategy.state())
            proposals = strategy.ask()
            saved.append((after_tell, json.dumps(strategy.state())))
            if not proposals:
                break
            evaluations = [objective.run(proposal) for proposal in proposals]
            strategy.tell(evaluations)
            told.append(History("", proposals, evaluations))
        assert len(told) > 2
        for phase, (after_tell, after_ask) in enumerate(saved):
            # Records as the table keeps them.
            rows = [
                from_columns(as_columns(Trial(proposal, evaluation))).evaluation
                for each in told[:phase]
                for proposal, evaluation in zip(each.proposals, each.evaluations, strict=True)
            ]
            # Another seed, so that only the state can bring the draws back.
            _, waiting = self.pair(make, config, seed=99, momentum=momentum)
            restore(waiting, after_tell, rows)
            waiting.ask()
            assert json.dumps(waiting.state()) == after_ask
            again, asked = self.pair(make, config, seed=98, momentum=momentum)
            restore(asked, after_ask, rows)
            rest = fly(again, asked)
            assert [each.proposals for each in rest] == [each.proposals for each in told[phase:]]
            assert [each.evaluations for each in rest] == [each.evaluations for each in told[phase:]]
            assert json.dumps(asked.state()) == saved[-1][1]

    @pytest.mark.parametrize(("make", "config", "momentum"), [r[1:] for r in RUNS], ids=[r[0] for r in RUNS])
    def test_a_restored_run_goes_on_like_an_uninterrupted_one(
        self, make: Make, config: ColonyConfig, momentum: int
    ) -> None:
        self.check_that_it_goes_on(make, config, momentum)

    def test_a_restored_run_over_a_table_goes_on_like_an_uninterrupted_one(self, tmp_path: Path) -> None:
        table = write_table(tmp_path / "t.csv")
        self.check_that_it_goes_on(lambda rng: TableObjective(table, rng=rng), ColonyConfig(iterations=5))

    @pytest.mark.parametrize(("overlap", "momentum"), [(0, 0), (0, 3), (2, 3)])
    def test_a_run_restored_in_the_midst_of_a_phase_goes_on_like_an_uninterrupted_one(
        self, overlap: int, momentum: int
    ) -> None:
        config = ColonyConfig(size=8, iterations=4, overlap=overlap)
        objective, strategy = self.pair(
            lambda rng: TinyObjective(rng, status=ends_in_every_way), config, momentum=momentum
        )
        saved, told = [json.dumps(strategy.state())], list[Evaluation]()
        while asked := strategy.ask():
            told.append(objective.run(asked[0]))
            strategy.tell(told[-1:])
            saved.append(json.dumps(strategy.state()))
        for count, state in enumerate(saved[::3]):
            again, restored = self.pair(
                lambda rng: TinyObjective(rng, status=ends_in_every_way), config, seed=97, momentum=momentum
            )
            restore(restored, state, told[: 3 * count])
            assert evaluations_of(fly(again, restored)) == told[3 * count :]
            assert json.dumps(restored.state()) == saved[-1]

    @pytest.mark.parametrize("overlap", [0, 1])
    def test_more_iterations_than_were_begun_with_go_on_from_the_end(self, overlap: int) -> None:
        short, long = ColonyConfig(iterations=2, overlap=overlap), ColonyConfig(iterations=4, overlap=overlap)
        objective, strategy = self.pair(TinyObjective, short, momentum=3)
        told = evaluations_of(fly(objective, strategy))
        again, restored = self.pair(TinyObjective, long, seed=99, momentum=3)
        restore(restored, json.dumps(strategy.state()), told)
        rest = evaluations_of(fly(again, restored))
        in_one_go, whole = self.pair(TinyObjective, long, momentum=3)
        assert told + rest == evaluations_of(fly(in_one_go, whole))

    def test_a_saved_state_is_not_changed_by_flying_on(self) -> None:
        objective, strategy = self.pair(TinyObjective, ColonyConfig(iterations=6, abandonment_limit=2))
        texts, states = [], []
        while proposals := strategy.ask():
            states.append(strategy.state())
            texts.append(json.dumps(states[-1]))
            strategy.tell([objective.run(proposal) for proposal in proposals])
        assert [json.dumps(state) for state in states] == texts
        assert len(set(texts)) == len(texts)


class PointsContract(StrategyContract):
    """Strategies that search numerical points too."""

    @pytest.mark.parametrize("minimize", [False, True])
    def test_it_searches_numerical_points(self, minimize: bool) -> None:
        config = ColonyConfig(size=6, employee_ratio=0.5, iterations=4)
        objective, strategy = self.pair(lambda rng: Sphere(3, rng=rng, minimize=minimize), config, momentum=3)
        proposals = proposals_of(fly(objective, strategy))
        # Points have no weights to go on from.
        assert len(proposals) + strategy.state()["reused"] == 24
        assert all(p.parent == "" and len(p.candidate) == 3 for p in proposals)

    @pytest.mark.parametrize("minimize", [True, False])
    def test_a_restored_run_over_points_goes_on_like_an_uninterrupted_one(self, minimize: bool) -> None:
        self.check_that_it_goes_on(
            lambda rng: Sphere(3, rng=rng, minimize=minimize),
            ColonyConfig(size=6, employee_ratio=0.5, iterations=6, abandonment_limit=1 + 2 * minimize),
        )


class PhasedContract(StrategyContract):
    """Every `PhasedStrategy`."""

    visits_all = True  # whether nothing of a small space is left unvisited in the end

    @abstractmethod
    def make_strategy(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> PhasedStrategy:
        """The strategy that is held to the contract."""

    # -- phases

    @pytest.mark.parametrize("overlap", [0, 1, 2, 50])
    def test_a_phase_is_planned_without_what_the_last_flights_before_it_find(self, overlap: int) -> None:
        config = ColonyConfig(size=7, iterations=5, overlap=overlap)
        objective, strategy = self.pair(TinyObjective, config)
        _, misled = self.pair(TinyObjective, config)
        told: list[Evaluation] = []
        ahead = 0
        while proposals := strategy.ask():
            assert {proposal.known for proposal in proposals} == {proposals[0].index - ahead}
            ahead = min(overlap, len(proposals) - 1) if strategy.overlaps else 0
            evaluations = [objective.run(proposal) for proposal in proposals]
            waits = len(proposals) - ahead
            state = json.loads(json.dumps(strategy.state()))
            misled.restore(state, told[: state["evaluations"]])
            misled.tell([*told[state["evaluations"] :], *evaluations[:waits]])
            misled.tell([replace(evaluation, fitness=5.0) for evaluation in evaluations[waits:]])
            strategy.tell(evaluations)
            assert misled.ask() == strategy.ask()
            told += evaluations
        assert len(told) == 35

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("rate", [0.0, 0.5])
    @pytest.mark.parametrize(("size", "overlap"), [(5, 0), (9, 0), (9, 2)])
    def test_in_a_space_smaller_than_the_search_records_are_reused(
        self, seed: int, rate: float, size: int, overlap: int
    ) -> None:
        config = SpaceConfig(
            depth=2, operations=("identity", "dropout", "batch_norm")[: 2 + (not rate)], skip_rate=rate
        )
        objective, strategy = self.pair(
            lambda rng: TinyObjective(rng, config),
            ColonyConfig(size=size, employee_ratio=0.6, iterations=20, overlap=overlap),
            seed,
        )
        told = evaluations_of(fly(objective, strategy))
        visited = [str(e.candidate) for e in told]
        assert len(visited) == len(set(visited)) == strategy.evaluations
        if self.visits_all:
            assert sorted(visited) == sorted(objective.space.enumerate())
        waiting = sum(flight["proposal"] is None for flight in strategy.state()["flights"])
        assert strategy.evaluations + strategy.reused + waiting == size * 20
        assert strategy.is_done
        assert strategy.best is not None
        assert strategy.best.fitness == max(e.fitness for e in told)

    @pytest.mark.parametrize("climbs", [False, True])
    def test_a_space_in_which_all_is_known_is_not_searched_on(self, climbs: bool) -> None:
        open_pair = self.climbing if climbs else self.pair
        objective, strategy = open_pair(
            lambda rng: CurvedObjective(rng, 20, space=NINE), ColonyConfig(size=5, iterations=3_000)
        )
        told = evaluations_of(fly(objective, strategy))
        assert (strategy.is_done, strategy.iteration) == (True, 3_000)
        assert strategy.reused < 5 * 300
        assert strategy.best
        assert max(e.age for e in told) == 20

    @pytest.mark.parametrize("overlap", [0, 2])
    @pytest.mark.parametrize("minimize", [False, True])
    @pytest.mark.parametrize("seed", range(4))
    def test_the_best_is_the_best_of_everything_told_that_did_not_fail(
        self, minimize: bool, seed: int, overlap: int
    ) -> None:
        objective, strategy = self.pair(
            lambda rng: TinyObjective(rng, minimize=minimize, status=fails_now_and_then),
            ColonyConfig(iterations=5, overlap=overlap),
            seed,
        )
        best, failed = None, 0
        while proposals := strategy.ask():
            evaluations = [objective.run(proposal) for proposal in proposals]
            strategy.tell(evaluations)
            failed += sum(e.status == "failed" for e in evaluations)
            succeeded = [e.fitness for e in evaluations if e.status != "failed"] + ([] if best is None else [best])
            best = (min if minimize else max)(succeeded, default=None)
            assert (strategy.best.fitness if strategy.best else None) == best
        assert failed > 0

    @pytest.mark.parametrize(("minimize", "told"), [(False, 0.9), (True, 0.1)])
    def test_a_failed_evaluation_never_becomes_the_best(self, minimize: bool, told: float) -> None:
        _, strategy = self.pair(lambda rng: TinyObjective(rng, minimize=minimize), ColonyConfig(size=1, iterations=5))
        answer(strategy, told, status="failed")
        assert strategy.best is None
        (second,) = answer(strategy, 0.5)
        # A fitness that would win, so that only the status can keep it out.
        answer(strategy, told, status="failed")
        assert strategy.best is not None
        assert (strategy.best.candidate, strategy.best.fitness) == (second.candidate, 0.5)

    # -- the ladder

    def climbing(self, make: Make, config: ColonyConfig, seed: int = 1, epochs: int = 20) -> tuple[Any, PhasedStrategy]:
        """An objective and a strategy over it whose candidates climb a ladder."""
        objective, strategy = self.pair(make, config, seed)
        strategy.continue_by(Ladder(Rungs.of(EvaluationConfig(epochs=epochs, stopping="ladder"))))
        return objective, strategy

    @pytest.mark.parametrize("fails", [False, True])
    def test_with_a_ladder_a_share_of_the_epochs_is_trained_and_the_best_is_complete(self, fails: bool) -> None:
        config = ColonyConfig(size=7, iterations=6)
        objective, strategy = self.climbing(lambda rng: CurvedObjective(rng, 20, fails=fails), config)
        told = fly(objective, strategy)
        proposals, evaluations = proposals_of(told), evaluations_of(told)
        new = [p for p in proposals if not p.momentum_epochs]
        assert len(new) + strategy.reused == 42
        assert {p.until for p in new} == {3}
        assert {p.until for p in proposals if p.momentum_epochs} == {0}
        latest = {e.candidate: e for e in evaluations if e.status != "failed"}
        assert {e.age for e in latest.values()} <= {3, 5, 10, 20}
        spent = sum(len(e.history) for e in evaluations)
        assert 0.3 * 20 * len(latest) < spent <= 0.35 * 20 * len(latest)
        complete = {name: e.fitness for name, e in latest.items() if e.status == "complete"}
        assert len(complete) > 2
        assert strategy.best is not None
        assert (strategy.best.candidate, strategy.best.fitness) == max(complete.items(), key=lambda each: each[1])
        assert any(e.status == "failed" for e in evaluations) == fails

    @pytest.mark.parametrize("fails", [False, True])
    def test_a_climb_restored_at_any_time_goes_on_like_an_uninterrupted_one(self, fails: bool) -> None:
        def make(rng: np.random.Generator) -> CurvedObjective:
            return CurvedObjective(rng, 10, fails=fails)

        config = ColonyConfig(size=6, iterations=4, abandonment_limit=1)
        objective, strategy = self.climbing(make, config, epochs=10)
        at_once = fly(objective, strategy)
        objective, strategy = self.climbing(make, config, epochs=10)
        saved, told = [json.dumps(strategy.state())], list[Trial]()
        known = [figures_of(strategy)]
        while asked := strategy.ask():
            told.append(Trial(asked[0], objective.run(asked[0])))
            strategy.tell([told[-1].evaluation])
            saved.append(json.dumps(strategy.state()))
            known.append(figures_of(strategy))
        assert [trial.evaluation for trial in told] == evaluations_of(at_once)
        end = json.dumps(strategy.state())
        for count, state in enumerate(saved):
            again, restored = self.climbing(make, config, seed=97, epochs=10)
            # Records as the table keeps them.
            restore(restored, state, [from_columns(as_columns(trial)).evaluation for trial in told[:count]])
            assert figures_of(restored) == known[count]
            if count % 7:
                continue
            assert evaluations_of(fly(again, restored)) == [trial.evaluation for trial in told[count:]]
            assert json.dumps(restored.state()) == end

    @pytest.mark.parametrize("stopped_after", [0, 13])
    def test_with_a_ladder_only_figures_that_were_measured_are_told(self, stopped_after: int) -> None:
        config = ColonyConfig(size=7, iterations=6)
        objective, strategy = self.climbing(lambda rng: CurvedObjective(rng, 20, fails=True), config)
        told: list[Trial] = []
        while asked := strategy.ask():
            told.append(Trial(asked[0], objective.run(asked[0])))
            strategy.tell([told[-1].evaluation])
            if len(told) == stopped_after:
                state = json.dumps(strategy.state())
                objective, strategy = self.climbing(lambda rng: CurvedObjective(rng, 20, fails=True), config, seed=9)
                restore(strategy, state, [from_columns(as_columns(trial)).evaluation for trial in told])
        continued = [trial for trial in told if trial.phase == "momentum"]
        assert len(continued) > 10
        for place, trial in enumerate(told):
            source = str(trial.candidate) if trial.phase == "momentum" else trial.parent
            before = [each for each in told[:place] if each.candidate == source and not each.failed]
            if trial.phase == "momentum":
                assert trial.center_fitness == before[-1].fitness
            elif before:  # made from one that has not failed
                latest = [each for each in before if each.index < trial.proposal.known][-1]
                assert trial.center_fitness == (latest.fitness if latest.status == "complete" else None)

    @pytest.mark.parametrize("told_before", [1, 10, 17, 24])
    def test_a_search_that_ends_early_has_its_best_climb_to_the_end(self, told_before: int) -> None:
        def make(rng: np.random.Generator) -> CurvedObjective:
            return CurvedObjective(rng, 20)

        config = ColonyConfig(size=7, iterations=6)
        objective, strategy = self.climbing(make, config)
        told: list[Trial] = []
        while len(told) < told_before:
            told.append(Trial(asked := strategy.ask()[0], objective.run(asked)))
            strategy.tell([told[-1].evaluation])
        strategy.conclude()
        state = json.dumps(strategy.state())
        strategy.conclude()
        assert json.dumps(strategy.state()) == state
        before = {str(trial.candidate) for trial in told}
        rest = fly(objective, strategy)
        assert all(p.momentum_epochs and p.candidate in before for p in proposals_of(rest))
        assert strategy.best is not None
        assert strategy.best.fitness == max(e.fitness for e in evaluations_of(rest) if e.status == "complete")
        assert strategy.is_done
        again, restored = self.climbing(make, config, seed=95)
        restore(restored, state, [trial.evaluation for trial in told])
        assert evaluations_of(fly(again, restored)) == evaluations_of(rest)

    # -- momentum

    def test_the_momentum_phase_hands_out_its_pool_to_recorded_candidates(self) -> None:
        objective, strategy = self.pair(TinyObjective, ColonyConfig(iterations=4), momentum=6)
        told = fly(objective, strategy)
        assert [phase.phase for phase in told] == [*strategy.phases, "momentum"] * 4
        latest: dict[Candidate, Evaluation] = {}
        for number, phase in enumerate(told):
            if phase.phase == "momentum":
                assert sum(p.momentum_epochs for p in phase.proposals) == 6
                for proposal in phase.proposals:
                    assert proposal.phase == "momentum"
                    assert proposal.iteration == number // (len(strategy.phases) + 1)
                    assert proposal.center_fitness == latest[proposal.candidate].fitness
                    assert proposal.weights_filename == latest[proposal.candidate].filename
            latest |= {evaluation.candidate: evaluation for evaluation in phase.evaluations}
        assert sum(e.momentum_epochs for e in latest.values()) == 4 * 6
        assert [p.index for p in proposals_of(told)] == list(range(strategy.evaluations))

    @pytest.mark.parametrize(
        "record",
        [
            {"momentum": 0.0, "filename": "a.h5"},
            {"momentum": -0.5, "filename": "a.h5"},
            {"momentum": float("nan"), "filename": "a.h5"},
            {"momentum": 0.5, "filename": ""},
            {"momentum": 0.5, "filename": "a.h5", "status": "failed"},
        ],
        ids=["no momentum", "negative", "not a number", "nothing saved", "failed"],
    )
    def test_where_nobody_has_momentum_the_phase_is_skipped(self, record: dict[str, Any]) -> None:
        config = ColonyConfig(size=1, employee_ratio=1.0, iterations=3)
        _, strategy = self.pair(TinyObjective, config, momentum=4)
        answer(strategy, 0.5, epochs=EPOCHS, **record)
        assert strategy.iteration == 0
        (following,) = strategy.ask()
        assert (following.momentum_epochs, following.iteration) == (0, 1)
        assert strategy.reused == 0

    def test_a_state_of_another_version_or_kind_is_refused(self) -> None:
        objective, strategy = self.pair(TinyObjective, ColonyConfig())
        strategy.tell([objective.run(proposal) for proposal in strategy.ask()])
        before = strategy.state()
        with pytest.raises(
            ConfigError, match="has version 0, this hivenas reads 3; finish the search with the version"
        ):
            strategy.restore(before | {"version": 0}, [])
        with pytest.raises(
            ConfigError,
            match=rf"of the kind foreign, the configuration asks for {strategy.kind}; resume with colony.kind: foreign",
        ):
            strategy.restore(before | {"kind": "foreign"}, [])
        assert json.dumps(strategy.state()) == json.dumps(before)
