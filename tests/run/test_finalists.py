"""The full trainings of a search: chosen by validation, tested once, gone on with after a kill, others for failures."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import keras
import mlflow
import pytest

import hivenas
from hivenas import api
from hivenas.config import from_mapping, registry
from hivenas.core.full_training import Finalist, TrainingSpec
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.operations import register_operation
from hivenas.core.nas.training import evaluation_strategy, final_model
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.nas.training.serving import serve
from hivenas.core.recipe import Recipe
from hivenas.core.records import EpochFigures
from hivenas.core.seeds import arch_hash
from hivenas.core.tracker import NullTracker
from hivenas.errors import (
    MissingResultsError,
    RepeatableTrainingError,
    TrackingRefusedError,
    TrainingError,
    WorkerDiedError,
)
from hivenas.execution import Task
from hivenas.run.callbacks import Callback
from hivenas.run.final_training import FullTraining
from hivenas.run.finalists import Finalists
from hivenas.run.repeated_failure import training_mark
from hivenas.run.session import Session
from hivenas.run.training_book import SearchBook, TrainingBook
from hivenas.storage import Outbox, open_search
from tests.executors import ThreadExecutor
from tests.killed import Killed, counted_epochs

pytestmark = [pytest.mark.keras, pytest.mark.slow]

SEARCH: dict[str, Any] = {
    "name": "finals",
    "tracking": "none",
    "dataset": {"name": "digits", "train_limit": 150},
    "space": {"depth": 1, "operations": ["conv3x3_8", "identity", "max_pool3x3"], "input_stem": ["conv3x3_8"]},
    "evaluation": {"epochs": 1, "batch_size": 40, "stopping": "none"},
    "colony": {"size": 3, "iterations": 1},
    "full_train": {"enabled": False, "epochs": 2, "finalists": 1, "keep": "last", "patience": None},
    "execution": {"kind": "serial", "checkpoint_s": 0},
}
ON = "full_train.enabled=true"
TWO = (ON, "full_train.finalists=2", "full_train.keep=best")
TOLD = FullTraining(key="k:full", register_as=None, search_run="", data={})
ALL = (*TWO, "full_train.refit=true", "full_train.ensemble=2")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a search without a full training."""
    folder = tmp_path_factory.mktemp("searched")
    hivenas.search({**SEARCH, "results": {"dir": str(folder)}}, progress=False)
    return folder


@pytest.fixture
def go_on(searched: Path, tmp_path: Path) -> Callable[..., hivenas.SearchResult]:
    """Goes on with a copy of that search."""

    def resume(*overrides: str, place: str = "whole", **more: Any) -> hivenas.SearchResult:
        if not (tmp_path / place).exists():
            shutil.copytree(searched, tmp_path / place)
        config = {**SEARCH, "results": {"dir": str(tmp_path / place)}}
        return hivenas.search(config, *overrides, resume=True, progress=False, **more)

    return resume


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs that are trained, by their numbers."""
    return counted_epochs(monkeypatch)


class Announced(Callback):
    """The trainings that were begun, and which of how many each was."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.places: list[tuple[int, int]] = []

    def on_full_training(self, candidate: str, epochs: int) -> None:
        self.begun.append(candidate)

    def on_full_progress(self, done: int, planned: int) -> None:
        self.places.append((done, planned))


def told(result: hivenas.SearchResult) -> Any:
    """All that came of the full trainings, but where it lies and how long it took."""
    assert result.full_training
    model = result.full_training
    figures = {key: value for key, value in model.extra.items() if isinstance(value, float)}
    return result.finalists, model.candidate, model.fitness, repr(model.history), figures


def test_by_default_there_is_the_one_training_that_there_always_was(
    go_on: Callable[..., Any], trained: list[int]
) -> None:
    result = go_on(ON)
    (finalist,) = result.finalists
    assert trained == [1, 2]
    assert (finalist.candidate, finalist.chosen, finalist.fitness) == (result.best.encoded, True, finalist.fitness)
    assert result.full_training.filename.endswith("-full.weights.h5")
    assert finalist.fitness == result.full_training.history[-1].val_accuracy == result.full_training.fitness
    assert not (result.folder / "training_history" / "final.json").exists()


LIMITED = (ON, "full_train.epochs=4", "full_train.finalists=2", "colony.iterations=2")
NOTHING_LEFT = "budget.minutes=0.0001"  # the first evaluation takes longer on any machine


