"""What every colony must do, whoever flies where in it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.config import ColonyConfig, SpaceConfig
from hivenas.core.colony.bee_colony import BeeColony
from hivenas.core.records import Candidate, Evaluation, Proposal, Row
from hivenas.errors import ConfigError
from hivenas.objectives.table import TableObjective
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
from tests.toy_objectives import EPOCHS, SMALL_SPACE, TinyObjective

PLAIN = SMALL_SPACE.model_copy(update={"skip_rate": 0.0})
# Of nine architectures: fewer than a search plans, and more than are visited before a model of the space is asked.
NINE = SpaceConfig(depth=2, operations=("identity", "dropout", "batch_norm"))
# What a colony is saved and restored in the midst of.
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


def restore(colony: BeeColony, saved: str, told: Sequence[Evaluation]) -> None:
    """Puts a colony back to a saved state, and tells it again what it had not learned from."""
    state = json.loads(saved)
    colony.restore(state, told[: state["evaluations"]])
    assert json.dumps(colony.state()) == saved
    if rest := told[state["evaluations"] :]:
        colony.tell(rest)


class ColonyContract(ABC):
    """Every `BeeColony` over encoded architectures: inherit it in a class `Test…` and give `make_colony`."""

    @abstractmethod
    def make_colony(
        self, objective: Any, config: ColonyConfig, rng: np.random.Generator, *, momentum_epochs: int = 0
    ) -> BeeColony:
        """The colony that is held to the contract."""

    def hive(self, make: Make, config: ColonyConfig, seed: int = 1, *, momentum: int = 0) -> tuple[Any, BeeColony]:
        """An objective and a colony over it that share a generator."""
        rng = np.random.default_rng(seed)
        objective = make(rng)
        return objective, self.make_colony(objective, config, rng, momentum_epochs=momentum)

    # -- asking and telling

    def test_ask_gives_the_same_proposals_until_they_are_told(self) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig(iterations=3), momentum=3)
        while proposals := colony.ask():
            state = json.dumps(colony.state())
            assert colony.ask() == proposals
            assert json.dumps(colony.state()) == state
            colony.tell([objective.run(proposal) for proposal in proposals])
        asked_once, once = self.hive(TinyObjective, ColonyConfig(iterations=3), momentum=3)
        fly(asked_once, once)
        assert once.state() == colony.state()

    def test_tell_refuses_evaluations_that_do_not_match_the_proposals(self) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig())
        proposals = colony.ask()
        evaluations = [objective.run(proposal) for proposal in proposals]
        foreign = replace(evaluations[0], candidate="input|identity|identity|identity|output")
        before = json.dumps(colony.state())
        for wrong in ([*evaluations, evaluations[0]], evaluations[::-1], evaluations[1:], [foreign]):
            with pytest.raises(ValueError, match="evaluations of the first of the 3 proposals"):
                colony.tell(wrong)
        assert json.dumps(colony.state()) == before
        assert colony.ask() == proposals
        colony.tell(evaluations[:1])
        with pytest.raises(ValueError, match="evaluations of the first of the 2 proposals"):
            colony.tell(evaluations)
        colony.tell(evaluations[1:])
        assert colony.evaluations == 3

    @pytest.mark.parametrize(
        "config",
        [
            ColonyConfig(size=7, iterations=4),
            ColonyConfig(size=10, employee_ratio=0.25, iterations=3, abandonment_limit=1),
            ColonyConfig(size=4, employee_ratio=0.0, iterations=4),
        ],
        ids=str,
    )
    def test_a_phase_is_proposed_at_once_with_a_proposal_for_each_of_its_bees(self, config: ColonyConfig) -> None:
        objective, colony = self.hive(TinyObjective, config)
        told = fly(objective, colony)
        assert [phase.phase for phase in told] == ["employees", "onlookers"] * config.iterations
        assert [len(phase.proposals) for phase in told] == [config.employees, config.onlookers] * config.iterations
        planned = config.size * config.iterations
        proposals = proposals_of(told)
        assert [p.index for p in proposals] == list(range(planned))
        assert [p.iteration for p in proposals] == [i // config.size for i in range(planned)]
        assert [p.bee_id for phase in told for p in phase.proposals] == [
            bee for phase in told for bee in range(len(phase.proposals))
        ]
        assert (colony.evaluations, colony.reused, colony.iteration) == (planned, 0, config.iterations)
        assert colony.is_done
        assert colony.ask() == []

    @pytest.mark.parametrize("size", [1, 3])
    def test_a_colony_of_employees_alone_flies_all_its_iterations(self, size: int) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig(size=size, employee_ratio=1.0, iterations=12))
        told = fly(objective, colony)
        assert [(phase.phase, len(phase.proposals)) for phase in told] == [("employees", size)] * 12

    @pytest.mark.parametrize(("make", "config", "momentum"), [r[1:] for r in RUNS], ids=[r[0] for r in RUNS])
    def test_what_is_told_one_by_one_gives_the_search_that_telling_a_phase_gives(
        self, make: Make, config: ColonyConfig, momentum: int
    ) -> None:
        objective, colony = self.hive(make, config, momentum=momentum)
        told = fly(objective, colony)
        same, one_by_one = self.hive(make, config, momentum=momentum)
        proposals: list[Proposal] = []
        while asked := one_by_one.ask():
            proposals.append(asked[0])
            one_by_one.tell([same.run(asked[0])])
        assert proposals == proposals_of(told)
        assert json.dumps(one_by_one.state()) == json.dumps(colony.state())

    @pytest.mark.parametrize("overlap", [0, 1, 2, 50])
    def test_a_phase_is_planned_without_what_the_last_flights_before_it_find(self, overlap: int) -> None:
        config = ColonyConfig(size=7, iterations=5, overlap=overlap)
        objective, colony = self.hive(TinyObjective, config)
        _, misled = self.hive(TinyObjective, config)
        told: list[Evaluation] = []
        ahead = 0
        while proposals := colony.ask():
            assert {proposal.known for proposal in proposals} == {proposals[0].index - ahead}
            ahead = min(overlap, len(proposals) - 1) if colony.overlaps else 0
            evaluations = [objective.run(proposal) for proposal in proposals]
            waits = len(proposals) - ahead
            state = json.loads(json.dumps(colony.state()))
            misled.restore(state, told[: state["evaluations"]])
            misled.tell([*told[state["evaluations"] :], *evaluations[:waits]])
            misled.tell([replace(evaluation, fitness=5.0) for evaluation in evaluations[waits:]])
            colony.tell(evaluations)
            assert misled.ask() == colony.ask()
            told += evaluations
        assert len(told) == 35

    def test_the_same_seed_gives_the_same_proposals_and_another_one_others(self) -> None:
        def proposals(seed: int) -> list[Proposal]:
            objective, colony = self.hive(TinyObjective, ColonyConfig(iterations=4), seed, momentum=4)
            return proposals_of(fly(objective, colony))

        assert proposals(5) == proposals(5)
        assert proposals(5) != proposals(6)

    # -- what is visited

    @pytest.mark.parametrize("overlap", [0, 2])
    @pytest.mark.parametrize("momentum", [0, 4])
    @pytest.mark.parametrize("minimize", [False, True])
    def test_no_architecture_is_proposed_twice_but_to_be_continued(
        self, minimize: bool, momentum: int, overlap: int
    ) -> None:
        objective, colony = self.hive(
            lambda rng: TinyObjective(rng, minimize=minimize, status=ends_in_every_way),
            ColonyConfig(size=10, iterations=12, overlap=overlap),
            momentum=momentum,
        )
        proposals = proposals_of(fly(objective, colony))
        new = [p.candidate for p in proposals if not p.momentum_epochs]
        assert len(new) == len(set(new))
        assert len(new) + colony.reused == 120
        assert any(p.momentum_epochs for p in proposals) == bool(momentum)

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("rate", [0.0, 0.5])
    @pytest.mark.parametrize(("size", "overlap"), [(5, 0), (9, 0), (9, 2)])
    def test_in_a_space_smaller_than_the_search_all_is_visited_and_records_are_reused(
        self, seed: int, rate: float, size: int, overlap: int
    ) -> None:
        config = SpaceConfig(
            depth=2, operations=("identity", "dropout", "batch_norm")[: 2 + (not rate)], skip_rate=rate
        )
        objective, colony = self.hive(
            lambda rng: TinyObjective(rng, config),
            ColonyConfig(size=size, employee_ratio=0.6, iterations=40, overlap=overlap),
            seed,
        )
        told = evaluations_of(fly(objective, colony))
        assert sorted(str(e.candidate) for e in told) == sorted(objective.space.enumerate())
        assert colony.evaluations == objective.space.size
        assert colony.evaluations + colony.reused == size * 40
        assert colony.is_done
        assert colony.best is not None
        assert colony.best.fitness == max(e.fitness for e in told)

    @pytest.mark.parametrize("overlap", [0, 2])
    @pytest.mark.parametrize("minimize", [False, True])
    @pytest.mark.parametrize("seed", range(4))
    def test_the_best_is_the_best_of_everything_told_that_did_not_fail(
        self, minimize: bool, seed: int, overlap: int
    ) -> None:
        objective, colony = self.hive(
            lambda rng: TinyObjective(rng, minimize=minimize, status=fails_now_and_then),
            ColonyConfig(iterations=5, overlap=overlap),
            seed,
        )
        best, failed = None, 0
        while proposals := colony.ask():
            evaluations = [objective.run(proposal) for proposal in proposals]
            colony.tell(evaluations)
            failed += sum(e.status == "failed" for e in evaluations)
            succeeded = [e.fitness for e in evaluations if e.status != "failed"] + ([] if best is None else [best])
            best = (min if minimize else max)(succeeded, default=None)
            assert (colony.best.fitness if colony.best else None) == best
        assert failed > 0

    @pytest.mark.parametrize(("minimize", "told"), [(False, 0.9), (True, 0.1)])
    def test_a_failed_evaluation_never_becomes_the_best(self, minimize: bool, told: float) -> None:
        _, colony = self.hive(lambda rng: TinyObjective(rng, minimize=minimize), ColonyConfig(size=1, iterations=5))
        answer(colony, told, status="failed")
        assert colony.best is None
        (second,) = answer(colony, 0.5)
        # A fitness that would win, so that only the status can keep it out.
        answer(colony, told, status="failed")
        assert colony.best is not None
        assert (colony.best.candidate, colony.best.fitness) == (second.candidate, 0.5)

    # -- momentum

    def test_the_momentum_phase_hands_out_its_pool_to_recorded_candidates(self) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig(iterations=4), momentum=6)
        told = fly(objective, colony)
        assert [phase.phase for phase in told] == ["employees", "onlookers", "momentum"] * 4
        latest: dict[Candidate, Evaluation] = {}
        for number, phase in enumerate(told):
            if phase.phase == "momentum":
                assert sum(p.momentum_epochs for p in phase.proposals) == 6
                for proposal in phase.proposals:
                    assert proposal.phase == "momentum"
                    assert proposal.iteration == number // 3
                    assert proposal.center_fitness == latest[proposal.candidate].fitness
                    assert proposal.weights_filename == latest[proposal.candidate].filename
            latest |= {evaluation.candidate: evaluation for evaluation in phase.evaluations}
        assert sum(e.momentum_epochs for e in latest.values()) == 4 * 6
        assert [p.index for p in proposals_of(told)] == list(range(colony.evaluations))

    @pytest.mark.parametrize("seed", range(4))
    def test_continued_candidates_are_refreshed_wherever_the_hive_holds_them(self, seed: int) -> None:
        # Without skip connections a TinyObjective overfits: every continuation takes from the fitness.
        space = PLAIN if seed % 2 else SMALL_SPACE
        config = ColonyConfig(iterations=6)
        objective, colony = self.hive(lambda rng: TinyObjective(rng, space), config, seed, momentum=8)
        latest: dict[Candidate, float] = {}
        refreshed = fell = 0
        while proposals := colony.ask():
            evaluations = [objective.run(proposal) for proposal in proposals]
            colony.tell(evaluations)
            held = {source.candidate for source in colony.sources}
            for proposal, evaluation in zip(proposals, evaluations, strict=True):
                if proposal.momentum_epochs:
                    refreshed += proposal.candidate in held
                    fell += evaluation.fitness < latest[proposal.candidate]
                latest[evaluation.candidate] = evaluation.fitness
            for source in colony.sources:
                assert source.fitness is None or source.fitness == latest[source.candidate]
            assert colony.best is not None
            assert colony.best.fitness == latest[colony.best.candidate] == max(latest.values())
        assert refreshed > 0
        assert fell > 0 or space is SMALL_SPACE

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
        _, colony = self.hive(TinyObjective, config, momentum=4)
        answer(colony, 0.5, epochs=EPOCHS, **record)
        assert colony.iteration == 0
        (following,) = colony.ask()
        assert (following.momentum_epochs, following.iteration) == (0, 1)
        assert colony.reused == 0

    # -- the saved state

    def check_that_it_goes_on(self, make: Make, config: ColonyConfig, momentum: int = 0) -> None:
        """Saves after every tell and every ask; from each of the states a fresh hive goes on as this one did."""
        objective, colony = self.hive(make, config, momentum=momentum)
        saved: list[tuple[str, str]] = []
        told: list[History] = []
        while True:
            after_tell = json.dumps(colony.state())
            proposals = colony.ask()
            saved.append((after_tell, json.dumps(colony.state())))
            if not proposals:
                break
            evaluations = [objective.run(proposal) for proposal in proposals]
            colony.tell(evaluations)
            told.append(History("", proposals, evaluations))
        assert len(told) > 4
        for phase, (after_tell, after_ask) in enumerate(saved):
            # Records as the table keeps them.
            rows = [
                Row.of(proposal, evaluation).evaluation()
                for each in told[:phase]
                for proposal, evaluation in zip(each.proposals, each.evaluations, strict=True)
            ]
            # Another seed, so that only the state can bring the draws back.
            _, waiting = self.hive(make, config, seed=99, momentum=momentum)
            restore(waiting, after_tell, rows)
            waiting.ask()
            assert json.dumps(waiting.state()) == after_ask
            again, asked = self.hive(make, config, seed=98, momentum=momentum)
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

    @pytest.mark.parametrize("overlap", [0, 1])
    def test_more_iterations_than_were_begun_with_go_on_from_the_end(self, overlap: int) -> None:
        short, long = ColonyConfig(iterations=2, overlap=overlap), ColonyConfig(iterations=4, overlap=overlap)
        objective, colony = self.hive(TinyObjective, short, momentum=3)
        told = evaluations_of(fly(objective, colony))
        again, restored = self.hive(TinyObjective, long, seed=99, momentum=3)
        restore(restored, json.dumps(colony.state()), told)
        rest = evaluations_of(fly(again, restored))
        in_one_go, whole = self.hive(TinyObjective, long, momentum=3)
        assert told + rest == evaluations_of(fly(in_one_go, whole))

    def test_a_state_of_the_first_version_goes_on(self) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig(iterations=4))
        told: list[Evaluation] = []
        for _ in range(3):
            evaluations = [objective.run(proposal) for proposal in colony.ask()]
            colony.tell(evaluations)
            told += evaluations
        proposals = colony.ask()
        old = json.loads(json.dumps(colony.state())) | {"version": 1}
        del old["late"]
        for flight in old["flights"]:
            del flight["proposal"]["known"]
        again, restored = self.hive(TinyObjective, ColonyConfig(iterations=4), seed=99)
        restored.restore(old, told)
        assert restored.ask() == proposals
        assert evaluations_of(fly(again, restored)) == evaluations_of(fly(objective, colony))

    def test_a_saved_state_is_not_changed_by_flying_on(self) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig(iterations=6, abandonment_limit=2))
        texts, states = [], []
        while proposals := colony.ask():
            states.append(colony.state())
            texts.append(json.dumps(states[-1]))
            colony.tell([objective.run(proposal) for proposal in proposals])
        assert [json.dumps(state) for state in states] == texts
        assert len(set(texts)) == len(texts)

    def test_a_state_of_another_version_or_kind_is_refused(self) -> None:
        objective, colony = self.hive(TinyObjective, ColonyConfig())
        colony.tell([objective.run(proposal) for proposal in colony.ask()])
        before = colony.state()
        with pytest.raises(
            ConfigError, match="has version 0, this hivenas reads 1 and 2; finish the search with the version"
        ):
            colony.restore(before | {"version": 0}, [])
        with pytest.raises(
            ConfigError,
            match=rf"flown by a foreign colony, the configuration asks for a {colony.kind} one; resume with "
            "colony.kind: foreign",
        ):
            colony.restore(before | {"kind": "foreign"}, [])
        assert json.dumps(colony.state()) == json.dumps(before)
