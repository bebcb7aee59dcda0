"""Functions over named choices: the contract, the space, and what is refused."""

from __future__ import annotations

import functools
import itertools
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import hivenas
from hivenas.config import Choice, Log
from hivenas.core.folder import ResultsFolder
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Direction, Proposal
from hivenas.errors import ArchitectureError, ConfigError
from hivenas.objectives.choices import FunctionObjective
from hivenas.reports import figure
from hivenas.run.report import load_results
from tests.contracts import ArchitectureObjectiveContract

CHOICES: dict[str, Sequence[Any]] = {"width": [8, 16], "rate": (0.1, 0.01, 1e-3), "norm": [None, "batch", True]}


def score(width: int, rate: float, norm: Any) -> float:
    """Tells every candidate from every other one, by the values and their types."""
    return width + rate + {None: 0.25, "batch": 0.5, True: 0.75}[norm]


def make(**more: Any) -> FunctionObjective:
    return FunctionObjective(score, CHOICES, **more)


def all_of(objective: FunctionObjective) -> list[str]:
    composed = [objective.compose(each) for each in itertools.product(*objective.entries())]
    return [arch for arch in composed if arch is not None]


class TestContract(ArchitectureObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> FunctionObjective:
        objective = make()
        objective.rng = rng
        return objective


class TestContractOfOneNameThatVaries(ArchitectureObjectiveContract):
    def make_objective(self, rng: np.random.Generator) -> FunctionObjective:
        objective = FunctionObjective(lambda a, b: a * b, {"a": range(1, 9), "b": [2]}, minimize=True)
        objective.rng = rng
        return objective


def test_the_example_of_the_class_holds_from_the_package() -> None:
    objective = hivenas.FunctionObjective(lambda width, depth: width * depth, {"width": [8, 16], "depth": [1, 2, 3]})
    assert objective.describe().size == 6
    assert objective.evaluate("width=16|depth=3") == {"fitness": 48.0}


def test_the_space_is_every_choice_of_each_in_the_order_of_the_names() -> None:
    objective = make()
    assert objective.entries() == (("8", "16"), ("0.1", "0.01", "0.001"), ("None", "batch", "True"))
    archs = all_of(objective)
    assert len(archs) == len(set(archs)) == objective.describe().size == 18
    assert "width=16|rate=0.001|norm=None" in archs
    assert {objective.sample() for _ in range(500)} == set(archs)
    assert objective.compose(("8", "0.1", "none")) is None
    assert objective.compose(("8", "0.1")) is None


def test_the_function_gets_the_values_as_they_were_given() -> None:
    objective = make()
    assert objective.choices_of("width=16|rate=0.001|norm=True") == {"width": 16, "rate": 1e-3, "norm": True}
    assert objective.evaluate("width=8|rate=0.1|norm=None") == {"fitness": 8.35}
    assert len({objective.evaluate(arch)["fitness"] for arch in all_of(objective)}) == 18


def test_neighbors_differ_in_one_choice_and_each_is_drawn() -> None:
    objective, arch = make(), "width=8|rate=0.01|norm=batch"
    assert objective.neighbors(arch) == [
        "width=16|rate=0.01|norm=batch",
        "width=8|rate=0.1|norm=batch",
        "width=8|rate=0.001|norm=batch",
        "width=8|rate=0.01|norm=None",
        "width=8|rate=0.01|norm=True",
    ]
    assert {objective.get_neighbor(arch) for _ in range(200)} == set(objective.neighbors(arch))


def test_figures_beside_the_fitness_are_kept() -> None:
    def figures(width: int) -> Mapping[str, Any]:
        return {"fitness": np.float32(0.5), "params": 10 * width, "epochs": 3}

    objective = FunctionObjective(figures, {"width": [1, 2]})
    evaluation = objective.run(Proposal(0, 0, "scout", 0, "width=2"))
    assert (evaluation.fitness, evaluation.params, evaluation.epochs) == (0.5, 20, 3)
    assert type(evaluation.fitness) is float


def test_a_fitness_that_is_no_share_is_told_to_six_digits_and_a_share_to_four_places(tmp_path: Path) -> None:
    class Share(FunctionObjective):
        def describe(self) -> ObjectiveInfo:
            return replace(super().describe(), is_share=True)

    seconds = {"a": 0.00124512, "b": 0.00124634, "c": 0.0000511, "d": 0.5}
    told: dict[type, set[str]] = {}
    for kind in (FunctionObjective, Share):
        objective = kind(lambda key: seconds[key], {"key": list(seconds)}, minimize=True, metric="seconds")
        config = {"name": kind.__name__, "tracking": "none", "results": {"dir": str(tmp_path)}}
        hivenas.search(config, "execution.kind=serial", objective=objective, progress=False)
        recorded = load_results(ResultsFolder(str(tmp_path), kind.__name__))
        told[kind] = {figure(trial) for trial in recorded.trials}
    assert told == {
        FunctionObjective: {"0.00124512", "0.00124634", "5.11e-05", "0.5"},
        Share: {"0.0012", "0.0001", "0.5000"},
    }


def test_it_says_what_a_search_needs_to_know() -> None:
    info = make(minimize=True, metric="loss").describe()
    assert (info.direction, info.metric, info.trains, info.in_workers) == (Direction.MINIMIZE, "loss", False, True)
    assert info.parameters
    assert info.parameters.choices["rate"] == ("0.1", "0.01", "0.001")
    assert make().run_params("width=8|rate=0.1|norm=None") == {"width": "8", "rate": "0.1", "norm": "None"}


def test_the_seed_decides_what_is_drawn_outside_a_search() -> None:
    def draws(seed: int) -> list[str]:
        objective = make(seed=seed)
        return [objective.sample() for _ in range(9)]

    assert draws(1) == draws(1) != draws(2)


def test_it_travels_to_other_processes_with_a_function_that_has_no_name() -> None:
    objective = FunctionObjective(lambda width: 2 * width, {"width": [1, 2]})
    assert pickle.loads(cloudpickle.dumps(objective)).evaluate("width=2") == {"fitness": 4.0}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({}, "at least two choices, got {}"),
        ({"a": [1], "b": ["x"]}, "at least two choices"),
        ({"a": []}, r"values that read differently, got a: \[\]"),
        ({"a": [1, "1"]}, "values that read differently, got a: "),
        ({"a": [1, 2], "b": ["x|y"]}, r"without '\|', .*got b: \['x\|y'\]; rename them"),
        ({"a|b": [1, 2]}, r"without '\|'"),
        ({"a=b": [1, 2]}, "names without '='"),
        ({"caf\udce9": [1, 2]}, r"must be Unicode without NUL, got 'caf\\udce9': \[1, 2\]"),
        ([("a", [1, 2])], r"choices must be values by their names, got \[\('a', "),
        ({"a": 5}, "must be lists of values by their names, got a: 5; give lists"),
        ({"a": [1, 2], "b": "relu"}, "must be lists of values by their names, got b: 'relu'"),
        ({"a": ["half \ud83d", 2]}, "must be Unicode without NUL"),
        ({"a": [1, "nul\0"]}, "must be Unicode without NUL"),
        (
            {"a": [1, 2], "b": [score, len]},
            "must read alike in every process, got b: <function score at 0x.*; give names",
        ),
        ({"a": [object(), 2]}, "must read alike in every process, got a: <object object at 0x"),
    ],
)
def test_choices_of_which_nothing_can_be_made_are_refused(choices: Mapping[str, Sequence[Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FunctionObjective(lambda **_: 0.0, choices)


def test_what_is_no_function_of_the_choices_is_refused_when_it_is_made() -> None:
    with pytest.raises(ConfigError, match="function must be one, got 5; give a function of a, b"):
        FunctionObjective(5, {"a": [1, 2], "b": [1, 2]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"must take the choices by their names, a, b, got one of \(a, c\)"):
        FunctionObjective(lambda a, c: 1.0, {"a": [1, 2], "b": [1, 2]})
    assert FunctionObjective(lambda a, b=1: 1.0 * a, {"a": [1, 2]}).evaluate("a=2") == {"fitness": 2.0}


def test_a_decorator_may_give_a_function_further_arguments() -> None:
    def fit(data: float, width: int) -> float:
        return data * width

    @functools.wraps(fit)
    def with_data(**chosen: Any) -> float:
        return fit(0.5, **chosen)

    assert FunctionObjective(with_data, {"width": [1, 2]}).evaluate("width=2") == {"fitness": 1.0}


def test_choices_may_be_an_array() -> None:
    objective = FunctionObjective(lambda x: 2 * x, {"x": np.linspace(0, 1, 5)})
    assert objective.entries() == (("0.0", "0.25", "0.5", "0.75", "1.0"),)
    assert objective.evaluate("x=0.25") == {"fitness": 0.5}


def test_choices_may_be_those_of_a_configuration() -> None:
    objective = FunctionObjective(lambda **chosen: len(chosen), {"rate": Log(0.001, 0.1, 3), "units": Choice([32, 64])})
    assert objective.entries() == (("0.001", "0.01", "0.1"), ("32", "64"))


def test_a_value_may_have_an_equals_sign() -> None:
    objective = FunctionObjective(lambda query: 1.0 * len(query), {"query": ["a=1", "a=1&b=22"]})
    assert objective.evaluate("query=a=1&b=22") == {"fitness": 8.0}


@pytest.mark.parametrize(
    "arch",
    [
        "",
        "width=8",
        "width=8|rate=0.1",
        "width=8|rate=0.1|norm=none",
        "width=8|rate=0.1|norm=None|more=1",
        "rate=0.1|width=8|norm=None",
        "8|0.1|None",
    ],
)
def test_what_is_no_candidate_is_refused_with_one_that_is(arch: str) -> None:
    objective = make()
    for ask in (objective.evaluate, objective.neighbors, objective.get_neighbor, objective.components):
        with pytest.raises(ArchitectureError, match=r"width, rate, norm, got .*such as 'width=8\|rate=0.1\|norm=None'"):
            ask(arch)