def test_a_budget_that_is_spent_ends_the_search_and_shortens_the_full_training(
    tmp_path: Path, trained: list[int], store: str
) -> None:
    config = {**SEARCH, "tracking": "mlflow", "results": {"dir": str(tmp_path / "limited")}}
    result = hivenas.search(config, *LIMITED, NOTHING_LEFT, progress=False)
    assert [trial.index for trial in result.trials] == [0]
    assert trained == [1, 1]  # the evaluation, and a full training as long as that
    assert result.full_training
    assert (result.planned, len(result.finalists), result.model_uri) == (3, 1, "models:/finals@champion")
    less = "the budget left room for 1 of 2 finalists and 1 of 4 epochs of full training"
    assert result.ended == f"the budget of 0.0 s was spent; {less}"
    assert result.ended in mlflow.get_run(result.run_id).data.tags["mlflow.note.content"]
    assert result.ended in (result.folder / "report.html").read_text()
    again = hivenas.search(config, *LIMITED, NOTHING_LEFT, resume=True, progress=False)
    assert (len(again.trials), trained, told(again)) == (1, [1, 1], told(result))
    longer = hivenas.search(config, *LIMITED, "budget.evaluations=2", "tracking=none", resume=True, progress=False)
    assert trained == [1, 1, 1, *(1, 2, 3, 4) * 2]
    assert (len(longer.trials), longer.ended) == (2, "the budget of 2 evaluations was spent")
    assert longer.spent.wall > result.spent.wall > 0


def test_a_full_training_that_a_budget_has_settled_is_what_a_resumption_trains(
    tmp_path: Path, trained: list[int]
) -> None:
    class Dies(Callback):
        def on_full_training(self, candidate: str, epochs: int) -> None:
            raise Killed

    config = {**SEARCH, "results": {"dir": str(tmp_path / "settled")}}
    evaluations = "budget.evaluations=1"
    with pytest.raises(Killed):
        hivenas.search(config, *LIMITED, evaluations, "budget.hours=10", callbacks=[Dies()], progress=False)
    result = hivenas.search(config, *LIMITED, evaluations, NOTHING_LEFT, resume=True, progress=False)
    assert trained == [1, 1, 2, 3, 4]  # as there was time for it when that was decided
    assert (len(result.trials), result.ended) == (1, "the budget of 1 evaluation was spent")


