from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest

from hivenas.core.folder import weights_name
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.sizes import NetworkSizes
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.network import copy_matching_weights
from hivenas.core.records import Evaluation, StopThreshold
from hivenas.core.strategies.momentum import mean_momentum
from hivenas.core.tracker import NullTracker
from hivenas.errors import ArchitectureError, MissingResultsError

pytestmark = pytest.mark.keras

ARCH = "input|sc_2|sep3x3_32|dropout|max_pool3x3|output"
LARGE = "input|sep3x3_64|dropout|max_pool3x3|output"
SPACE = {"preset": "layerwise", "depth": 3, "skip_rate": 0.2}
AUGMENTATION = {"affine": True, "cutout": 0.5, "contrast": 0.5}
SGD = {"op": "SGD", "momentum": 0.9, "nesterov": True}
SCHEDULE, OWN_RATE = {"initial_lr": 0.01, "final_lr": 0.001}, {"initial_lr": 0.0}
# Each kind of rates, with and without augmentation; all of the recipe, one by one, is in test_recipe.py, test_alive.py
# and test_exact_batches.py.
CONTINUED: list[dict[str, Any]] = [
    {"optimizer": SGD, "augmentation": AUGMENTATION, **SCHEDULE},
    {"optimizer": {"op": "RMSprop", "momentum": 0.5}, "augmentation": {}, **OWN_RATE},
]


def strategy(config: dict[str, Any], **changes: Any) -> NASEval:
    return NASInterface(SPACE, config | changes, tracker=NullTracker()).eval_strategy


Trained = tuple[NASEval, Evaluation]


@pytest.fixture(scope="module")
def trained(shared_tiny: dict[str, Any]) -> Trained:
    """A candidate after two epochs, and who has trained it; further trainings of it have other names."""
    evaluator = strategy(shared_tiny, epochs=2, name="trained")
    return evaluator, evaluator.evaluate(ARCH)


def test_the_fitness_is_the_last_epochs_validation_accuracy(trained: Trained) -> None:
    evaluator, evaluation = trained
    assert evaluation.status == "complete"
    assert evaluation.epochs == len(evaluation.history) == 2
    assert evaluation.fitness == evaluation.history[-1].val_accuracy
    assert evaluation.momentum == mean_momentum([epoch.val_accuracy for epoch in evaluation.history])
    assert evaluation.params == sum(
        int(np.prod(v.shape)) for v in evaluator.instantiate_network(ARCH).trainable_variables
    )


def test_histories_are_json(trained: Trained) -> None:
    evaluator, evaluation = trained
    stem = evaluation.filename.removesuffix(".weights.h5")
    written = json.loads((evaluator.results.histories / f"{stem}.json").read_text())
    assert written["candidate"] == ARCH
    assert written["history"][-1]["val_accuracy"] == evaluation.fitness


def test_weights_of_another_architecture_are_refused(trained: Trained) -> None:
    evaluator, evaluation = trained
    with pytest.raises(ArchitectureError, match="holds the weights of"):
        evaluator.momentum_eval("input|dropout|dropout|dropout|output", evaluation.filename, 1)


def test_a_score_is_of_all_epochs_of_the_weights_continued_ones_too(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, epochs=3, score="mean:2")
    first = evaluator.evaluate(ARCH)
    accuracies = [epoch.val_accuracy for epoch in first.history]
    assert first.fitness == sum(accuracies[1:]) / 2
    (further,) = (second := evaluator.momentum_eval(ARCH, first.filename, 1)).history
    assert second.fitness == (accuracies[2] + further.val_accuracy) / 2


def test_a_paused_training_goes_on_to_the_last_bit_and_says_when_it_is_over(tiny: dict[str, Any]) -> None:
    rules = {"epochs": 5, "stopping": "ladder", "score": "best"}
    climbing = strategy(tiny, name="climbing", **rules)
    first = climbing.evaluate(ARCH, until=2)
    second = climbing.momentum_eval(ARCH, first.filename, 1)
    third = climbing.momentum_eval(ARCH, second.filename, 2)
    assert [(e.status, e.epochs, e.momentum_epochs) for e in (first, second, third)] == [
        ("paused", 2, 0),
        ("paused", 2, 1),
        ("complete", 2, 3),
    ]
    whole = strategy(tiny, name="whole", **rules).evaluate(ARCH)
    assert (*first.history, *second.history, *third.history) == whole.history
    assert (whole.status, whole.epochs, whole.fitness) == ("complete", 5, third.fitness)
    assert first.fitness == max(figures.val_accuracy for figures in first.history)


