"""The small model: which candidate it is, and that it is trained, registered and gone on with beside the search's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

import hivenas
from hivenas.config import from_mapping
from hivenas.core.records import Direction
from hivenas.errors import ConfigError
from hivenas.run.small import SmallBook, small_candidate
from hivenas.tracking.models import TrackedModel
from tests.killed import Killed, counted_epochs
from tests.trials import trial

SMALL: dict[str, Any] = {"objectives": {"params": "min"}, "registry": {"small": "small"}}
TRIALS = [
    trial(0, 0.85, "input|a|output", params=10),
    trial(1, 0.88, "input|b|output", params=20),
    trial(2, 0.90, "input|c|output", params=30),
    trial(3, 0.99, "input|d|output", params=15, status="stopped"),
]


@pytest.mark.parametrize(("within", "letter"), [(0.0, "c"), (0.019, "c"), (0.02, "b"), (0.05, "a"), (1.0, "a")])
def test_it_is_the_smallest_that_is_about_as_good_as_the_best(within: float, letter: str) -> None:
    config = from_mapping(SMALL, [f"registry.small_within={within}"])
    assert small_candidate(config, TRIALS, Direction.MAXIMIZE) == f"input|{letter}|output"


@pytest.mark.parametrize("images", [50, 100, 300])
def test_shares_that_are_exactly_so_far_apart_are_within_it_as_they_are_computed(images: int) -> None:
    config = from_mapping(SMALL, ["registry.small_within=0.02"])
    shares = [float(np.float32(hits) * (np.float32(1) / np.float32(images))) for hits in range(images + 1)]
    apart = images // 50
    for less, more, letter in [
        *((share, shares[hits + apart], "a") for hits, share in enumerate(shares[:-apart])),
        *((share, shares[hits + apart + 1], "b") for hits, share in enumerate(shares[: -apart - 1])),
    ]:
        trials = [trial(0, less, "input|a|output", params=10), trial(1, more, "input|b|output", params=20)]
        assert small_candidate(config, trials, Direction.MAXIMIZE) == f"input|{letter}|output"


def test_of_several_costs_the_first_decides_what_is_smallest() -> None:
    config = from_mapping({"objectives": {"macs": "min", "params": "min"}, "registry": {"small": "small"}})
    figures = [(0.89, 20, 30), (0.90, 30, 10), (0.885, 20, 20), (0.88, 25, 5)]
    trials = [trial(i, f, f"input|{'abcd'[i]}|output", params=p, macs=m) for i, (f, p, m) in enumerate(figures)]
    assert small_candidate(config, trials, Direction.MAXIMIZE) == "input|c|output"


@pytest.mark.parametrize("override", ["registry.small=null", "registry.register=false", "tracking=none"])
def test_where_nothing_is_to_be_registered_there_is_none(override: str) -> None:
    assert small_candidate(from_mapping(SMALL, [override]), TRIALS, Direction.MAXIMIZE) == ""
    assert small_candidate(from_mapping(SMALL), TRIALS[3:], Direction.MAXIMIZE) == ""


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["objectives.params=null"], "registry.small must be null where objectives names no cost, got 'small'"),
        (["registry.small=champion"], "must not be registry.alias, got 'champion' for both"),
        (["registry.small=previous"], "registry.small must not be previous"),
        (["registry.small_within=2"], "registry.small_within must be at most 1"),
        (["registry.small_within=-1"], "registry.small_within must be at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(SMALL, overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_are_within_so_much_in_their_own_unit() -> None:
    areas = {"task": "regress", "dataset": {"name": "npz", "path": "areas.npz"}}
    trials = [trial(n, 100.0 - 10 * n, f"input|{'abc'[n]}|output", params=10 * n + 10) for n in range(3)]
    found = [
        small_candidate(from_mapping(SMALL | areas, [f"registry.small_within={within}"]), trials, Direction.MINIMIZE)
        for within in (0.02, 10, 15.5, 1e4)
    ]
    assert found == [f"input|{name}|output" for name in "cbba"]


@pytest.mark.keras
@pytest.mark.slow
def test_it_is_trained_beside_the_champion_and_gone_on_with_after_a_kill(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: dict[str, Any] = {
        **SMALL,
        "name": "sizes",
        "registry": {"small": "small", "small_within": 1.0},
        "results": {"dir": str(tmp_path)},
        "dataset": {"name": "digits", "train_limit": 150},
        "space": {"depth": 1, "operations": ["conv3x3_8", "identity"], "input_stem": ["conv3x3_8"], "skip_rate": 0},
        "evaluation": {"epochs": 1, "batch_size": 40, "stopping": "none"},
        "colony": {"size": 2, "iterations": 1},
        "full_train": {"epochs": 2, "finalists": 1, "keep": "last", "patience": None},
        "execution": {"kind": "serial", "checkpoint_s": 0},
    }

    def killed(*arguments: Any) -> None:
        raise Killed

    epochs = counted_epochs(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(SmallBook, "take_model", killed)
        with pytest.raises(Killed):
            hivenas.search(config, progress=False)
    before = list(epochs)
    result = hivenas.search(config, resume=True, progress=False)
    assert epochs == before
    assert result.best
    small = result.front[0]
    assert small.candidate != result.best.candidate
    client = mlflow.MlflowClient()
    assert {alias: int(version) for alias, version in client.get_registered_model("sizes").aliases.items()} == {
        "champion": 1,
        "small": 2,
    }
    tags = client.get_model_version_by_alias("sizes", "small").tags
    assert tags["hivenas.architecture"] == small.candidate
    assert result.model_uri == "models:/sizes@champion"
    champion = client.get_model_version_by_alias("sizes", "champion")
    assert TrackedModel(result.run_id).run_id == champion.run_id  # not the newest
    assert [each.chosen for each in result.finalists if each.candidate == small.candidate] == [False]
    assert result.finalists[0].chosen
    whole = hivenas.search(config | {"name": "whole"}, progress=False)
    assert whole.registered == "version 1 of whole is the champion: there was none before"
    assert [each.fitness for each in whole.finalists] == [each.fitness for each in result.finalists]