def test_the_best_by_validation_is_chosen_and_the_test_split_is_touched_once(
    go_on: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[str] = []

    def counted(network: Any, data: Any, model: Path, metric: Any) -> dict[str, Any]:
        tested.append(model.name)
        return serve(network, data, model, metric)

    for module in (evaluation_strategy, final_model):
        monkeypatch.setattr(module, "serve", counted)
    announced = Announced()
    result = go_on(*TWO, "full_train.seeds=2", callbacks=[announced])
    assert tested == ["final.keras"]
    assert announced.begun == [trial.encoded for trial in result.ranked[:2] for _ in range(2)]
    assert announced.places == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert [each.chosen for each in result.finalists] == [True, False, False, False]
    assert {(each.candidate, each.number) for each in result.finalists} == {
        (trial.encoded, number) for trial in result.ranked[:2] for number in (0, 1)
    }
    fitnesses = [each.fitness for each in result.finalists]
    assert fitnesses == sorted(fitnesses, reverse=True)
    assert result.full_training.fitness == fitnesses[0]
    assert result.full_training.candidate == result.finalists[0].candidate
    assert api.load_results(result.folder).test_accuracy == result.test_accuracy is not None
    page = (result.folder / "report.html").read_text()
    assert "The full trainings" in page
    assert "training, seed 2" in page


def die_in_training(patch: pytest.MonkeyPatch, number: int) -> None:
    """Dies after so many epochs."""
    one, begun = TrainingLoop._one, list[int]()

    def dying(loop: TrainingLoop, epoch: int) -> EpochFigures:
        if len(begun) == number:
            raise Killed
        begun.append(epoch)
        return one(loop, epoch)

    patch.setattr(TrainingLoop, "_one", dying)


def die_before_a_record(patch: pytest.MonkeyPatch, number: int) -> None:
    """Dies when so many messages were posted and another one is to be."""
    post, posted = Outbox.post, list[Any]()

    def dying(outbox: Outbox, message: Any) -> None:
        if len(posted) == number:
            raise Killed
        posted.append(message)
        post(outbox, message)

    patch.setattr(Outbox, "post", dying)


def die_after_the_model(patch: pytest.MonkeyPatch, number: int) -> None:
    """Dies when the model's message has been posted."""
    take = TrainingBook.take_model

    def dying(book: TrainingBook, *args: Any) -> None:
        take(book, *args)
        raise Killed

    patch.setattr(TrainingBook, "take_model", dying)


# Of two finalists of two epochs, and their refits: the lives of one search, each as far as it gets.
LIVES: list[tuple[Callable[[pytest.MonkeyPatch, int], None], int]] = [
    (die_in_training, 3),  # the second one has been trained for an epoch
    (die_before_a_record, 2),  # the second refit has ended; its last epoch is not among the checkpoints
    (die_before_a_record, 1),  # the model is made
    (die_after_the_model, 0),
]


def test_a_search_that_is_killed_among_its_full_trainings_goes_on_to_the_same_result(
    go_on: Callable[..., Any], trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, epochs = told(go_on(*ALL)), len(trained)
    trained.clear()
    for kill, number in LIVES:
        with monkeypatch.context() as patch:
            kill(patch, number)
            with pytest.raises(Killed):
                go_on(*ALL, place="killed")
    assert told(go_on(*ALL, place="killed")) == whole
    assert len(trained) == epochs + 1


def test_what_comes_of_finalists_does_not_depend_on_the_number_of_workers(
    go_on: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.EXECUTORS, "_entries", {})

    @hivenas.register_executor("threads")
    class Threads(ThreadExecutor):
        def __init__(self, config: Any, folder: Any) -> None:
            super().__init__(2)

    announced = Announced()
    several = go_on(*TWO, "execution.kind=threads", place="several", callbacks=[announced])
    assert told(several) == told(go_on(*TWO))
    assert announced.places == [(0, 2), (0, 2), (1, 2)]


@keras.saving.register_keras_serializable("tests")
class GrowsLate(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Its only weight is finite after three batches, which one epoch has, and infinite after six."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=False, name="factor")

    def call(self, x: Any, training: bool | None = None) -> Any:
        if training:
            self.factor.assign(self.factor * 1e10)
        return x


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A search whose candidates all diverge in their second epoch but one."""
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    register_operation("GrowsLate", GrowsLate)
    own = {"grows": {"op": "GrowsLate"}, "grows2": {"op": "GrowsLate"}}
    space = {"depth": 1, "operations": ["grows", "grows2", "identity"], "reference": own, "input_stem": ["conv3x3_8"]}
    full = {**SEARCH["full_train"], "enabled": True}
    return {**SEARCH, "space": space, "full_train": full, "results": {"dir": str(tmp_path)}, "seed": 3}


def test_where_the_best_diverges_the_next_best_is_trained_in_its_place(
    diverging: dict[str, Any], caplog: pytest.LogCaptureFixture, trained: list[int]
) -> None:
    announced = Announced()
    with caplog.at_level("INFO", "hivenas"):
        result = hivenas.search(diverging, callbacks=[announced], progress=False)
    statuses = {each.candidate: each.status for each in result.finalists}
    order = [trial.encoded for trial in result.ranked]
    good = order.index("input|identity|output")
    assert announced.begun == order[: good + 1]
    assert statuses == {each: "complete" if each == order[good] else "failed" for each in order[: good + 1]}
    assert result.finalists[0].chosen
    assert result.full_training is not None
    assert result.full_training.candidate == order[good]
    assert result.test_accuracy is not None
    assert good > 0
    assert f"the full training of {order[0].split('|')[1]} failed (NotFiniteError: " in caplog.text
    assert f"in its place the next best is trained, {good + 1} of at most 3: identity" in caplog.text


def test_where_all_diverge_the_search_says_so_and_does_not_train_them_again(diverging: dict[str, Any]) -> None:
    space = {**diverging["space"], "operations": ["grows", "grows2"]}
    announced = Announced()
    with pytest.raises(RepeatableTrainingError, match=r"same training would fail again, so change") as first:
        hivenas.search({**diverging, "space": space}, callbacks=[announced], progress=False)
    assert len(announced.begun) == 2
    with pytest.raises(RepeatableTrainingError) as second:
        hivenas.search({**diverging, "space": space}, resume=True, callbacks=[announced], progress=False)
    assert (str(second.value), len(announced.begun)) == (str(first.value), 2)
    # Another number of finalists changes none of the trainings.
    with pytest.raises(RepeatableTrainingError):
        hivenas.search(
            {**diverging, "space": space}, "full_train.finalists=2", resume=True, callbacks=[announced], progress=False
        )
    assert len(announced.begun) == 2


def test_a_training_that_fails_says_which_one_it_was_to_be(diverging: dict[str, Any]) -> None:
    config, arch = from_mapping(diverging), "input|grows|output"
    strategy = NASInterface.from_config(config, tracker=NullTracker()).eval_strategy
    refit = strategy.train_fully(TrainingSpec(arch, 1, refit_epochs=2))
    recipe = Recipe.of(config, refit)
    assert (refit.status, recipe.seed_number, recipe.refit_epochs, recipe.starts_from) == ("failed", 1, 2, "")
    weights = strategy.evaluate(arch).filename
    further = strategy.train_fully(TrainingSpec(arch, weights_filename=weights))
    assert (further.status, Recipe.of(config, further).starts_from) == ("failed", weights)


class DyingWorkers(ThreadExecutor):
    """Every task ends with the death of its worker."""

    def submit(self, task: Task[Any]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(WorkerDiedError("its worker died"))
        return future


@pytest.mark.parametrize(("metric", "worst"), [("accuracy", 0.0), ("log_loss", math.inf)])
def test_a_training_that_fails_has_the_worst_of_figures(tmp_path: Path, metric: str, worst: float) -> None:
    given = {**SEARCH["evaluation"], "fitness": metric}
    config = from_mapping({**SEARCH, "evaluation": given, "results": {"dir": str(tmp_path)}})
    died, diverged = TrainingSpec("input|identity|output"), TrainingSpec("input|conv3x3_8|output")
    with open_search(config, 1) as ledger, DyingWorkers(1) as executor:
        book = SearchBook(config, ledger, Outbox(ledger, NullTracker()), TOLD)
        with pytest.raises(TrainingError, match="its worker died"):
            Finalists(config, executor, book, Callback()).run([died.candidate])
        mark = training_mark(config, diverged.candidate, failed=True)
        ledger.save(trainings={diverged.stem: Finalist(candidate=diverged.candidate, status="failed", mark=mark)})
        known = [book.known(spec) for spec in (died, diverged)]
    assert [each and (each.status, each.fitness) for each in known] == [("failed", worst)] * 2


def test_a_model_that_cannot_be_made_takes_no_training_from_the_record(
    go_on: Callable[..., Any], trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(evaluation_strategy, "final_model", fails)
        with pytest.raises(TrainingError, match="MemoryError"):
            go_on(*TWO, "full_train.finalists=3")
    result = go_on(*TWO, "full_train.finalists=3")
    assert trained == [1, 2] * 3
    assert [(each.status, each.label, each.chosen) for each in result.finalists] == [
        ("complete", "training", True),
        ("complete", "training", False),
        ("complete", "training", False),
    ]


def test_a_model_that_the_store_has_refused_is_not_made_again_after_a_kill(
    go_on: Callable[..., Any], trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*arguments: Any) -> None:
        raise TrackingRefusedError("it takes no models")

    def dies(*arguments: Any) -> None:
        raise Killed

    monkeypatch.setattr(NullTracker, "publish", refuses)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "_closing", dies)
        with pytest.raises(Killed):
            go_on(ON)
    result = go_on(ON)
    assert trained == [1, 2]
    assert not (result.folder / "weights" / "final.keras").exists()
    assert result.full_training.filename.endswith("-full.weights.h5")


def test_a_training_outside_a_search_leaves_what_the_search_has_come_to(go_on: Callable[..., Any]) -> None:
    result = go_on(*TWO)
    model = (result.folder / "weights" / "final.keras").read_bytes()
    config = {**SEARCH, "results": {"dir": str(result.folder.parent)}}
    checkpoint = result.folder / "checkpoints" / f"{arch_hash(result.best.encoded)}-full2.weights.h5"
    checkpoint.parent.mkdir()
    checkpoint.touch()  # of one that was killed
    api.sync(config)
    assert checkpoint.exists()
    done = api.train_custom(config, result.ranked[1].encoded, "full_train.seeds=2")
    assert done.evaluation.extra["model"].endswith("trained.keras")
    assert (result.folder / "weights" / "final.keras").read_bytes() == model
    assert told(api.load_results(result.folder)) == told(result)


def test_what_another_training_has_left_in_its_place_is_not_told_as_what_the_search_has_come_to(
    go_on: Callable[..., Any],
) -> None:
    result = go_on(ON)
    assert api.load_results(result.folder).test_accuracy == result.test_accuracy is not None
    config = {**SEARCH, "results": {"dir": str(result.folder.parent)}}
    api.train_custom(config, result.best.encoded, "full_train.epochs=3")
    assert api.load_results(result.folder).full_training is None


def test_one_candidate_is_trained_alone_with_several_seeds_and_averaged(
    go_on: Callable[..., Any], tmp_path: Path
) -> None:
    result = go_on()
    config = {**SEARCH, "results": {"dir": str(tmp_path / "whole")}}
    # Of those that are equally good on few images the cheapest is taken.
    equals = [each for each in result.trials if each.fitness == result.best.fitness and each.status == "complete"]
    best = min(equals, key=lambda each: each.params)
    at = f"fitness>={best.fitness!r},params<={best.params}"
    with pytest.raises(MissingResultsError, match="is within params<1; choose from its front: params "):
        api.train(config, at="params<1")
    done = api.train(config, "full_train.finalists=2", "full_train.seeds=2", "full_train.ensemble=2", at=at)
    assert [(each.candidate, each.number, each.chosen) for each in done.trainings.values()] == [
        (best.encoded, 0, True),
        (best.encoded, 1, True),
    ]
    assert done.evaluation.params == 2 * best.params
    assert "test_accuracy" in done.evaluation.extra


def test_of_a_candidate_that_is_trained_alone_no_seed_begins_anew_after_a_kill(
    go_on: Callable[..., Any], trained: list[int], tmp_path: Path
) -> None:
    class Dies(Callback):
        def on_full_progress(self, done: int, planned: int) -> None:
            if done:
                raise Killed

    def train(place: str, *callbacks: Callback) -> Any:
        result = go_on(place=place)
        config = {**SEARCH, "results": {"dir": str(tmp_path / place)}}
        plan = ("full_train.seeds=2", "full_train.epochs=3")
        found = api.train_custom(config, result.best.encoded, *plan, callbacks=callbacks).evaluation
        assert not list((tmp_path / place).glob("finals/checkpoints/*"))
        return found.history, found.fitness, found.extra["test_accuracy"], found.extra["members"]

    expected = train("whole")
    assert trained == [1, 2, 3] * 2
    with pytest.raises(Killed):
        train("killed", Dies())
    assert train("killed") == expected
    assert trained[6:] == [1, 2, 3, 3, 1, 2, 3]  # the state is kept after every epoch but the last


def test_every_training_has_a_run_of_its_own_and_can_be_reproduced(
    store: str, go_on: Callable[..., Any], tmp_path: Path
) -> None:
    result = go_on(*ALL, "tracking=mlflow", "full_train.seeds=2", "full_train.finalists=1", "registry.register=false")
    client = mlflow.MlflowClient()
    below = f"tags.`mlflow.parentRunId` = '{result.run_id}' and tags.`hivenas.phase` = 'full_train'"
    experiment = client.get_run(result.run_id).info.experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment], below)}
    short = result.finalists[0].candidate and next(iter(runs)).split("-")[1]
    names = ["full_train-{}", "full_train-{}-2", "full_train-{}-refit", "full_train-{}-refit2", "final_model-{}"]
    assert sorted(runs) == sorted(name.format(short) for name in names)
    tested = [name for name, run in runs.items() if "test_accuracy" in run.data.metrics]
    assert tested == [names[-1].format(short)]
    assert client.search_logged_models([experiment], f"source_run_id = '{runs[tested[0]].info.run_id}'")
    assert "The average of [full_train-" in runs[tested[0]].data.tags["mlflow.note.content"]
    assert "## The full trainings" in client.get_run(result.run_id).data.tags["mlflow.note.content"]
    assert "val_accuracy" not in runs[names[2].format(short)].data.metrics
    for name in (names[1], names[3]):
        again = api.reproduce(runs[name.format(short)].info.run_id)
        assert (again.figures, len(again.history)) == ([], 2 if name == names[1] else again.recipe.refit_epochs)
    with pytest.raises(MissingResultsError, match="must be that of one training, got the average of 2"):
        api.reproduce(runs[tested[0]].info.run_id)
    state = json.loads((result.folder / "state.json").read_text())
    assert len(state["trainings"]) == 4