@pytest.mark.slow
def test_every_training_records_parameters_and_multiply_adds(trained: Trained) -> None:
    evaluator, first = trained
    space = evaluator._space
    sizes = NetworkSizes(space.reference, shape=(8, 8, 1), classes=10, frame=space.frame)
    size = sizes.of(space.parse(ARCH))
    second = evaluator.momentum_eval(ARCH, first.filename, 1)
    for evaluation in (first, second, evaluator.fully_train(ARCH)):
        assert (evaluation.params, evaluation.macs) == (size.params, size.macs)
        assert size.macs > 0


def test_an_architecture_over_the_guards_is_refused_before_data_are_loaded_but_may_be_trained_fully(
    tiny: dict[str, Any],
) -> None:
    guarded = NASInterface(SPACE | {"max_params": 3000}, tiny, tracker=NullTracker())
    with pytest.raises(
        ArchitectureError, match=r"at most 3,000 trainable parameters \(space.max_params\), got 3,434 in"
    ):
        guarded.evaluate(LARGE)
    assert "whole" not in vars(guarded.eval_strategy.training_data)
    assert not guarded.eval_strategy.results.path.exists()
    assert guarded.eval_strategy.fully_train(LARGE).params > 3000


def test_training_learns(tiny: dict[str, Any]) -> None:
    everything = tiny | {"dataset": {"name": "digits"}}
    evaluation = strategy(everything, epochs=3, batch_size=16, initial_lr=0.05, final_lr=0.01).evaluate(ARCH)
    assert evaluation.fitness > 0.8
    assert evaluation.history[-1].loss < evaluation.history[0].loss


@pytest.mark.slow
@pytest.mark.parametrize("settings", CONTINUED, ids=lambda settings: str(settings["optimizer"]["op"]))
def test_continuing_equals_never_having_stopped_to_the_last_bit(tiny: dict[str, Any], settings: dict[str, Any]) -> None:
    settings = settings | {"epochs": 3}
    interrupted = strategy(tiny, name="interrupted", **settings)
    first = interrupted.evaluate(ARCH)
    second = interrupted.momentum_eval(ARCH, first.filename, 1)
    third = interrupted.momentum_eval(ARCH, second.filename, 1)

    whole = strategy(tiny, name="whole", **settings)
    loop = whole._loop(whole.instantiate_network(ARCH), ARCH, "train", 3)
    history, _ = loop.run(1, 5)

    assert (*first.history, *second.history, *third.history) == tuple(history)
    assert third.momentum_epochs == 2
    assert third.epochs == 3
    saved = keras.models.clone_model(loop.network)
    saved.load_weights(interrupted.weights_path(third.filename))
    assert all(np.array_equal(a, b) for a, b in zip(saved.get_weights(), loop.network.get_weights(), strict=True))


def test_mixed_precision_is_of_the_network_alone_and_its_answers_are_float32(tiny: dict[str, Any]) -> None:
    before = keras.config.dtype_policy().name
    mixed = strategy(tiny, precision="float16")
    network = mixed.instantiate_network(ARCH)
    assert keras.config.dtype_policy().name == before
    assert {str(weight.dtype) for weight in network.trainable_variables} == {"float32"}
    assert {layer.compute_dtype for layer in network.layers if layer.name.startswith("layer")} == {"float16"}
    assert network.output.dtype == "float32"
    assert {layer.compute_dtype for layer in strategy(tiny).instantiate_network(ARCH).layers} == {"float32"}
    served = mixed.fully_train(ARCH)
    assert served.extra["test_accuracy"] >= 0.0
    assert keras.saving.load_model(served.extra["model"]).output.dtype == "float32"
    assert keras.config.dtype_policy().name == before


@pytest.mark.slow
def test_mixed_precision_learns_what_single_precision_learns(tiny: dict[str, Any]) -> None:
    settings = {"dataset": {"name": "digits"}, "epochs": 3, "batch_size": 16, "initial_lr": 0.05, "final_lr": 0.01}
    assert strategy(tiny | settings, precision="float16").evaluate(ARCH).fitness > 0.8


