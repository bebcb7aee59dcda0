from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hivenas
from hivenas.config import Config, from_mapping, registry
from hivenas.config.costs import COSTS
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Evaluation
from hivenas.core.seeds import arch_hash
from hivenas.errors import ConfigError, MissingResultsError
from hivenas.reports import Condition, ReportData, search_note
from hivenas.run.report import compare, load_results, report_data_of, report_recorded, ui_command, write_report_of
from hivenas.run.result import SearchResult
from hivenas.storage import Stage, open_adhoc, open_search
from tests.reports.page.markup import read
from tests.trials import trial

ARCHS = ("input|a|output", "input|b|output", "input|a|b|output")


TRIALS = [
    trial(index, 0.5 + 0.1 * index, arch, epochs=2, params=10, run_id=f"run{index}") for index, arch in enumerate(ARCHS)
]


def recorded(
    directory: Path, name: str = "bees", stage: Stage = Stage.DONE, model: str = "", **settings: Any
) -> Config:
    """A recorded search of three candidates."""
    config = from_mapping({"name": name, "results": {"dir": str(directory)}, **settings})
    is_done = stage == Stage.DONE
    with open_search(config, 3) as ledger:
        ledger.save(run_id="parent", planned=105)
        for each in TRIALS:
            ledger.record(each, {"reused": 4})
        ledger.save(stage=stage, trained=is_done, data="1f2e", model=model)
    return config


def fully_trained(config: Config, text: str) -> None:
    """The traces of the full training of the best."""
    folder = ResultsFolder(config.results.dir, config.name)
    folder.histories.mkdir()
    (folder.histories / f"{arch_hash(ARCHS[-1])}-full.json").write_text(text)


def result_of(config: Config) -> SearchResult:
    return load_results(ResultsFolder(config.results.dir, config.name))


def data_of(config: Config) -> ReportData:
    return report_data_of(config, result_of(config))


def test_all_is_told_from_the_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = recorded(tmp_path, model="models:/bees/3")
    figures = {"test_accuracy": 0.875, "test_accuracy_low": 0.81, "test_accuracy_high": 0.93}
    fully_trained(config, json.dumps(Evaluation(ARCHS[-1], "complete", 0.9, extra=figures).to_json()))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host/mlflow/")
    data = data_of(config)
    assert (data.condition, data.test_accuracy, data.model_uri) == ("finished", 0.875, "models:/bees/3")
    assert (data.reused, data.data, data.run_id, data.planned) == (4, "1f2e", "parent", 105)
    assert data.store == "https://host/mlflow"
    result, file = report_recorded(config)
    assert file
    assert result == result_of(config)
    page = file.read_text(encoding="utf-8")
    assert file == tmp_path / "bees/report.html"
    assert "secret" not in page
    assert 'href="https://host/mlflow/#/runs/run2"' in page
    assert "0.8750 0.8100 … 0.9300 (95 %), tested once" in read(page).one("section", id="found").text


UNTESTED = Evaluation(ARCHS[-1], "complete", 0.9, extra={"test_accuracy": None})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"extra": {}}', json.dumps(UNTESTED.to_json())])
def test_a_full_training_whose_history_cannot_be_read_has_no_accuracy(tmp_path: Path, text: str) -> None:
    config = recorded(tmp_path)
    fully_trained(config, text)
    data = data_of(config)
    assert (data.test_accuracy, data.model_uri) == (None, "")


