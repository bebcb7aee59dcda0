"""The record in Optuna's storage, held to one contract on real storages."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from hivenas.config import Config, load
from hivenas.core.folder import ResultsFolder
from hivenas.core.lock import locked
from hivenas.core.nas.space.parameters import space_parameters
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.parameters import Parameters
from hivenas.core.records import Direction, Evaluation, Proposal, Trial
from hivenas.errors import ConfigError, ResultsExistError, RunError, StorageDeniedError, StorageError
from hivenas.storage.optuna_storage import claimed, open_storage
from tests.storage.studies import (
    FIRST,
    SPACE,
    STATE,
    columns,
    config_of,
    held,
    opened,
    rows_of_a_search,
    study_of,
    write,
)


def elsewhere(storage: str, folder: Path) -> Config:
    """A search of the same name in another results folder."""
    config = config_of(storage, results={"dir": str(folder)})
    (folder / config.name).mkdir(parents=True)
    (folder / config.name / ".lock").touch()
    return config


class BooksContract(ABC):
    """The duties of the mirror in every storage; subclasses say where it is and how it is taken away."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> str:
        (tmp_path / "here").mkdir()
        return self.address(tmp_path / "here")

    @abstractmethod
    def address(self, folder: Path) -> str:
        """An address of a storage in this folder."""

    @abstractmethod
    def away(self, folder: Path) -> contextlib.AbstractContextManager[object]:
        """Makes the storage in this folder fail."""

    def test_rows_and_state_come_back_to_the_last_bit_and_in_order(self, storage: str) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            assert mirror.recorded() is None
            mirror.begin("u1", overwrite=False)
            assert mirror.sync(rows_of_a_search(), STATE) == 4
        with opened(config) as mirror:
            recorded = mirror.recorded()
            mirror.refuse_other()
        assert recorded is not None
        assert recorded.uid == "u1"
        assert columns(recorded.trials) == columns(rows_of_a_search())
        assert recorded.state == STATE
        # 0 and 0.0 are equal, but not the same in the table.
        assert repr(columns(recorded.trials)) == repr(columns(rows_of_a_search()))

    def test_a_begun_search_has_no_rows_and_no_state(self, storage: str, tmp_path: Path) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            recorded = mirror.recorded()
        assert recorded is not None
        assert (recorded.trials, recorded.state) == ([], {})
        (tmp_path / "probe.yaml").write_text(recorded.config_yaml, encoding="utf-8")
        assert load(tmp_path / "probe.yaml").to_mapping() == config.to_mapping()

    def test_a_trial_shows_what_the_row_says(self, storage: str) -> None:
        write(config_of(storage), rows_of_a_search())
        study = study_of(storage)
        assert study.direction is optuna.study.StudyDirection.MAXIMIZE
        complete, stopped, failed, momentum = study.trials
        assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
        assert complete.params == {"op_00": "identity", "op_01": "dropout", "skip_00": "none", "skip_01": "none"}
        assert complete.value == 0.1 + 0.2
        assert complete.intermediate_values == {1: 0.1, 2: 1 / 3, 3: 0.1 + 0.2}
        assert complete.duration is not None
        assert complete.duration.total_seconds() == 12.5
        assert complete.user_attrs["params"] == 1234
        assert complete.user_attrs["weights_filename"] == "a-003.weights.h5"
        assert stopped.params["skip_00"] == "sc_2"
        assert stopped.value == 0.125
        assert stopped.intermediate_values == {3: 0.125}
        assert failed.value is None
        assert failed.user_attrs["reason"] == rows_of_a_search()[2].reason
        assert momentum.intermediate_values == {4: 0.6, 5: 0.7}
        assert momentum.user_attrs["phase"] == "momentum"

    def test_numerical_objectives_have_float_parameters_and_may_be_infinite(self, storage: str) -> None:
        config = config_of(storage, objective="rosenbrock")
        info = ObjectiveInfo(direction=Direction.MINIMIZE, parameters=Parameters.of_box(2, 30.0))
        rows = [
            Trial(Proposal(0, 0, "scout", 0, (0.1 + 0.2, -30.0)), Evaluation((0.1 + 0.2, -30.0), "complete", 1e300)),
            Trial(Proposal(1, 0, "scout", 1, (1.0, 2.0)), Evaluation.failure((1.0, 2.0), "no", worst=math.inf)),
        ]
        with opened(config, info) as mirror:
            mirror.begin("u1", overwrite=False)
            mirror.sync(rows, STATE)
        with opened(config, info) as mirror:
            recorded = mirror.recorded()
            mirror.refuse_other()
        assert recorded is not None
        assert columns(recorded.trials) == columns(rows)
        study = study_of(storage)
        assert study.direction is optuna.study.StudyDirection.MINIMIZE
        assert study.best_params == {"x_00": 0.1 + 0.2, "x_01": -30.0}
        assert study.trials[1].state is TrialState.FAIL
        # Everything that is kept is JSON that any reader takes.
        json.dumps([trial.user_attrs for trial in study.trials], allow_nan=False)

    def test_a_search_that_weighs_a_cost_is_a_study_of_two_values_and_goes_on(self, storage: str) -> None:
        config, rows = config_of(storage, objectives={"fitness": "max", "params": "min"}), rows_of_a_search()
        write(config, rows[:2])
        with opened(config) as mirror:
            mirror.refuse_other()
            mirror.begin("u1", overwrite=False)
            assert mirror.sync(rows, STATE) == 2
        study = study_of(storage)
        assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
        assert [trial.values for trial in study.trials] == [[0.1 + 0.2, 1234.0], [0.125, 0.0], None, [0.7, 0.0]]
        assert study.trials[0].intermediate_values == {1: 0.1, 2: 1 / 3, 3: 0.1 + 0.2}
        assert repr(columns(held(config))) == repr(columns(rows))

    def test_a_study_of_other_directions_is_refused_with_the_way_out(self, storage: str) -> None:
        write(config_of(storage), rows_of_a_search())
        weighed = config_of(storage, objectives={"params": "min"})
        with opened(weighed) as mirror:
            with pytest.raises(ResultsExistError) as caught:
                mirror.begin("u1", overwrite=False)
            with pytest.raises(ConfigError, match=r"objectives\.params=null, got objectives\.params=min"):
                mirror.refuse_other()
            assert str(caught.value) == (
                f"the study 'probe' in {storage} must have the directions of objectives (maximize, minimize), got "
                "maximize; choose another study (--set optuna.study=…) or delete it (--overwrite)"
            )
            mirror.begin("u2", overwrite=True)
            assert len(study_of(storage).directions) == 2

    def test_only_what_is_missing_is_added(self, storage: str) -> None:
        config, rows = config_of(storage), rows_of_a_search()
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            assert mirror.sync(rows[:1], STATE) == 1
            assert mirror.sync(rows[:1], STATE) == 0
            assert mirror.sync(rows[:3], STATE) == 2
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            assert mirror.sync(rows, STATE) == 1
            assert mirror.sync(rows, STATE) == 0
        assert columns(held(config)) == columns(rows)

    @pytest.mark.process
    def test_another_process_completes_what_is_missing(self, storage: str) -> None:
        config = config_of(storage)
        write(config, rows_of_a_search()[:2])
        code = (
            "import sys; from tests.storage import studies; config = studies.config_of(sys.argv[1]); "
            "[studies.write(config, studies.rows_of_a_search()) for _ in range(2)]"
        )
        subprocess.run([sys.executable, "-c", code, storage], check=True)
        assert columns(held(config)) == columns(rows_of_a_search())
        assert len(study_of(storage).trials) == 4

    @pytest.mark.slow
    def test_after_a_failure_the_same_call_completes_the_record(self, storage: str, tmp_path: Path) -> None:
        config, rows = config_of(storage), rows_of_a_search()
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            mirror.sync(rows[:1], STATE)
            with self.away(tmp_path / "here"), pytest.raises(StorageError, match="is added once") as caught:
                mirror.sync(rows[:3], {"stage": "later"})
            assert storage in str(caught.value)
            assert isinstance(caught.value, RunError)
            assert mirror.sync(rows, STATE) == 3
            recorded = mirror.recorded()
        assert recorded is not None
        assert columns(recorded.trials) == columns(rows)
        assert recorded.state == STATE
        assert len(study_of(storage).trials) == 4

    def test_a_trial_that_got_in_before_the_failure_is_not_added_again(
        self, storage: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config, rows = config_of(storage), rows_of_a_search()
        add = Study.add_trial
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)

            def add_and_fail(study: Study, trial: optuna.trial.FrozenTrial) -> None:
                add(study, trial)
                if len(study.trials) == 2:
                    raise OSError("connection reset")

            monkeypatch.setattr(Study, "add_trial", add_and_fail)
            with pytest.raises(StorageError, match="OSError: connection reset"):
                mirror.sync(rows, STATE)
            monkeypatch.undo()
            recorded = mirror.recorded()
            assert recorded is not None
            assert (columns(recorded.trials), recorded.state) == (columns(rows[:2]), {})
            assert mirror.sync(rows, STATE) == 2
        assert columns(held(config)) == columns(rows)

    def test_trials_are_read_once_not_at_every_evaluation(self, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        rows, reads = rows_of_a_search(), []
        get_trials = Study.get_trials

        def counted(study: Study, *args: Any, **options: Any) -> list[optuna.trial.FrozenTrial]:
            reads.append(study)
            return get_trials(study, *args, **options)

        with opened(config_of(storage)) as mirror:
            mirror.begin("u1", overwrite=False)
            monkeypatch.setattr(Study, "get_trials", counted)
            for count in range(1, len(rows) + 1):
                mirror.sync(rows[:count], STATE | {"count": count})
        assert len(reads) == 1

    @pytest.mark.parametrize("size", [20_000, 50_000, 10])
    def test_a_state_of_any_size_replaces_the_one_before(self, storage: str, size: int) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            for length in (30_000, 40_000, size):
                state = {"sources": [f'"ü\\{i}' for i in range(length // 10)]}
                mirror.sync([], state)
                recorded = mirror.recorded()
                assert recorded is not None
                assert recorded.state == state
        longest = max(len(json.dumps(value)) for value in study_of(storage).user_attrs.values())
        assert longest < 65_535

    def test_another_search_is_refused_by_its_first_key_and_both_hashes(self, storage: str) -> None:
        write(config_of(storage), rows_of_a_search())
        with opened(config_of(storage, evaluation={"epochs": 6})) as mirror, pytest.raises(ConfigError) as caught:
            mirror.refuse_other()
        message = str(caught.value)
        hashes = study_of(storage).user_attrs
        assert "was started with evaluation.epochs=8, got evaluation.epochs=6" in message
        assert f"config_hash {hashes['hivenas.config_hash']}, got " in message
        assert f"space_hash {hashes['hivenas.space_hash']}, got {hashes['hivenas.space_hash']}" in message
        assert "--set optuna.study=" in message

    def test_another_space_is_refused(self, storage: str) -> None:
        write(config_of(storage), rows_of_a_search())
        with opened(config_of(storage, space=SPACE | {"depth": 3})) as mirror, pytest.raises(ConfigError) as caught:
            mirror.refuse_other()
        before = study_of(storage).user_attrs["hivenas.space_hash"]
        assert f"space_hash {before}, got " in str(caught.value)
        assert f"space_hash {before}, got {before}" not in str(caught.value)
        assert "space.depth=2, got space.depth=3" in str(caught.value)

    def test_choices_that_changed_under_the_same_configuration_are_refused(self, storage: str) -> None:
        config = config_of(storage)
        write(config, rows_of_a_search())
        space = config.space.model_copy(update={"operations": ("identity", "dropout", "new")})
        wider = ObjectiveInfo(direction=Direction.MAXIMIZE, parameters=space_parameters(space))
        with opened(config, wider) as mirror, pytest.raises(ConfigError, match="space_hash"):
            mirror.refuse_other()

    @pytest.mark.parametrize("text", ["name: [", "colour: blue"])
    def test_a_configuration_that_cannot_be_read_any_more_is_refused_by_its_hash(self, storage: str, text: str) -> None:
        write(config_of(storage), rows_of_a_search())
        study_of(storage).set_user_attr("hivenas.config", text)
        study_of(storage).set_user_attr("hivenas.config_hash", "0123")
        with opened(config_of(storage)) as mirror, pytest.raises(ConfigError, match="config_hash 0123, got"):
            mirror.refuse_other()

    def test_a_configuration_that_says_the_same_is_no_other(self, storage: str) -> None:
        """A later version may know more keys, and so give the same configuration another hash."""
        write(config_of(storage), rows_of_a_search())
        study_of(storage).set_user_attr("hivenas.config_hash", "0123")
        with opened(config_of(storage)) as mirror:
            mirror.refuse_other()

    def test_what_comes_after_and_where_may_change(self, storage: str) -> None:
        write(config_of(storage), rows_of_a_search())
        changes = {"name": "other", "colony": {"iterations": 30}, "execution": {"workers": 2}, "results": {"dir": "x"}}
        config = config_of(storage, optuna={"study": "probe"}, **changes)
        with opened(config) as mirror:
            mirror.refuse_other()
            mirror.begin("u1", overwrite=False)
            recorded = mirror.recorded()
        assert recorded is not None
        assert "iterations: 30" in recorded.config_yaml

    def test_the_study_of_another_search_is_refused_with_the_three_ways_on(self, storage: str) -> None:
        config = config_of(storage)
        write(config, rows_of_a_search())
        with opened(config) as mirror, pytest.raises(ResultsExistError) as caught:
            mirror.begin("u2", overwrite=False)
        assert all(way in str(caught.value) for way in ("--resume", "--set optuna.study=", "--overwrite"))
        assert "4 evaluations" in str(caught.value)
        assert storage in str(caught.value)
        assert columns(held(config)) == columns(rows_of_a_search())

    def test_overwriting_begins_anew_and_leaves_other_studies(self, storage: str) -> None:
        config, other = config_of(storage), config_of(storage, optuna={"study": "other"})
        write(config, rows_of_a_search())
        write(other, rows_of_a_search()[:2])
        with opened(config) as mirror:
            mirror.begin("u2", overwrite=True)
            mirror.sync(rows_of_a_search()[:1], {"stage": "new"})
            recorded = mirror.recorded()
        assert recorded is not None
        assert (recorded.uid, recorded.state) == ("u2", {"stage": "new"})
        assert columns(recorded.trials) == columns(rows_of_a_search()[:1])
        assert columns(held(other)) == columns(rows_of_a_search()[:2])

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_study_of_somebody_else_is_never_touched(self, storage: str, overwrite: bool) -> None:
        study = optuna.create_study(study_name="probe", storage=open_storage(storage), direction="minimize")
        study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=2)
        with opened(config_of(storage)) as mirror:
            assert mirror.recorded() is None
            with pytest.raises(ResultsExistError, match="2 trials that is not of hivenas"):
                mirror.begin("u1", overwrite=overwrite)
        assert len(study_of(storage).trials) == 2

    def test_an_empty_study_is_taken(self, storage: str) -> None:
        optuna.create_study(study_name="probe", storage=open_storage(storage), direction="minimize")
        write(config_of(storage), rows_of_a_search())
        assert study_of(storage).direction is optuna.study.StudyDirection.MAXIMIZE

    def test_trials_that_somebody_else_left_are_no_evaluations(self, storage: str) -> None:
        config = config_of(storage)
        write(config, rows_of_a_search()[:2])
        study = study_of(storage)
        study.ask()
        study.enqueue_trial({"op_00": "identity"})
        study.add_trial(optuna.trial.create_trial(value=0.5))
        write(config, rows_of_a_search())
        assert columns(held(config)) == columns(rows_of_a_search())

    def test_trials_of_another_version_are_refused(self, storage: str) -> None:
        config = config_of(storage)
        write(config, rows_of_a_search())
        attributes = {"index": 4, "candidate": FIRST, "run_id": ""}
        study_of(storage).add_trial(optuna.trial.create_trial(value=0.5, user_attrs=attributes))
        with opened(config) as mirror, pytest.raises(ResultsExistError, match=r"trial 4 .* other attributes"):
            mirror.recorded()

    def test_a_record_with_a_gap_is_refused(self, storage: str) -> None:
        config, rows = config_of(storage), rows_of_a_search()
        write(config, [rows[0], rows[2]])
        with opened(config) as mirror, pytest.raises(ResultsExistError, match="none with the index 1"):
            mirror.recorded()

    def test_a_study_that_another_search_took_is_not_written_to(self, storage: str) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            mirror.sync(rows_of_a_search()[:1], STATE)
            with opened(config) as others:
                others.begin("u2", overwrite=True)
            with pytest.raises(StorageError):
                mirror.sync(rows_of_a_search(), STATE)
        assert columns(held(config)) == columns([])

    def test_a_study_that_was_deleted_is_not_written_to_and_that_is_said(self, storage: str) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            optuna.delete_study(study_name="probe", storage=open_storage(storage))
            with pytest.raises(StorageDeniedError, match=r"got none, as it was deleted; choose another study"):
                mirror.sync(rows_of_a_search()[:1], STATE)

    def test_of_two_that_begin_at_the_same_time_the_second_waits_and_is_refused(
        self, storage: str, tmp_path: Path
    ) -> None:
        """The first is held up between its look and its study, where the second looks too."""
        first, second = elsewhere(storage, tmp_path / "first"), elsewhere(storage, tmp_path / "second")
        held_up, go_on = threading.Event(), threading.Event()
        create, outcomes = optuna.create_study, {}

        def create_later(*, study_name: str, **options: Any) -> Study:
            if study_name == "probe":
                held_up.set()
                assert go_on.wait(30)
            return create(study_name=study_name, **options)

        def begin(config: Config, uid: str) -> None:
            with opened(config) as mirror:
                try:
                    mirror.begin(uid, overwrite=False)
                    outcomes[uid] = "owns"
                except ResultsExistError as error:
                    outcomes[uid] = str(error)

        verbosity = optuna.logging.get_verbosity()  # of the whole process
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with locked(ResultsFolder(first.results.dir, "probe").lock), pytest.MonkeyPatch.context() as patch:
            patch.setattr(optuna, "create_study", create_later)
            threads = [threading.Thread(target=begin, args=each) for each in ((first, "u1"), (second, "u2"))]
            threads[0].start()
            assert held_up.wait(30)
            threads[1].start()
            threads[1].join(0.3)  # as far as it gets
            go_on.set()
            for thread in threads:
                thread.join()
        optuna.logging.set_verbosity(verbosity)
        assert outcomes["u1"] == "owns"
        assert "of a search that runs in" in outcomes["u2"]
        assert "choose another study (--set optuna.study=…)" in outcomes["u2"]
        assert study_of(storage).user_attrs["hivenas.uid"] == "u1"
        assert optuna.get_all_study_names(storage=open_storage(storage)) == ["probe"]

    def test_who_was_killed_while_it_began_holds_nobody_up_for_ever(
        self, storage: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hivenas.storage.optuna_storage._CLAIM_S", 0.1)
        killed = claimed(open_storage(storage), "probe")
        killed.__enter__()
        write(config_of(storage), rows_of_a_search()[:1])
        assert len(study_of(storage).trials) == 1
        killed.__exit__(None, None, None)
        assert optuna.get_all_study_names(storage=open_storage(storage)) == ["probe"]

    @pytest.mark.parametrize(("trials", "overwrite"), [(0, True), (2, False)])
    def test_the_study_of_a_search_that_is_running_is_not_taken_from_it(
        self, storage: str, tmp_path: Path, trials: int, overwrite: bool
    ) -> None:
        running, other = elsewhere(storage, tmp_path / "running"), elsewhere(storage, tmp_path / "other")
        with locked(ResultsFolder(running.results.dir, "probe").lock):
            write(running, rows_of_a_search()[:trials])
            for uid in ("u1", "u2"):  # of a search that was resumed in another folder, and of another
                with (
                    opened(other) as mirror,
                    pytest.raises(ResultsExistError, match=r"a search that runs in .*running"),
                ):
                    mirror.begin(uid, overwrite=overwrite)
        assert len(study_of(storage).trials) == trials
        with opened(other) as mirror:
            mirror.begin("u2", overwrite=True)

    @pytest.mark.parametrize(
        ("changed", "is_taken"), [({}, True), ({"host": "elsewhere"}, False), ({"inode": 1}, False)]
    )
    def test_a_study_without_evaluations_is_left_where_its_search_may_be_running(
        self, storage: str, tmp_path: Path, changed: dict[str, Any], is_taken: bool
    ) -> None:
        first, second = elsewhere(storage, tmp_path / "first"), elsewhere(storage, tmp_path / "second")
        write(first, [])
        home = json.loads(study_of(storage).user_attrs["hivenas.folder"]) | changed
        study_of(storage).set_user_attr("hivenas.folder", json.dumps(home))
        with opened(second) as mirror, contextlib.ExitStack() as stack:
            if not is_taken:
                stack.enter_context(pytest.raises(ResultsExistError, match=r"perhaps running.*--overwrite"))
            mirror.begin("u2", overwrite=False)
        assert study_of(storage).user_attrs["hivenas.uid"] == ("u2" if is_taken else "u1")

    def test_only_the_study_that_was_to_be_replaced_is(self, storage: str) -> None:
        config = config_of(storage)
        write(config, rows_of_a_search()[:1], "u1")
        with opened(config) as first, opened(config) as second:
            first.begin("u2", overwrite=False, replaces="u1")
            first.sync(rows_of_a_search()[:1], STATE)
            with pytest.raises(ResultsExistError, match="of another search"):
                second.begin("u3", overwrite=False, replaces="u1")
        assert study_of(storage).user_attrs["hivenas.uid"] == "u2"

    def test_syncing_before_begin_is_a_mistake_of_the_caller(self, storage: str) -> None:
        with opened(config_of(storage)) as mirror, pytest.raises(RuntimeError, match="call begin first"):
            mirror.sync([], {})

    def test_optuna_says_nothing_and_keeps_its_verbosity(self, storage: str, capfd: pytest.CaptureFixture[str]) -> None:
        before = optuna.logging.get_verbosity()
        write(config_of(storage), rows_of_a_search())
        assert optuna.logging.get_verbosity() == before == optuna.logging.INFO
        assert capfd.readouterr() == ("", "")


@pytest.mark.slow
class TestSqlite(BooksContract):
    def address(self, folder: Path) -> str:
        return f"sqlite:///{folder}/books.db"

    @contextlib.contextmanager
    def away(self, folder: Path) -> Iterator[None]:
        """Another program holds the file."""
        with contextlib.closing(sqlite3.connect(folder / "books.db", isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield
            holder.execute("ROLLBACK")

    @pytest.mark.slow
    def test_a_file_that_another_program_holds_is_named_with_the_reason(self, storage: str, tmp_path: Path) -> None:
        write(config_of(storage), rows_of_a_search())
        with self.away(tmp_path / "here"), pytest.raises(StorageError, match=r"database is locked.*; start it"):
            held(config_of(storage))

    @pytest.mark.slow
    def test_a_file_that_went_away_comes_back(self, storage: str, tmp_path: Path) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            (tmp_path / "here").rename(tmp_path / "there")
            with pytest.raises(StorageError):
                mirror.sync(rows_of_a_search()[:2], STATE)
            (tmp_path / "there").rename(tmp_path / "here")
            mirror.sync(rows_of_a_search(), STATE)
        assert columns(held(config)) == columns(rows_of_a_search())


class TestJournal(BooksContract):
    def address(self, folder: Path) -> str:
        return f"journal:{folder}/books.log"

    @contextlib.contextmanager
    def away(self, folder: Path) -> Iterator[None]:
        """The folder is gone, as one on another machine may be."""
        folder.rename(folder.with_name("away"))
        yield
        folder.with_name("away").rename(folder)

    def test_a_line_that_a_full_disk_tore_off_is_cut(self, storage: str, tmp_path: Path) -> None:
        config = config_of(storage)
        with opened(config) as mirror:
            mirror.begin("u1", overwrite=False)
            mirror.sync(rows_of_a_search()[:1], STATE)
            with (tmp_path / "here" / "books.log").open("ab") as file:
                file.write(b'{"op_code":4,"worker_id":"x","study')
            assert mirror.sync(rows_of_a_search()[:2], STATE) == 1
        with (tmp_path / "here" / "books.log").open("ab") as file:
            file.write(b'{"op')
        assert columns(held(config)) == columns(rows_of_a_search()[:2])
        write(config, rows_of_a_search())
        assert columns(held(config)) == columns(rows_of_a_search())
        # Optuna alone reads it as well.
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "here" / "books.log"))
        study = optuna.load_study(study_name="probe", storage=optuna.storages.JournalStorage(backend))
        assert len(study.trials) == 4