def test_augmentation_is_of_training_batches_only_and_new_in_every_epoch(tiny: dict[str, Any]) -> None:
    # Steps too small to change a weight, and no batch normalisation: only what goes in can change the figures.
    space = {"depth": 1, "input_stem": ["conv3x3_8"], "operations": ["sep3x3_32", "identity"]}
    still = tiny | {"epochs": 2, "initial_lr": 1e-30, "final_lr": 1e-30, "optimizer": {"op": "SGD"}}
    plain, augmented = (
        NASInterface(space, still | {"augmentation": augmentation}, tracker=NullTracker())
        .eval_strategy.evaluate("input|sep3x3_32|output")
        .history
        for augmentation in ({"shift": 0.0}, AUGMENTATION)
    )
    assert [epoch.val_loss for epoch in augmented] == [epoch.val_loss for epoch in plain]
    assert plain[0].loss == pytest.approx(plain[1].loss, rel=1e-5)
    assert len({round(epoch.loss, 4) for epoch in (plain[0], *augmented)}) == 3


def test_augmentation_with_every_probability_zero_is_no_augmentation(tiny: dict[str, Any]) -> None:
    off = {"affine": False, "shift": 0.0, "cutout": 0.0, "saturation": 0.0, "contrast": 0.0}
    grey = {"shift": 0.0, "saturation": 1.0}
    plain, *others = (
        strategy(tiny, augmentation=augmentation).evaluate(ARCH).history for augmentation in ({"shift": 0.0}, off, grey)
    )
    assert others == [plain, plain]


@pytest.mark.slow
def test_weights_are_found_by_the_sha1_alone(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny)
    filename = evaluator.evaluate(ARCH).filename
    longest = evaluator.momentum_eval(ARCH, filename, 1).filename
    evaluator.evaluate(ARCH)
    by_name = evaluator.momentum_eval(ARCH, longest, 1)
    (evaluator.results.weights / by_name.filename).unlink()
    assert evaluator.momentum_eval(ARCH, filename[:40], 1).history == by_name.history


@pytest.mark.slow
def test_results_do_not_depend_on_what_was_trained_before(tiny: dict[str, Any]) -> None:
    alone = strategy(tiny, name="alone").evaluate(ARCH)
    busy = strategy(tiny, name="busy")
    busy.evaluate("input|dropout|dropout|sep5x5_64|output")
    assert busy.evaluate(ARCH).history == alone.history
    assert strategy(tiny, name="other", seed=8).evaluate(ARCH).history != alone.history


def test_a_weak_candidate_is_stopped_and_says_why(tiny: dict[str, Any]) -> None:
    evaluation = strategy(tiny, epochs=4, act={"beta": 1.0, "zeta": 0.25}, stopping="act").evaluate(ARCH)
    assert evaluation.status == "stopped"
    assert evaluation.epochs == 1
    assert "below the threshold 1.0000 after epoch 1" in evaluation.reason


def test_act_is_off_where_another_rule_is_chosen(tiny: dict[str, Any]) -> None:
    evaluation = strategy(tiny, epochs=2, act={"beta": 1.0, "zeta": 0.25}, stopping="none").evaluate(ARCH)
    assert evaluation.status == "complete"


def test_a_bar_that_is_not_reached_ends_the_training_and_the_reason_names_it(tiny: dict[str, Any]) -> None:
    thresholds = (StopThreshold(1, 0.0, "nothing"), StopThreshold(2, 1.1, "its food source at that age"))
    evaluation = strategy(tiny, epochs=4).evaluate(ARCH, thresholds=thresholds)
    assert (evaluation.status, evaluation.epochs) == ("stopped", 2)
    assert "below its food source at that age, 1.1, after epoch 2" in evaluation.reason


PARENT = "input|sc_2|sep3x3_32|dropout|avg_pool3x3|output"
CHILD = "input|sc_2|sep3x3_64|dropout|avg_pool3x3|output"


def inheriting(tiny: dict[str, Any], name: str) -> NASEval:
    return strategy(tiny, epochs=3, inherit=True, inherit_epochs=1, name=name, score="mean:2")


Family = tuple[NASEval, Evaluation, Evaluation]


@pytest.fixture(scope="module")
def family(shared_tiny: dict[str, Any]) -> Family:
    """A parent, the child that has inherited from it, and who has trained them."""
    evaluator = inheriting(shared_tiny, "family")
    parent = evaluator.evaluate(PARENT)
    return evaluator, parent, evaluator.evaluate(CHILD, inherits=weights_name(PARENT, 2))


