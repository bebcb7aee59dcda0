"""Searches that are called from Python: whatever the configuration comes as, and whatever is searched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pytest

import hivenas
from hivenas import api
from hivenas.core.folder import ResultsFolder
from hivenas.core.seeds import arch_hash
from hivenas.errors import ConfigError, MissingResultsError, ResultsExistError, TrackingDeniedError
from hivenas.objectives import factory
from hivenas.run.callbacks import RunningSearch
from hivenas.run.given import resolved
from hivenas.storage import read_state
from tests.processes import ROOT
from tests.rights import ordinary_rights
from tests.searches import InterruptsAt
from tests.servers import answering

SPHERE: dict[str, Any] = {
    "name": "bowl",
    "objective": "sphere_min",
    "tracking": "none",
    "colony": {"size": 4, "iterations": 3},
}
YAML = "name: bowl\nobjective: sphere_min\ntracking: none\ncolony: {size: 4, iterations: 3}\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def candidates(result: hivenas.SearchResult) -> list[object]:
    return [(trial.index, trial.role, trial.candidate, trial.fitness) for trial in result.trials]


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, of which nothing is configured."""
    path = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


# -- stores that refuse ----------------------------------------------------------------------------------------

TRACKED = SPHERE | {"tracking": "mlflow", "execution": {"kind": "serial"}}


