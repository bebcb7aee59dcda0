"""A training that goes on in the network that is still there gives the bits of one that reads the h5 file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hivenas.config import Config, EvaluationConfig, from_mapping
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training.alive import LiveNetworks
from hivenas.core.nas.training.checkpoints import read_saved, save_state
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.records import EpochFigures, Evaluation, Proposal
from hivenas.core.tracker import NullTracker
from hivenas.execution import WorkerExecutor, evaluate_network
from hivenas.execution.tasks import networks_alive
from tests.saved_files import content

pytestmark = pytest.mark.keras

ARCH = "input|sep3x3_32|dropout|output"
OTHERS = ("input|dropout|max_pool3x3|output", "input|max_pool3x3|dropout|output")
RECIPES: dict[str, dict[str, Any]] = {
    "AdamW along a cosine": {},
    "SGD with momentum": {"optimizer": {"op": "SGD", "momentum": 0.9, "nesterov": True}, "schedule": "exponential"},
    "averaged weights": {"ema": 0.95},
    "augmented": {"augmentation": {"affine": True, "cutout": 0.5, "rand_augment": 0.5, "mixup": 0.2, "cutmix": 1.0}},
    "bfloat16": {"precision": "bfloat16"},
}


def configuration(tiny: dict[str, Any], execution: dict[str, Any] | None = None, **changes: Any) -> Config:
    flat = tiny | {"epochs": 3, "momentum_epochs": 2} | changes
    own = {key: flat.pop(key) for key in ("dataset", "full_train", "results", "name", "seed")}
    space = {"preset": "layerwise", "depth": 2, "input_stem": ["conv3x3_8"]}
    return from_mapping({**own, "evaluation": flat, "space": space, "execution": execution or {}})


def strategy(tiny: dict[str, Any], **changes: Any) -> NASEval:
    return NASInterface.from_config(configuration(tiny, **changes), tracker=NullTracker()).eval_strategy


def curve(*evaluations: Evaluation) -> Sequence[EpochFigures]:
    return [figures for evaluation in evaluations for figures in evaluation.history]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_going_on_alive_equals_going_on_from_the_file_to_the_last_bit(tiny: dict[str, Any], recipe: str) -> None:
    evaluator = strategy(tiny, **RECIPES[recipe])
    first = evaluator.evaluate(ARCH)
    network = evaluator.alive._kept[first.filename].loop.network
    second = evaluator.momentum_eval(ARCH, first.filename, 1)
    assert evaluator.alive.names == (second.filename,)
    alive = evaluator.momentum_eval(ARCH, second.filename, 2)
    assert evaluator.alive._kept[alive.filename].loop.network is network
    saved = content(evaluator.weights_path(alive.filename))

    read = evaluator.momentum_eval(ARCH, first.filename, 3)
    assert evaluator.alive._kept[read.filename].loop.network is not network
    assert read.filename == alive.filename
    assert curve(read) == curve(second, alive)
    assert content(evaluator.weights_path(read.filename)) == saved
    assert any("optimizer" in name for name in saved)


def test_a_file_that_another_attempt_has_written_is_read_and_one_that_came_back_is_the_same(
    tiny: dict[str, Any],
) -> None:
    evaluator = strategy(tiny)
    first = evaluator.evaluate(ARCH)
    path, loop = evaluator.weights_path(first.filename), evaluator.alive._kept[first.filename].loop
    shutil.copy(path, path.with_suffix(".copy"))
    path.unlink()
    assert evaluator.alive.take(path) is None
    path.with_suffix(".copy").rename(path)
    evaluator.alive.keep(path, loop)
    before = path.read_bytes()
    path.unlink()
    path.write_bytes(before)
    assert evaluator.alive.take(path) is loop

    evaluator.alive.keep(path, loop)
    loop.network.trainable_variables[0].assign_add(keras.ops.ones_like(loop.network.trainable_variables[0]))
    save_state(loop.network, path, read_saved(path))
    changed = evaluator.momentum_eval(ARCH, first.filename, 1)
    assert evaluator.alive._kept[changed.filename].loop is not loop
    assert curve(changed) == curve(strategy(tiny).momentum_eval(ARCH, first.filename, 1))


def test_what_a_search_does_not_go_on_with_is_not_kept() -> None:
    def of(age: int, **settings: Any) -> bool:
        return EvaluationConfig(epochs=8, **settings).may_go_on_at(age)

    assert not of(8)
    assert of(8, momentum_epochs=2)
    assert of(20, momentum_epochs=2)
    paused = EvaluationConfig(epochs=8).model_copy(update={"stopping": "ladder"})
    assert [paused.may_go_on_at(age) for age in (3, 7, 8)] == [True, True, False]


def kept_file(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(name)
    return path


def training(units: int = 1) -> TrainingLoop:
    """One that only holds a network of 400 · units bytes."""
    network = keras.Sequential([keras.Input((99,)), keras.layers.Dense(units)])
    network.compile(optimizer=keras.optimizers.SGD())
    loop = TrainingLoop.__new__(TrainingLoop)
    loop.network = network
    return loop


def test_the_oldest_goes_first_by_number_and_by_size(tmp_path: Path) -> None:
    a, b, c = (kept_file(tmp_path, name) for name in "abc")
    loops = [training() for _ in range(4)]
    two = LiveNetworks(2)
    for path, loop in zip((a, b, a, c), loops, strict=True):
        two.keep(path, loop)
    assert two.names == ("a", "c")
    assert (two.take(b), two.take(a), two.take(a)) == (None, loops[2], None)

    small = LiveNetworks(8, most_bytes=1000)
    for path, units in ((a, 1), (b, 1), (c, 1)):
        small.keep(path, training(units))
    assert small.names == ("b", "c")
    small.keep(a, training(3))
    assert not small.names
    none = LiveNetworks(0)
    none.keep(a, loops[0])
    assert none.names == ()


def test_where_memory_does_not_suffice_a_training_is_tried_again_without_the_others(tmp_path: Path) -> None:
    live = LiveNetworks(8)
    tried: list[int] = []

    def lacking(error: Exception) -> str:
        tried.append(len(live.names))
        if live.names:
            raise error
        return "trained"

    exhausted = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    live.keep(kept_file(tmp_path, "a"), training())
    with pytest.raises(KeyError):
        live.make_room(lambda: lacking(KeyError()))
    assert live.make_room(lambda: lacking(exhausted)) == "trained"
    assert tried == [1, 1, 0]


def test_a_training_that_fails_is_gone_and_begins_again_from_its_file(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = strategy(tiny)
    first = evaluator.evaluate(ARCH)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingLoop, "_check_weights", lambda loop, epoch: 1 / 0)
        assert evaluator.momentum_eval(ARCH, first.filename, 1).status == "failed"
    assert evaluator.alive.names == ()
    again = evaluator.momentum_eval(ARCH, first.filename, 1)
    assert np.isfinite(again.history[-1].loss)
    assert curve(again) == curve(strategy(tiny).momentum_eval(ARCH, first.filename, 1))


@pytest.mark.process
@pytest.mark.slow
def test_a_worker_that_has_networks_alive_goes_on_with_them_and_is_replaced_for_those_it_has_given_up(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    config = configuration(tiny, {"recycle_after": 1, "keep_alive": 1})

    with WorkerExecutor(config.execution, tmp_path / "worker.log") as executor:
        (worker,) = executor._workers

        def carried_out(arch: str, goes_on: Evaluation | None = None) -> Evaluation:
            proposal = Proposal(0, 0, "scout", 0, arch)
            if goes_on:
                proposal = replace(proposal, momentum_epochs=1, weights_filename=goes_on.filename)
            done = executor.submit(evaluate_network(config, proposal)).result()
            assert done.status == "complete", done.traceback
            assert worker.alive == (done.filename,)
            return done

        first = carried_out(ARCH)
        further = carried_out(ARCH, first)
        other = carried_out(OTHERS[0])  # takes the place of the first one
        assert first.worker == further.worker == other.worker
        assert carried_out(OTHERS[0], other).worker == first.worker
        assert carried_out(OTHERS[1]).worker != first.worker
        anew = carried_out(ARCH, first)
    assert curve(anew) == curve(further)


def test_a_process_says_what_is_alive_in_it_only_of_networks(tiny: dict[str, Any]) -> None:
    task = evaluate_network(configuration(tiny), Proposal(0, 0, "scout", 0, ARCH))
    assert networks_alive(task) == ()
    done = task.run()
    assert networks_alive(task) == (done.filename,)
    assert networks_alive(evaluate_network(configuration(tiny, momentum_epochs=3), task.arguments[1])) == ()
