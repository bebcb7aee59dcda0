"""Searches whose candidates are trained with settings of their own: recorded, resumed, made again, trained fully."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
from mlflow.entities import Run

import hivenas
from hivenas import Choice, Log, NASInterface, NullTracker, api
from hivenas.config import from_mapping
from hivenas.config.settings import split_candidate
from hivenas.core.full_training import TrainingSpec
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.failures import CAUSE, DIVERGED, failed_training
from hivenas.core.records import Evaluation, Trial
from hivenas.errors import ArchitectureError, ConfigError, RepeatableTrainingError
from hivenas.run.callbacks import Callback
from tests.killed import Killed

pytestmark = [pytest.mark.keras, pytest.mark.slow]

SEARCH: dict[str, Any] = {
    "name": "varied",
    "seed": 3,
    "dataset": {"name": "digits", "train_limit": 150},
    "space": {"depth": 1, "operations": ["conv3x3_8", "identity"], "input_stem": ["conv3x3_8"]},
    "evaluation": {
        "epochs": 2,
        "batch_size": Choice([32, 64]),
        "initial_lr": Log(0.001, 0.01, 3),
        "stopping": "none",
    },
    "colony": {"size": 2, "iterations": 2},
    "full_train": {"epochs": 2, "finalists": 1},
    "execution": {"kind": "serial"},
}
ARCH = "input|conv3x3_8|output"


@pytest.fixture(scope="module")
def found(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[hivenas.SearchResult]:
    """A whole search, tracked, mirrored, with its full training."""
    folder = tmp_path_factory.mktemp("varied")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", store_uri)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        mlflow.set_tracking_uri(store_uri)
        places = {"results": {"dir": str(folder)}, "optuna": {"storage": f"sqlite:///{folder}/books.db"}}
        yield hivenas.search(SEARCH | places, progress=False)
        mlflow.set_tracking_uri(None)


def settings_in(candidate: object) -> dict[str, str]:
    return dict(split_candidate(str(candidate))[1])


def recipe_of(run_id: str) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/recipe.json"))
    return recipe


def full_training(found: hivenas.SearchResult) -> Run:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("varied")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`hivenas.phase` = 'full_train'")
    return run


def test_settings_are_recorded_with_every_run_its_recipe_and_its_optuna_trial(
    store: str, found: hivenas.SearchResult
) -> None:
    trials = list(found.trials)
    assert len({tuple(settings_in(trial.candidate).items()) for trial in trials}) > 1
    (study,) = optuna.get_all_study_summaries(found_storage(found))
    mirrored = optuna.load_study(study_name=study.study_name, storage=found_storage(found)).trials
    for trial, other in zip(trials, mirrored, strict=True):
        chosen = settings_in(trial.candidate)
        assert list(chosen) == ["batch_size", "initial_lr"]
        params = mlflow.MlflowClient().get_run(trial.run_id).data.params
        assert {key: params[f"evaluation.{key}"] for key in chosen} == chosen
        assert {key: other.params[f"evaluation.{key}"] for key in chosen} == chosen
        recipe = recipe_of(trial.run_id)
        assert recipe["candidate"] == trial.candidate
        assert {key: str(recipe["config"]["evaluation"][key]) for key in chosen} == chosen
        assert recipe["config"]["evaluation"]["final_lr"] == pytest.approx(float(chosen["initial_lr"]) / 100)
    parent = mlflow.MlflowClient().get_parent_run(trials[0].run_id)
    assert parent.data.params["evaluation.initial_lr"] == "!Log [0.001, 0.01, 3]"
    assert "evaluation.final_lr" not in parent.data.params


def found_storage(found: hivenas.SearchResult) -> str:
    return f"sqlite:///{Path(found.folder).parent}/books.db"


def test_the_best_is_trained_fully_with_its_own_settings(store: str, found: hivenas.SearchResult) -> None:
    assert found.best
    run, best = full_training(found), str(found.best.candidate)
    recipe = recipe_of(run.info.run_id)
    assert recipe["candidate"] == best
    assert {key: str(recipe["config"]["evaluation"][key]) for key in settings_in(best)} == settings_in(best)
    assert run.data.params["evaluation.batch_size"] == settings_in(best)["batch_size"]


@pytest.mark.parametrize("which", ["candidate", "full training"])
def test_a_run_with_settings_is_trained_again_to_the_last_bit(
    store: str, found: hivenas.SearchResult, which: str
) -> None:
    run_id = full_training(found).info.run_id if which == "full training" else found.trials[-1].run_id
    reproduction = api.reproduce(run_id)
    assert (reproduction.figures, reproduction.environment) == ([], [])
    assert len(reproduction.history) == 2


class Kills(Callback):
    """Kills a search after so many trials."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_trial(self, trial: Trial) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


