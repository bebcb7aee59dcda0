"""Latency and memory of networks: what is measured and counted, when, and that nothing else is other than without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

import hivenas
from hivenas.config import from_mapping
from hivenas.config.costs import COSTS
from hivenas.core.bounds import parse_bounds
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.measured_costs import measured_costs
from hivenas.core.tracker import NullTracker
from hivenas.run.choice import recorded_within

pytestmark = [pytest.mark.keras, pytest.mark.slow]

ARCH = "input|conv3x3_8|output"
LATENCIES = {"latency_ms", "latency_batch_ms"}


def config(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "costs",
        "tracking": "none",
        "dataset": {"name": "digits", "train_limit": 100},
        "space": {"preset": "layerwise", "depth": 1, "operations": ["conv3x3_8", "max_pool3x3"], "input_stem": []},
        "evaluation": {"epochs": 2, "batch_size": 40, "momentum_epochs": 0, "augmentation": {"shift": 0.0}},
        "colony": {"size": 2, "iterations": 1},
        "full_train": {"enabled": False, "epochs": 1},
        "execution": {"kind": "serial"},
        "results": {"dir": str(folder)},
        **more,
    }


def interface(folder: Path, cost: str | None) -> NASInterface:
    given = config(folder, objectives={cost: "min"} if cost else {})
    return NASInterface.from_config(from_mapping(given), tracker=NullTracker())


def test_every_training_has_the_latency_that_is_asked_for_and_all_else_as_without(tmp_path: Path) -> None:
    plain, timed = (interface(tmp_path / str(cost), cost).eval_strategy for cost in (None, "latency_ms"))
    first, without = timed.evaluate(ARCH), plain.evaluate(ARCH)
    assert first.history == without.history
    assert not LATENCIES & without.extra.keys()
    assert all(0 < first.extra[key] < 1000 for key in LATENCIES)
    files = [each.weights_path(e.filename).read_bytes() for each, e in ((plain, without), (timed, first))]
    assert len(files[0]) <= len(files[1])  # which says what was measured
    further = timed.momentum_eval(ARCH, first.filename, 1)
    assert {key: further.extra[key] for key in LATENCIES} == {key: first.extra[key] for key in LATENCIES}
    full = timed.fully_train(ARCH)
    assert full.extra["latency_ms"] > 0
    assert full.extra["test_accuracy"] >= 0


def test_memory_is_that_of_all_weights_and_the_largest_activations(tmp_path: Path) -> None:
    strategy = interface(tmp_path, "memory_mb").eval_strategy
    network = strategy.instantiate_network("input|max_pool3x3|output")
    # The pooling reads 8×8×1 numbers and writes as many; the classes are a dense layer on their mean.
    by_hand = 4 * ((10 + 10) + (64 + 64)) / 1e6
    assert measured_costs(network, strategy.data, [COSTS["memory_mb"]]) == {"memory_mb": by_hand}
    assert measured_costs(network, strategy.data, [COSTS["params"]]) == {}
    both = measured_costs(network, strategy.data, [COSTS["latency_ms"], COSTS["memory_mb"]])
    assert both.keys() == LATENCIES | {"memory_mb"}
    assert measured_costs(network, strategy.data, ()) == {}


def test_a_search_weighs_what_is_measured_and_every_record_of_it_has_that(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'books.db'}"
    given = config(tmp_path / "results", objectives={"latency_ms": "min"}, optuna={"storage": address})
    result = hivenas.search(given, progress=False)
    latencies = [trial.evaluation.extra["latency_ms"] for trial in result.trials]
    assert result.front
    assert [trial.evaluation.extra["latency_ms"] for trial in result.front] == sorted(
        trial.evaluation.extra["latency_ms"] for trial in result.front
    )
    frame = result.to_frame()
    assert frame["latency_ms"].tolist() == latencies
    study = optuna.load_study(study_name="costs", storage=address)
    assert [trial.values for trial in study.trials] == [
        [trial.fitness, latency] for trial, latency in zip(result.trials, latencies, strict=True)
    ]
    cheapest = result.front[0]
    folder = ResultsFolder(tmp_path / "results", "costs")
    bound = f"latency_ms<={cheapest.evaluation.extra['latency_ms']!r}"
    assert recorded_within(folder, parse_bounds(bound)).candidate == cheapest.candidate
    # From Optuna's record alone it goes on with the recorded figures.
    elsewhere = given | {"results": {"dir": str(tmp_path / "elsewhere")}}
    again = hivenas.search(elsewhere, resume=True, progress=False)
    assert [trial.evaluation.extra["latency_ms"] for trial in again.trials] == latencies
