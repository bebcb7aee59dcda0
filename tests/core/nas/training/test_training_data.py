"""The part of the images that candidates see: standardised as all are, the same at every turn, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hivenas
from hivenas.config import from_mapping
from hivenas.core.full_training import TrainingSpec
from hivenas.core.measured import IMAGE_SHARE
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.checkpoints import continuing, deciding
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.nas.training.standardisation import Standardisation
from hivenas.core.seeds import derive_seed
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError
from hivenas.execution import tasks
from tests.searches import InterruptsAt, small_search

pytestmark = pytest.mark.keras

ARCH = "input|sep3x3_32|max_pool3x3|output"
PART: dict[str, Any] = {"dataset": {"name": "digits"}, "train_limit": 200, "epochs": 2}


def strategy(tiny: dict[str, Any], **changes: Any) -> NASEval:
    space = {"preset": "layerwise", "depth": 2}
    return NASInterface(space, tiny | PART | changes, tracker=NullTracker()).eval_strategy


def is_count(share: float, of: int) -> bool:
    """True for a share of so many images."""
    return share * of == pytest.approx(round(share * of), abs=1e-3)


def test_a_candidate_sees_a_part_and_a_full_training_all(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny)
    candidate, full = evaluator.evaluate(ARCH), evaluator.train_fully(TrainingSpec(ARCH))
    assert candidate.status == full.status == "complete"
    for figures in candidate.history:
        assert is_count(figures.accuracy, 160)
        assert is_count(figures.val_accuracy, 40)
    assert candidate.extra[IMAGE_SHARE] == 160 / 1150
    assert is_count(full.history[0].accuracy, 1150)
    assert is_count(full.history[0].val_accuracy, 287)
    assert not is_count(full.history[0].accuracy, 160)
    assert IMAGE_SHARE not in full.extra


def test_a_candidate_is_trained_on_its_part_as_any_loop_would(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny)
    found, data = evaluator.evaluate(ARCH), evaluator.training_data
    arrays = Arrays.of(data.part, Standardisation.of(data.whole))
    config = evaluator._config.evaluation
    network, seed = evaluator.instantiate_network(ARCH), derive_seed(7, ARCH, "train")
    history, _ = TrainingLoop(network, arrays, config, planned_epochs=2, seed=seed).run(1, 2)
    assert tuple(history) == found.history


def test_a_continuation_sees_the_same_part_to_the_last_bit(tiny: dict[str, Any]) -> None:
    settings = {"epochs": 3, "momentum_epochs": 1}
    interrupted, whole = (strategy(tiny, name=name, **settings) for name in ("interrupted", "whole"))
    first = interrupted.evaluate(ARCH)
    second = strategy(tiny, name="interrupted", **settings).momentum_eval(ARCH, first.filename, 2)
    again = whole.momentum_eval(ARCH, whole.evaluate(ARCH).filename, 1)
    assert second.history[0] == again.history[0]
    assert second.extra[IMAGE_SHARE] == first.extra[IMAGE_SHARE]
    assert is_count(second.fitness, 40)


@pytest.mark.parametrize("limit", [None, 5_000])
def test_without_a_smaller_part_nothing_is_another(tiny: dict[str, Any], limit: int | None) -> None:
    data = strategy(tiny, train_limit=limit).training_data
    assert data.part is data.whole
    assert data.part_arrays is data.arrays
    assert "candidates" not in data.describe()


def test_states_of_earlier_versions_are_gone_on_with_and_those_of_another_part_are_others() -> None:
    whole, part = (from_mapping({"evaluation": {"train_limit": limit}}) for limit in (None, 300))
    for parts in (deciding, continuing):
        assert "train_limit" not in parts(whole)["evaluation"]
        assert parts(part)["evaluation"]["train_limit"] == 300


def test_workers_say_how_many_images_candidates_see(tiny: dict[str, Any]) -> None:
    config = strategy(tiny)._config
    assert tasks.split_sizes(config).run() == (160, 40)
    data, _ = tasks.survey(config, ARCH).run()
    assert (data["train"], data["candidates"]) == (1150, {"train": 160, "validation": 40})


@pytest.mark.slow
def test_a_search_on_a_part_goes_on_as_if_it_had_not_ended_and_trains_on_all(tmp_path: Path) -> None:
    def config(name: str) -> dict[str, Any]:
        given = small_search(tmp_path / name, "part", {"name": "digits"}, size=3, train_limit=150, batch_size=40)
        return given | {"full_train": {"epochs": 2, "finalists": 1}}

    whole = hivenas.search(config("whole"), progress=False)
    with pytest.raises(KeyboardInterrupt):
        hivenas.search(config("cut"), callbacks=[InterruptsAt(1)], progress=False)
    resumed = hivenas.search(config("cut"), resume=True, progress=False)
    assert [(each.candidate, each.fitness) for each in resumed.trials] == [
        (each.candidate, each.fitness) for each in whole.trials
    ]
    assert all(each.evaluation.extra[IMAGE_SHARE] == 120 / 1150 for each in whole.trials)
    assert resumed.full_training
    assert whole.full_training
    assert resumed.full_training.history == whole.full_training.history
    assert is_count(whole.full_training.history[-1].val_accuracy, 287)
    with pytest.raises(ConfigError, match=r"evaluation\.train_limit=150, got evaluation\.train_limit=160"):
        hivenas.search(config("cut"), "evaluation.train_limit=160", resume=True, progress=False)
