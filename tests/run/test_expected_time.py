from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hivenas.config import from_mapping
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.records import Evaluation, Proposal
from hivenas.execution import tasks
from hivenas.run.data import describe_data
from hivenas.run.data_storage import DataStorage
from hivenas.run.expected_time import expected_time, measured_time, recorded_time, work_ratio
from hivenas.run.full_plan import number_of_trainings
from hivenas.run.plan import Plan
from hivenas.storage import open_search
from tests.trials import trial

PLAN = Plan(space_size=10, evaluations=20, epochs=160, employees=1, onlookers=1)
TRIALS = [
    trial(0, seconds=12.0, epoch_s=2.0, curve=dict.fromkeys(range(1, 6), 0.5)),
    trial(1, seconds=24.0, epoch_s=4.0, curve=dict.fromkeys(range(1, 6), 0.5)),
    trial(2, status="failed"),
]


@pytest.mark.parametrize(
    ("settings", "search", "full"),
    [
        ({"execution": {"workers": 2}}, 270.0, 2 * 50 * 3.0),
        ({"execution": {"kind": "serial", "workers": 2}}, 540.0, 3 * 50 * 3.0),
        ({"full_train": {"enabled": False}}, 540.0, 0.0),
        ({"full_train": {"refit": True, "ensemble": 2}}, 540.0, 5 * 50 * 3.0),
        ({"full_train": {"refit": True}, "objectives": {"params": "min"}, "registry": {"small": "s"}}, 540.0, 900.0),
    ],
)
def test_the_time_at_most_follows_from_what_candidates_took(
    settings: dict[str, object], search: float, full: float
) -> None:
    config = from_mapping(settings)
    found = expected_time(config, PLAN, TRIALS, "recorded so far")
    assert found is not None
    assert (found.epoch, found.search, found.full_training) == (3.0, search, full)
    if config.execution.kind == "process" and config.execution.workers == 1:
        assert number_of_trainings(config) * 50 * 3.0 == (full or 450.0)
    assert str(found).startswith("3 s an epoch in 2 candidates recorded so far; at most about ")


def test_full_trainings_see_all_images_where_candidates_saw_a_part() -> None:
    config = from_mapping({"execution": {"kind": "serial"}, "full_train": {"finalists": 1, "epochs": 10}})
    trials = [replace(each, evaluation=replace(each.evaluation, extra={"image_share": 0.25})) for each in TRIALS]
    found, before = (expected_time(config, PLAN, each, "recorded so far") for each in (trials, TRIALS))
    assert found is not None
    assert before is not None
    assert (found.epoch, found.search) == (before.epoch, before.search)
    assert found.full_training == 4 * before.full_training == 10 * 3.0 * 4


def test_continuations_are_no_candidates_and_their_starts_are_counted() -> None:
    further = trial(3, phase="momentum", seconds=5.0, epoch_s=3.0, curve=dict.fromkeys(range(6, 7), 0.5))
    found, before = (
        expected_time(from_mapping({}), PLAN, trials, "recorded") for trials in ([*TRIALS, further], TRIALS)
    )
    assert found is not None
    assert before is not None
    assert found.search == before.search + PLAN.evaluations * 2.0 / 2  # two seconds beside its epoch, of two candidates
    assert str(found).startswith("3 s an epoch in 2 candidates recorded; at most about ")


@pytest.mark.parametrize(
    ("settings", "evaluations"),
    [
        ({"budget": {"hours": 0.1}, "full_train": {"enabled": False}}, 13),  # 360 of 540 s
        ({"budget": {"hours": 0.1}}, 6),  # half of it is kept
        ({"budget": {"cpu_hours": 0.1}, "execution": {"workers": 2}, "full_train": {"enabled": False}}, 13),
        ({"budget": {"hours": 0.2}, "full_train": {"enabled": False}}, None),
        ({"budget": {"evaluations": 3}}, None),
    ],
)
def test_the_evaluations_for_which_a_budget_of_time_leaves_room(
    settings: dict[str, object], evaluations: int | None
) -> None:
    found = expected_time(from_mapping({"execution": {"kind": "serial"}} | settings), PLAN, TRIALS, "recorded so far")
    assert found is not None
    assert found.evaluations == evaluations
    room = f"; the budget leaves room for about {evaluations} of the evaluations"
    assert str(found).endswith(room) is (evaluations is not None)


def test_nothing_is_said_where_nothing_was_measured(tmp_path: Path) -> None:
    assert expected_time(from_mapping({}), PLAN, TRIALS[2:], "recorded so far") is None
    assert recorded_time(from_mapping({"results": {"dir": str(tmp_path)}}), PLAN, {}) is None


