"""The duties of every implementation of an interface; a test class inherits a contract and says what it is held to."""

from __future__ import annotations

import asyncio
import math
import sys
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pytest

from hivenas.config.costs import COSTS
from hivenas.core.candidates import decode_candidate, encode_candidate
from hivenas.core.objective import ArchitectureObjective, ObjectiveInterface
from hivenas.core.records import Candidate, Direction, Proposal
from hivenas.errors import innermost
from hivenas.execution import TaskExecutor
from tests.executors import task


class ObjectiveContract(ABC):
    """Every `ObjectiveInterface`: inherit it in a class `Test…` and give `make_objective`."""

    draws = 25

    @abstractmethod
    def make_objective(self, rng: np.random.Generator) -> ObjectiveInterface:
        """The objective that is held to the contract, drawing from this generator."""

    @pytest.fixture
    def objective(self) -> ObjectiveInterface:
        return self.make_objective(np.random.default_rng(11))

    def test_samples_differ_and_are_candidates(self, objective: ObjectiveInterface) -> None:
        samples: list[Candidate] = [objective.sample() for _ in range(self.draws)]
        assert len(set(samples)) > 1
        assert all(decode_candidate(encode_candidate(sample)) == sample for sample in samples)

    def test_a_neighbor_differs_from_its_origin_and_is_a_candidate_like_it(self, objective: ObjectiveInterface) -> None:
        for _ in range(self.draws):
            origin = objective.sample()
            neighbor = objective.get_neighbor(origin)
            assert neighbor != origin
            assert type(neighbor) is type(origin)
            assert decode_candidate(encode_candidate(neighbor)) == neighbor

    def test_a_neighbor_toward_another_source_differs_from_its_origin(self, objective: ObjectiveInterface) -> None:
        for _ in range(self.draws):
            origin, partner = objective.sample(), objective.sample()
            if origin != partner:
                assert objective.get_neighbor_toward(origin, partner) != origin

    def test_neighbors_lead_on_to_many_candidates(self, objective: ObjectiveInterface) -> None:
        place = objective.sample()
        visited = {place}
        for _ in range(self.draws):
            place = objective.get_neighbor(place)
            visited.add(place)
        assert len(visited) > 2

    def test_evaluate_does_not_depend_on_the_order_of_calls(self, objective: ObjectiveInterface) -> None:
        candidates = [objective.sample() for _ in range(self.draws)]
        forwards = [objective.evaluate(candidate) for candidate in candidates]
        backwards = [objective.evaluate(candidate) for candidate in reversed(candidates)]
        assert forwards == backwards[::-1]

    def test_evaluate_draws_nothing(self) -> None:
        rng = np.random.default_rng(11)
        objective = self.make_objective(rng)
        candidate = objective.sample()
        before = rng.bit_generator.state
        objective.evaluate(candidate)
        assert rng.bit_generator.state == before

    def test_run_carries_out_a_proposal_by_evaluate(self, objective: ObjectiveInterface) -> None:
        for index in range(self.draws):
            candidate = objective.sample()
            evaluation = objective.run(Proposal(index, 0, "scout", 0, candidate))
            result = objective.evaluate(candidate)
            assert evaluation.candidate == candidate
            assert evaluation.fitness == result["fitness"]
            assert evaluation.momentum == result.get("momentum", 0.0)
            assert evaluation.filename == result.get("filename", "")

    def test_run_carries_out_a_continuation_by_momentum_eval(self, objective: ObjectiveInterface) -> None:
        candidate = objective.sample()
        first = objective.run(Proposal(0, 0, "scout", 0, candidate))
        evaluation = objective.run(Proposal(1, 0, "employee", 0, candidate, first.fitness, 2, first.filename))
        assert evaluation.candidate == candidate
        assert evaluation.fitness == objective.momentum_eval(candidate, first.filename, 2)["fitness"]

    def test_the_same_seed_gives_the_same_candidates(self) -> None:
        def walk(seed: int) -> list[Candidate]:
            objective = self.make_objective(np.random.default_rng(seed))
            samples = [objective.sample() for _ in range(self.draws)]
            return samples + [objective.get_neighbor(sample) for sample in samples]

        assert walk(3) == walk(3)
        assert walk(3) != walk(4)

    def test_it_draws_from_the_generator_that_it_is_given(self) -> None:
        def walk(objective: ObjectiveInterface) -> list[Candidate]:
            samples = [objective.sample() for _ in range(self.draws)]
            return samples + [objective.get_neighbor(sample) for sample in samples]

        objective = self.make_objective(np.random.default_rng(3))
        objective.rng = np.random.default_rng(4)
        assert walk(objective) == walk(self.make_objective(np.random.default_rng(4)))

    def test_what_it_says_of_itself_fits_its_candidates(self, objective: ObjectiveInterface) -> None:
        info = objective.describe()
        assert info.direction is Direction.of(objective.is_minimize)
        for _ in range(self.draws):
            candidate = objective.sample()
            assert all(isinstance(value, str) for value in objective.run_params(candidate).values())
            if info.parameters:
                values = info.parameters.values(encode_candidate(candidate))
                assert all(values[name] in choices for name, choices in info.parameters.choices.items())
                bounds = info.parameters.bounds.items()
                assert all(low <= float(values[name]) <= high for name, (low, high) in bounds)


