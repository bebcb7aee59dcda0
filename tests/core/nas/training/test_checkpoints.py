"""A training that was killed goes on from its last kept epoch, with the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from hivenas.config import Config, from_mapping
from hivenas.core import progress
from hivenas.core.folder import weights_name
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.training import checkpoints
from hivenas.core.nas.training.checkpoints import Checkpoint, Saved, find_saved, save_state, start_from
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.loop import TrainingLoop, make_optimizer
from hivenas.core.nas.training.rules import StoppingRule
from hivenas.core.nas.training.stretches import Pace, PartialEpoch
from hivenas.core.progress import Progress, telling
from hivenas.core.records import EpochFigures, Evaluation, Proposal, StopThreshold, Trial
from hivenas.core.tracker import NullTracker
from hivenas.execution import WorkerExecutor, evaluate_network
from hivenas.storage import open_adhoc
from tests.killed import Killed
from tests.saved_files import content

pytestmark = pytest.mark.keras

ARCH = "input|sep3x3_32|dropout|output"
CHILD = "input|sep3x3_64|dropout|output"
LIGHT = "input|dropout|max_pool3x3|output"  # where nothing is trained but many networks are built
OWN = ("dataset", "full_train", "results", "name", "seed")
COMPARED = ("test_accuracy", "test_loss", "metrics", "per_class")  # what of `extra` says no path
Training = Callable[[NASEval, bool], Evaluation]


@contextmanager
def killing(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Patches that last until they have killed a training."""
    with monkeypatch.context() as patched, pytest.raises(Killed):
        yield patched


def configuration(tiny: dict[str, Any], **changes: Any) -> Config:
    """A configuration that keeps every epoch, with changed keys of `tiny` or changed sections."""
    sections: dict[str, Any] = {key: changes.pop(key) for key in ("space", "execution", "colony") if key in changes}
    flat = tiny | {"epochs": 3} | changes
    return from_mapping(
        {
            **{key: flat.pop(key) for key in OWN},
            "evaluation": flat,
            "space": {"preset": "layerwise", "depth": 2, "input_stem": ["conv3x3_8"], **sections.pop("space", {})},
            "execution": {"checkpoint_s": 0.0, **sections.pop("execution", {})},
            **sections,
        }
    )


def strategy(tiny: dict[str, Any], **changes: Any) -> NASEval:
    return NASInterface.from_config(configuration(tiny, **changes), tracker=NullTracker()).eval_strategy


def train(evaluator: NASEval, resume: bool) -> Evaluation:
    return evaluator.evaluate(ARCH, resume=resume)


def momentum(evaluator: NASEval, resume: bool) -> Evaluation:
    return evaluator.momentum_eval(ARCH, weights_name(ARCH, 3), 3, resume=resume)


def full(evaluator: NASEval, resume: bool) -> Evaluation:
    return evaluator.fully_train(ARCH, resume=resume)


def full_from_weights(evaluator: NASEval, resume: bool) -> Evaluation:
    return evaluator.fully_train(ARCH, weights_name(ARCH, 3), resume=resume)


def kill_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """The next training does not survive an epoch."""
    one = TrainingLoop._one

    def dying(loop: TrainingLoop, number: int) -> EpochFigures:
        if number == epoch:
            raise Killed
        return one(loop, number)

    monkeypatch.setattr(TrainingLoop, "_one", dying)


def kept(evaluator: NASEval) -> list[Path]:
    return sorted(evaluator.results.checkpoints.glob("*")) if evaluator.results.checkpoints.exists() else []


def assert_same(resumed: Evaluation, whole: Evaluation, there: NASEval, here: NASEval) -> None:
    assert whole.status != "failed", whole.traceback
    extra = {key: whole.extra[key] for key in COMPARED if key in whole.extra}
    assert extra.items() <= dict(resumed.extra).items()
    times: dict[str, Any] = {"seconds": 0.0, "epoch_s": 0.0, "started": 0.0}
    assert replace(resumed, **times, extra={}) == replace(whole, **times, extra={})
    resumed_h5, whole_h5 = (content(e.results.weights / whole.filename) for e in (there, here))
    assert resumed_h5 == whole_h5
    assert any("optimizer" in name for name in whole_h5)


