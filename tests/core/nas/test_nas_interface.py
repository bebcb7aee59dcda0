from __future__ import annotations

import inspect
import json
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import mlflow
import numpy as np
import pytest

import hivenas
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.objective import ArchitectureObjective, ObjectiveInterface
from hivenas.core.records import Direction
from hivenas.core.seeds import arch_hash
from hivenas.core.tracker import NullTracker
from hivenas.errors import ArchitectureError, ConfigError
from hivenas.storage import read_ledger

SPACE = {"preset": "layerwise", "depth": 2}
ARCH = "input|sep3x3_32|dropout|output"
FIVE = {"fitness", "epochs", "filename", "params", "momentum"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("evaluate", {"candidate": inspect.Parameter.empty}),
        ("fully_train_best_model", {"from_arch": True}),
        ("get_neighbor", {"orig_arch": inspect.Parameter.empty}),
        (
            "momentum_eval",
            {
                "candidate": inspect.Parameter.empty,
                "weights_filename": inspect.Parameter.empty,
                "m_epochs": inspect.Parameter.empty,
            },
        ),
        ("sample", {}),
        ("train_custom_arch", {"arch_str": inspect.Parameter.empty}),
    ],
)
def test_methods_have_the_arguments_of_the_reference(method: str, arguments: dict[str, Any]) -> None:
    parameters = inspect.signature(getattr(NASInterface, method)).parameters
    assert {name: p.default for name, p in parameters.items() if name != "self"} == arguments


def test_it_knows_of_its_architectures_what_its_space_knows() -> None:
    interface = NASInterface(SPACE | {"skip_rate": 0.5, "max_params": 10**9}, tracker=NullTracker())
    space = interface.search_space
    assert isinstance(interface, ArchitectureObjective)
    for _ in range(5):
        arch = interface.sample()
        assert list(interface.neighbors(arch)) == space.neighbors(arch)
        assert interface.components(arch) == space.components(arch)
        assert interface.sizes(arch) == space.sizes(arch) != ()


def test_it_is_an_objective_that_is_maximised() -> None:
    interface = NASInterface(tracker=NullTracker())
    assert isinstance(interface, ObjectiveInterface)
    assert interface.is_minimize is False
    assert interface.search_space.depth == 6