class ArchitectureObjectiveContract(ObjectiveContract):
    """Every `ArchitectureObjective`: inherit it in a class `Test…` and give `make_objective`."""

    @abstractmethod
    def make_objective(self, rng: np.random.Generator) -> ArchitectureObjective:
        """The objective that is held to the contract, drawing from this generator."""

    @pytest.fixture
    def architectures(self, objective: ArchitectureObjective) -> list[str]:
        return [objective.sample() for _ in range(self.draws)]

    def test_neighbors_are_distinct_and_exclude_their_origin(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        around = {origin: objective.neighbors(origin) for origin in architectures}
        assert any(around.values())
        for origin, neighbors in around.items():
            assert len(set(neighbors)) == len(neighbors)
            assert origin not in neighbors

    def test_neighbors_are_one_component_away_and_neighbors_of_each_other(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        for origin in architectures:
            here = objective.components(origin)
            for neighbor in objective.neighbors(origin):
                there = objective.components(neighbor)
                assert sum(a != b for a, b in zip(here, there, strict=True)) == 1
                assert origin in objective.neighbors(neighbor)

    def test_a_neighbor_is_drawn_from_the_neighbors_where_there_are_any(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        for origin in architectures:
            neighbors = objective.neighbors(origin)
            if neighbors:
                assert {objective.get_neighbor(origin) for _ in range(self.draws)} <= set(neighbors)
                assert objective.get_neighbor_toward(origin, architectures[0]) in neighbors

    def test_components_have_one_length_and_tell_architectures_apart(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        known = {*architectures, *(each for origin in architectures for each in objective.neighbors(origin))}
        components = {arch: objective.components(arch) for arch in known}
        assert len(set(map(len, components.values()))) == 1
        assert len(set(components.values())) == len(known)

    def test_components_are_entries_and_compose_their_architecture(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        entries = objective.entries()
        assert all(len(set(each)) == len(each) for each in entries)
        for origin in architectures:
            for arch in (origin, *objective.neighbors(origin)):
                components = objective.components(arch)
                assert all(one in each for one, each in zip(components, entries, strict=True))
                assert objective.compose(components) == arch

    def test_what_is_composed_of_entries_is_a_candidate_or_nothing(self, objective: ArchitectureObjective) -> None:
        rng = np.random.default_rng(5)
        for _ in range(self.draws):
            drawn = tuple(each[int(rng.integers(len(each)))] for each in objective.entries())
            arch = objective.compose(drawn)
            assert arch is None or objective.components(arch) == drawn

    def test_ranks_are_an_order_of_the_entries_of_a_position_or_nothing(self, objective: ArchitectureObjective) -> None:
        entries, ranks = objective.entries(), objective.ranks()
        assert len(ranks) in (0, len(entries))
        assert all(not order or sorted(order) == list(range(len(entries[i]))) for i, order in enumerate(ranks))

    def test_sizes_have_one_length_and_are_no_less_than_zero(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        sizes = [objective.sizes(arch) for arch in architectures]
        assert len(set(map(len, sizes))) == 1
        assert all(figure >= 0 or math.isnan(figure) for figures in sizes for figure in figures)

    def test_costs_are_no_less_than_zero_and_there_where_it_says_so(
        self, objective: ArchitectureObjective, architectures: list[str]
    ) -> None:
        named = objective.describe().costs
        for arch in architectures:
            costs = objective.costs(arch)
            assert set(named) <= set(costs) <= set(COSTS)
            assert min(costs.values(), default=0.0) >= 0.0

    def test_what_is_known_of_an_architecture_is_neither_drawn_nor_changed(self) -> None:
        rng = np.random.default_rng(11)
        objective, other = self.make_objective(rng), self.make_objective(np.random.default_rng(12))
        architectures = [objective.sample() for _ in range(self.draws)]
        before = rng.bit_generator.state
        for arch in architectures:
            known = self._known(objective, arch)
            assert known == self._known(objective, arch) == self._known(other, arch)
        assert rng.bit_generator.state == before

    @staticmethod
    def _known(objective: ArchitectureObjective, arch: str) -> list[Any]:
        figures = [objective.sizes(arch), objective.costs(arch)]
        return [tuple(objective.neighbors(arch)), objective.components(arch), *figures]


def square(value: int) -> int:
    """A call that any process can import."""
    return value * value


def refuse(value: int) -> int:
    """A call that fails."""
    raise ValueError(f"cannot take {value}")


def cancel() -> None:
    """A call that ends as an awaited request does that was given up."""
    raise asyncio.CancelledError("of a request")


class UnlikeAnyError(Exception):
    """Cannot be made again from what it is pickled as."""

    def __init__(self, *, how: str) -> None:
        super().__init__(how)


def fail(how: str) -> None:
    """A call that fails, at once or as a library does that raises another exception for its own."""
    if how == "unlike any":
        raise UnlikeAnyError(how=how)
    try:
        raise LookupError("nothing of it\nin two lines")
    except LookupError as error:
        if how == "at once":
            raise
        raise ValueError("cannot do it") from error


class ExecutorContract:
    """The duties of every executor; subclasses give the fixture `executor`."""

    def test_results_belong_to_their_calls(self, executor: TaskExecutor) -> None:
        futures = [executor.submit(task(square, value)) for value in range(6)]
        assert [future.result() for future in futures] == [0, 1, 4, 9, 16, 25]

    def test_a_wish_to_exit_is_what_a_call_raises(self, executor: TaskExecutor) -> None:
        leaving, working = executor.submit(task(sys.exit, 0)), executor.submit(task(square, 3))
        with pytest.raises(RuntimeError, match="SystemExit: 0"):
            leaving.result()
        assert working.result() == 9

    def test_what_is_no_exception_is_a_failure_too(self, executor: TaskExecutor) -> None:
        with pytest.raises(RuntimeError, match=r"^CancelledError: of a request$"):
            executor.submit(task(cancel)).result()
        assert executor.submit(task(square, 3)).result() == 9

    @pytest.mark.parametrize(
        ("how", "began"),
        [
            ("at once", "LookupError: nothing of it"),
            ("from another", "LookupError: nothing of it"),
            ("unlike any", "UnlikeAnyError: unlike any"),
        ],
    )
    def test_a_failure_is_told_alike_wherever_it_was(self, how: str, began: str, executor: TaskExecutor) -> None:
        with pytest.raises(Exception, match=r"it|any") as caught:
            executor.submit(task(fail, how)).result()
        assert innermost(caught.value) == began

    def test_an_exception_reaches_the_caller_and_no_other_call(self, executor: TaskExecutor) -> None:
        failing, working = executor.submit(task(refuse, 3)), executor.submit(task(square, 3))
        with pytest.raises(ValueError, match="cannot take 3"):
            failing.result()
        assert working.result() == 9
