from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hivenas.config import Config, from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Evaluation, Proposal
from hivenas.execution import evaluate_network, full_training
from hivenas.execution.task_results import TaskResult, carry_out
from hivenas.execution.wire import PackedTask, Packer, Unpacker
from tests.executors import task

STATE, OTHER = "0a-003.weights.h5", "0b-001.weights.h5"


def configuration(folder: Path) -> Config:
    return from_mapping({"name": "sent", "results": {"dir": str(folder)}})


def make_files(config: Config, fails: bool = False) -> Evaluation:
    """A training that starts from a state, and leaves what trainings leave."""
    folder = ResultsFolder(config.results.dir, config.name)
    assert (folder.weights / STATE).read_bytes() == b"started from"
    for file in (folder.weights / "new.h5", folder.checkpoints / "kept.h5", folder.weights / ".tmp-1-torn.h5"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"made")
    model = folder.weights / "new.keras"
    model.write_bytes(b"a model")
    evaluation = Evaluation("a", "complete", 0.5, filename="new.weights.h5", extra={"model": str(model), "loss": 1.0})
    folder.write_history("new", evaluation)
    if fails:
        raise ArithmeticError
    return replace(evaluation, extra={**evaluation.extra, "spent": {"cpu_seconds": 1.0}})


def run(packed: PackedTask[Evaluation]) -> Evaluation:
    return Unpacker().unpack(packed).run()


def test_a_task_says_which_states_it_starts_from(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    new = Proposal(0, 0, "employee", 0, "a")
    assert evaluate_network(config, new).needs == ()
    further = evaluate_network(config, replace(new, momentum_epochs=2, weights_filename=STATE))
    assert (further.needs, further.continues) == ((STATE,), STATE)
    heir = evaluate_network(config, replace(new, inherits=OTHER))
    assert (heir.needs, heir.continues) == ((OTHER,), "")
    assert full_training(config, "a", STATE).needs == (STATE,)
    assert full_training(config, "a").needs == ()


def test_files_come_back_and_paths_lead_to_them(tmp_path: Path) -> None:
    there, here = tmp_path / "worker", configuration(tmp_path / "driver")
    parcel = carry_out(run, Packer().pack(task(make_files, here)), {STATE: b"started from"}, there)
    assert sorted(parcel.files) == ["training_history/new.json", "weights/new.h5", "weights/new.keras"]
    assert not any(file.is_file() for file in there.rglob("*"))
    folder = ResultsFolder(here.results.dir, here.name)
    evaluation = parcel.unpack(folder)
    own = {"model": str(folder.weights / "new.keras"), "loss": 1.0}
    assert evaluation.extra == {**own, "spent": {"cpu_seconds": 1.0}}
    assert (folder.weights / "new.keras").read_bytes() == b"a model"
    assert json.loads((folder.histories / "new.json").read_text())["extra"] == own


def test_a_call_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    failing = Packer().pack(task(make_files, configuration(tmp_path / "driver"), True))
    try:
        carry_out(run, failing, {STATE: b"started from"}, tmp_path / "worker")
    except ArithmeticError:
        assert not any(file.is_file() for file in tmp_path.rglob("*"))
    else:
        raise AssertionError("it did not fail")


def test_what_is_no_evaluation_comes_as_it_is(tmp_path: Path) -> None:
    assert TaskResult({"digest": "d"}, "anywhere", {}).unpack(ResultsFolder(tmp_path, "sent")) == {"digest": "d"}