def test_a_store_that_is_no_server_is_not_linked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = recorded(tmp_path, stage=Stage.SEARCH)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/mlflow")
    data = data_of(config)
    assert (data.condition, data.store) == ("interrupted", "")
    _, file = report_recorded(config)
    assert file
    assert "secret" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("store", "command"),
    [
        ("", "mlflow ui"),
        ("sqlite:///mlflow.db", "mlflow ui"),
        ("sqlite:///HERE/mlflow.db", "mlflow ui"),
        ("sqlite:///QUOTED/mlflow.db", "mlflow ui"),
        ("sqlite:////elsewhere/mlflow.db", 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'),
        ("postgresql://me:secret@host/mlflow", 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'),
    ],
)
def test_the_page_names_the_command_that_shows_the_store_of_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, command: str
) -> None:
    (tmp_path / "a place").mkdir()
    monkeypatch.chdir(tmp_path / "a place")
    place = str(tmp_path / "a place")
    uri = store.replace("HERE", place).replace("QUOTED", place.replace(" ", "%20"))
    config = recorded(tmp_path)
    file = write_report_of(config, replace(result_of(config), store=uri), "finished", "")
    (shown,) = [
        pre.text for pre in read(file.read_text()).one("section", id="next").all("pre") if "mlflow ui" in pre.text
    ]
    assert shown == command
    assert ui_command(uri) == command


def test_commands_on_the_page_import_what_the_search_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my ops.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_imported", {})
    registry.import_modules(["my ops", "json"])
    config = recorded(tmp_path / "results", stage=Stage.SEARCH, objectives={"params": "min"})
    imports = f"--config {tmp_path}/results/bees/bees.yaml --import 'my ops' --import json"
    result = replace(result_of(config), costs=(COSTS["params"],))
    ways: dict[Condition, str] = {"interrupted": f"search {imports} --resume", "running": f"report {imports}"}
    for condition, command in ways.items():
        file = write_report_of(config, result, condition, "")
        page = read(file.read_text(encoding="utf-8"))
        said = page.one("section", id="next").text
        assert f"hivenas {command}" in said
        assert f"hivenas train {imports}" in said
        assert "hivenas reproduce run2 --import 'my ops' --import json" in said
        assert f"hivenas train {imports} --at 'params<=10'" in page.one("section", id="front").text
    assert f"hivenas train {imports} --at 'params<=10'" in search_note(report_data_of(config, result))


@pytest.mark.parametrize(
    ("reason", "condition"), [("", "finished"), ("no space left", "failed"), ("stop", "interrupted")]
)
def test_a_search_that_ends_says_how(tmp_path: Path, reason: str, condition: Condition) -> None:
    config = recorded(tmp_path, stage=Stage.SEARCH)
    file = write_report_of(config, replace(result_of(config), reason=reason), condition, "")
    page = read(file.read_text(encoding="utf-8"))
    assert page.one("h1").all("span")[0].attributes["class"] == f"state {condition}"
    assert reason in page.one("main").text


def test_evaluations_that_were_asked_for_from_python_are_told_of_too(tmp_path: Path) -> None:
    config = from_mapping({"name": "by-hand", "results": {"dir": str(tmp_path)}})
    with open_adhoc(config) as ledger:
        ledger.record(TRIALS[0])
    data = data_of(config)
    assert (data.condition, data.planned, data.run_id, len(data.rows)) == ("adhoc", 0, "", 1)


def test_two_searches_are_compared_by_folder_or_file_wherever_the_folders_lie(tmp_path: Path) -> None:
    recorded(tmp_path / "one", "bees")
    recorded(tmp_path / "other", "wasps", evaluation={"epochs": 9})
    (tmp_path / "wasps.yaml").write_text(
        f"name: wasps\nresults: {{dir: {tmp_path}/other}}\nevaluation: {{epochs: 9}}\n"
    )
    shutil.move(tmp_path / "one", tmp_path / "moved")
    by_folder, file = compare(str(tmp_path / "moved/bees"), str(tmp_path / "other/wasps"))
    assert file == tmp_path / "moved/bees-and-wasps.html"
    by_file, named = compare(
        str(tmp_path / "moved/bees/bees.yaml"), str(tmp_path / "wasps.yaml"), str(tmp_path / "deep/x.html")
    )
    assert named == tmp_path / "deep/x.html"
    assert by_folder.as_text() == by_file.as_text()
    assert by_folder.differing() == [("evaluation.epochs", "8", "9")]
    page = read(named.read_text(encoding="utf-8"))
    assert page.one("h1").text == "bees and wasps"