def test_a_killed_search_goes_on_to_the_same_candidates(found: hivenas.SearchResult, tmp_path: Path) -> None:
    untracked = {"tracking": "none", "results": {"dir": str(tmp_path)}, "full_train": {"enabled": False, "epochs": 2}}
    with pytest.raises(Killed):
        hivenas.search(SEARCH | untracked, progress=False, callbacks=[Kills(3)])
    # By what was written down, as a person goes on with it.
    other = str(tmp_path / "varied" / "varied.yaml")
    resumed = hivenas.search(other, resume=True, progress=False)
    assert [(t.candidate, t.fitness) for t in resumed.trials] == [(t.candidate, t.fitness) for t in found.trials]
    with pytest.raises(ConfigError, match=r"was started with evaluation\.batch_size=!Choice"):
        hivenas.search(other, "evaluation.batch_size=64", resume=True, progress=False)


def evaluator(tiny: dict[str, Any], name: str, **settings: Any) -> NASEval:
    space = {"depth": 1, "operations": ["conv3x3_8", "identity"], "input_stem": []}
    return NASInterface(space, tiny | {"name": name} | settings, tracker=NullTracker()).eval_strategy


def losses(evaluation: Evaluation) -> list[float]:
    assert evaluation.status != "failed", evaluation.reason
    return [figures.loss for figures in evaluation.history]


def test_a_candidates_settings_count_and_those_of_the_configuration_where_it_has_none(tiny: dict[str, Any]) -> None:
    candidate = f"{ARCH};batch_size=32;initial_lr=0.01"
    varied = evaluator(tiny, "a", batch_size=Choice([64, 32]), initial_lr=Log(0.001, 0.01, 2))
    fixed = evaluator(tiny, "b", batch_size=32, initial_lr=0.01)
    own = losses(varied.fully_train(candidate))
    assert own == losses(fixed.fully_train(candidate))
    assert own != losses(varied.fully_train(candidate.replace("0.01", "0.001")))
    # Its seeds are those of its string: the same settings under another name are another training.
    assert losses(fixed.fully_train(ARCH)) != own


def test_a_training_goes_on_with_its_own_settings_alive_or_from_its_file(tiny: dict[str, Any]) -> None:
    candidate = f"{ARCH};initial_lr=0.01;optimizer.op=SGD"
    settings: dict[str, Any] = {
        "epochs": 4,
        "stopping": "ladder",
        "initial_lr": Log(0.001, 0.01, 2),
        "optimizer": {"op": Choice(["AdamW", "SGD"])},
    }
    first, whole = evaluator(tiny, "a", **settings), evaluator(tiny, "b", **settings)
    begun = first.evaluate(candidate, until=2)
    alive = first.momentum_eval(candidate, begun.filename, 1)
    read = evaluator(tiny, "a", **settings).momentum_eval(candidate, begun.filename, 1)
    expected = losses(whole.evaluate(candidate, until=3))
    assert [*losses(begun), *losses(alive)] == [*losses(begun), *losses(read)] == expected
    with pytest.raises(ArchitectureError, match="holds the weights of"):
        first.momentum_eval(candidate.replace("SGD", "AdamW"), begun.filename, 1)


def test_a_model_averages_trainings_each_with_its_own_settings(tiny: dict[str, Any]) -> None:
    trainer = evaluator(tiny, "a", ema=Choice([0.0, 0.9]))
    members = [trainer.train_fully(TrainingSpec(f"{ARCH};ema={decay}")) for decay in ("0.0", "0.9")]
    model = trainer.final_model(members)
    assert model.status == "complete", model.reason
    assert model.extra["test_images"] > 0


def test_a_combination_that_cannot_be_is_a_failed_candidate_with_a_recipe(tiny: dict[str, Any]) -> None:
    trainer = evaluator(tiny, "a")
    with pytest.raises(ConfigError, match="no argument 'momentum'"):
        NASInterface({"depth": 1}, tiny, tracker=NullTracker()).train_custom_arch(f"{ARCH};optimizer.momentum=0.9")
    failed = trainer.fully_train(f"{ARCH};optimizer.momentum=0.9")
    assert failed.status == "failed"
    assert "no argument 'momentum' for AdamW" in failed.reason


def test_what_diverged_with_its_own_rate_is_not_to_be_mended_by_the_configurations() -> None:
    config = from_mapping({"evaluation": {"initial_lr": Log(0.001, 10.0, 5)}})
    failed = Evaluation(f"{ARCH};initial_lr=10.0", "failed", 0.0, reason="it is not finite", extra={CAUSE: DIVERGED})
    error = failed_training(config, failed)
    assert isinstance(error, RepeatableTrainingError)
    assert error.changes == ()
    assert str(error).endswith("the same training would fail again, so train another candidate")
    assert "evaluation.initial_lr from" in str(failed_training(config, replace(failed, candidate=ARCH)))
