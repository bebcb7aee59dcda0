"""Full trainings: which epoch is kept, when they end, what differs with another seed, what a refit is trained on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from hivenas.config import Config, from_mapping
from hivenas.core.full_training import Finalist, TrainingSpec, best_first, kept_epoch
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.checkpoints import read_saved
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.full_training import best_epoch, is_exhausted, joined
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.records import Direction, EpochFigures
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, MissingResultsError
from tests.killed import Killed
from tests.on_disk import on_disk
from tests.trials import unspent

pytestmark = pytest.mark.keras

ARCH = "input|conv3x3_8|output"
OTHER = "input|max_pool3x3|output"


def strategy(tiny: dict[str, Any], **full_train: Any) -> NASEval:
    flat = {**tiny, "full_train": {"epochs": 3, "finalists": 1, "keep": "last", "patience": None, **full_train}}
    sections = {key: flat.pop(key) for key in ("dataset", "full_train", "results", "name", "seed")}
    config = from_mapping(
        {**sections, "evaluation": flat | {"batch_size": 40}, "space": {"depth": 1, "input_stem": ["conv3x3_8"]}}
    )
    return NASInterface.from_config(config, tracker=NullTracker()).eval_strategy


def course(*accuracies: float) -> Sequence[EpochFigures]:
    return [EpochFigures(epoch, 1.0, 0.5, 1.0, accuracy) for epoch, accuracy in enumerate(accuracies, start=1)]


@pytest.mark.parametrize(
    ("accuracies", "best", "ends"),
    [
        ((0.5,), 1, False),
        ((0.5, 0.5), 1, False),
        ((0.5, 0.5, 0.4), 1, True),
        ((0.5, 0.6, 0.5), 2, False),
        ((0.5, 0.6, 0.5, 0.6), 2, True),
        ((0.5, 0.6, 0.5, 0.61), 4, False),
    ],
)
def test_the_earliest_best_epoch_counts_and_patience_is_counted_from_there(
    accuracies: Sequence[float], best: int, ends: bool
) -> None:
    assert best_epoch(course(*accuracies)) == best
    assert is_exhausted(course(*accuracies), 2) is ends
    assert not is_exhausted(course(*accuracies), None)


def test_where_less_is_better_the_best_epoch_is_that_of_the_least() -> None:
    history = [replace(each, metric=metric) for each, metric in zip(course(*[0.5] * 5), (3, 1, 2, 1, 4), strict=True)]
    assert (best_epoch(history, Direction.MINIMIZE), best_epoch(history)) == (2, 5)
    assert is_exhausted(history, 3, Direction.MINIMIZE)
    assert not is_exhausted(history, 4, Direction.MINIMIZE)
    ends = [Finalist(candidate=str(figure), fitness=figure) for figure in (0.5, 0.1, None, 0.3)]
    order = ["0.1", "0.3", "0.5", "None"]
    assert [each.candidate for each in best_first(ends, Direction.MINIMIZE)] == order
    assert [each.candidate for each in best_first(ends)] == [*order[2::-1], order[3]]


def test_more_members_than_trainings_are_refused() -> None:
    assert Config().full_train.ensemble == 1
    with pytest.raises(ConfigError, match=r"ensemble must be at most finalists · seeds = 4, got 5; lower it or raise"):
        from_mapping({"full_train": {"finalists": 2, "seeds": 2, "ensemble": 5}})


def test_the_weights_that_are_kept_are_those_of_the_best_epoch(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, epochs=8, keep="best", patience=2)
    evaluation = evaluator.fully_train(ARCH)
    epoch = kept_epoch(evaluation)
    assert (evaluation.status, evaluation.epochs, len(evaluation.history)) == ("stopped", epoch + 2, epoch + 2)
    assert evaluation.reason == f"no better validation accuracy in the 2 epochs after epoch {epoch}"
    last = strategy(tiny, epochs=8, keep="last", patience=2).fully_train(ARCH)
    assert (last.reason, last.epochs) == (evaluation.reason, evaluation.epochs)  # of the same epochs
    evaluation = evaluator.fully_train(ARCH)
    assert evaluation.fitness == evaluation.history[epoch - 1].val_accuracy
    assert evaluation.fitness == max(figures.val_accuracy for figures in evaluation.history)
    assert read_saved(evaluator.results.weights / evaluation.filename).history == evaluation.history[:epoch]
    model = keras.saving.load_model(evaluation.extra["model"])
    answers = model(evaluator.data.x_val, training=False).numpy().argmax(axis=1)
    assert np.mean(answers == evaluator.data.y_val) == pytest.approx(evaluation.fitness)


def test_a_better_epoch_of_a_killed_attempt_that_another_does_not_repeat_is_not_taken_for_its_best(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = strategy(tiny, epochs=8, keep="best", patience=2)
    whole = evaluator.fully_train(ARCH)
    best, one = kept_epoch(whole), TrainingLoop._one
    assert best < whole.epochs
    file = evaluator.results.weights / whole.filename

    def dying(loop: TrainingLoop, epoch: int) -> EpochFigures:
        if epoch > best:
            raise Killed
        return one(loop, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_one", dying)
        with pytest.raises(Killed):
            evaluator.fully_train(ARCH)
    with h5py.File(file, "r+") as saved:  # as it lies there after the next epoch, which other threads made better
        told = json.loads(saved.attrs["hivenas"])
        told["history"].append({**told["history"][-1], "epoch": best + 1, "val_accuracy": 1.0})
        saved.attrs["hivenas"] = json.dumps({**told, "epochs": best + 1})
        kernel = saved["layers/conv2d/vars/0"]
        kernel[...] = np.zeros(kernel.shape)
    again = evaluator.fully_train(ARCH, resume=True)
    assert (again.history, kept_epoch(again)) == (whole.history, best)
    assert read_saved(file).history == whole.history[:best]
    assert again.extra["test_accuracy"] == whole.extra["test_accuracy"]


def test_the_first_seed_is_the_training_that_there_always_was_and_a_second_is_another(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, epochs=1)
    alone = evaluator.fully_train(ARCH)
    first, second = (evaluator.train_fully(TrainingSpec(ARCH, number)) for number in (0, 1))
    assert first.history == alone.history
    assert second.history != alone.history
    assert alone.filename == first.filename != second.filename
    assert "test_accuracy" in alone.extra
    assert unspent(first.extra) == {}
    other = strategy(tiny | {"fitness": "auc"}, epochs=1).train_fully(TrainingSpec(ARCH))
    assert (unspent(other.extra), other.fitness) == ({"metric": "auc"}, other.history[-1].metric)
    assert TrainingSpec.of(second) == TrainingSpec(ARCH, 1)


def test_a_refit_is_on_all_images_and_ends_early_with_the_schedule_as_it_was_planned(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, keep="best", patience=1)
    train, val = len(evaluator.data.x_train), len(evaluator.data.x_val)
    arrays = joined(evaluator.training_data.arrays)
    assert [len(each) for each in (arrays.x_train, arrays.y_train, arrays.x_val)] == [train + val, train + val, 0]
    whole, part = (evaluator.train_fully(TrainingSpec(ARCH, refit_epochs=epochs)) for epochs in (3, 2))
    assert (whole.epochs, part.epochs) == (3, 2)
    figures = [[(f.loss, f.accuracy) for f in each.history] for each in (whole, part)]
    assert figures[0][:2] == figures[1]
    assert all(math.isnan(f.val_accuracy) and math.isnan(f.val_loss) for f in whole.history)
    right = whole.history[0].accuracy * (train + val)
    assert right == pytest.approx(round(right), abs=1e-3)
    assert TrainingSpec.of(whole) == TrainingSpec(ARCH, refit_epochs=3)


@pytest.mark.slow
def test_trainings_of_images_on_disk_are_those_of_images_in_memory(tiny: dict[str, Any], tmp_path: Path) -> None:
    here, there = (strategy(tiny | {"name": name, "ema": 0.5}, epochs=2, keep="best") for name in ("here", "there"))
    there.training_data.whole = on_disk(here.data, tmp_path / "disk")
    for spec in (TrainingSpec(ARCH), TrainingSpec(ARCH, refit_epochs=1)):
        told = [each.train_fully(spec) for each in (here, there)]
        assert told[0].status == told[1].status == "complete", told[1].traceback
        assert repr(told[0].history) == repr(told[1].history)
    models = [each.final_model([one]) for each, one in zip((here, there), told, strict=True)]
    assert models[0].status == models[1].status == "complete", models[1].traceback
    for key in ("test_accuracy", "test_loss", "test_metrics"):
        assert models[0].extra[key] == models[1].extra[key]


def test_an_ensembles_answers_are_the_means_of_its_members(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, epochs=1, finalists=2, ensemble=2)
    members = [evaluator.train_fully(TrainingSpec(arch)) for arch in (ARCH, OTHER)]
    images, answers = evaluator.data.x_val, []
    for member in members:
        model = evaluator.final_model([member])
        assert (model.history, model.fitness) == (member.history, member.fitness)
        answers.append(keras.saving.load_model(model.extra["model"])(images, training=False).numpy())
    together = evaluator.final_model(members)
    assert together.status == "complete", together.traceback
    served = keras.saving.load_model(together.extra["model"])(images, training=False).numpy()
    assert together.params == sum(member.params for member in members)
    assert together.fitness == pytest.approx(np.mean(served.argmax(axis=1) == evaluator.data.y_val))
    assert np.allclose(served, np.mean(answers, axis=0), atol=1e-6)
    assert not np.allclose(answers[0], answers[1], atol=1e-3)


def test_a_model_of_several_trainings_has_the_weights_that_were_validated(tiny: dict[str, Any]) -> None:
    averaged = strategy({**tiny, "ema": 0.95, "initial_lr": 0.03}, epochs=2)
    member = averaged.train_fully(TrainingSpec(ARCH))
    model = keras.saving.load_model(averaged.final_model([member]).extra["model"])
    answers = model(averaged.data.x_val, training=False).numpy()
    assert np.mean(answers.argmax(axis=1) == averaged.data.y_val) == pytest.approx(member.fitness)
    truth = answers[np.arange(len(answers)), averaged.data.y_val]
    assert -np.log(truth).mean() == pytest.approx(member.history[-1].val_loss, rel=1e-4)
    raw = averaged.instantiate_network(ARCH)
    raw.load_weights(averaged.weights_path(member.filename))
    served = model.get_layer("candidate")
    assert not all(np.array_equal(a, b) for a, b in zip(raw.get_weights(), served.get_weights(), strict=True))


def test_weights_that_another_training_has_left_are_no_model(tiny: dict[str, Any]) -> None:
    member = strategy(tiny, epochs=1).train_fully(TrainingSpec(ARCH))
    other = strategy({**tiny, "batch_size": 32}, epochs=2)
    other.train_fully(TrainingSpec(ARCH))
    with pytest.raises(MissingResultsError, match="must hold the weights of the training that was recorded"):
        other.final_model([member])
