from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

import hivenas
from hivenas.config import Config, EvaluationConfig, LadderConfig, from_mapping
from hivenas.core.children import Child
from hivenas.core.history import History, ranking
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.progress import Progress
from hivenas.core.records import Direction, Evaluation, Proposal, Trial
from hivenas.core.strategies.kinds import make_strategy
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, DatasetError, SearchFailedError, TrackingError
from hivenas.execution import SerialExecutor, Task, TaskExecutor
from hivenas.objectives.numerical import Sphere
from hivenas.objectives.table import TableObjective
from hivenas.run.budget import Limits, Meter
from hivenas.run.callbacks import Callback
from hivenas.run.loop import Search
from hivenas.run.mirror_sync import MirrorSync
from hivenas.run.pages import SearchPages
from hivenas.run.tracked import Tracking
from hivenas.run.weights import Retention, WeightsKeeper
from hivenas.storage import Ledger, Outbox, open_search, read_ledger
from hivenas.storage.mirror import OptunaMirror
from hivenas.storage.optuna_study import open_study
from tests.colonies import ends_in_every_way, write_table
from tests.executors import ThreadExecutor, trained
from tests.toy_objectives import CurvedObjective, TinyObjective

T = TypeVar("T")


class Listener(Callback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def on_trial(self, trial: Trial) -> None:
        self.trials.append(trial)


class CountingTracker(NullTracker):
    """Counts children."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[Child] = []

    def log_child(self, child: Child, *, again: bool = False) -> str:
        self.children.append(child)
        return f"run-{len(self.children)}"


class Interrupting:
    """An objective's evaluations, of which some fail, and before one of which the search is interrupted."""

    def __init__(self, ledger: Ledger, stop_before: int, fail: Collection[int]) -> None:
        self._ledger = ledger
        self._stop_before = stop_before
        self._fail = fail

    def wrap(self, objective: ObjectiveInterface) -> None:
        run = objective.run

        def interrupted(proposal: Proposal) -> Evaluation:
            if proposal.index == self._stop_before:
                raise KeyboardInterrupt
            if proposal.index in self._fail:
                raise ValueError(f"layer {proposal.index} does not build")
            evaluation = run(proposal)
            if evaluation.filename:
                self._ledger.folder.weights.mkdir(exist_ok=True)
                (self._ledger.folder.weights / evaluation.filename).write_text(evaluation.filename)
            return evaluation

        objective.run = interrupted  # type: ignore[method-assign]


def config(tmp_path: Path, iterations: int = 5) -> Config:
    return from_mapping(
        {
            "name": "sphere",
            "objective": "sphere_min",
            "colony": {"size": 6, "iterations": iterations, "employee_ratio": 0.5},
            "results": {"dir": str(tmp_path)},
        }
    )


def run(
    ledger: Ledger,
    settings: Config,
    *,
    stop_before: int = -1,
    fail: Collection[int] = (),
    tracker: CountingTracker | None = None,
    most_failures: int | None = None,
    make: Callable[[np.random.Generator], ObjectiveInterface] = lambda rng: Sphere(3, rng=rng),
    momentum_epochs: int = 0,
    evaluation: EvaluationConfig | None = None,
    executor: TaskExecutor | None = None,
    keep: int | None = None,
    callbacks: Collection[Callback] = (),
) -> CountingTracker:
    rng = np.random.default_rng(3)
    objective = make(rng)
    Interrupting(ledger, stop_before, fail).wrap(objective)
    tracker = tracker or CountingTracker()
    outbox = Outbox(ledger, tracker)
    outbox.send(force=True)
    direction = objective.describe().direction
    weights = WeightsKeeper(ledger, objective, Retention(keep, direction), tracker)
    tracking = Tracking(settings, ledger, objective, outbox, SearchPages(settings, objective, ledger), weights)
    Search(
        make_strategy(objective, settings.colony, rng, evaluation or EvaluationConfig(momentum_epochs=momentum_epochs)),
        objective,
        executor or SerialExecutor(),
        ledger,
        [weights, tracking, *callbacks],
        limits=Limits(settings, objective.describe(), ledger.state, Meter(ledger.state.spent)),
        most_failures=most_failures,
    ).run()
    outbox.send(force=True)
    return tracker


def figures(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [(t.index, t.iteration, t.role, t.role_id, t.candidate, t.fitness, t.status) for t in trials]


def test_every_evaluation_is_recorded_tracked_and_told(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with open_search(settings, 1) as ledger:
        tracker = run(ledger, settings)
        assert (
            [row.index for row in ledger.trials]
            == list(range(30))
            == [int(c.tags["hivenas.index"]) for c in tracker.children]
        )
        assert ledger.trials == read_ledger(ledger.folder)[1]
        assert ledger.trials[4].run_id == "run-5"


@pytest.fixture(params=[SerialExecutor, lambda: ThreadExecutor(1), lambda: ThreadExecutor(2)])
def executor(request: pytest.FixtureRequest) -> Iterator[TaskExecutor]:
    with request.param() as made:
        yield made


@pytest.mark.parametrize("stop_before", [0, 1, 3, 4, 6, 17, 29])
def test_a_search_that_was_stopped_goes_on_to_the_same_records(
    tmp_path: Path, stop_before: int, executor: TaskExecutor
) -> None:
    whole, stopped = config(tmp_path / "whole"), config(tmp_path / "stopped")
    with open_search(whole, 1) as ledger:
        run(ledger, whole)
        expected = figures(ledger.trials)
    with pytest.raises(KeyboardInterrupt), open_search(stopped, 1) as ledger:
        run(ledger, stopped, stop_before=stop_before, executor=executor)
    with open_search(stopped, 1, resume=True) as ledger:
        # What is on the disk alone is delivered now: the last record of a phase, that a worker was to follow.
        rows = len(ledger.trials)
        tracker = run(ledger, stopped, executor=executor)
        assert figures(ledger.trials) == expected
        assert [child.key for child in tracker.children] == [ledger.key(index) for index in range(rows, 30)]


class Telling(TinyObjective):
    """Tells of each candidate that its training has begun, and of three epochs."""

    def evaluate(self, candidate: Any) -> dict[str, Any]:
        trained(3)
        return super().evaluate(candidate)


class Hearer(Callback):
    """Keeps what it hears of trainings; raises at one of them."""

    def __init__(self, raises_at: int = -1) -> None:
        self.heard: dict[int, list[int]] = {}
        self.threads: set[int] = set()
        self._raises_at = raises_at

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        self.threads.add(threading.get_ident())
        self.heard.setdefault(proposal.index, []).append(progress.epoch)
        if proposal.index == self._raises_at:
            raise ValueError("a callback's own error")


@pytest.mark.parametrize("make_executor", [SerialExecutor, lambda: ThreadExecutor(2)])
def test_callbacks_hear_of_trainings_in_the_drivers_thread_and_end_a_search_by_raising(
    tmp_path: Path, make_executor: Callable[[], TaskExecutor]
) -> None:
    settings = config(tmp_path, iterations=2)
    hearer, raises = Hearer(), Hearer(raises_at=4)
    with open_search(settings, 1) as ledger, make_executor() as executor:
        with pytest.raises(ValueError, match="a callback's own error"):
            run(ledger, settings, make=Telling, executor=executor, callbacks=[raises])
        assert len(ledger.trials) <= 4
    with open_search(settings, 1, resume=True) as ledger, make_executor() as executor:
        before = len(ledger.trials)
        run(ledger, settings, make=Telling, executor=executor, callbacks=[hearer])
        assert not any(trial.failed for trial in ledger.trials)
        assert hearer.heard == {trial.index: [0, 3] for trial in ledger.trials[before:]}
    assert hearer.threads == {threading.get_ident()}


class CountingExecutor(ThreadExecutor):
    """Counts what it is given to do."""

    def __init__(self) -> None:
        super().__init__(1)
        self.given = 0

    def submit(self, task: Task[T]) -> Future[T]:
        self.given += 1
        return super().submit(task)


class WatchingTracker(CountingTracker):
    """Notes how much a worker has been given to do when it is told of an evaluation."""

    def __init__(self, executor: CountingExecutor) -> None:
        super().__init__()
        self._executor = executor
        self.given: list[int] = []

    def log_child(self, child: Child, *, again: bool = False) -> str:
        self.given.append(self._executor.given)
        return super().log_child(child, again=again)


def test_a_worker_has_something_to_do_whenever_the_tracker_is_told(tmp_path: Path) -> None:
    settings = config(tmp_path)  # phases of three
    with open_search(settings, 1) as ledger, CountingExecutor() as executor:
        tracker = WatchingTracker(executor)
        run(ledger, settings, tracker=tracker, executor=executor)
        assert all(given > told for told, given in enumerate(tracker.given[:-1], start=1))
        assert [row.run_id for row in ledger.trials] == [f"run-{number}" for number in range(1, 31)]
        assert ledger.trials == read_ledger(ledger.folder)[1]


def test_a_finished_search_may_fly_further_iterations(tmp_path: Path) -> None:
    with open_search(config(tmp_path / "long", 5), 1) as ledger:
        run(ledger, config(tmp_path, 5))
        expected = figures(ledger.trials)
    with open_search(config(tmp_path / "grown", 2), 1) as ledger:
        run(ledger, config(tmp_path, 2))
    with open_search(config(tmp_path / "grown", 5), 1, resume=True) as ledger:
        run(ledger, config(tmp_path, 5))
        assert figures(ledger.trials) == expected


def test_a_candidate_that_fails_is_a_record_and_the_search_goes_on(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with open_search(settings, 1) as ledger:
        tracker = run(ledger, settings, fail=[7])
        assert ledger.trials[7].status == "failed"
        assert ledger.trials[7].reason == "ValueError: layer 7 does not build"
        assert ledger.trials[7].fitness == float("inf")
        assert len(ledger.trials) == 30
        assert tracker.children[7].failed
        assert "layer 7 does not build" in tracker.children[7].texts["traceback.txt"]


def test_wrong_input_ends_the_search(tmp_path: Path) -> None:
    class Missing(Sphere):
        def run(self, proposal: Proposal) -> Evaluation:
            raise DatasetError("no such images")

    settings = config(tmp_path)
    with open_search(settings, 1) as ledger, pytest.raises(DatasetError):
        run(ledger, settings, make=lambda rng: Missing(3, rng=rng))


class KilledTracker(CountingTracker):
    """Is ended in the middle of its n-th child, before or after that was taken, as a kill would."""

    def __init__(self, at: int, taken: bool) -> None:
        super().__init__()
        self._at = at
        self._taken = taken

    def log_child(self, child: Child, *, again: bool = False) -> str:
        if len(self.children) == self._at and not self._taken:
            raise KeyboardInterrupt
        run_id = super().log_child(child, again=again)
        if len(self.children) > self._at:
            raise KeyboardInterrupt
        return run_id


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("at", [0, 5, 29])
def test_an_evaluation_is_not_repeated_when_the_search_ends_while_it_is_tracked(
    tmp_path: Path, at: int, taken: bool, executor: TaskExecutor
) -> None:
    whole, settings = config(tmp_path / "whole"), config(tmp_path / "killed")
    with open_search(whole, 1) as ledger:
        run(ledger, whole)
        expected = figures(ledger.trials)
    with pytest.raises(KeyboardInterrupt), open_search(settings, 1) as ledger:
        run(ledger, settings, tracker=KilledTracker(at, taken), executor=executor)
    with open_search(settings, 1, resume=True) as ledger:
        assert len(ledger.trials) == at + 1
        tracker = run(ledger, settings)
        assert figures(ledger.trials) == expected
        # The interrupted one is sent again, under the key by which a tracker knows it.
        assert [child.key for child in tracker.children] == [ledger.key(index) for index in range(at, 30)]
        assert all(row.run_id for row in ledger.trials[at:])


class DeafTracker(CountingTracker):
    """Does not answer from one child on to another."""

    def __init__(self, deaf: range) -> None:
        super().__init__()
        self._deaf = deaf
        self.calls = 0

    def log_child(self, child: Child, *, again: bool = False) -> str:
        self.calls += 1
        if self.calls in self._deaf:
            raise TrackingError("no answer")
        return super().log_child(child, again=again)


def test_what_could_not_be_tracked_is_delivered_in_order_and_its_runs_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivenas.core.outage.PAUSE_S", 0.0)
    settings = config(tmp_path)
    with open_search(settings, 1) as ledger:
        tracker = run(ledger, settings, tracker=DeafTracker(range(4, 9)))
        assert [int(child.tags["hivenas.index"]) for child in tracker.children] == list(range(30))
        assert [row.run_id for row in ledger.trials] == [f"run-{number}" for number in range(1, 31)]
        assert read_ledger(ledger.folder)[1] == ledger.trials


def test_a_search_in_which_everything_fails_ends_with_the_common_cause(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with pytest.raises(SearchFailedError) as caught, open_search(settings, 1) as ledger:
        run(ledger, settings, fail=range(3, 30), most_failures=4)
    assert str(caught.value).startswith("ValueError: layer 3 does not build: so ended 4 of 4 candidates")
    with open_search(settings, 1, resume=True) as ledger:
        assert len(ledger.trials) == 7
        run(ledger, settings, fail=[7, 8, 9], most_failures=4)
        assert len(ledger.trials) == 30


def test_failures_that_do_not_follow_each_other_do_not_end_a_search(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with open_search(settings, 1) as ledger:
        run(ledger, settings, fail=range(0, 30, 2), most_failures=2)
        assert len(ledger.trials) == 30


# -- a guided search ----------------------------------------------------------------------------------------------

GUIDED: list[tuple[str, dict[str, Any], int]] = [
    *(("tiny", {"make": TinyObjective}, stop_before) for stop_before in (0, 2, 3, 6, 7, 8, 30)),
    *(("tiny", {"make": TinyObjective, "momentum_epochs": 3}, stop_before) for stop_before in (8, 25)),
    *(
        ("tiny", {"make": lambda rng: TinyObjective(rng, minimize=True, status=ends_in_every_way)}, stop_before)
        for stop_before in (8, 25)
    ),
    *(("table", {}, stop_before) for stop_before in (8, 25)),
    *(("overlap", {"make": TinyObjective, "momentum_epochs": 3}, stop_before) for stop_before in (2, 3, 6, 7, 13, 25)),
]


def guided(tmp_path: Path, name: str, objective: str, settings: dict[str, Any]) -> tuple[Config, dict[str, Any]]:
    """A configuration of a guided search, and what `run` is to be given."""
    asked: dict[str, Any] = {"name": name, "colony": {"iterations": 5}, "results": {"dir": str(tmp_path)}}
    if objective == "table":
        file = write_table(tmp_path / "t.csv")
        asked |= {"objective": "table", "table": {"path": str(file)}}
        settings = {"make": lambda rng: TableObjective(file, rng=rng)}
    if objective == "overlap":
        asked["colony"] |= {"overlap": 2}
    return from_mapping(asked), settings


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "settings", "stop_before"), GUIDED)
def test_a_guided_search_that_was_killed_goes_on_to_the_same_records(
    tmp_path: Path, objective: str, settings: dict[str, Any], stop_before: int
) -> None:
    whole, settings = guided(tmp_path, "whole", objective, settings)
    with open_search(whole, 1) as ledger:
        run(ledger, whole, **settings)
        expected = figures(ledger.trials)
    killed = guided(tmp_path, "killed", objective, settings)[0]
    with pytest.raises(KeyboardInterrupt), open_search(killed, 1) as ledger:
        run(ledger, killed, stop_before=stop_before, **settings)
    with open_search(killed, 1, resume=True) as ledger:
        assert len(ledger.trials) == stop_before
        run(ledger, killed, **settings)
        assert figures(ledger.trials) == expected


class Keeping(CountingTracker):
    """Has the saved states of other machines, and notes which are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def fetch(self, run: str, path: str, folder: Path) -> bool:
        self.fetched.append(path.removeprefix("weights/"))
        return True


@pytest.mark.slow
def test_a_ladder_goes_on_in_another_folder_from_optunas_books_alone(tmp_path: Path) -> None:
    """In the first iteration there are 7 first looks, then 7, 3 and 1 continuations: all is decided by their curves."""
    rules = EvaluationConfig(epochs=10, stopping="ladder", ladder=LadderConfig(share=0.5, hold=1.0))

    def searched(folder: str, *, resume: bool = False, stop_before: int = -1) -> tuple[list[Trial], Keeping]:
        books = {"optuna": {"storage": f"sqlite:///{tmp_path}/{'whole' if folder == 'whole' else 'books'}.db"}}
        asked = {"name": "climb", "colony": {"iterations": 2}, "results": {"dir": str(tmp_path / folder)}, **books}
        settings, tracker = from_mapping(asked), Keeping()
        mirror = OptunaMirror(open_study(settings, CurvedObjective(np.random.default_rng(1), 10).describe()))
        with open_search(settings, 1, resume=resume, mirror=mirror) as ledger:
            run(
                ledger,
                settings,
                make=lambda rng: CurvedObjective(rng, 10),
                evaluation=rules,
                tracker=tracker,
                callbacks=[MirrorSync(ledger, mirror)],
                stop_before=stop_before,
            )
            return list(ledger.trials), tracker

    whole, _ = searched("whole")
    assert [trial.phase for trial in whole[:18]] == ["evaluate"] * 7 + ["momentum"] * 11
    assert any(trial.status == "complete" for trial in whole)
    with pytest.raises(KeyboardInterrupt):
        searched("here", stop_before=15)
    resumed, tracker = searched("there", resume=True)
    assert figures(resumed) == figures(whole)
    assert [trial.accuracies() for trial in resumed] == [trial.accuracies() for trial in whole]
    # Two climbs of the second round are left, whose first states lie in the other folder.
    assert tracker.fetched[:2] == [trial.proposal.weights_filename for trial in whole[15:17]]


def test_the_next_phase_does_not_wait_for_the_flights_of_an_overlap(tmp_path: Path) -> None:
    """The last of every phase takes until one of the next phase has begun; records are as without that."""
    alone, more = guided(tmp_path, "alone", "overlap", {"make": TinyObjective})
    with open_search(alone, 1) as ledger:
        run(ledger, alone, **more)
        expected = figures(ledger.trials)

    class Waiting(ThreadExecutor):
        """Lets the last of a phase of 3 or 4 end when the first of the next phase is submitted."""

        def __init__(self) -> None:
            super().__init__(4)
            self.begun = [threading.Event() for _ in expected]

        def submit(self, task: Task[T]) -> Future[T]:
            proposal = task.arguments[-1]
            self.begun[proposal.index].set()
            return super().submit(replace(task, call=self.evaluate, arguments=(task, proposal)))

        def evaluate(self, task: Task[T], proposal: Proposal) -> T:
            follows = proposal.index + 1
            if proposal.index % 7 in (2, 6) and follows < len(expected):
                assert self.begun[follows].wait(60)
            return task.run()

    settings = guided(tmp_path, "overlapped", "overlap", {})[0]
    with open_search(settings, 1) as ledger, Waiting() as executor:
        run(ledger, settings, executor=executor, **more)
        assert figures(ledger.trials) == expected


@pytest.mark.parametrize(("overlap", "stop_before"), [(0, 9), (2, 9), (2, 12), (2, 13), (2, 20)])
def test_a_proposal_is_briefed_by_what_the_colony_knew_of(tmp_path: Path, overlap: int, stop_before: int) -> None:
    """Also after a resumption, for those that were on their way when the next phase was planned."""
    briefed: dict[int, int] = {}

    class Briefing(TinyObjective):
        def with_context(self, proposal: Proposal, history: History) -> Proposal:
            before = briefed.setdefault(proposal.index, len(history))
            assert len(history) == before == proposal.known
            return proposal

    settings = from_mapping(
        {"name": "briefs", "colony": {"iterations": 4, "overlap": overlap}, "results": {"dir": str(tmp_path)}}
    )
    with pytest.raises(KeyboardInterrupt), open_search(settings, 1) as ledger:
        run(ledger, settings, stop_before=stop_before, make=Briefing)
    with open_search(settings, 1, resume=True) as ledger:
        run(ledger, settings, make=Briefing)
    phases = [0] * 3 + [3] * 4 + [7] * 3 + [10] * 4 + [14] * 3 + [17] * 4 + [21] * 3 + [24] * 4
    assert [briefed[number] for number in range(28)] == [max(0, begins - overlap) for begins in phases]


@pytest.mark.parametrize("done", [0, 1, 2])
def test_who_was_sent_where_before_a_kill_is_not_decided_anew(tmp_path: Path, done: int) -> None:
    """As on another machine, whose arithmetic might have a bee fly elsewhere."""
    settings, more = guided(tmp_path, "edited", "tiny", {"make": TinyObjective})
    begins = 14  # employees
    with pytest.raises(KeyboardInterrupt), open_search(settings, 1) as ledger:
        run(ledger, settings, stop_before=begins + done, **more)
    with open_search(settings, 1, resume=True) as ledger:
        state = json.loads(json.dumps(ledger.state.strategy))
        flights = [flight for flight in state["flights"] if flight["proposal"]["index"] >= begins + done]
        assert [flight["proposal"]["index"] for flight in flights] == list(range(begins + done, begins + 3))
        taken = {*(trial.encoded for trial in ledger.trials), *(flight["candidate"] for flight in flights)}
        space = TinyObjective(np.random.default_rng(1))
        flight = flights[-1]
        other = next(name for name in space.neighbors(flight["proposal"]["parent"]) if name not in taken)
        flight["candidate"] = flight["proposal"]["candidate"] = other
        ledger.save(strategy=state)
    with open_search(settings, 1, resume=True) as ledger:
        before = figures(ledger.trials)
        run(ledger, settings, **more)
        candidates = [row.candidate for row in ledger.trials]
        assert figures(ledger.trials)[: begins + done] == before
        assert candidates[begins + done : begins + 3] == [flight["candidate"] for flight in flights]
        assert candidates[begins + 2] == other
        assert len(set(candidates)) == len(candidates) == 35


def test_a_search_goes_on_with_the_kind_of_colony_that_began_it_alone(tmp_path: Path) -> None:
    settings, more = guided(tmp_path, "kinds", "tiny", {"make": TinyObjective})
    with pytest.raises(KeyboardInterrupt), open_search(settings, 1) as ledger:
        run(ledger, settings, stop_before=9, **more)
    canonical = from_mapping(
        {"name": "kinds", "colony": {"iterations": 5, "kind": "canonical"}, "results": {"dir": str(tmp_path)}}
    )
    with pytest.raises(ConfigError, match=r"colony\.kind"), open_search(canonical, 1, resume=True):
        pytest.fail("another kind of colony must not go on with the search")
    with open_search(settings, 1, resume=True) as ledger:
        run(ledger, settings, **more)
        assert len(ledger.trials) == 35


def kept_by(children: list[Child]) -> set[str]:
    """Keys of the children whose weights are kept, as a store would have them that is told of each in turn."""
    kept: set[str] = set()
    for child in children:
        kept |= {child.key} if any(folder == "weights" for _, folder in child.artifacts) else set()
        kept -= set(child.delete_weights)
    return kept


def architectures(tmp_path: Path) -> Config:
    return from_mapping(
        {"name": "bees", "colony": {"size": 5, "iterations": 6}, "results": {"dir": str(tmp_path)}, "seed": 1}
    )


@pytest.mark.parametrize("keep", [0, 3])
def test_weights_that_fall_out_of_the_best_go_here_and_where_they_are_tracked(tmp_path: Path, keep: int) -> None:
    settings = architectures(tmp_path)
    with open_search(settings, 1) as ledger:
        tracker = run(ledger, settings, make=TinyObjective, keep=keep)
        best = ranking(ledger.trials, Direction.MAXIMIZE)[:keep]
        assert len(ledger.trials) > 10
        assert {file.name for file in ledger.folder.weights.iterdir()} == {row.weights_filename for row in best}
        assert kept_by(tracker.children) == {ledger.key(row.index) for row in best}


@pytest.mark.parametrize("before", [3, None])
def test_a_search_that_is_ended_and_resumed_keeps_the_weights_of_the_best_too(
    tmp_path: Path, before: int | None
) -> None:
    """Also where all were to be kept before it was resumed."""
    settings = architectures(tmp_path)
    with pytest.raises(KeyboardInterrupt), open_search(settings, 1) as ledger:
        run(
            ledger,
            settings,
            make=TinyObjective,
            keep=before,
            tracker=(first := CountingTracker()),
            stop_before=8,
        )
    with open_search(settings, 1, resume=True) as ledger:
        tracker = run(ledger, settings, make=TinyObjective, keep=3)
        best = ranking(ledger.trials, Direction.MAXIMIZE)[:3]
        assert {file.name for file in ledger.folder.weights.iterdir()} == {row.weights_filename for row in best}
        assert kept_by([*first.children, *tracker.children]) == {ledger.key(row.index) for row in best}


def test_a_crash_of_a_search_that_was_replaced_is_none_of_the_new_one(tmp_path: Path) -> None:
    config = {
        "name": "again",
        "tracking": "none",
        "execution": {"kind": "serial"},
        "colony": {"size": 2, "iterations": 1},
        "results": {"dir": str(tmp_path)},
    }
    objective = hivenas.FunctionObjective(lambda x: 2.0 * x, {"x": [1, 2, 3, 4]})
    first = hivenas.search(config, objective=objective, progress=False)
    label = f"{first.trials[0].label} {first.trials[0].encoded}"
    (first.folder / "crash.log").write_text(f"{label}\nFatal Python error: Segmentation fault\n")
    again = hivenas.search(config, objective=objective, overwrite=True, progress=False)
    assert [trial.candidate for trial in again.trials] == [trial.candidate for trial in first.trials]
    assert {trial.status for trial in again.trials} == {"complete"}
