"""A budget and patience: when a search ends, what is then left for the full training, what a resumption repeats."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from hivenas.config import from_mapping
from hivenas.core.history import ranking
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Direction, Evaluation, Proposal, Trial
from hivenas.core.strategies.kinds import make_strategy
from hivenas.core.strategies.momentum import Momentum
from hivenas.execution import SerialExecutor, TaskExecutor
from hivenas.objectives.numerical import Sphere
from hivenas.run.budget import Limits, Meter
from hivenas.run.callbacks import Callback
from hivenas.run.loop import Search
from hivenas.storage import Ending, SearchState, Spent, open_search, read_ledger
from tests.executors import ThreadExecutor
from tests.killed import Killed
from tests.limited import Time, figures, ledger_folder, search, settings
from tests.toy_objectives import TinyObjective
from tests.trials import trial

INFINITE = (float("nan"), math.inf, -math.inf)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The findings of a search without limits."""
    return figures(search(settings(tmp_path_factory.mktemp("whole"))).trials)


@pytest.mark.parametrize("kind", ["guided", "canonical", "evolution", "random"])
def test_a_fitness_that_is_no_finite_number_is_a_failure_and_points_may_be_numpys(tmp_path: Path, kind: str) -> None:
    class Whole(Sphere):
        """Whole numbers of numpy, every third of which has no finite fitness."""

        def sample(self) -> Any:
            return tuple(np.int64(10 * x) for x in super().sample())

        def get_neighbor(self, candidate: Any) -> Any:
            return self.sample()

        def get_neighbor_toward(self, candidate: Any, other: Any) -> Any:
            return self.sample()

        def evaluate(self, candidate: Any) -> Any:
            found = super().evaluate(candidate)
            return found if sum(candidate) % 3 else {**found, "fitness": INFINITE[int(sum(candidate)) // 3 % 3]}

    config = settings(tmp_path, f"colony.kind={kind}")
    trials = search(config, make=lambda rng: Whole(3, rng=rng)).trials
    assert len(trials) == 30
    failed = [each for each in trials if each.failed]
    assert 0 < len(failed) < 30
    assert {each.reason for each in failed} == {f"the fitness must be a finite number, got {x}" for x in INFINITE}
    assert {each.fitness for each in failed} == {math.inf}
    assert ranking(trials, Direction.MINIMIZE)[0].fitness == min(each.fitness for each in trials if not each.failed)
    _, recorded = read_ledger(ledger_folder(config))
    assert figures(recorded) == figures(trials)


@pytest.mark.parametrize("fitness", INFINITE)
def test_what_earlier_versions_have_recorded_without_a_number_is_never_the_best(fitness: float) -> None:
    trials = [trial(0, fitness, "a"), trial(1, 0.9, "b"), trial(2, 0.5, "c"), trial(3, 0.95, "d")]
    order = [each.encoded for each in ranking(trials, Direction.MAXIMIZE)]
    assert order == ["d", "b", "c", "a"]
    assert [each.encoded for each in ranking(trials, Direction.MINIMIZE)] == ["c", "b", "d", "a"]


# -- a number of evaluations -----------------------------------------------------------------------------------------


@pytest.fixture(params=[SerialExecutor, lambda: ThreadExecutor(2)])
def executor(request: pytest.FixtureRequest) -> Iterator[TaskExecutor]:
    with request.param() as made:
        yield made


@pytest.mark.parametrize("count", [1, 8])
def test_so_many_evaluations_are_made_and_with_more_it_goes_on_as_if_it_had_not_ended(
    tmp_path: Path, count: int, executor: TaskExecutor, whole: list[Any]
) -> None:
    ledger = search(settings(tmp_path, f"budget.evaluations={count}"), executor=executor)
    assert figures(ledger.trials) == whole[:count]
    assert ledger.state.ending == Ending(key="evaluations", limit=count, after=count - 1)
    again = search(settings(tmp_path, f"budget.evaluations={count}"), resume=True, executor=executor)
    assert figures(again.trials) == whole[:count]
    larger = search(settings(tmp_path, f"budget.evaluations={count + 1}"), resume=True, executor=executor)
    assert figures(larger.trials) == whole[: count + 1]
    without = search(settings(tmp_path), resume=True, executor=executor)
    assert (figures(without.trials), without.state.ending) == (whole, None)


def test_more_evaluations_than_the_iterations_have_change_nothing(tmp_path: Path, whole: list[Any]) -> None:
    ledger = search(settings(tmp_path, "budget.evaluations=31"))
    assert (figures(ledger.trials), ledger.state.ending) == (whole, None)


def test_continuations_are_not_counted(tmp_path: Path) -> None:
    config = settings(tmp_path, "budget.evaluations=2")
    limits = Limits(config, Sphere(2, rng=np.random.default_rng()).describe(), SearchState(), Meter(Spent()))
    proposals = [Proposal(index, 0, "bee", 0, "a", momentum_epochs=index % 2) for index in range(5)]
    assert [each.index for each in limits.within(proposals)] == [0, 1, 2]
    limits.take(trial(0))
    limits.take(trial(1, phase="momentum"))
    assert [each.index for each in limits.within(proposals[2:])] == [2]
    assert limits.due(None, 0, 0) == ""
    limits.take(trial(2))
    assert limits.due(None, 0, 0) == "evaluations"
    assert limits.within(proposals[3:]) == []


# -- patience ----------------------------------------------------------------------------------------------------------


def test_patience_ends_a_search_after_so_many_iterations_without_a_better_best(tmp_path: Path) -> None:
    small = ("colony.iterations=20", "colony.size=2", "budget.evaluations=40")
    free = search(settings(tmp_path / "free", *small))
    best, expected = free.trials[0], None
    for iteration in range(20):
        own = [t for t in free.trials if t.iteration == iteration]
        best = min([best, *own], key=lambda t: (t.fitness, t.index))
        if iteration - best.iteration >= 2:
            expected = own[-1].index
            break
    assert expected is not None
    ledger = search(settings(tmp_path / "patient", *small, "colony.patience=2"))
    assert figures(ledger.trials) == figures(free.trials[: expected + 1])
    assert ledger.state.ending == Ending(key="patience", limit=2, after=expected)
    assert ledger.state.ended == "2 iterations brought nothing better"
    more = search(settings(tmp_path / "patient", *small, "colony.patience=3"), resume=True)
    assert len(more.trials) > len(ledger.trials)


def test_with_a_cost_patience_waits_for_new_members_of_the_front(tmp_path: Path) -> None:
    for objectives, ends in (({}, "patience"), ({"params": "min"}, "")):
        config = settings(tmp_path, "colony.patience=2", objectives=objectives)
        limits = Limits(config, ObjectiveInfo(direction=Direction.MAXIMIZE), SearchState(), Meter(Spent()))
        best = trial(0, 0.9, "input|a|output", params=90)
        smaller = trial(7, 0.5, "input|b|output", params=50, iteration=1)
        for each in (best, smaller, trial(8, 0.4, "input|c|output", params=60, iteration=2)):
            limits.take(each)
        assert limits.due(best, 3, 0) == ends
        assert limits.due(best, 4, 0) == "patience"


def test_patience_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    overrides = ("colony.iterations=12", "colony.patience=1", "colony.kind=guided", "colony.overlap=1")
    found = []
    for threads in (1, 3):
        config = settings(tmp_path / f"{threads}", *overrides, objective="custom")
        with ThreadExecutor(threads) as executor:
            ledger = search(config, executor=executor, make=TinyObjective)
        found.append((figures(ledger.trials), ledger.state.ending))
    assert found[0] == found[1]
    assert found[0][1] is not None


def test_a_limit_that_is_reached_with_the_last_iteration_has_ended_nothing(tmp_path: Path, whole: list[Any]) -> None:
    ledger = search(settings(tmp_path, "budget.minutes=1"), takes=1.99)
    assert (figures(ledger.trials), ledger.state.ending) == (whole, None)
    again = settings(tmp_path / "patient", "colony.patience=1", "colony.iterations=2")
    assert search(again).state.ending is None


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_search_ends_before_an_evaluation_that_would_end_too_late(tmp_path: Path, whole: list[Any]) -> None:
    ledger = search(settings(tmp_path, "budget.minutes=1"), takes=7.0)
    assert figures(ledger.trials) == whole[:8]  # 56 seconds; the ninth would end after 63
    assert ledger.state.ending == Ending(key="wall", limit=60.0, after=7)
    assert ledger.state.spent.wall == 56.0
    assert ledger.state.ended == "the budget of 1 min was spent"


@pytest.mark.parametrize(("key", "value"), [("hours", 1 / 60), ("cpu_hours", 1 / 60)])
def test_hours_are_counted_too_and_whatever_is_spent_first_counts(tmp_path: Path, key: str, value: float) -> None:
    config = settings(tmp_path, "budget.minutes=5", f"budget.{key}={value}", execution={"kind": "serial"})
    assert len(search(config, takes=7.0).trials) == 8


def test_time_adds_up_over_a_resumption_without_the_pause(tmp_path: Path, whole: list[Any]) -> None:
    class Stops(Callback):
        def on_trial(self, trial: Trial) -> None:
            if trial.index == 4:
                raise Killed

    clock, config = Time(), settings(tmp_path, "budget.minutes=1")
    with pytest.raises(Killed):
        search(config, takes=7.0, time=clock, callbacks=(Stops(),))
    state, trials = read_ledger(ledger_folder(config))
    assert state is not None
    assert (len(trials), state.spent.wall) == (5, 35.0)
    clock.now += 1_000_000
    ledger = search(config, resume=True, takes=7.0, time=clock)
    assert figures(ledger.trials) == whole[:8]
    assert ledger.state.spent.wall == 56.0


def test_a_decision_is_repeated_after_a_kill_and_what_was_begun_is_evaluated(tmp_path: Path, whole: list[Any]) -> None:
    """The decision comes with the trial; whoever goes on has time for what was begun and for no more."""

    class Dies(Callback):
        def on_trial(self, trial: Trial) -> None:
            state, _ = read_ledger(ledger_folder(config))
            if state is not None and state.ending is not None:
                raise Killed

    config = settings(tmp_path, "budget.minutes=1", "execution.workers=2")
    with pytest.raises(Killed), ThreadExecutor(2) as executor:
        search(config, takes=7.0, executor=executor, callbacks=(Dies(),))
    state, trials = read_ledger(ledger_folder(config))
    assert state is not None
    assert state.ending is not None
    after = state.ending.after
    assert after >= len(trials) - 1
    ledger = search(config, resume=True, takes=60.0)
    assert figures(ledger.trials) == whole[: after + 1]
    assert ledger.state.ending == state.ending


def test_a_search_goes_on_where_what_was_waited_for_took_less_than_expected(
    tmp_path: Path, whole: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The first takes 25 s of 60, and one more is waited for: a third would end too late if that took as long."""
    caplog.set_level("INFO", "hivenas")
    clock, begun, decided = Time(), Event(), Event()

    class Decides(Callback):
        def on_record(self, trial: Trial) -> None:
            decided.set()

    def first_slow(rng: np.random.Generator) -> Sphere:
        objective = Sphere(3, rng=rng)
        run = objective.run

        def paced(proposal: Proposal) -> Evaluation:
            if proposal.index == 0:
                clock.now += 25.0
            else:
                begun.set()
                assert decided.wait(60.0)
            return run(proposal)

        objective.run = paced  # type: ignore[method-assign]
        return objective

    def told_once_another_has_begun(strategy: Any) -> Any:
        tell = strategy.tell

        def wait_and_tell(evaluations: Sequence[Evaluation]) -> None:
            assert begun.wait(60.0)
            tell(evaluations)

        strategy.tell = wait_and_tell
        return strategy

    config = settings(tmp_path, "budget.minutes=1")
    with ThreadExecutor(1) as executor:
        ledger = search(
            config,
            time=clock,
            executor=executor,
            callbacks=(Decides(),),
            make=first_slow,
            wrap=told_once_another_has_begun,
        )
    assert figures(ledger.trials) == whole
    assert ledger.state.ending is None
    assert [message for message in caplog.messages if message.startswith("the search")] == [
        "the search ends after evaluation 1: the budget of 1 min was spent",
        "the search goes on: there is time for another evaluation after all",
    ]


def test_a_smaller_budget_ends_a_resumed_search_at_once(tmp_path: Path, whole: list[Any]) -> None:
    search(settings(tmp_path, "budget.minutes=1"), takes=7.0)
    ledger = search(settings(tmp_path, "budget.minutes=0.5"), resume=True, takes=7.0)
    assert figures(ledger.trials) == whole[:8]
    ledger = search(settings(tmp_path, "budget.minutes=2"), resume=True, takes=7.0)
    assert figures(ledger.trials) == whole[:17]  # 119 seconds
    ledger = search(settings(tmp_path, "budget.minutes=0.1"), resume=True, takes=7.0)
    assert figures(ledger.trials) == whole[:17]


# -- a strategy that has something to do at the end --------------------------------------------------------------------


class Finishing:
    """A strategy that continues the best two of what it was told, when it is told that this was all."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._known: list[Evaluation] = []
        self._rounds: list[Proposal] = []
        self._is_concluded = False

    def ask(self) -> list[Proposal]:
        asked: list[Proposal] = self._rounds if self._is_concluded else self._inner.ask()
        return asked

    def tell(self, evaluations: list[Evaluation]) -> None:
        if self._is_concluded:
            self._rounds = self._rounds[len(evaluations) :]
            return
        self._known += evaluations
        self._inner.tell(evaluations)

    def conclude(self) -> None:
        if self._is_concluded:
            return
        self._inner.conclude()
        self._is_concluded = True
        best = sorted(self._known, key=lambda each: -each.fitness)[:2]
        self._rounds = [
            Proposal(
                len(self._known) + i, 9, "bee", i, each.candidate, momentum_epochs=1, weights_filename=each.filename
            )
            for i, each in enumerate(best)
        ]

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._inner.state()
        return state


@pytest.mark.parametrize(
    ("minutes", "rounds", "ending"),
    [
        (10.0, 2, Ending(key="evaluations", limit=8.0, after=7)),
        (1.1, 1, Ending(key="wall", limit=66.0, after=8, is_final=True)),
    ],
)
def test_what_a_strategy_does_at_the_end_is_done_but_for_what_there_is_no_time_for(
    tmp_path: Path, minutes: float, rounds: int, ending: Ending
) -> None:
    limits = (f"budget.minutes={minutes}", "budget.evaluations=8")
    config = settings(tmp_path, *limits, "colony.kind=guided", objective="custom")
    ledger = search(config, takes=7.0, make=TinyObjective, wrap=Finishing)
    assert [trial.phase for trial in ledger.trials] == ["evaluate"] * 8 + ["momentum"] * rounds
    assert ledger.state.ending == ending


def test_a_concluded_strategy_plans_no_more_and_goes_on_without_the_mark(tmp_path: Path) -> None:
    config = settings(tmp_path, "colony.kind=guided", objective="custom")
    made = [make_strategy(TinyObjective(rng), config.colony, rng) for rng in map(np.random.default_rng, (3, 4))]
    strategy, other = made
    objective = TinyObjective(np.random.default_rng(0))
    told = []
    for _ in range(5):
        told.append(objective.run(strategy.ask()[0]))
        strategy.tell(told[-1:])
    assert "iterations" not in strategy.state()
    strategy.conclude()  # type: ignore[attr-defined]
    state = strategy.state()
    assert (strategy.ask(), strategy.is_done, state["iterations"]) == ([], True, state["iteration"])  # type: ignore[attr-defined]
    strategy.conclude()  # type: ignore[attr-defined]
    assert strategy.state() == state
    other.restore(state, told)
    assert (other.ask(), other.state()) == ([], state)
    other.restore({key: value for key, value in state.items() if key != "iterations"}, told)
    assert [each.index for each in other.ask()][:1] == [5]


@pytest.mark.parametrize(("is_final", "is_taken_back"), [(False, True), (True, False)])
def test_an_end_without_time_for_the_last_rounds_is_not_taken_back(
    tmp_path: Path, is_final: bool, is_taken_back: bool
) -> None:
    ending = Ending(key="wall", limit=60.0, after=2, is_final=is_final)
    config = settings(tmp_path, "budget.minutes=1")
    with open_search(config, 1) as ledger:
        ledger.save(ending=ending)
        limits = Limits(config, ObjectiveInfo(direction=Direction.MINIMIZE), ledger.state, Meter(Spent(), clock=Time()))
        rng = np.random.default_rng(3)
        objective = Sphere(3, rng=rng)
        loop = Search(make_strategy(objective, config.colony, rng), objective, SerialExecutor(), ledger, limits=limits)
        for number in range(4):
            limits.take(trial(number))
        loop._told = 3
        loop._is_ending(deque(), 0)
    assert (limits.ending is None) is is_taken_back


class ByIndex(TinyObjective):
    """Evaluations that get worse, but for one."""

    def run(self, proposal: Proposal) -> Evaluation:
        fitness = 0.95 if proposal.index == 13 else 0.5 - 0.001 * proposal.index
        return replace(super().run(proposal), fitness=fitness)


@pytest.mark.parametrize("kind", ["guided", "random", "evolution"])
@pytest.mark.parametrize("overlap", [0, 1, 3])
def test_patience_counts_iterations_of_which_all_was_told(tmp_path: Path, kind: str, overlap: int) -> None:
    overrides = [f"colony.kind={kind}", "colony.size=7", "colony.iterations=12", "colony.patience=1"]
    config = settings(tmp_path, *overrides, f"colony.overlap={overlap}", objective="custom")
    ledger = search(config, make=ByIndex)
    assert ledger.trials[13].iteration == 1  # the last of it
    assert len(ledger.trials) >= 21
    assert ledger.state.ending
    assert ledger.state.ending.after == len(ledger.trials) - 1
    assert ledger.state.ended == "1 iteration brought nothing better"


@pytest.mark.parametrize("threads", [1, 3])
def test_what_patience_had_not_seen_is_looked_at_before_the_search_ends(tmp_path: Path, threads: int) -> None:
    """With an overlap the last flights of the next phase are on their way when it is decided that all is over."""
    ends = []
    for better in (None, 6, 7, 8):

        class Late(TinyObjective):
            def run(self, proposal: Proposal, better: int | None = better) -> Evaluation:
                fitness = 0.9 if proposal.index == better else 0.5 - 0.001 * proposal.index
                return replace(super().run(proposal), fitness=fitness)

        overrides = [
            "colony.kind=random",
            "colony.size=4",
            "colony.iterations=12",
            "colony.patience=1",
            "colony.overlap=2",
        ]
        config = settings(tmp_path / f"{better}", *overrides, objective="custom")
        with ThreadExecutor(threads) as executor:
            ledger = search(config, make=Late, executor=executor)
        assert ledger.state.ending
        best = max(ledger.trials, key=lambda each: each.fitness)
        last = ledger.trials[ledger.state.ending.after]
        assert last.iteration > best.iteration, better
        ends.append(len(ledger.trials))
    assert ends[0] < max(ends)


@pytest.mark.parametrize("kind", ["random", "guided", "evolution"])
@pytest.mark.parametrize(("size", "overlap"), [(4, 3), (3, 1)])
def test_with_patience_and_an_overlap_a_search_goes_on_alike_wherever_it_was_killed(
    tmp_path: Path, kind: str, size: int, overlap: int
) -> None:
    """Whoever goes on has begun nothing of what is not told yet, and looks at patience no earlier for that."""

    class Dies(Callback):
        def __init__(self, count: int) -> None:
            self.count = count

        def on_trial(self, trial: Trial) -> None:
            if trial.index == self.count - 1:
                raise Killed

    overrides = [f"colony.kind={kind}", f"colony.size={size}", f"colony.overlap={overlap}", "colony.patience=1"]
    whole = search(
        settings(tmp_path / "whole", *overrides, "colony.iterations=8", objective="custom"), make=TinyObjective
    )
    for count in range(1, len(whole.trials)):
        config = settings(tmp_path / f"{count}", *overrides, "colony.iterations=8", objective="custom")
        with pytest.raises(Killed):
            search(config, make=TinyObjective, callbacks=(Dies(count),))
        resumed = search(config, make=TinyObjective, resume=True)
        assert figures(resumed.trials) == figures(whole.trials), count
        assert resumed.state.ending == whole.state.ending, count


@pytest.mark.parametrize("threads", [1, 3])
def test_with_patience_all_that_was_begun_is_recorded(tmp_path: Path, threads: int) -> None:
    ran: list[int] = []

    class Counted(TinyObjective):
        def run(self, proposal: Proposal) -> Evaluation:
            ran.append(proposal.index)
            return replace(super().run(proposal), momentum=0.0)

    def continuing(strategy: Any) -> Any:
        strategy.continue_by(Momentum(3, strategy._rng))
        return strategy

    overrides = ["colony.kind=guided", "colony.size=7", "colony.iterations=12", "colony.patience=1", "colony.overlap=2"]
    with ThreadExecutor(threads) as executor:
        config = settings(tmp_path, *overrides, objective="custom")
        ledger = search(config, make=Counted, wrap=continuing, executor=executor)
    assert ledger.state.ending
    assert sorted(ran) == [each.index for each in ledger.trials]


def test_a_member_of_the_front_that_is_continued_and_no_better_is_nothing_new(tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        "colony.patience=2",
        "evaluation.momentum_epochs=3",
        "evaluation.epochs=8",
        objectives={"params": "min"},
    )
    limits = Limits(config, ObjectiveInfo(direction=Direction.MAXIMIZE), SearchState(), Meter(Spent()))
    limits.take(trial(0, 0.9, "input|a|output", params=90))
    limits.take(trial(1, 0.5, "input|b|output", params=50))
    limits.take(trial(2, 0.8, "input|a|output", params=90, iteration=1, phase="momentum"))
    assert limits.due(trial(0), 2, 0) == ""
    limits.take(trial(3, 0.7, "input|a|output", params=90, iteration=2, phase="momentum"))
    assert limits.due(trial(0), 3, 0) == "patience"
    limits.take(trial(4, 0.75, "input|a|output", params=90, iteration=2, phase="momentum"))
    assert limits.due(trial(0), 3, 0) == ""


@pytest.mark.parametrize("limit", [12, 13])
def test_a_budget_of_as_many_evaluations_as_there_are_leaves_no_continuation_out(tmp_path: Path, limit: int) -> None:
    def continuing(strategy: Any) -> Any:
        strategy.continue_by(Momentum(4, strategy._rng))
        return strategy

    given = ["colony.kind=guided", "colony.size=6", "colony.iterations=2"]
    whole, limited = (
        search(
            settings(tmp_path / f"{len(more)}", *given, *more, objective="custom"), make=TinyObjective, wrap=continuing
        )
        for more in ([], [f"budget.evaluations={limit}"])
    )
    assert figures(limited.trials) == figures(whole.trials)
    assert limited.state.ending is None


@pytest.mark.parametrize("overlap", [0, 1])
def test_a_budget_that_ends_a_search_one_evaluation_before_the_last_has_ended_it(tmp_path: Path, overlap: int) -> None:
    overrides = ["colony.kind=random", "colony.size=7", "colony.iterations=3", f"colony.overlap={overlap}"]
    config = settings(tmp_path, *overrides, "budget.evaluations=20", objective="custom")
    ledger = search(config, make=TinyObjective)
    assert len(ledger.trials) == 20
    assert ledger.state.ended == "the budget of 20 evaluations was spent"
    more = settings(tmp_path, *overrides, "budget.evaluations=21", objective="custom")
    assert not ledger.state.has_run(more)
    whole = search(settings(tmp_path / "whole", *overrides, objective="custom"), make=TinyObjective)
    assert figures(search(more, make=TinyObjective, resume=True).trials) == figures(whole.trials)


def test_what_is_submitted_again_is_judged_by_what_was_known_when_it_was_proposed(tmp_path: Path) -> None:
    clock, begun, decided, judged = Time(), Event(), Event(), []

    class Decides(Callback):
        def on_record(self, trial: Trial) -> None:
            if trial.index == 2:
                decided.set()

    def paced(rng: np.random.Generator) -> TinyObjective:
        objective = TinyObjective(rng)
        run = objective.run

        def timed(proposal: Proposal) -> Evaluation:
            clock.now += 1 if proposal.index < 2 else 0
            if proposal.index == 3:
                begun.set()
                assert decided.wait(20)
            return run(proposal)

        def noted(proposal: Proposal, history: Sequence[Any]) -> Proposal:
            judged.append((proposal.known, len(history)))
            return proposal

        objective.run, objective.with_context = timed, noted  # type: ignore[method-assign,assignment]
        return objective

    def slowed(strategy: Any) -> Any:
        tell = strategy.tell

        def telling(evaluations: Sequence[Evaluation]) -> None:
            if strategy.ask()[0].index == 2:
                clock.now += 45
                assert begun.wait(20)
            tell(evaluations)

        strategy.tell = telling
        return strategy

    overrides = ["budget.minutes=1", "colony.kind=random", "colony.size=5", "colony.overlap=3", "colony.iterations=3"]
    config = settings(tmp_path, *overrides, objective="custom")
    with ThreadExecutor(1) as executor:
        search(config, time=clock, executor=executor, callbacks=(Decides(),), make=paced, wrap=slowed)
    assert len(judged) > 10
    assert all(known == seen for known, seen in judged)


# -- the full training -------------------------------------------------------------------------------------------------


def trained() -> list[Trial]:
    """Three candidates, the last the best, of 8 epochs of a second each."""
    curve = dict.fromkeys(range(1, 9), 0.5)
    return [trial(i, 0.5 + i / 10, f"{i}", curve=curve, seconds=8.0, epoch_s=1.0) for i in range(3)]


def limits_of(minutes: float, spent: float, *overrides: str) -> Limits:
    """Of a search that trains."""
    config = from_mapping({"budget": {"minutes": minutes}, "evaluation": {"epochs": 8}}, overrides)
    meter = Meter(Spent(wall=spent, cpu=spent), clock=lambda: 0.0, cpu_clock=lambda: 0.0)
    return Limits(config, ObjectiveInfo(direction=Direction.MAXIMIZE, trains=True), SearchState(), meter)


@pytest.mark.parametrize(
    ("minutes", "spent", "begun", "ends"),
    [
        (10, 600 - 150 - 8, 0, False),  # 3 times 50 epochs are kept back
        (10, 600 - 150 - 7, 0, True),
        (10, 600 - 150 - 16, 1, False),  # the one that is being carried out comes first
        (10, 600 - 150 - 15, 1, True),
        (4, 240 - 100 - 8, 0, False),  # 150 seconds are more than half: two finalists
        (4, 240 - 100 - 7, 0, True),
        (1, 60 - 30 - 8, 0, False),  # one, shortened
        (1, 60 - 30 - 7, 0, True),
    ],
)
def test_the_full_training_is_kept_back_from_the_budget(minutes: float, spent: float, begun: int, ends: bool) -> None:
    for enabled in (True, False):
        limits = limits_of(minutes, spent, f"full_train.enabled={enabled}".lower())
        for each in trained():
            limits.take(each)
        assert limits.due(trial(0), 0, begun) == ("wall" if ends and enabled else "")


@pytest.mark.parametrize(("most", "ends"), [(10, False), (None, True)])
def test_time_ends_no_search_before_a_candidate_has_succeeded(most: int | None, ends: bool) -> None:
    config = "null" if most is None else most
    limits = limits_of(1, 61, f"execution.max_consecutive_failures={config}", "full_train.enabled=false")
    limits.take(trial(0, status="failed"))
    assert limits.due(None, 0, 0) == ("wall" if ends else "")
    limits.take(trial(1))
    assert limits.due(trial(1), 0, 0) == "wall"


@pytest.mark.parametrize(
    ("spent", "finalists", "epochs"), [(100, 3, 50), (460, 2, 50), (560, 1, 40), (590, 1, 10), (700, 1, 8)]
)
def test_what_is_left_when_the_search_has_ended_decides_on_the_full_training(
    spent: float, finalists: int, epochs: int, caplog: pytest.LogCaptureFixture
) -> None:
    settled = limits_of(10, spent).settle(trained())
    assert settled is not None
    assert (settled.finalists, settled.epochs, settled.wanted) == (finalists, epochs, (3, 1, 50, False, 1, False))
    assert bool(caplog.records) == bool(settled.told) == (spent > 100)
    assert limits_of(10, 0, "budget.minutes=null").settle(trained()) is None
    assert limits_of(10, 0, "full_train.enabled=false").settle(trained()) is None


@pytest.mark.parametrize(
    ("hours", "epochs", "left"),
    [(10.0, 40, "40.0 s"), (0.376, 34, "13 min 14 s"), (0.1, 8, "0.0 s")],
    ids=["wall", "cpu", "none"],
)
def test_of_two_budgets_of_time_the_one_that_decides_is_named(
    hours: float, epochs: int, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    settled = limits_of(10, 560, f"budget.cpu_hours={hours}").settle(trained())
    assert settled is not None
    assert (settled.finalists, settled.epochs) == (1, epochs)
    (record,) = caplog.records
    assert f"and {left} of the budget are left: 1 × {epochs} epochs are trained, in about" in record.message


@pytest.mark.parametrize(
    ("spent", "finalists", "epochs"), [(100, 3, 50), (440, 2, 50), (490, 1, 50), (560, 1, 20), (700, 1, 8)]
)
def test_the_small_model_has_its_part_of_what_is_left(spent: float, finalists: int, epochs: int) -> None:
    settled = limits_of(10, spent, "objectives.params=min", "registry.small=small").settle(trained())
    assert settled is not None
    assert (settled.finalists, settled.epochs) == (finalists, epochs)


def test_processor_time_is_that_of_this_process_and_of_the_workers() -> None:
    class Working(SerialExecutor):
        used = 5.0

        def cpu_seconds(self) -> float:
            return self.used

    clock = Time()
    executor = Working()
    meter = Meter(Spent(wall=1.0, cpu=2.0), executor, clock=clock, cpu_clock=lambda: 3.0)
    clock.now += 10
    assert meter.spent == Spent(wall=11.0, cpu=7.0)
