from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from click.testing import CliRunner, Result
from mlflow.entities import LoggedModelOutput, Run, ViewType
from mlflow.tracking._tracking_service.utils import _get_store

import hivenas
from hivenas import api
from hivenas.cli.commands import main
from hivenas.core import lock
from hivenas.errors import MissingResultsError, ResultsExistError, TrackingError
from hivenas.run.forgetting import Forgotten
from hivenas.run.result import SearchResult
from hivenas.tracking.forgetting import TrackedSearch

FOLDER = Path("results/numbers")


def search(name: str = "numbers", **more: Any) -> SearchResult:
    colony = {"size": 4, "employee_ratio": 0.5, "iterations": 1}
    given = {"name": name, "seed": 5, "objective": "sphere_min", "colony": colony, **more}
    return api.search(given, progress=False)


def full_training(parent: str, alias: str = "", name: str = "numbers") -> tuple[str, str, str]:
    """A run as a full training leaves it, with a registered version of its model; returns their ids."""
    client = mlflow.MlflowClient()
    experiment = client.get_run(parent).info.experiment_id
    tags = {"mlflow.parentRunId": parent, "hivenas.phase": "full_train"}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    model = client.create_logged_model(experiment, "model", run_id)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, model.model_uri, run_id, model_id=model.model_id)
    if alias:
        client.set_registered_model_alias(name, alias, version.version)
    return run_id, model.model_id, f"{name}/{version.version}"