AUGMENTED = {"augmentation": {"affine": True, "cutout": 0.5}, "full_train": {"epochs": 3}}
CASES: list[tuple[Training, dict[str, Any]]] = [
    (train, {"optimizer": {"op": "Adam"}, **AUGMENTED}),
    (train, {"optimizer": {"op": "SGD", "momentum": 0.9, "nesterov": True}, "initial_lr": 0.0}),
    (momentum, {"optimizer": {"op": "RMSprop", "momentum": 0.5}}),
    (full, {"optimizer": {"op": "RMSprop"}, "ema": 0.9, "schedule": "cosine", "warmup_epochs": 1.5, **AUGMENTED}),
    (full_from_weights, {"optimizer": {"op": "Adam"}, "full_train": {"epochs": 3, "keep": "best", "patience": 2}}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training", "settings"), CASES, ids=[f"{t.__name__}-{s['optimizer']['op']}" for t, s in CASES]
)
def test_a_killed_training_goes_on_with_the_same_bits(
    tiny: dict[str, Any], training: Training, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, whole = (strategy(tiny, name=name, **settings) for name in ("killed", "whole"))
    first = 1
    if training in (momentum, full_from_weights):
        whole.evaluate(ARCH)
        shutil.copytree(whole.results.weights, killed.results.weights)
        first = 4 if training is momentum else 1
    with killing(monkeypatch) as patched:
        kill_in_epoch(patched, first + 2)
        training(killed, True)
    assert [path.name for path in kept(killed)] == [
        f"{weights_name(ARCH, 0)[:40]}-{training.__name__.partition('_')[0]}.weights.h5"
    ]
    with monkeypatch.context() as patched:
        kill_in_epoch(patched, first + 1)  # it is not trained again
        resumed = training(killed, True)
    assert_same(resumed, training(whole, False), killed, whole)
    assert kept(killed)  # the driver drops it, once the evaluation is recorded


@pytest.fixture
def heeded() -> Iterator[None]:
    """Has SIGINT raise KeyboardInterrupt, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize(("training", "epoch"), [(train, 2), (full, 1), (full, 3)], ids=["train-2", "full-1", "full-3"])
def test_ctrl_c_in_the_middle_of_an_epoch_ends_it_there_and_it_goes_on_with_the_same_bits(
    tiny: dict[str, Any], training: Training, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"full_train": {"epochs": 3, "keep": "best"}, "execution": {"checkpoint_s": 1e-9}}
    ended, whole = (strategy(tiny, name=name, **settings) for name in ("ended", "whole"))
    monkeypatch.setattr(Pace, "steps", lambda pace, left, most=None: 1)
    monkeypatch.setattr(checkpoints, "_SHARE", 0)
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    heard: list[Progress] = []

    def told() -> list[float]:
        return [each.share for each in heard if each.epoch == epoch - 1 and each.share]

    def ctrl_c(at: Progress) -> bool:
        heard.append(at)
        if len(told()) == 2:
            signal.raise_signal(signal.SIGINT)
        return True

    with pytest.raises(KeyboardInterrupt), telling(ctrl_c):
        training(ended, True)
    before = told()
    assert before[1] == 2 * before[0] < 1
    heard.clear()
    with telling(lambda at: not heard.append(at)):  # type: ignore[func-returns-value]
        resumed = training(ended, True)
    assert told()[0] == before[1]  # that step had not been kept yet
    assert [figures.epoch for each in heard for figures in each.figures] == [1, 2, 3]  # those before it, too
    assert_same(resumed, training(whole, False), ended, whole)


def test_a_kill_between_the_checkpoint_and_the_verdict_does_not_change_the_verdict(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    thresholds = [StopThreshold(1, 0.0, "nothing"), StopThreshold(2, 1.1, "everything")]
    killed, whole = (strategy(tiny, name=name, epochs=4) for name in ("killed", "whole"))
    verdict = StoppingRule.stop_reason

    def dying(rule: StoppingRule, epoch: int, accuracy: float) -> str:
        if epoch == 2:
            raise Killed
        return verdict(rule, epoch, accuracy)

    with killing(monkeypatch) as patched:
        patched.setattr(StoppingRule, "stop_reason", dying)
        killed.evaluate(ARCH, thresholds=thresholds, resume=True)
    with monkeypatch.context() as patched:
        kill_in_epoch(patched, 3)
        resumed = killed.evaluate(ARCH, thresholds=thresholds, resume=True)
    assert (resumed.status, resumed.epochs) == ("stopped", 2)
    assert_same(resumed, whole.evaluate(ARCH, thresholds=thresholds), killed, whole)


@pytest.mark.slow
def test_an_heir_goes_on_with_what_it_inherited_and_its_parent_has_kept_its_state(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 4, "inherit": True, "inherit_epochs": 2}
    killed, whole = (strategy(tiny, name=name, **settings) for name in ("killed", "whole"))
    state = weights_name(ARCH, 2)
    keep = Checkpoint.keep

    def dying(checkpoint: Checkpoint, network: keras.Model, saved: Saved) -> None:
        if saved.history[-1].epoch == 2:
            # The state for heirs comes before the checkpoint: resumed after this epoch, nothing would write it.
            assert (killed.results.weights / state).is_file()
            raise Killed
        keep(checkpoint, network, saved)

    with killing(monkeypatch) as patched:
        patched.setattr(Checkpoint, "keep", dying)
        killed.evaluate(ARCH, resume=True)
    killed.evaluate(ARCH, resume=True)
    shutil.copytree(killed.results.weights, whole.results.weights)
    with killing(monkeypatch) as patched:
        kill_in_epoch(patched, 4)
        killed.evaluate(CHILD, inherits=state, resume=True)
    (killed.results.weights / state).unlink()  # all that the child got from it is in its checkpoint
    resumed = killed.evaluate(CHILD, inherits=state, resume=True)
    assert (resumed.inherited_epochs, resumed.epochs) == (2, 2)
    assert 0 < resumed.inherited < 1
    assert_same(resumed, whole.evaluate(CHILD, inherits=state), killed, whole)


@pytest.mark.process
@pytest.mark.slow
def test_a_worker_that_was_killed_is_taken_over_by_the_next(tiny: dict[str, Any], tmp_path: Path) -> None:
    proposal = Proposal(0, 0, "scout", 0, ARCH)
    config, other = (configuration(tiny, name=name, epochs=30) for name in ("killed", "whole"))
    evaluator = NASInterface.from_config(config, tracker=NullTracker()).eval_strategy
    with WorkerExecutor(config.execution, tmp_path / "worker.log") as executor:
        future = executor.submit(evaluate_network(config, proposal))
        while not evaluator.results.checkpoint(ARCH, "train").exists() and not future.done():
            time.sleep(0.005)
        kept_epochs = len(content(evaluator.results.checkpoint(ARCH, "train"))["hivenas"]["history"])
        os.kill(executor._workers[0].pid, signal.SIGKILL)
        resumed = future.result()
        whole = executor.submit(evaluate_network(other, proposal)).result()
    assert "the call is given to a new one" in (tmp_path / "worker.log").read_text()
    assert 0 < kept_epochs < 30
    assert_same(resumed, whole, evaluator, strategy(tiny, name="whole"))


# What is taken up


class Begun(BaseException):
    """The start of a training: the epochs that are behind it."""

    def __init__(self, done: Sequence[EpochFigures]) -> None:
        self.done = len(done)


class OneEpoch(TrainingLoop):
    """Trains nothing: a training that begins anew is killed after its first epoch, another before it goes on."""

    def __init__(self, network: keras.Model, arrays: Any, config: Any, **_: Any) -> None:
        self.network = network
        self._config = config
        optimizer = make_optimizer(config.optimizer)
        optimizer.build(network.trainable_variables)
        network.compile(optimizer=optimizer)

    def run(self, first: int, last: int, stops: Any = None, after: Any = None, done: Any = (), **_: Any) -> Any:
        if not done and first < last:
            after([EpochFigures(first, 0.1, 0.2, 0.3, 0.4)])
        raise Begun(done)


@pytest.fixture
def one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hivenas.core.nas.training.evaluation_strategy.TrainingLoop", OneEpoch)


def epochs_behind(training: Callable[[], Evaluation]) -> int:
    with pytest.raises(Begun) as begun:
        training()
    return begun.value.done


def save_trained(evaluator: NASEval, filename: str, arch: str = ARCH) -> None:
    """A file as of a training of three epochs."""
    network = evaluator.instantiate_network(arch)
    OneEpoch(network, None, evaluator._config.evaluation)
    saved = Saved(arch, 3, 0, tuple(EpochFigures(epoch, 0.1, 0.2, 0.3, 0.4) for epoch in (1, 2, 3)))
    checkpoints.save_state(network, evaluator.results.weights / filename, saved)


OTHER_REFERENCE = {"sep3x3_32": {"op": "SeparableConv2D", "filters": 32, "kernel_size": [3, 3], "padding": "same"}}
OTHER_CONFIGURATIONS: list[dict[str, Any]] = [
    {"seed": 8},
    {"dataset": {"name": "digits", "train_limit": 201}},
    {"dataset": {"name": "digits", "train_limit": 200, "validation_split": 0.25}},
    {"space": {"reference": OTHER_REFERENCE}},
    {"space": {"input_stem": ["conv3x3_16"]}},
    {"space": {"output_stem": ["avg_pool3x3", "global_avg_pool"]}},
    {"epochs": 4},
    {"batch_size": 32},
    {"initial_lr": 0.05},
    {"optimizer": {"op": "Adam"}},
    {"augmentation": {"cutout": 0.5}},
    {"schedule": "exponential"},
    {"ema": 0.9},
    {"stopping": "act"},
]
SAME_TRAININGS: list[dict[str, Any]] = [
    {"execution": {"threads": 2}},
    {"execution": {"recycle_after": 3}},
    {"colony": {"iterations": 2}},
    {"full_train": {"epochs": 5}},
    {"space": {"preset": "layerwise", "depth": 2, "skip_rate": 0.5, "max_params": 10**9}},
]


@pytest.mark.slow
@pytest.mark.usefixtures("one_epoch")
def test_the_state_of_the_same_training_alone_is_taken_up(tiny: dict[str, Any]) -> None:
    def begins(resume: bool = True, **changes: Any) -> int:
        evaluator = strategy(tiny, **changes)
        return epochs_behind(lambda: evaluator.evaluate(LIGHT, resume=resume))

    for changes in OTHER_CONFIGURATIONS:
        assert (begins(resume=False), begins(**changes)) == (0, 0), changes
    assert begins(resume=False) == 0
    for changes in SAME_TRAININGS:
        assert begins(**changes) == 1, changes


@pytest.mark.slow
@pytest.mark.usefixtures("one_epoch")
def test_a_training_that_starts_from_something_else_is_another_one(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, full_train={"epochs": 3})
    a, b = weights_name(LIGHT, 3), weights_name(LIGHT, 4)
    for name in (a, b):
        save_trained(evaluator, name, LIGHT)
    longer = strategy(tiny, full_train={"epochs": 4})
    pairs: list[tuple[Callable[[], Evaluation], Callable[[], Evaluation]]] = [
        (lambda: evaluator.evaluate(LIGHT, resume=True), lambda: evaluator.evaluate(LIGHT, inherits="x", resume=True)),
        (
            lambda: evaluator.evaluate(LIGHT, thresholds=[StopThreshold(2, 0.5, "x")], resume=True),
            lambda: evaluator.evaluate(LIGHT, thresholds=[StopThreshold(2, 0.6, "x")], resume=True),
        ),
        (
            lambda: evaluator.momentum_eval(LIGHT, a, 2, resume=True),
            lambda: evaluator.momentum_eval(LIGHT, b, 2, resume=True),
        ),
        (
            lambda: evaluator.momentum_eval(LIGHT, a, 2, resume=True),
            lambda: evaluator.momentum_eval(LIGHT, a, 3, resume=True),
        ),
        (lambda: evaluator.fully_train(LIGHT, resume=True), lambda: evaluator.fully_train(LIGHT, a, resume=True)),
        (lambda: evaluator.fully_train(LIGHT, b, resume=True), lambda: evaluator.fully_train(LIGHT, a, resume=True)),
        (lambda: evaluator.fully_train(LIGHT, resume=True), lambda: longer.fully_train(LIGHT, resume=True)),
    ]
    for one, other in pairs:
        evaluator.results.clear_checkpoints("train", "momentum", "full")
        assert [epochs_behind(training) for training in (one, one, other, other, one)] == [0, 1, 0, 1, 0]


@pytest.mark.usefixtures("one_epoch")
def test_other_images_of_the_same_name_are_another_training(tiny: dict[str, Any]) -> None:
    one, other = strategy(tiny), strategy(tiny)
    other.training_data.whole = replace(one.data, x_train=one.data.x_train[::-1])
    assert [epochs_behind(lambda e=e: train(e, True)) for e in (one, one, other)] == [0, 1, 0]  # type: ignore[misc]


@pytest.mark.usefixtures("one_epoch")
def test_commands_and_searches_take_up_what_was_kept_and_direct_calls_do_not(tiny: dict[str, Any]) -> None:
    config = configuration(tiny, full_train={"epochs": 3})
    interface = NASInterface.from_config(config, tracker=NullTracker())
    filename = weights_name(ARCH, 3)
    save_trained(interface.eval_strategy, filename)
    new = Proposal(0, 0, "scout", 0, ARCH)
    with open_adhoc(config) as ledger:
        ledger.record(Trial(new, Evaluation(ARCH, "complete", 0.4, epochs=3, filename=filename)))
    further = replace(new, momentum_epochs=2, weights_filename=filename)
    calls: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (lambda: interface.evaluate(ARCH), lambda: interface.run(new)),
        (lambda: interface.momentum_eval(ARCH, filename, 2), lambda: interface.run(further)),
        (lambda: interface.train_custom_arch(ARCH), lambda: interface.fully_train(ARCH)),
        (interface.fully_train_best_model, lambda: interface.fully_train(ARCH)),
        (
            lambda: interface.fully_train_best_model(from_arch=False),
            lambda: interface.fully_train(ARCH, filename),
        ),
    ]
    for direct, driven in calls:
        assert [epochs_behind(call) for call in (direct, direct, driven, direct)] == [0, 0, 1, 0]


def test_direct_calls_drop_what_was_kept_once_they_are_recorded(tiny: dict[str, Any]) -> None:
    interface = NASInterface.from_config(configuration(tiny, full_train={"epochs": 2}), tracker=NullTracker())
    leftover = interface.eval_strategy.results.checkpoint(CHILD, "train")
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    first = interface.evaluate(ARCH)
    assert kept(interface.eval_strategy) == [leftover]
    interface.momentum_eval(ARCH, first["filename"], 2)
    assert kept(interface.eval_strategy) == [leftover]
    interface.train_custom_arch(ARCH)
    assert kept(interface.eval_strategy) == [leftover]


def emptied(path: Path) -> None:
    """As after a power failure: whole in size, but an array was never written."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") and item.size > 9 else None)
        file[names[0]][...] = 0.5


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_version(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        data = json.loads(file.attrs["hivenas"])
        file.attrs["hivenas"] = json.dumps(data | {"more": 1})


def without_a_word(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["hivenas"]


DAMAGES: list[Callable[[Path], object]] = [
    emptied,
    cut,
    of_another_version,
    without_a_word,
    Path.touch,
    lambda path: path.write_bytes(b""),
]


@pytest.mark.usefixtures("one_epoch")
def test_a_state_that_cannot_be_read_is_ignored(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny)
    path = evaluator.results.checkpoint(ARCH, "train")
    for damage in DAMAGES:
        assert epochs_behind(lambda: train(evaluator, False)) == 0
        damage(path)
        assert epochs_behind(lambda: train(evaluator, True)) == (1 if damage is Path.touch else 0), damage


def test_a_state_after_whole_epochs_is_described_as_it_always_was() -> None:
    whole = Saved(ARCH, 1, 0, (EpochFigures(1, 0.1, 0.2, 0.3, 0.4),))
    keys = {"candidate", "epochs", "momentum_epochs", "history", "inherited", "inherited_epochs"}
    assert whole.plain().keys() == keys
    partial = PartialEpoch(2, 3, loss=float(np.float32(0.1)), hits=7.0, draws=[[2**32 - 1, 3]])
    for saved in (whole, replace(whole, partial=partial), replace(whole, history=(), partial=partial)):
        assert Saved.of(json.loads(json.dumps(saved.plain()))) == saved


def test_a_network_stays_as_it_is_where_the_kept_arrays_do_not_fit(tmp_path: Path) -> None:
    def network(units: int) -> keras.Model:
        layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(units)]
        model = keras.Sequential(layers)
        model.compile(optimizer=keras.optimizers.Adam())
        model.optimizer.build(model.trainable_variables)
        return model

    checkpoint = Checkpoint(tmp_path / "x.weights.h5", lambda: "same", 0.0)
    checkpoint.keep(network(5), Saved(ARCH, 1, 0, (EpochFigures(1, 0.1, 0.2, 0.3, 0.4),)))
    other = network(6)
    before = [weight.numpy() for weight in (*other.weights, *other.optimizer.variables)]
    assert checkpoint.take_up(other) is None
    after = [weight.numpy() for weight in (*other.weights, *other.optimizer.variables)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert checkpoint.take_up(network(5)) is not None


@pytest.mark.parametrize(("seconds", "epochs"), [(0.0, [1, 2]), (1e9, [])])
def test_states_are_kept_when_it_is_time_and_never_after_the_last_epoch(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch, seconds: float, epochs: list[int]
) -> None:
    evaluator = strategy(tiny, execution={"checkpoint_s": seconds})
    seen: list[int] = []
    write = checkpoints._write

    def watched(network: keras.Model, path: Path, describe: Callable[..., dict[str, Any]], **how: Any) -> None:
        write(network, path, describe, **how)
        if path.parent == evaluator.results.checkpoints:
            seen.append(len(content(path)["hivenas"]["history"]))

    monkeypatch.setattr(checkpoints, "_write", watched)
    assert evaluator.evaluate(ARCH).status == "complete"
    assert seen == epochs


def test_the_results_do_not_depend_on_what_is_kept(tiny: dict[str, Any]) -> None:
    often, never = (strategy(tiny, name=f"s{s}", execution={"checkpoint_s": float(s)}) for s in (0, 10**9))
    assert_same(often.evaluate(ARCH), never.evaluate(ARCH), often, never)


def test_the_longest_training_of_a_candidate_is_that_of_most_epochs(tmp_path: Path) -> None:
    for age in (8, 999, 1000):
        (tmp_path / weights_name("input|identity|output", age)).touch()
    stem = weights_name("input|identity|output", 8).rpartition("-")[0]
    assert find_saved(tmp_path, stem, "all").name.endswith("-1000.weights.h5")


@pytest.mark.parametrize(
    ("one", "other", "is_taken"),
    [
        (("Adam", {}), ("RMSprop", {}), False),
        (("Adam", {}), ("Adamax", {}), False),
        (("Adam", {}), ("Adam", {}), True),
        # As many variables of the same shapes.
        (("SGD", {"momentum": 0.9}), ("SGD", {"use_ema": True}), False),
        (("SGD", {"use_ema": True}), ("SGD", {"momentum": 0.9}), False),
        (("Adam", {"amsgrad": True}), ("Adam", {"use_ema": True}), False),
        (("RMSprop", {"centered": True}), ("RMSprop", {"momentum": 0.9}), False),
        (("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.5}), True),
    ],
    ids=str,
)
@pytest.mark.parametrize("scaled", [False, True])
def test_a_training_from_another_optimizers_file_takes_its_weights_alone(
    tmp_path: Path, one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]], is_taken: bool, scaled: bool
) -> None:
    def network(op: str, arguments: dict[str, Any]) -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        optimizer = getattr(keras.optimizers, op)(**arguments)
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer, loss="mse")
        return model

    trained, file = network(*one), tmp_path / "x.weights.h5"
    trained.fit(np.ones((8, 4)), np.zeros((8, 3)), verbose=0)
    save_state(trained, file, Saved(ARCH, 1, 0, ()))
    started, fresh = network(*other), network(*other)
    start_from(started, file)
    for found, saved in zip(started.weights, trained.weights, strict=True):
        assert np.array_equal(found, saved)
    like = trained if is_taken else fresh
    for found, wanted in zip(started.optimizer.variables, like.optimizer.variables, strict=True):
        assert np.array_equal(found, wanted)
