"""The things that are refused, or said, of `objectives` before anything is trained."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hivenas
from hivenas.config import from_mapping, registry
from hivenas.config.costs import Cost
from hivenas.core.bounds import at_most, parse_bounds
from hivenas.core.folder import ResultsFolder
from hivenas.core.front import front
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.objective import ArchitectureObjective, ObjectiveInfo
from hivenas.core.records import Evaluation, Proposal
from hivenas.core.strategies.random_search import RandomSearch
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, MissingResultsError
from hivenas.run.choice import recorded_within
from hivenas.run.plan import plan
from tests.colonies import write_table
from tests.toy_objectives import TinyObjective


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry.STRATEGIES, "_entries", {})
    write_table(tmp_path / "plain.csv")
    write_table(tmp_path / "costs.csv", costs=True)
    lines = (tmp_path / "costs.csv").read_text().splitlines()
    (tmp_path / "shares.csv").write_text("\n".join([lines[0], *(f"{line[:-3]}0.25" for line in lines[1:])]))


def settings(objective: str, table: str | None = None, **more: Any) -> dict[str, Any]:
    colony = {"iterations": 3, "kind": "guided"}
    return {"objective": objective, "table": {"path": table}, "tracking": "none", "colony": colony} | more


@pytest.mark.parametrize(
    ("config", "objectives", "says"),
    [
        (
            settings("sphere_min"),
            {"fitness": "max"},
            r"objectives\.fitness must be min for objective=sphere_min, whose value is minimized, got max; set "
            r"fitness: min or leave it out",
        ),
        (
            settings("nas"),
            {"fitness": "min", "params": "min"},
            r"objectives\.fitness must be max for objective=nas, whose validation accuracy is maximized, got min",
        ),
        (
            settings("sphere_min"),
            {"params": "min"},
            r"objectives\.params must be null for objective=sphere_min, which knows no cost of a candidate before it "
            r"is evaluated, got min; leave it out, or set objective: nas",
        ),
        (
            settings("table", "plain.csv"),
            {"macs": "min"},
            r"objectives\.macs must be null for objective=table, which knows no .*search a table with a column macs",
        ),
        (settings("table", "costs.csv"), {"macs": "min"}, r"which knows only params of a candidate"),
        (
            settings("table", "costs.csv"),
            {"latency_ms": "min"},
            r"which knows only params .*search a table with a column latency_ms$",
        ),
        (
            settings("table", "costs.csv", registry={"small": "small"}),
            {"params": "min"},
            r"registry\.small must be null for objective=table, which trains no network .*, got 'small'; set",
        ),
        (
            settings("table", "costs.csv", results={"logged_models": 3}),
            {},
            r"results\.logged_models must be 0 for objective=table, which trains no network .*, got 3; leave it out",
        ),
        (
            settings("sphere_min", results={"logged_models": 3}),
            {},
            r"results\.logged_models must be 0 for objective=sphere_min, which trains no network .*, got 3; leave it",
        ),
        (settings("table", "shares.csv"), {"params": "min"}, r"which knows no cost .*a column params of whole numbers"),
        (
            settings("table", "costs.csv"),
            {"params": "min", "memory_mb": "min"},
            r"objectives\.memory_mb must be null for objective=table, which knows only params",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_evaluated(
    config: dict[str, Any], objectives: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        hivenas.search(config | {"objectives": objectives})
    with pytest.raises(ConfigError, match=says) as refused:
        plan(from_mapping(config | {"objectives": objectives}))
    assert "\n" not in str(refused.value)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("objectives", "says"),
    [
        (
            {"params": "min", "macs": "min", "latency_ms": "min", "memory_mb": "min"},
            "objectives must name at most 3 costs beside fitness, got params, macs, latency_ms, memory_mb; leave out 1",
        ),
        ({"params": "min", "macs": "max"}, "objectives.macs must be min, as it is a cost, got max; set macs: min"),
        ({"params": "min", "flops": "min"}, "objectives.flops"),
        ({"params": "min", "macs": 3}, "objectives.macs must be min, as it is a cost, got 3; set macs: min"),
        ({"params": "least"}, "objectives.params must be min, as it is a cost, got least; set params: min"),
        (["params", "macs"], "objectives must be a mapping"),
    ],
)
def test_objectives_that_cannot_be_weighed_are_refused_in_a_line(objectives: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"objectives": objectives})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_costs_than_a_strategy_of_ones_own_is_told_of_are_refused_before_anything_is_evaluated() -> None:
    class Weighing(RandomSearch):
        def weigh(self, cost: Cost) -> None:
            """Takes one."""

    hivenas.register_strategy("own", Weighing)
    head, *lines = Path("costs.csv").read_text().splitlines()
    Path("both.csv").write_text("\n".join([f"{head},macs", *(f"{line},7" for line in lines)]))
    config = settings("table", "both.csv", objectives={"params": "min", "macs": "min"}, colony={"kind": "own"})
    with pytest.raises(
        ConfigError, match=r"as many costs as the method weigh of colony\.kind=own takes, got params and"
    ):
        hivenas.search(config)
    assert not Path("results").exists()


def test_several_costs_that_are_not_weighed_are_named_in_one_warning() -> None:
    config = from_mapping({"objectives": {"params": "min", "macs": "min"}, "colony": {"kind": "random"}})
    assert [line for line in config.warnings if "objectives" in line] == [
        "objectives.params and objectives.macs are not weighed by colony.kind=random, which searches for the fitness "
        "alone; the front is what comes of that, and kind: guided searches for it"
    ]


def test_an_objective_of_ones_own_is_told_how_its_cost_is_known() -> None:
    own = hivenas.FunctionObjective(lambda kernel: kernel, {"kernel": [1, 3, 5]})
    with pytest.raises(ConfigError, match=r"or name it in the costs of its describe\(\) and give it in costs\(\)"):
        hivenas.search({"tracking": "none", "objectives": {"params": "min"}}, objective=own)


@pytest.mark.parametrize("kind", ["guided", "canonical", "random", "evolution", "own"])
def test_a_strategy_that_searches_for_the_fitness_alone_is_named_in_one_warning(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    hivenas.register_strategy("own", RandomSearch)
    config = settings("table", "costs.csv", objectives={"params": "min"}, colony={"kind": kind, "iterations": 2})
    with caplog.at_level(logging.WARNING, "hivenas"):
        result = hivenas.search(config)
    said = [record.getMessage() for record in caplog.records if "objectives" in record.getMessage()]
    line = (
        f"objectives.params is not weighed by colony.kind={kind}, which searches for the fitness alone; the front is "
        "what comes of that, and kind: guided searches for it"
    )
    assert said == ([] if kind == "guided" else [line])
    cost = from_mapping(config).objectives.cost
    assert cost
    assert front(result.trials, result.direction, cost)


def test_costs_that_are_known_beforehand_are_recorded_whatever_an_evaluation_tells_of_them() -> None:
    objective = Measured(np.random.default_rng(0))
    arch = objective.sample()
    evaluation = objective.run(Proposal(0, 0, "scout", 0, arch))
    assert (evaluation.params, evaluation.macs) == (7, 4 * len(arch))


@pytest.mark.parametrize("cost", [0.3, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("told_by", ["costs", "evaluate"])
def test_costs_that_are_no_whole_numbers_end_a_search_with_what_to_change(cost: float, told_by: str) -> None:
    class Halved(Measured):
        def costs(self, arch: str) -> dict[str, float]:
            return {"params": 10.0} | ({"params": cost} if told_by == "costs" else {})

        def evaluate(self, candidate: str) -> dict[str, Any]:
            return {"fitness": 0.5} | ({"params": cost} if told_by == "evaluate" else {})

    with pytest.raises(
        ConfigError, match=f"{told_by} of Halved must give params as a whole number from 0 on, got {cost}"
    ):
        hivenas.search({"tracking": "none"}, objective=Halved(np.random.default_rng(0)), progress=False)


def test_an_evaluation_without_a_cost_that_is_promised_ends_a_search() -> None:
    class Silent(Measured):
        def describe(self) -> ObjectiveInfo:
            return replace(super().describe(), measures=("latency_ms",))

        def evaluate(self, candidate: str) -> dict[str, Any]:
            return {"fitness": 0.5}

    given = {"tracking": "none", "objectives": {"latency_ms": "min"}}
    with pytest.raises(
        ConfigError, match=r"evaluate of Silent must return latency_ms, which describe\(\) has in measures"
    ):
        hivenas.search(given, objective=Silent(np.random.default_rng(0)), progress=False)


def test_a_cost_that_evaluations_tell_and_one_of_a_table_are_weighed() -> None:
    class Telling(TinyObjective):
        def describe(self) -> ObjectiveInfo:
            return replace(super().describe(), measures=("latency_ms",))

        def run(self, proposal: Proposal) -> Evaluation:
            return ArchitectureObjective.run(self, proposal)

        def evaluate(self, candidate: str) -> dict[str, Any]:
            return {"fitness": 0.01 * len(candidate), "latency_ms": len(candidate)}

    given = {"tracking": "none", "objectives": {"latency_ms": "min"}, "colony": {"size": 5, "iterations": 3}}
    told = hivenas.search(given, objective=Telling(np.random.default_rng(0)), progress=False)
    assert [t.evaluation.extra["latency_ms"] for t in told.trials] == [float(len(t.encoded)) for t in told.trials]
    assert len(told.front) > 1
    head, *lines = Path("costs.csv").read_text().splitlines()
    Path("timed.csv").write_text("\n".join([head.replace("params", "latency_ms"), *(f"{line}25" for line in lines)]))
    looked_up = hivenas.search(settings("table", "timed.csv", objectives={"latency_ms": "min"}, name="timed"))
    assert all(trial.evaluation.extra["latency_ms"] % 1 > 0 for trial in looked_up.front)
    written = Path("results/timed/timed.csv").read_text().splitlines()
    assert written[0].endswith(",gpu_peak_mb,latency_ms")
    assert {line.rpartition(",")[2] for line in written[1:]} == {
        str(trial.evaluation.extra["latency_ms"]) for trial in looked_up.trials
    }


def test_two_costs_one_of_them_told_by_evaluations_are_weighed_and_on_record() -> None:
    head, *lines = Path("costs.csv").read_text().splitlines()
    timed = [f"{line},{1 + float(line.rpartition(',')[2]) % 7 + 0.5}" for line in lines]
    Path("both.csv").write_text("\n".join([f"{head},latency_ms", *timed]))
    given = settings("table", "both.csv", objectives={"params": "min", "latency_ms": "min"}, name="both")
    result = hivenas.search(given | {"colony": {"iterations": 6}})
    config = from_mapping(given)
    assert [cost.key for cost in result.costs] == ["params", "latency_ms"]
    assert result.front == front(result.trials, result.direction, *config.objectives.costs) != []
    again = hivenas.load_results("results/both")
    assert (again.costs, again.front, again.cost) == (result.costs, result.front, result.costs[0])
    assert again.to_frame()["front"].sum() == len(result.front)
    folder = ResultsFolder("results", "both")
    for member in result.front:
        bounds = at_most(member, *result.costs)
        assert recorded_within(folder, parse_bounds(",".join(map(str, bounds)))) == member
    with pytest.raises(
        MissingResultsError, match=r"choose from its front: params \d+ and latency_ms [\d.]+ with fitness"
    ):
        recorded_within(folder, parse_bounds("params<=0,latency_ms<=1"))
    drawn = {file.name for file in Path("results/both/plots").iterdir()}
    assert {"front.svg", "front_latency_ms.svg"} <= drawn


class Measured(TinyObjective):
    """Knows its costs, and tells one of them with an evaluation."""

    def describe(self) -> ObjectiveInfo:
        return replace(super().describe(), costs=("params", "macs"))

    def costs(self, arch: str) -> dict[str, float]:
        return {"params": 3.0, "macs": 4.0 * len(arch)}

    def run(self, proposal: Proposal) -> Evaluation:
        return ArchitectureObjective.run(self, proposal)

    def evaluate(self, candidate: str) -> dict[str, Any]:
        return {"fitness": 0.5, "params": 7}


def test_with_a_cost_a_search_is_another_one_and_naming_the_fitness_alone_changes_nothing() -> None:
    def candidates(name: str, **objectives: str) -> list[Any]:
        result = hivenas.search(settings("table", "costs.csv", objectives=objectives, name=name))
        return [(trial.role, trial.candidate, trial.parent) for trial in result.trials]

    alone = candidates("alone")
    assert candidates("same", fitness="max") == alone
    weighed = candidates("weighed", params="min")
    assert weighed[:3] == alone[:3]  # scouted
    assert weighed != alone


@pytest.mark.keras
@pytest.mark.slow
def test_of_networks_the_cost_that_is_weighed_is_the_one_that_is_recorded() -> None:
    # An average pooling of a one by one image does not build, and what does not build has no cost.
    space = {"depth": 2, "operations": ["conv3x3_8", "dropout", "pool"], "preset": "layerwise"}
    pool = {"op": "AveragePooling2D", "pool_size": 8}
    config = {
        "tracking": "none",
        "dataset": {"train_limit": 60},
        "objectives": {"macs": "min"},
        "space": space | {"reference": {"pool": pool}},
        "evaluation": {"epochs": 3, "warmup_epochs": 0, "batch_size": 32, "stopping": "ladder"},
        "colony": {"size": 4, "iterations": 2},
        "full_train": {"enabled": False},
        "execution": {"kind": "serial"},
    }
    result = hivenas.search(config)
    interface = NASInterface.from_config(from_mapping(config), tracker=NullTracker())
    complete = [trial for trial in result.trials if trial.status == "complete"]
    assert complete
    for trial in result.trials:
        costs = interface.costs(trial.encoded)
        assert costs == ({} if trial.failed else {"params": trial.params, "macs": trial.macs})
    cost = from_mapping(config).objectives.cost
    assert cost
    assert front(result.trials, result.direction, cost)