@pytest.mark.parametrize(
    ("space", "evaluation", "message"),
    [
        ({"deepth": 2}, {}, "space.deepth; did you mean space.depth"),
        ({}, {"epoch": 2}, "evaluation.epoch; did you mean evaluation.epochs"),
        ({}, {"epochs": 2, "momentum_epochs": 1}, "epochs must be at least 3"),
        ({"operations": ["sep3x3_33"]}, {}, "sep3x3_32"),
    ],
)
def test_wrong_settings_are_refused_at_once(space: dict[str, Any], evaluation: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NASInterface(space, evaluation)


def test_the_seed_decides_samples_and_neighbours() -> None:
    def draws(seed: int) -> list[str]:
        interface = NASInterface(SPACE, {"seed": seed})
        first = interface.sample()
        return [first, interface.get_neighbor(first), interface.sample()]

    assert draws(1) == draws(1) != draws(2)


@pytest.mark.keras
def test_evaluate_and_momentum_eval_give_the_five_results_and_are_recorded(tiny: dict[str, Any]) -> None:
    interface = NASInterface(SPACE, tiny | {"epochs": 3}, tracker=NullTracker())
    first = interface.evaluate(ARCH)
    assert set(first) == FIVE
    assert first["filename"].startswith(arch_hash(ARCH))
    assert first["epochs"] == 3
    second = interface.momentum_eval(ARCH, first["filename"], 2)
    assert set(second) == FIVE
    assert second["epochs"] == 2
    _, trials = read_ledger(ResultsFolder(tiny["results"]["dir"], "tiny"))
    assert [(trial.phase, trial.epochs, trial.momentum_epochs, trial.fitness) for trial in trials] == [
        ("evaluate", 3, 0, first["fitness"]),
        ("momentum", 3, 2, second["fitness"]),
    ]


@pytest.mark.keras
def test_a_call_leaves_the_generators_of_its_caller_as_they_were(tiny: dict[str, Any]) -> None:
    """An outside driver draws from them: with the seeds of networks in them it would go round in a circle."""
    interface = NASInterface(SPACE, tiny | {"epochs": 3}, tracker=NullTracker())

    def draws(call: Callable[[], Any]) -> tuple[float, float]:
        random.seed(5)
        np.random.seed(5)
        call()
        return random.random(), float(np.random.rand())

    own = draws(lambda: None)
    assert draws(lambda: interface.evaluate(ARCH)) == own
    first = interface.evaluate(ARCH)
    assert draws(lambda: interface.momentum_eval(ARCH, first["filename"], 1)) == own
    assert draws(lambda: interface.train_custom_arch(ARCH)) == own


@pytest.mark.keras
def test_whole_numbers_of_numpy_are_epochs_and_nothing_else_is(tiny: dict[str, Any]) -> None:
    interface = NASInterface(SPACE, tiny | {"epochs": 3}, tracker=NullTracker())
    first = interface.evaluate(ARCH)
    for wrong in (1.5, "1", True, 0, np.float64(2), None):
        with pytest.raises(ConfigError, match="m_epochs must be a whole number ≥ 1, got"):
            interface.momentum_eval(ARCH, first["filename"], wrong)  # type: ignore[arg-type]
    assert interface.momentum_eval(ARCH, first["filename"], np.int64(1))["epochs"] == 1  # type: ignore[arg-type]
    _, trials = read_ledger(ResultsFolder(tiny["results"]["dir"], "tiny"))
    assert [trial.momentum_epochs for trial in trials] == [0, 1]


@pytest.mark.keras
def test_another_interface_of_the_same_name_is_said_where_its_weights_go_on(
    tiny: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    one = NASInterface(SPACE, tiny | {"epochs": 3}, tracker=NullTracker())
    first = one.evaluate(ARCH)
    one.momentum_eval(ARCH, first["filename"], 1)
    assert "not as if it had not been interrupted" not in caplog.text
    NASInterface(SPACE, tiny | {"epochs": 3, "seed": 9}, tracker=NullTracker()).evaluate(ARCH)
    one.momentum_eval(ARCH, first["filename"], 1)
    assert f"{first['filename']} was trained with another seed, other settings" in caplog.text


# Keys that change no weight of a continuation, all but the last.
OTHERS: list[tuple[dict[str, Any], bool]] = [
    ({"score": "best", "momentum_epochs": 3, "inherit": True, "inherit_epochs": 1}, False),
    (
        {
            "stopping": "act",
            "first_look": 2,
            "act": {"beta": 0.9},
            "median": {"candidates": 2},
            "ladder": {"share": 0.5},
        },
        False,
    ),
    ({}, False),
    ({"batch_size": 7}, True),
]


@pytest.mark.keras
@pytest.mark.parametrize(("changes", "is_said"), OTHERS, ids=str)
@pytest.mark.parametrize("is_earlier", [False, True])
def test_weights_that_go_on_alike_whatever_has_changed_are_not_told_of(
    tiny: dict[str, Any], caplog: pytest.LogCaptureFixture, changes: dict[str, Any], is_said: bool, is_earlier: bool
) -> None:
    one = NASInterface(SPACE, tiny | {"epochs": 3}, tracker=NullTracker())
    first = one.evaluate(ARCH)
    if is_earlier:  # its mark was of all keys
        with h5py.File(one.eval_strategy.weights_path(first["filename"]), "a") as file:
            saved = json.loads(file.attrs["hivenas"])
            file.attrs["hivenas"] = json.dumps(saved | {"mark": one.eval_strategy._mark(ARCH)})
        is_said = bool(changes)
    NASInterface(SPACE, tiny | {"epochs": 3} | changes, tracker=NullTracker()).momentum_eval(ARCH, first["filename"], 1)
    assert ("not as if it had not been interrupted" in caplog.text) is is_said


@pytest.mark.keras
def test_the_record_of_calls_is_read_with_the_side_on_which_better_figures_lie(tiny: dict[str, Any]) -> None:
    interface = NASInterface(SPACE, tiny | {"fitness": "log_loss"}, tracker=NullTracker())
    losses = [interface.evaluate(arch)["fitness"] for arch in (ARCH, "input|sep3x3_32|sep3x3_32|output")]
    assert losses[0] != losses[1]
    read = hivenas.load_results(Path(tiny["results"]["dir"]) / "tiny")
    assert (read.direction, read.metric) == (Direction.MINIMIZE, "validation log loss")
    assert read.best is not None
    assert read.best.fitness == min(losses)


@pytest.mark.keras
@pytest.mark.slow
def test_the_best_recorded_candidate_is_trained_fully(tiny: dict[str, Any]) -> None:
    interface = NASInterface(SPACE, tiny, tracker=NullTracker())
    with pytest.raises(FileNotFoundError, match="no results at"):
        interface.fully_train_best_model()
    candidates = [ARCH, "input|sep3x3_32|sep3x3_32|output"]
    scores = {candidate: interface.evaluate(candidate)["fitness"] for candidate in candidates}
    best = max(candidates, key=lambda candidate: scores[candidate])
    for from_arch in (True, False):
        result = interface.fully_train_best_model(from_arch=from_arch)
        assert set(result) == FIVE | {"test_accuracy", "test_loss"}
        assert result["filename"].startswith(arch_hash(best))
        assert result["epochs"] == 1
    for file in Path(tiny["results"]["dir"]).glob("tiny/weights/*[0-9].weights.h5"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match="no weights"):
        interface.fully_train_best_model(from_arch=False)


@pytest.mark.keras
def test_any_architecture_over_the_reference_operations_can_be_trained_fully(tiny: dict[str, Any]) -> None:
    interface = NASInterface(SPACE, tiny, tracker=NullTracker())
    result = interface.train_custom_arch("input|sc_1|conv3x3_8|output")
    assert result["epochs"] == 1
    with pytest.raises(ArchitectureError, match="conv9x9_8"):
        interface.train_custom_arch("input|conv9x9_8|output")


def test_what_is_no_architecture_is_refused_before_anything_is_written(tiny: dict[str, Any]) -> None:
    interface = NASInterface(SPACE, tiny, tracker=NullTracker())
    for call in (interface.evaluate, lambda arch: interface.momentum_eval(arch, "x", 1), interface.train_custom_arch):
        with pytest.raises(ArchitectureError, match="conv9x9_8"):
            call("input|conv9x9_8|dropout|output")
    assert not Path(tiny["results"]["dir"]).exists()


@pytest.mark.keras
@pytest.mark.slow
def test_a_call_is_tracked_in_the_store_of_its_time(tiny: dict[str, Any], store: str, tmp_path: Path) -> None:
    interface = NASInterface(SPACE, tiny)
    interface.evaluate(ARCH)
    other = f"sqlite:///{tmp_path}/other.db"
    mlflow.set_tracking_uri(other)
    try:
        interface.evaluate("input|sep3x3_32|sep3x3_32|output")
        for uri in (store, other):
            client = mlflow.MlflowClient(tracking_uri=uri)
            experiment = client.get_experiment_by_name("tiny")
            assert experiment, uri
            assert len(client.search_runs([experiment.experiment_id])) == 1, uri
    finally:
        mlflow.set_tracking_uri(store)


@pytest.mark.keras
@pytest.mark.slow
def test_a_call_from_python_is_a_nested_run_under_the_active_one(tiny: dict[str, Any], store: str) -> None:
    interface = NASInterface(SPACE, tiny | {"epochs": 3})
    with mlflow.start_run() as parent:
        result = interface.evaluate(ARCH)
        interface.momentum_eval(ARCH, result["filename"], 1)
    client = mlflow.MlflowClient()
    runs = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    by_phase = {run.data.tags["hivenas.phase"]: run for run in runs}
    assert set(by_phase) == {"evaluate", "momentum"}
    assert by_phase["evaluate"].data.metrics["fitness"] == result["fitness"]
    for run in runs:
        assert {each.dataset.name for each in run.inputs.dataset_inputs} == {"digits", "digits-validation"}
    _, trials = read_ledger(ResultsFolder(tiny["results"]["dir"], "tiny"))
    assert [by_phase[trial.phase].data.metrics["macs"] for trial in trials] == [trial.macs for trial in trials]
    assert trials[0].macs > 0
    assert by_phase["momentum"].data.tags["hivenas.continues"] == by_phase["evaluate"].info.run_id
    assert by_phase["momentum"].data.metrics["fitness_before"] == result["fitness"]
    assert by_phase["momentum"].data.metrics["momentum_epochs"] == 1


@pytest.mark.keras
def test_without_an_active_run_it_stands_in_the_experiment_of_its_name(tiny: dict[str, Any], store: str) -> None:
    NASInterface(SPACE, tiny | {"name": "alone"}).evaluate(ARCH)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("alone")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert "mlflow.parentRunId" not in run.data.tags
    assert run.info.status == "FINISHED"


def in_threads(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of calls that begin at once, each in a thread of its own."""
    begin = threading.Barrier(len(calls))

    def call(each: Callable[[], Any]) -> Any:
        begin.wait()
        return each()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


@pytest.mark.keras
@pytest.mark.slow
def test_calls_from_several_threads_give_what_calls_one_after_another_give(tiny: dict[str, Any]) -> None:
    def interface(name: str, **settings: Any) -> NASInterface:
        return NASInterface(SPACE, {**tiny, "name": name, **settings}, tracker=NullTracker())

    alone = interface("alone")
    candidates = [ARCH, "input|sep3x3_32|sep3x3_32|output", "input|dropout|dropout|output"]
    expected = [alone.evaluate(each) for each in candidates]
    expected.append(alone.train_custom_arch(ARCH))
    # Two interfaces, and a second one of the same folder: what they share is the process.
    one, other, same = interface("one"), interface("other"), interface("one")
    found = in_threads(
        [
            lambda: one.evaluate(candidates[0]),
            lambda: same.evaluate(candidates[1]),
            lambda: other.evaluate(candidates[2]),
            lambda: other.train_custom_arch(ARCH),
        ]
    )
    assert found == expected
    for name, count in (("one", 2), ("other", 1)):
        _, trials = read_ledger(ResultsFolder(tiny["results"]["dir"], name))
        assert [trial.index for trial in trials] == list(range(count))


def test_candidates_drawn_by_several_threads_are_those_that_one_would_draw() -> None:
    def interface() -> NASInterface:
        return NASInterface({"depth": 5, "skip_rate": 0.5}, {"seed": 3}, tracker=NullTracker())

    alone, shared = interface(), interface()
    drawn = in_threads([lambda: [shared.sample() for _ in range(200)]] * 4)
    assert sorted(each for some in drawn for each in some) == sorted(alone.sample() for _ in range(800))


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("where", ["the calling thread", "the main thread", "the thread that made the interface"])
def test_a_call_from_another_thread_is_nested_under_the_run_that_is_active(
    tiny: dict[str, Any], store: str, where: str
) -> None:
    def make() -> NASInterface:
        # Each builds on the images, both together do not: nothing is trained, and that is tracked.
        shrink = {"op": "Conv2D", "filters": 2, "kernel_size": 8, "padding": "valid"}
        operations = {"operations": ["shrink", "dropout"], "reference": {"shrink": shrink}}
        return NASInterface({"depth": 2, **operations}, tiny)

    def call() -> None:
        with mlflow.start_run() as active, ThreadPoolExecutor(1) as pool:
            pool.submit(make().evaluate, "input|shrink|shrink|output").result()
        runs.append(active.info)

    def call_itself() -> None:
        with mlflow.start_run() as active:
            made.evaluate("input|shrink|shrink|output")
        runs.append(active.info)

    runs: list[Any] = []
    made = make()
    if where == "the main thread":
        call()
    else:
        in_threads([call if where == "the thread that made the interface" else call_itself])
    (active,) = runs
    nested = f"tags.`mlflow.parentRunId` = '{active.run_id}'"
    assert len(mlflow.MlflowClient().search_runs([active.experiment_id], nested)) == 1


@pytest.mark.keras
@pytest.mark.parametrize("call", ["evaluate", "train_custom_arch"])
def test_a_run_of_the_environment_that_is_not_there_is_refused_before_anything_is_trained(
    tiny: dict[str, Any], store: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123456789abcdef0123456789abcdef")
    with pytest.raises(ConfigError, match="unset MLFLOW_RUN_ID"):
        getattr(NASInterface(SPACE, tiny), call)(ARCH)
    assert not Path(tiny["results"]["dir"]).exists()