@pytest.mark.parametrize(
    ("given", "key", "values"),
    [
        ({"budget": {"evaluations": 12}}, "budget.evaluations", ("null", "12")),
        ({"colony": {"patience": 2}}, "colony.patience", ("null", "2")),
        ({"colony": {"iterations": 7}}, "colony.iterations", ("15", "7")),
        ({"full_train": {"epochs": 99}}, "full_train.epochs", ("50", "99")),
        ({"execution": {"workers": 1}}, "", ()),
    ],
)
def test_how_long_a_search_goes_on_and_trains_its_best_is_compared(
    tmp_path: Path, given: dict[str, Any], key: str, values: tuple[str, ...]
) -> None:
    recorded(tmp_path, "bees")
    recorded(tmp_path, "wasps", **given)
    comparison, _ = compare(str(tmp_path / "bees"), str(tmp_path / "wasps"))
    assert comparison.differing() == ([(key, *values)] if key else [])


def test_a_folder_may_be_named_by_a_link_or_by_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "one", "bees")
    recorded(tmp_path / "one", "wasps")
    (tmp_path / "latest").symlink_to(tmp_path / "one/wasps")
    monkeypatch.chdir(tmp_path / "one/bees")
    assert hivenas.load_results(".") == hivenas.load_results(tmp_path / "one/bees")
    assert hivenas.load_results(tmp_path / "latest").folder == tmp_path / "one/wasps"
    comparison, file = compare(".", str(tmp_path / "latest"))
    assert (comparison.one.label, comparison.other.label) == ("bees", "wasps")
    assert file == tmp_path / "one/bees-and-wasps.html"


def test_a_file_in_a_folder_of_the_searchs_name_is_no_results_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bees").mkdir()
    monkeypatch.chdir(tmp_path / "bees")
    for name in ("bees", "wasps"):
        recorded(Path("results"), name)
        Path(f"{name}.yaml").write_text(f"name: {name}\n")
    comparison, file = compare("bees.yaml", "wasps.yaml")
    assert (comparison.differing(), file) == ([], Path("results/bees-and-wasps.html"))


def test_a_page_is_not_written_to_a_folder(tmp_path: Path) -> None:
    recorded(tmp_path, "bees")
    (tmp_path / "pages").mkdir()
    with pytest.raises(ConfigError, match=r"--out must be a file that can be written, got .*pages \(Is a directory\)"):
        compare(str(tmp_path / "bees"), str(tmp_path / "bees"), str(tmp_path / "pages"))


def test_searches_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for directory in ("one", "other"):
        recorded(tmp_path / directory)
    comparison, _ = compare(str(tmp_path / "one/bees"), str(tmp_path / "other/bees"))
    assert comparison.one.label == str(tmp_path / "one/bees")
    assert comparison.other.label == str(tmp_path / "other/bees")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    recorded(tmp_path)
    good = str(tmp_path / "bees")
    with pytest.raises(MissingResultsError, match=r"got .* without .*\.yaml; give the folder of one search"):
        compare(good, str(tmp_path))
    nowhere = r"got .*none.*, where there is nothing; give a folder such as results/digits, or an existing YAML file"
    for name in ("none", "none.yaml"):
        with pytest.raises(MissingResultsError, match=nowhere):
            compare(good, str(tmp_path / name))
    (tmp_path / "new.yaml").write_text("name: new\n")
    with pytest.raises(MissingResultsError, match="no results at"):
        compare(good, str(tmp_path / "new.yaml"))


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = recorded(tmp_path)
    (tmp_path / "bees/report.html/in the way").mkdir(parents=True)
    result, file = report_recorded(config)
    assert (result, file) == (result_of(config), None)
    assert "report.html could not be made (IsADirectoryError" in caplog.text