def runs_of(name: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(name)
    return list(client.search_runs([experiment.experiment_id], run_view_type=view)) if experiment else []


def hivenas_forget(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["forget", *arguments], input=answer)


@pytest.fixture
def alone(store: str) -> Iterator[None]:
    """Removes what a test leaves in the session's store under its name."""
    yield
    for run in runs_of("numbers", ViewType.ALL):
        _get_store()._hard_delete_run(run.info.run_id)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_a_search_goes_with_all_but_what_has_an_alias_and_gc_takes_the_rest(tmp_path: Path) -> None:
    result, other = search(), search("others")
    champion, its_model, champion_version = full_training(result.run_id, alias="champion")
    second, second_model, second_version = full_training(result.run_id)
    client = mlflow.MlflowClient()
    home = client.get_run(result.run_id).info.experiment_id
    foreign = client.create_run(home, tags={"mlflow.parentRunId": result.run_id}).info.run_id
    (tmp_path / FOLDER / "notes.txt").write_text("mine")
    evaluated = {trial.run_id for trial in result.trials}

    forgotten = hivenas.forget(FOLDER)

    assert forgotten.done
    assert set(forgotten.runs) == evaluated | {second, result.run_id}
    assert forgotten.runs[-1] == result.run_id
    assert (forgotten.versions, forgotten.models) == ((second_version,), (second_model,))
    assert [(each.version, each.aliases, each.run_id) for each in forgotten.kept] == [
        (champion_version, ("champion",), champion)
    ]
    assert {run.info.run_id for run in runs_of("numbers")} == {champion, foreign}
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["notes.txt"]
    assert [path.name for path in forgotten.left] == ["notes.txt"]
    assert len(runs_of("others")) == 1 + len(other.trials)
    assert client.get_model_version(*champion_version.split("/")).run_id == champion
    assert client.get_logged_model(its_model).status == "READY"

    from mlflow.cli import cli

    command = shlex.split(forgotten.gc)
    assert command[:2] == ["mlflow", "gc"]
    done = CliRunner().invoke(cli, command[1:])
    assert done.exit_code == 0, done.output
    assert {run.info.run_id for run in runs_of("numbers", ViewType.ALL)} == {champion, foreign}
    with pytest.raises(MissingResultsError, match="results folder to be forgotten"):
        hivenas.forget("numbers")


@pytest.mark.usefixtures("alone")
def test_what_somebody_has_copied_into_another_registered_model_stays() -> None:
    result = search()
    run_id, model, version = full_training(result.run_id)
    client = mlflow.MlflowClient()
    client.copy_model_version(f"models:/{version}", "production")
    refused = hivenas_forget("numbers", answer="n\n")
    stays = f"stays: production/1 with its run {run_id}, as a version of another registered model\n"
    assert f"1 registered version ({version})" in refused.output
    assert stays in refused.output

    forgotten = hivenas.forget("numbers")
    assert [(each.version, each.aliases, each.run_id) for each in forgotten.kept] == [("production/1", (), run_id)]
    assert (forgotten.versions, forgotten.models) == ((version,), ())
    assert [run.info.run_id for run in runs_of("numbers")] == [run_id]
    assert client.get_model_version("production", "1").run_id == run_id
    assert client.get_logged_model(model).status == "READY"


@pytest.mark.parametrize(
    ("runs", "models", "commands"), [(1, 0, 1), (99, 1, 1), (150, 1, 1), (250, 2, 2), (250, 50, 3), (1, 150, 1)]
)
@pytest.mark.usefixtures("store")
def test_what_mlflow_is_told_to_let_go_is_named_in_every_command(runs: int, models: int, commands: int) -> None:
    found = TrackedSearch(runs=tuple(f"r{number}" for number in range(runs)), models=tuple(map(str, range(models))))
    lines = found.gc.splitlines()
    assert len(lines) == commands
    named: dict[str, list[str]] = {"--run-ids": [], "--logged-model-ids": []}
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["mlflow", "gc"]
        assert "--run-ids" in words
        for option, ids in named.items():
            ids.extend(words[words.index(option) + 1].split(",") if option in words else [])
    assert named == {"--run-ids": list(found.runs), "--logged-model-ids": list(found.models)}


@pytest.mark.usefixtures("alone")
def test_nothing_is_deleted_where_the_answer_is_no_or_the_store_or_the_folder_is_not_free(tmp_path: Path) -> None:
    result = search()
    files = sorted(tmp_path.rglob("*"))
    runs = len(runs_of("numbers"))
    shown: list[Forgotten] = []

    def no(plan: Forgotten) -> bool:
        shown.append(plan)
        return False

    assert not hivenas.forget("numbers", agree=no).done
    assert (len(shown[0].runs), shown[0].runs[-1]) == (runs, result.run_id)

    def alias_set_meanwhile(plan: Forgotten) -> bool:
        full_training(result.run_id, alias="champion")
        return True

    with pytest.raises(TrackingError, match="changed meanwhile"):
        hivenas.forget("numbers", agree=alias_set_meanwhile)
    with lock.locked(tmp_path / FOLDER / ".lock"), pytest.raises(ResultsExistError, match="another process is at work"):
        hivenas.forget("numbers")
    uri = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri("http://127.0.0.1:1")
        with pytest.raises(TrackingError, match=r"127\.0\.0\.1:1"):
            hivenas.forget("numbers")
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/other.db")
        with pytest.raises(MissingResultsError, match="without it"):
            hivenas.forget("numbers")
    finally:
        mlflow.set_tracking_uri(uri)
    (tmp_path / "other.db").unlink()
    assert len(runs_of("numbers")) == runs + 1
    assert [file for file in files if not file.exists()] == []
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(MissingResultsError, match="elsewhere without one"):
        hivenas.forget(tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def _stops(call: Callable[..., Any], after: int) -> Callable[..., Any]:
    """A function that is killed after so many calls."""
    left = [after]

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return call(*args, **kwargs)

    return stopping


@pytest.mark.usefixtures("alone")
def test_whoever_is_ended_on_the_way_goes_on_with_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = search()
    _, model, version = full_training(result.run_id)
    everything = {run.info.run_id for run in runs_of("numbers")}
    for owner, name, after in (
        (mlflow.MlflowClient, "delete_model_version", 0),
        (mlflow.MlflowClient, "delete_logged_model", 0),
        (mlflow.MlflowClient, "delete_run", 2),
        (Path, "unlink", 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, _stops(getattr(owner, name), after))
            with pytest.raises(KeyboardInterrupt):
                hivenas.forget("numbers")
        assert (tmp_path / FOLDER / "ledger.db").exists()
    assert runs_of("numbers") == []
    forgotten = hivenas.forget("numbers")
    assert forgotten.runs == ()
    assert everything <= set(forgotten.gc.split(" --run-ids ")[1].split()[0].split(","))
    assert model in forgotten.gc
    assert not FOLDER.exists()
    left = mlflow.MlflowClient().search_model_versions("name = 'numbers'")
    assert version not in {f"{each.name}/{each.version}" for each in left}


@pytest.mark.usefixtures("store")
def test_the_command_asks_and_prints_what_is_left_to_do() -> None:
    result = search("asked", results={"dir": "elsewhere"})
    full_training(result.run_id, alias="champion", name="asked")
    refused = hivenas_forget("elsewhere/asked", answer="n\n")
    assert refused.exit_code == 1
    assert "5 runs, 0 logged models, 0 registered versions" in refused.output
    assert "stays: asked/1 with its run " in refused.output
    assert ", for its alias champion\n" in refused.output
    assert hivenas_forget("elsewhere/asked").exit_code == 1  # nobody to ask
    assert len(runs_of("asked")) == 6
    done = hivenas_forget("elsewhere/asked", answer="y\n")
    assert done.exit_code == 0, done.output
    assert "asked: deleted 5 runs" in done.output
    assert "mlflow gc --backend-store-uri sqlite:///" in done.output
    assert not Path("elsewhere/asked").exists()


def test_a_search_that_was_not_tracked_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    search(tracking="none")
    done = hivenas_forget("--yes", "numbers", "--json")
    assert done.exit_code == 0, done.output
    (told,) = (json.loads(line) for line in done.stdout.splitlines())
    assert (told["event"], told["command"], told["done"]) == ("finished", "forget", True)
    assert (told["runs"], told["gc"], told["left"]) == ([], "", [])
    assert list((tmp_path / "results").iterdir()) == []
    missing = hivenas_forget("numbers", "--yes")
    assert missing.exit_code == 2
    assert "got results/numbers without one" in missing.output