def test_a_search_with_other_images_says_nothing_of_the_time(tmp_path: Path) -> None:
    config = from_mapping({"results": {"dir": str(tmp_path)}})
    with open_search(config, 42) as ledger:
        for each in TRIALS:
            ledger.record(each)
    data = describe_data(config)  # of digits without a digest, since they are not loaded
    assert recorded_time(config, PLAN, data) == expected_time(config, PLAN, TRIALS, "recorded so far")
    fewer = from_mapping({"results": {"dir": str(tmp_path)}, "dataset": {"train_limit": 100}})
    assert recorded_time(fewer, PLAN, describe_data(fewer)) is None
    part = from_mapping({"results": {"dir": str(tmp_path)}, "evaluation": {"train_limit": 100}})
    assert recorded_time(part, PLAN, describe_data(part)) is None
    elsewhere = from_mapping({"results": {"dir": str(tmp_path)}, "dataset": {"memory_mb": 5}})
    assert recorded_time(elsewhere, PLAN, data) is not None


def test_validation_takes_a_third_of_the_work_of_training() -> None:
    assert work_ratio((8_000, 2_000), (64, 16)) == pytest.approx(125)
    assert work_ratio((3_000, 300), (100, 300)) == pytest.approx(3_100 / 200)  # with a validation split of its own


@pytest.mark.keras
def test_a_limit_of_the_training_images_leaves_a_given_validation_split_whole(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (150, 4, 4, 1), np.uint8)
    labels = np.arange(150) % 2
    np.savez(tmp_path / "own.npz", x_train=images[:90], y_train=labels[:90], x_val=images[90:], y_val=labels[90:])
    dataset = {"name": "npz", "path": str(tmp_path / "own.npz"), "train_limit": 20}
    assert tasks.split_sizes(from_mapping({"dataset": dataset})).run() == (20, 60)


@pytest.mark.keras
def test_the_first_epoch_which_prepares_the_graph_is_no_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int | None]] = []
    original = NASInterface.run

    def run(self: NASInterface, proposal: Proposal) -> Evaluation:
        evaluation = original(self, proposal)
        seen.append((len(evaluation.history), proposal.until))
        return replace(evaluation, epoch_s=0.5, seconds=3.5)

    monkeypatch.setattr(NASInterface, "run", run)
    config = from_mapping(
        {
            "space": {"preset": "layerwise", "depth": 1, "operations": ["identity", "max_pool3x3"]},
            "evaluation": {"epochs": 1, "batch_size": 8},
            "full_train": {"enabled": False},
            "execution": {"kind": "serial"},
            "results": {"dir": str(tmp_path / "results")},
        }
    )
    found = measured_time(config, PLAN, describe_data(config))
    assert [length for length, _ in seen] == [3] * 3
    assert found is not None
    assert found.search == pytest.approx(PLAN.evaluations * 2.0 + PLAN.epochs * found.epoch)


@pytest.mark.keras
def test_what_was_tried_stands_for_candidates_of_a_part_and_full_trainings_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = NASInterface.run
    monkeypatch.setattr(
        NASInterface, "run", lambda self, proposal: replace(original(self, proposal), epoch_s=1.0, seconds=4.0)
    )
    config = from_mapping(
        {
            "space": {"preset": "layerwise", "depth": 1, "operations": ["identity", "max_pool3x3"]},
            "evaluation": {"epochs": 1, "batch_size": 8, "train_limit": 500},
            "full_train": {"finalists": 1, "epochs": 10},
            "execution": {"kind": "serial"},
            "results": {"dir": str(tmp_path / "results")},
        }
    )
    found = measured_time(config, PLAN, describe_data(config))
    assert found is not None
    assert found.of == "3 candidates tried on 80 images"
    assert found.epoch == pytest.approx(work_ratio((400, 100), (64, 16)))
    assert found.full_training == pytest.approx(10 * found.epoch * 1150 / 400)


@pytest.mark.keras
def test_a_few_candidates_are_tried_on_some_of_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hivenas.core.nas.data.preparing._SOON_S", -1.0)  # all is said
    caplog.set_level("INFO", "hivenas")
    config = from_mapping(
        {
            "space": {"preset": "layerwise", "depth": 1, "operations": ["identity", "max_pool3x3"]},
            # With fewer epochs in all this would be refused.
            "evaluation": {"epochs": 6, "batch_size": "!Choice [8, 16]", "warmup_epochs": 4, "score": "mean:5"},
            "execution": {"kind": "serial"},
            "results": {"dir": str(tmp_path / "results")},
        }
    )
    found = measured_time(config, PLAN, describe_data(config))
    assert found is not None
    said = caplog.messages[caplog.messages.index("data: measuring candidates on digits") :]
    assert said[1].startswith("data: 1 of 3 candidates measured (33%)")
    assert said[-1].startswith("data: measured in ")
    assert found.of == "3 candidates tried on 80 images"
    assert found.search > 160 * found.epoch > 0  # networks are built, too
    assert found.memory is not None
    assert found.memory > 2**27  # of this very process, which holds TensorFlow
    assert DataStorage.of(config, describe_data(config), found.memory).memory.needed > found.memory
    assert not (tmp_path / "results").exists()