def test_a_search_that_is_refused_by_its_store_has_left_nothing_and_begins_when_it_may(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with answering(403, "Permission denied") as uri:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with pytest.raises(TrackingDeniedError, match="refuses it"):
            hivenas.search(TRACKED)
    assert not caplog.records
    assert not Path("results/bowl/bowl.csv").exists()
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    assert len(hivenas.search(TRACKED).trials) == 12


def test_a_store_that_refuses_in_the_middle_is_told_of_everything_by_sync(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(store.removeprefix("sqlite:///"), folder / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")

    class Closing(hivenas.Callback):
        def on_trial(self, trial: hivenas.Trial) -> None:
            folder.chmod(0o555)

    with ordinary_rights():
        result = hivenas.search(TRACKED, callbacks=[Closing()])
        assert (len(result.trials), result.waiting) == (12, 12)  # eleven of them, and the end
        (said,) = (each.getMessage() for each in caplog.records if each.levelname == "WARNING")
        assert "have this user allowed to write to that file or folder" in said
        with pytest.raises(TrackingDeniedError):
            api.sync(TRACKED)
    folder.chmod(0o755)
    assert api.sync(TRACKED) == (12, 0)


def test_one_fresh_database_for_both_records_stays_fresh(store: str, tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/one.db")
    mlflow.set_registry_uri(f"sqlite:///{tmp_path}/one.db")
    with pytest.raises(ConfigError, match=r"optuna\.storage must be another database than MLflow's"):
        hivenas.search(TRACKED, f"optuna.storage=sqlite:///{tmp_path}/one.db")
    assert not Path("one.db").exists()
    assert not Path("results").exists()


# -- the configuration -----------------------------------------------------------------------------------------


def from_file(folder: Path) -> Path:
    (folder / "bowl.yaml").write_text(YAML)
    return folder / "bowl.yaml"


@pytest.mark.parametrize(
    "given",
    [
        lambda _: SPHERE,
        from_file,
        lambda folder: str(from_file(folder)),
        lambda folder: hivenas.load(from_file(folder)),
    ],
    ids=["mapping", "path", "text", "Config"],
)
def test_a_configuration_may_come_as_anything_and_be_overridden(tmp_path: Path, given: Callable[[Path], Any]) -> None:
    config = given(tmp_path)
    plain = hivenas.search(config)
    changed = hivenas.search(config, "colony.iterations=2 name=other", "seed=7")
    assert (plain.name, len(plain.trials), plain.folder) == ("bowl", 12, Path("results/bowl"))
    assert (changed.name, len(changed.trials)) == ("other", 8)
    assert candidates(plain)[:8] != candidates(changed)
    assert candidates(hivenas.search(SPHERE | {"name": "again"})) == candidates(plain)
    with pytest.raises(ConfigError, match=r"colony\.sise.*did you mean colony\.size"):
        hivenas.search(config, "colony.sise=2")


def test_an_error_names_the_file_of_a_configuration_that_was_loaded(tmp_path: Path) -> None:
    config = hivenas.load(from_file(tmp_path))
    with pytest.raises(ConfigError, match=r"bowl\.yaml"):
        hivenas.search(config, "objective=nas", "space.operations=[identity]")


def test_a_recorded_search_is_neither_overwritten_nor_lost_in_silence() -> None:
    first = hivenas.search(SPHERE)
    with pytest.raises(ResultsExistError, match="finished search of 12 evaluations"):
        hivenas.search(SPHERE)
    assert candidates(hivenas.search(SPHERE, resume=True)) == candidates(first)
    assert candidates(hivenas.load_results("results/bowl")) == candidates(first)
    other = hivenas.search(SPHERE, "seed=3", overwrite=True)
    assert candidates(hivenas.load_results("results/bowl")) == candidates(other) != candidates(first)


def test_a_key_of_a_mapping_that_nothing_reads_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    hivenas.search(SPHERE | {"optuna": {"study": "mine"}})
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "optuna.study=mine is not used with optuna.storage=null; it is for optuna.storage other than null"
    ]


def test_the_objective_is_made_once_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def counted(*arguments: Any) -> hivenas.ObjectiveInterface:
        made.append(factory_make(*arguments))
        return made[-1]  # type: ignore[return-value]

    factory_make = factory.make_objective
    monkeypatch.setattr(factory, "make_objective", counted)
    hivenas.search(SPHERE)
    assert len(made) == 1


# -- what a program sees ---------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_search_that_is_not_tracked_imports_no_tracker(tmp_path: Path) -> None:
    code = (
        f"import sys, hivenas; result = hivenas.search({SPHERE}); "
        "print(result.run_id == result.store == '', *{'mlflow', 'optuna', 'keras', 'pandas'} & set(sys.modules))"
    )
    assert run(code, tmp_path).stdout == "True\n"
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.process
def test_warnings_reach_a_caller_who_configured_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("OPTIMIZATION_OBJECTIVE: Sphere_min\nSCOUTS_COUNT: 3\n")
    code = "import hivenas; hivenas.search('old.yaml', 'tracking=none', 'colony.size=4', 'colony.iterations=1')"
    done = run(code, tmp_path)
    assert done.stderr.startswith("SCOUTS_COUNT is ignored (old.yaml); ")
    assert done.stdout == ""


class StopsAt(hivenas.Callback):
    """Stops once a trial is good enough."""

    def __init__(self, target: float) -> None:
        self.target = target
        self.moments: list[str] = []

    def on_start(self, search: RunningSearch) -> None:
        self.moments.append(f"start {search.name} {search.planned} {len(search.trials)}")
        self.search = search

    def on_submit(self, proposals: Sequence[hivenas.Proposal]) -> None:
        self.moments.append("submit")

    def on_trial(self, trial: hivenas.Trial) -> None:
        assert self.search.best
        if self.search.best.fitness <= self.target:
            self.search.stop("it is good enough")

    def on_end(self, result: hivenas.SearchResult) -> None:
        self.moments.append(f"end {len(result.trials)}")


def test_a_callback_stops_a_search_at_a_target() -> None:
    whole = hivenas.search(SPHERE | {"name": "whole"})
    target = whole.trials[5].fitness
    count = next(i for i, trial in enumerate(whole.trials) if trial.fitness <= target) + 1
    callback = StopsAt(target)
    stopped = hivenas.search(SPHERE, callbacks=[callback])
    assert candidates(stopped) == candidates(whole)[:count]
    assert callback.moments[0] == "start bowl 12 0"
    assert callback.moments[-1] == f"end {count}"
    assert candidates(hivenas.search(SPHERE, resume=True)) == candidates(whole)


class StopsWhileTwoTrain(hivenas.Callback):
    """Stops a search once two evaluations of `marked` have begun, which then go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_start(self, search: RunningSearch) -> None:
        self.search = search

    def on_wait(self) -> None:
        if len(list(self.folder.glob("begun-*"))) >= 2:
            self.search.stop()
            (self.folder / "stopped").touch()


def marked(folder: Path) -> hivenas.FunctionObjective:
    """A function that notes every evaluation in the folder, and waits for the file `stopped` there."""

    def evaluated(x: int) -> float:
        (folder / f"begun-{uuid.uuid4()}").touch()
        if (folder / "stopped").exists():
            time.sleep(0.5)  # the driver has time to drop those that are not begun
        deadline = time.monotonic() + 120
        while not (folder / "stopped").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return float(x)

    return hivenas.FunctionObjective(evaluated, {"x": range(50)})


@pytest.mark.process
def test_what_other_workers_are_at_is_recorded_when_a_callback_stops_a_search(tmp_path: Path) -> None:
    given = {"name": "own", "tracking": "none", "execution": {"workers": 2}, "colony": {"size": 12, "iterations": 1}}
    stopped = hivenas.search(given, objective=marked(tmp_path), callbacks=[StopsWhileTwoTrain(tmp_path)])
    begun = len(list(tmp_path.glob("begun-*")))
    assert len(stopped.trials) == begun < 12
    resumed = hivenas.search(given, objective=marked(tmp_path), resume=True)
    assert candidates(resumed)[:begun] == candidates(stopped)
    assert len(resumed.trials) == len(list(tmp_path.glob("begun-*"))) == 12


# -- objectives of one's own -----------------------------------------------------------------------------------


class Line(hivenas.ObjectiveInterface):
    """Numbers around 3, of which the nearest is looked for; it is not among those of hivenas."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng()

    @property
    def is_minimize(self) -> bool:
        return True

    def sample(self) -> tuple[float, ...]:
        return (float(self.rng.uniform(-9, 9)),)

    def get_neighbor(self, orig_arch: tuple[float, ...]) -> tuple[float, ...]:
        return (orig_arch[0] + float(self.rng.normal()),)

    def evaluate(self, candidate: tuple[float, ...]) -> dict[str, Any]:
        return {"fitness": abs(candidate[0] - 3.0)}

    def momentum_eval(self, candidate: tuple[float, ...], weights_filename: str, m_epochs: int) -> dict[str, Any]:
        return self.evaluate(candidate)


def worth(kernel: int, filters: int, pool: str) -> float:
    if kernel == 7 and pool == "none":
        raise ValueError("it does not fit")
    return kernel * filters + (0.5 if pool == "max" else 0.25) + int(arch_hash(f"{kernel}{filters}")[:2], 16)


def function() -> hivenas.FunctionObjective:
    pools = ["max", "mean", "none"]
    choices: dict[str, Sequence[Any]] = {"kernel": [1, 3, 5, 7], "filters": [8, 16, 32, 64], "pool": pools}
    return hivenas.FunctionObjective(worth, choices, metric="worth")


OWN = {"tracking": "none", "execution": {"kind": "serial"}, "colony": {"size": 6, "iterations": 4}}
MAKERS: list[tuple[Callable[[], hivenas.ObjectiveInterface], str]] = [(Line, "canonical"), (function, "guided")]


@pytest.mark.parametrize(("make", "kind"), MAKERS, ids=["Line", "FunctionObjective"])
@pytest.mark.parametrize("count", [1, 8])
def test_an_objective_of_ones_own_is_searched_and_resumed_to_the_same_candidates(
    make: Callable[[], hivenas.ObjectiveInterface], kind: str, count: int
) -> None:
    config = OWN | {"name": "own"}
    more = f"colony.kind={kind}"
    whole = hivenas.search(OWN | {"name": "whole"}, more, objective=make())
    with pytest.raises(KeyboardInterrupt):
        hivenas.search(config, more, objective=make(), callbacks=[InterruptsAt(count)])
    assert candidates(hivenas.load_results("results/own")) == candidates(whole)[:count]
    resumed = hivenas.search(config, more, objective=make(), resume=True)
    assert candidates(resumed) == candidates(whole)
    assert len(whole.trials) > 12
    read = hivenas.load_results("results/own")
    assert candidates(read) == candidates(whole)
    assert (read.best, read.metric, read.direction) == (resumed.best, resumed.metric, resumed.direction)
    assert read.best
    scores = [whole.direction.score(trial.fitness) for trial in whole.trials if not trial.failed]
    assert read.direction.score(read.best.fitness) == max(scores)
    with pytest.raises(ConfigError, match=r"hivenas\.search\(…, objective=…, resume=True\)"):
        hivenas.search(config, more, "objective=custom", resume=True)


def test_what_a_function_raises_is_a_failed_candidate() -> None:
    result = hivenas.search(OWN | {"name": "own"}, objective=function())
    assert {trial.reason for trial in result.failed} <= {"ValueError: it does not fit"}
    assert result.best
    assert result.best.encoded.startswith("kernel=")
    assert result.metric == "worth"


@pytest.mark.process
def test_a_function_is_evaluated_in_workers_by_default() -> None:
    result = hivenas.search({"name": "own", "tracking": "none"}, "colony.iterations=1", objective=function())
    assert result.trials
    serial = hivenas.search(OWN | {"name": "serial", "colony": {"iterations": 1}}, objective=function())
    assert candidates(result) == candidates(serial)


def test_an_objective_of_ones_own_is_tracked_and_reported_like_any_other(store: str) -> None:
    result = hivenas.search(
        {"name": "own-runs", "execution": {"kind": "serial"}, "colony": {"size": 3, "iterations": 1}},
        objective=function(),
    )
    assert (result.store, result.waiting) == (store, 0)
    client = mlflow.MlflowClient()
    assert client.get_run(result.run_id).info.status == "FINISHED"
    for trial in result.trials:
        run = client.get_run(trial.run_id)
        assert run.data.params == function().run_params(trial.candidate)
        assert run.data.tags["mlflow.parentRunId"] == result.run_id
        assert run.data.metrics["fitness"] == trial.fitness
    again, (page, *charts) = api.report("results/own-runs/own-runs.yaml")
    assert candidates(again) == candidates(result)
    assert "own-runs" in page.read_text(encoding="utf-8")
    assert all(chart.is_file() for chart in charts)


# -- direct calls beside a search ------------------------------------------------------------------------------


@pytest.mark.keras
def test_a_direct_call_beside_a_search_of_the_same_name_is_refused_with_the_way_out() -> None:
    hivenas.search(SPHERE)
    before = hivenas.load_results("results/bowl")
    interface = hivenas.NASInterface({"depth": 1}, {"name": "bowl"}, tracker=hivenas.NullTracker())
    with pytest.raises(ResultsExistError, match=r"holds a search.*another name \(eval_config: name=bowl-by-hand"):
        interface.evaluate("input|identity|output")
    assert hivenas.load_results("results/bowl") == before


@pytest.mark.parametrize("objective", [lambda candidate: 1.0, hivenas.FunctionObjective, "sphere"])
def test_what_is_no_objective_is_refused_before_anything_is_opened(objective: Any) -> None:
    with pytest.raises(ConfigError, match=r"objective must be an instance of .*, got .*hivenas\.FunctionObjective\("):
        hivenas.search({"name": "none", "tracking": "none"}, objective=objective)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("callbacks", "says"),
    [
        ([print], r"callbacks must be instances of .* hivenas\.Callback, got <built-in"),
        ([hivenas.Callback], r"callbacks must be instances of .* hivenas\.Callback, got <class"),
        (hivenas.Callback(), r"callbacks must be a list of them, got <.*; give callbacks=\[…\]"),
        (5, "callbacks must be a list of them, got 5"),
    ],
)
def test_what_is_no_callback_is_refused_before_anything_is_opened(callbacks: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        hivenas.search({"name": "none", "tracking": "none", "objective": "sphere_min"}, callbacks=callbacks)
    with pytest.raises(ConfigError, match=says):
        hivenas.train({"name": "none", "tracking": "none"}, callbacks=callbacks)
    with pytest.raises(ConfigError, match=says):
        api.train_custom({"name": "none", "tracking": "none"}, "input|identity|output", callbacks=callbacks)
    assert not Path("results").exists()


def test_callbacks_that_can_be_gone_through_once_are_all_called() -> None:
    callback = StopsAt(-1.0)
    hivenas.search(SPHERE, callbacks=(each for each in [callback]))  # type: ignore[arg-type]
    assert callback.moments[0] == "start bowl 12 0"


@pytest.mark.parametrize(
    ("config", "overrides", "says"),
    [
        (None, (), "config must be a YAML file, a mapping with its keys or a Config, got None"),
        ([1, 2], (), r"config must be a YAML file, .*, got \[1, 2\]"),
        ({}, (["evaluation.epochs=2"],), r"overrides must be texts such as .*, got \['evaluation.epochs=2'\]"),
        ({}, ({"epochs": 2},), "overrides must be texts"),
    ],
)
def test_what_is_no_configuration_is_refused_in_a_line(config: Any, overrides: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        hivenas.search(config, *overrides)


def test_a_configuration_that_is_loaded_first_says_what_nothing_reads_too(caplog: pytest.LogCaptureFixture) -> None:
    config = hivenas.load({"evaluation": {"act": {"beta": 0.5}}})
    assert caplog.text.count("evaluation.act.beta=0.5 is not used") == 1
    assert config.evaluation.act.beta == 0.5
    assert resolved(config, ["seed=5"]).seed == 5  # as a search with overrides has it
    assert caplog.text.count("evaluation.act.beta=0.5") == 1
    resolved(config, ["evaluation.median.candidates=7"])
    assert caplog.text.count("evaluation.median.candidates=7 is not used") == 1
    assert hivenas.load({}, "evaluation.epochs=3 seed=5").evaluation.epochs == 3


def test_what_numpy_and_paths_give_is_taken(tmp_path: Path) -> None:
    rates = hivenas.Choice(list(np.logspace(-3, -2, 2)))
    given = {
        "evaluation": {"epochs": np.int64(3), "initial_lr": rates},
        "space": {"depth": np.int32(2), "operations": np.array(["conv3x3_8", "identity"])},
        "results": {"dir": tmp_path},
    }
    plain = {
        "evaluation": {"epochs": 3, "initial_lr": hivenas.Choice([0.001, 0.01])},
        "space": {"depth": 2, "operations": ["conv3x3_8", "identity"]},
        "results": {"dir": str(tmp_path)},
    }
    assert hivenas.load(given).to_mapping() == hivenas.load(plain).to_mapping()
    assert str(hivenas.Log(np.float64(0.001), np.float64(0.1), 3)) == "!Log [0.001, 0.1, 3]"


class Points(Line):
    """Points as arrays or lists of numpy's numbers, as functions of numpy make them."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def sample(self) -> Any:
        return self.make(self.rng.integers(-9, 9, 1))

    def get_neighbor(self, orig_arch: tuple[float, ...]) -> Any:
        return self.make(np.asarray(orig_arch) + self.rng.integers(-1, 2, 1))


@pytest.mark.parametrize("kind", ["canonical", "random", "evolution"])
@pytest.mark.parametrize("make", [np.asarray, list], ids=["arrays", "lists"])
def test_points_may_be_arrays_and_lists(make: Callable[[Any], Any], kind: str) -> None:
    result = hivenas.search(OWN | {"name": "own"}, f"colony.kind={kind}", objective=Points(make))
    assert {type(each) for trial in result.trials for each in trial.candidate} == {int}
    assert candidates(hivenas.load_results("results/own")) == candidates(result)


def test_an_answer_without_fitness_is_a_failed_candidate_that_says_so() -> None:
    class Sometimes(Line):
        def evaluate(self, candidate: tuple[float, ...]) -> Any:
            return None if round(candidate[0] * 10) % 4 == 0 else super().evaluate(candidate)

    result = hivenas.search(OWN | {"name": "own"}, objective=Sometimes())
    reason = "TypeError: evaluate of Sometimes must return {'fitness': a number}, got None"
    assert {trial.reason for trial in result.failed} == {reason}
    assert result.best


class Point(NamedTuple):
    """A point of one's own class, whose evaluation asks for its coordinate by name."""

    x: float


def test_points_of_ones_own_class_stay_so_and_records_of_unknown_parts_are_read() -> None:
    class Named(Line):
        def sample(self) -> Point:
            return Point(float(self.rng.uniform(-9, 9)))

        def get_neighbor(self, orig_arch: Any) -> Point:
            return Point(orig_arch.x + float(self.rng.normal()))

        def evaluate(self, candidate: Any) -> dict[str, Any]:
            return {"fitness": abs(candidate.x)}

    result = hivenas.search(OWN | {"name": "own"}, objective=Named())
    assert not result.failed


def test_a_search_is_not_gone_on_with_by_an_objective_of_the_other_side() -> None:
    choices = {"x": [1, 2, 3, 4, 5, 6]}
    config = OWN | {"name": "own", "colony": {"size": 2, "iterations": 1}}
    hivenas.search(config, objective=hivenas.FunctionObjective(lambda x: 1.0 * x, choices))
    other = hivenas.FunctionObjective(lambda x: 1.0 * x, choices, minimize=True)
    with pytest.raises(ConfigError, match="looks for a large fitness, got an objective that looks for a small one"):
        hivenas.search(config, "colony.iterations=2", objective=other, resume=True)
    assert hivenas.load_results("results/own").direction == hivenas.Direction.MAXIMIZE


@pytest.mark.parametrize(
    "choices", [{"x": [7, 8, 9]}, {"y": [1, 2, 3, 4, 5, 6]}, {"x": [1, 2, 3, 4, 5, 6], "y": [1, 2]}]
)
def test_a_search_is_not_gone_on_with_by_an_objective_of_other_candidates(choices: dict[str, list[int]]) -> None:
    config = OWN | {"name": "own", "colony": {"size": 2, "iterations": 1}}
    begun = hivenas.FunctionObjective(lambda x: 1.0 * x, {"x": [1, 2, 3, 4, 5, 6]})
    first = hivenas.search(config, objective=begun)
    other = hivenas.FunctionObjective(lambda **chosen: 1.0, choices)
    before = Path("results/own/ledger.db").read_bytes()
    with pytest.raises(ConfigError, match=r"has the candidate 'x=\d', which is none of the objective that"):
        hivenas.search(config, "colony.iterations=2", objective=other, resume=True)
    assert Path("results/own/ledger.db").read_bytes() == before
    again = hivenas.search(config, "colony.iterations=2", objective=begun, resume=True)
    assert candidates(again)[: len(first.trials)] == candidates(first)


def test_further_iterations_that_patience_would_end_at_once_leave_a_finished_search_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = {
        **SPHERE,
        "name": "waits",
        "objective": "custom",
        "colony": {"kind": "random", "size": 3, "iterations": 4},
    }
    alike = hivenas.FunctionObjective(lambda a, b: 1.0, {"a": [1, 2, 3, 4, 5, 6], "b": [1, 2, 3, 4, 5, 6]})
    first = hivenas.search(config, "colony.patience=3", objective=alike, progress=False)
    assert (len(first.trials), first.ended) == (12, "")
    state = read_state(ResultsFolder("results", "waits"))
    with caplog.at_level("INFO", "hivenas"):
        again = hivenas.search(
            config, "colony.patience=3", "colony.iterations=9", objective=alike, resume=True, progress=False
        )
    after = read_state(ResultsFolder("results", "waits"))
    assert state
    assert (len(again.trials), after) == (12, replace(state, planned=27))
    assert "no further iteration is run: 3 iterations brought nothing better" in caplog.text
    longer = hivenas.search(
        config, "colony.patience=5", "colony.iterations=9", objective=alike, resume=True, progress=False
    )
    assert (len(longer.trials), longer.ended) == (18, "5 iterations brought nothing better")


def test_what_was_never_recorded_cannot_be_loaded() -> None:
    with pytest.raises(MissingResultsError, match="no results at"):
        hivenas.load_results("results/none")
    assert not Path("results").exists()


def test_searches_in_several_threads_are_those_of_one_thread(store: str) -> None:
    def search(name: str, **more: Any) -> hivenas.SearchResult:
        return hivenas.search(SPHERE | {"name": name, "seed": 3, "tracking": "mlflow"} | more, progress=False)

    expected = candidates(search("alone"))
    names = ["one", "other"]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(search, names))
    assert [candidates(each) for each in found] == [expected] * 2
    client = mlflow.MlflowClient()
    for name, result in zip(names, found, strict=True):
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        nested = f"tags.`mlflow.parentRunId` = '{result.run_id}'"
        assert len(client.search_runs([experiment.experiment_id], nested)) == len(expected)