def test_a_neighbour_starts_from_its_parents_matching_weights_at_the_age_that_is_left(family: Family) -> None:
    evaluator, parent, child = family
    assert [figures.epoch for figures in child.history] == [3]
    assert child.epochs == 1
    assert child.filename == weights_name(CHILD, 3)

    donor, heir = evaluator.instantiate_network(PARENT), evaluator.instantiate_network(CHILD)
    fresh = {weight.path: weight.numpy() for weight in heir.weights}
    donor.load_weights(evaluator.results.weights / weights_name(PARENT, 2))
    assert copy_matching_weights(donor, heir) == child.inherited
    given = {weight.path: weight.numpy() for weight in donor.weights}
    copied = {p for p, w in fresh.items() if p in given and given[p].shape == w.shape}
    assert 0.1 < child.inherited == sum(fresh[p].size for p in copied) / sum(w.size for w in fresh.values()) < 1
    for weight in heir.weights:
        expected = given[weight.path] if weight.path in copied else fresh[weight.path]
        assert np.array_equal(weight.numpy(), expected)
    assert parent.inherited == 0.0


def test_keeping_a_state_for_heirs_changes_nothing_and_the_state_continues_exactly(
    family: Family, tiny: dict[str, Any]
) -> None:
    evaluator, whole, _ = family
    assert whole.history == strategy(tiny, epochs=3, name="plain").evaluate(PARENT).history
    rest = evaluator.momentum_eval(PARENT, weights_name(PARENT, 2), 1)
    assert rest.history == whole.history[2:]


@pytest.mark.slow
def test_inheriting_is_exact_and_continues_exactly(family: Family, tiny: dict[str, Any]) -> None:
    (first, _, child), second = family, inheriting(tiny, "second")
    second.evaluate(PARENT)
    assert child.history == second.evaluate(CHILD, inherits=weights_name(PARENT, 2)).history
    further = first.momentum_eval(CHILD, child.filename, 1)
    assert [figures.epoch for figures in further.history] == [4]
    assert (further.epochs, further.momentum_epochs, further.inherited_epochs, further.age) == (1, 1, 2, 4)
    assert further.inherited == child.inherited


def test_an_heirs_momentum_counts_the_epochs_behind_its_weights(family: Family) -> None:
    _, parent, child = family
    curve = [figures.val_accuracy for figures in (*parent.history[:2], *child.history)]
    assert child.momentum == mean_momentum(curve)
    assert child.fitness == child.history[-1].val_accuracy  # the epochs of its parent are not its own
    assert child.age == 3


def test_without_the_parents_state_a_neighbour_trains_from_scratch_and_says_so(tiny: dict[str, Any]) -> None:
    child = inheriting(tiny, "orphan").evaluate(CHILD, inherits=weights_name(PARENT, 2))
    assert (child.epochs, child.inherited) == (3, 0.0)


def test_a_foreign_architecture_is_refused(tiny: dict[str, Any]) -> None:
    with pytest.raises(ArchitectureError, match="sep9x9_32"):
        strategy(tiny).evaluate("input|sep9x9_32|dropout|dropout|output")


def test_missing_weights_are_a_file_not_found_error(tiny: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError, match="no weights 'nothing'"):
        strategy(tiny).momentum_eval(ARCH, "nothing", 1)
    with pytest.raises(MissingResultsError):
        strategy(tiny).fully_train(ARCH, "")


def test_a_full_training_is_tested_through_the_model_that_is_served(tiny: dict[str, Any]) -> None:
    evaluator = strategy(tiny, full_train={"epochs": 2}, ema=0.9)
    evaluation = evaluator.fully_train(ARCH)
    served = keras.saving.load_model(evaluation.extra["model"])
    validated = served.predict(evaluator.data.x_val, verbose=0).argmax(axis=1)
    assert evaluation.fitness == pytest.approx((validated == evaluator.data.y_val).mean())
    answers = served.predict(evaluator.data.x_test, verbose=0).argmax(axis=1)
    assert evaluation.extra["test_accuracy"] == (answers == evaluator.data.y_test).mean()
    assert evaluation.epochs == 2
    assert np.load(evaluation.extra["example"]).dtype == evaluator.data.x_test.dtype


@pytest.mark.slow
def test_a_full_training_may_start_from_saved_weights(trained: Trained) -> None:
    evaluator, evaluation = trained
    scratch, onward = evaluator.fully_train(ARCH), evaluator.fully_train(ARCH, evaluation.filename)
    assert onward.history[0].loss < scratch.history[0].loss
