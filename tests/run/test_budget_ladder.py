"""A budget and patience where candidates climb a ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hivenas.config import from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.core.history import ranking
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Direction, Evaluation, Proposal
from hivenas.core.strategies.ladder import Ladder, Rungs
from hivenas.run.budget import Limits, Meter
from hivenas.run.callbacks import Callback
from hivenas.run.plan import say_ladder
from hivenas.storage import Ledger, SearchState, Spent
from tests.limited import Time, figures, search, settings
from tests.toy_objectives import CurvedObjective
from tests.trials import trial


class TimedCurves(CurvedObjective):
    """Candidates with curves, of which each epoch takes a second."""

    def __init__(
        self,
        rng: np.random.Generator,
        epochs: int,
        time: Time,
        fails_at: Callable[[Proposal], bool] = lambda proposal: False,
    ) -> None:
        super().__init__(rng, epochs)
        self._time = time
        self._fails_at = fails_at

    def describe(self) -> ObjectiveInfo:
        return ObjectiveInfo(direction=Direction.MAXIMIZE, trains=True)

    def run(self, proposal: Proposal) -> Evaluation:
        if self._fails_at(proposal):
            return Evaluation.failure(proposal.candidate, "RuntimeError: no memory")
        evaluation = super().run(proposal)
        seconds = float(len(evaluation.history))
        self._time.now += seconds
        return replace(evaluation, seconds=seconds, epoch_s=1.0)


@pytest.mark.parametrize(("epochs", "share"), [(5, "0.4"), (20, "")])
def test_a_share_that_does_not_pay_for_the_first_looks_is_said(
    epochs: int, share: str, caplog: pytest.LogCaptureFixture
) -> None:
    say_ladder(from_mapping({"evaluation": {"epochs": epochs, "stopping": "ladder"}}))
    said = "evaluation.ladder.share=0.35 pays for fewer epochs than the first looks of all candidates take, 2 of 5"
    assert [said in message and f"set share to {share} or more" in message for message in caplog.messages] == (
        [True] if share else []
    )


@pytest.mark.parametrize("minutes", [3.0, 8.0])
def test_time_for_the_climbs_at_the_end_is_kept_back_and_they_are_made(tmp_path: Path, minutes: float) -> None:
    time = Time()
    more = {"evaluation": {"epochs": 20, "stopping": "ladder"}, "full_train": {"enabled": False}, "objective": "nas"}
    config = settings(tmp_path, "colony.iterations=100", f"budget.minutes={minutes}", **more)

    ledger = search(config, time=time, make=lambda rng: TimedCurves(rng, 20, time), wrap=climbing(20))
    spent = sum(len(trial.evaluation.history) for trial in ledger.trials)
    assert 60 * minutes - 20 < spent <= 60 * minutes  # less than a complete training is left
    assert ledger.state.ending
    assert not ledger.state.ending.is_final
    new = [trial for trial in ledger.trials if trial.phase == "evaluate"]
    assert 0.3 * 20 * len(new) < spent <= 0.35 * 20 * len(new)
    assert sum(trial.status == "complete" for trial in ledger.trials) > 1
    again = search(config, time=time, make=lambda rng: TimedCurves(rng, 20, time), wrap=climbing(20), resume=True)
    assert again.trials == ledger.trials


def climbing(epochs: int, share: float = 0.35) -> Callable[[Any], Any]:
    """Has a strategy climb a ladder."""

    def wrapped(strategy: Any) -> Any:
        given = {"epochs": epochs, "stopping": "ladder", "ladder": {"share": share}}
        evaluation = from_mapping({"evaluation": given}).evaluation
        strategy.continue_by(Ladder(Rungs.of(evaluation)))
        return strategy

    return wrapped


@pytest.mark.parametrize("patience", [1, 2])
def test_with_a_ladder_patience_is_for_first_looks_and_ends_a_search_alike_where_it_was_killed(
    tmp_path: Path, patience: int
) -> None:
    more = {"evaluation": {"epochs": 20, "stopping": "ladder"}, "full_train": {"enabled": False}, "objective": "nas"}
    overrides = ("colony.iterations=12", "colony.size=7", f"colony.patience={patience}")

    def found(
        folder: Path, *, dies: int | None = None, resume: bool = False, callbacks: tuple[Callback, ...] = ()
    ) -> Ledger:
        def objective(rng: np.random.Generator) -> TimedCurves:
            made = TimedCurves(rng, 20, Time())
            run = made.run

            def dying(proposal: Proposal) -> Evaluation:
                if proposal.index == dies:
                    raise KeyboardInterrupt
                return run(proposal)

            made.run = dying  # type: ignore[method-assign]
            return made

        config = settings(folder, *overrides, **more)
        return search(config, make=objective, wrap=climbing(20), resume=resume, callbacks=callbacks)

    whole = found(tmp_path / "whole")
    ending = whole.state.ending
    assert ending
    assert ending.key == "patience"
    looks = [each for each in whole.trials if each.phase == "evaluate"]
    last, best = looks[-1].iteration, max(looks, key=lambda each: (each.fitness, -each.index)).iteration
    assert last == best + patience
    for index in {*range(patience, len(whole.trials), 3), len(whole.trials) - 1}:  # together two of three places
        folder = tmp_path / f"{index}"
        with pytest.raises(KeyboardInterrupt):
            found(folder, dies=index)
        again = found(folder, resume=True)
        assert (figures(again.trials), again.state.ending) == (figures(whole.trials), ending)
    with pytest.raises(KeyboardInterrupt):  # when the end is decided on, and what is due then is not begun
        found(tmp_path / "between", callbacks=(DiesAt(ending.after + 1),))
    again = found(tmp_path / "between", resume=True)
    assert (figures(again.trials), again.state.ending) == (figures(whole.trials), ending)


@pytest.mark.parametrize(("budget", "ends"), [(58.0, True), (59.0, False)])
def test_the_start_of_processes_is_spent_once_and_not_by_every_evaluation(budget: float, ends: bool) -> None:
    """Three first looks of 2 epochs, which take 4 s each, 3.6 of them to build the network, after 30 s of starting."""
    config = from_mapping(
        {"budget": {"cpu_hours": budget / 3600}, "evaluation": {"epochs": 10, "stopping": "ladder"}},
        ["full_train.enabled=false"],
    )
    time = Time()
    info = ObjectiveInfo(direction=Direction.MAXIMIZE, trains=True)
    limits = Limits(config, info, SearchState(), Meter(Spent(), clock=time, cpu_clock=time))
    time.now += 30.0
    for number in range(3):
        time.now += 4.0
        looked = trial(number, candidate=f"{number}", status="paused", curve={1: 0.5, 2: 0.6}, seconds=4.0, epoch_s=0.2)
        limits.take(looked)
    # Another one takes 4 s, and after it there are 8 epochs, in about 3 continuations: 12.4 s.
    assert limits.due(None, 0, 0) == ("cpu" if ends else "")


class DiesAt(Callback):
    """A kill as a proposal is submitted."""

    def __init__(self, index: int) -> None:
        self._index = index

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        if proposals[0].index == self._index:
            raise KeyboardInterrupt


def laddered(
    folder: Path, *overrides: str, epochs: int = 20, share: float = 0.35, resume: bool = False, **more: Any
) -> Ledger:
    """A search with a ladder."""
    time, evaluation = Time(), {"epochs": epochs, "stopping": "ladder", "ladder": {"share": share}}
    config = settings(folder, *overrides, evaluation=evaluation, full_train={"enabled": False}, objective="nas")
    fails = more.pop("fails", lambda proposal: False)
    wrap = climbing(epochs, share)
    return search(
        config, time=time, make=lambda rng: TimedCurves(rng, epochs, time, fails), wrap=wrap, resume=resume, **more
    )


@pytest.mark.parametrize(
    ("kind", "size", "iterations", "first", "then"),
    [
        ("random", 12, 1, 5, 12),
        ("guided", 7, 3, 16, 21),
        ("evolution", 7, 3, 7, 14),
        ("canonical", 7, 2, 9, 14),
        ("random", 6, 2, 6, 12),
    ],
)
def test_a_search_that_a_budget_has_ended_goes_on_with_all_that_was_laid_aside(
    tmp_path: Path, kind: str, size: int, iterations: int, first: int, then: int
) -> None:
    given = (f"colony.kind={kind}", f"colony.size={size}", f"colony.iterations={iterations}")
    ended = laddered(tmp_path, *given, f"budget.evaluations={first}")
    assert sum(each.phase == "evaluate" for each in ended.trials) == first
    assert not ended.state.has_run(settings(tmp_path, *given, f"budget.evaluations={then}"))
    again = laddered(tmp_path, *given, f"budget.evaluations={then}", resume=True)
    new = [each for each in again.trials if each.phase == "evaluate"]
    assert len(new) == then
    assert again.trials[: len(ended.trials)] == ended.trials
    assert [each.index for each in again.trials] == list(range(len(again.trials)))
    assert len({each.candidate for each in new}) == then
    # What was proposed by then is what is evaluated first.
    whole = [each.candidate for each in laddered(tmp_path / "whole", *given).trials if each.phase == "evaluate"]
    begun = -(-first // size) * size if kind in ("evolution", "random") else first
    assert [each.candidate for each in new[:begun]] == whole[:begun]


@pytest.mark.parametrize(("share", "epochs"), [(0.35, 5), (0.35, 8), (0.35, 20), (0.2, 20)])
@pytest.mark.parametrize("is_last", [True, False])
def test_where_a_climb_has_failed_another_candidate_is_complete(
    tmp_path: Path, share: float, epochs: int, is_last: bool
) -> None:
    failed: list[int] = []

    def fails(proposal: Proposal) -> bool:
        if proposal.momentum_epochs >= (epochs // 2 if is_last else 1) and not failed:
            failed.append(proposal.index)
            return True
        return False

    given = ("colony.kind=random", "colony.iterations=2")
    trials = laddered(tmp_path, *given, epochs=epochs, share=share, fails=fails).trials
    assert failed
    assert ranking(trials, Direction.MAXIMIZE)[0].status == "complete"


def test_what_was_kept_of_a_climb_is_there_when_it_is_taken_up_again(tmp_path: Path) -> None:
    given = ("colony.kind=random", "colony.iterations=2")
    whole = laddered(tmp_path / "whole", *given, share=0.2).trials
    *_, before, last = whole
    assert before.candidate == last.candidate
    kept = ResultsFolder(tmp_path, "limited").checkpoint(str(last.candidate), "momentum")

    def dies(proposal: Proposal) -> bool:
        if proposal.index == last.index:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(b"its state")
            raise KeyboardInterrupt
        return False

    def looks(proposal: Proposal) -> bool:
        assert kept.exists()
        return False

    with pytest.raises(KeyboardInterrupt):
        laddered(tmp_path, *given, share=0.2, fails=dies)
    assert laddered(tmp_path, *given, share=0.2, fails=looks, resume=True).trials == whole
    assert not kept.exists()


@pytest.mark.parametrize("share", [0.2, 0.35])
@pytest.mark.parametrize("first", [6, 9])
def test_an_end_by_a_budget_is_repeated_after_a_kill_and_gone_on_from(tmp_path: Path, share: float, first: int) -> None:
    given = ("colony.kind=random", "colony.iterations=3")
    budget = f"budget.evaluations={first}"
    whole = laddered(tmp_path / "whole", *given, budget, share=share)
    assert whole.state.ending
    begins = whole.state.ending.after + 1
    for index in range(begins - 1, len(whole.trials)):
        folder = tmp_path / f"{index}"

        def dies(proposal: Proposal, index: int = index) -> bool:
            if proposal.index == index:
                raise KeyboardInterrupt
            return False

        # Once as what is due at the end is submitted, and once in each of its trainings.
        more: dict[str, Any] = {"callbacks": (DiesAt(begins),)} if index < begins else {"fails": dies}
        with pytest.raises(KeyboardInterrupt):
            laddered(folder, *given, budget, share=share, **more)
        again = laddered(folder, *given, budget, share=share, resume=True)
        assert (figures(again.trials), again.state.ending) == (figures(whole.trials), whole.state.ending)
        further = laddered(folder, *given, "budget.evaluations=15", share=share, resume=True)
        assert sum(each.phase == "evaluate" for each in further.trials) == 15


def test_a_search_that_time_has_ended_among_continuations_goes_on(tmp_path: Path) -> None:
    given = ("colony.kind=random", "colony.iterations=4", "colony.size=6")
    ended_in_a_climb = 0
    for seconds in range(30, 120, 6):
        folder = tmp_path / f"{seconds}"
        ended = laddered(folder, *given, f"budget.minutes={seconds / 60}", share=0.6)
        left = (ended.state.strategy or {}).get("unfinished")
        ended_in_a_climb += bool(left and left["phase"].startswith("climb"))
        again = laddered(folder, *given, share=0.6, resume=True)
        assert sum(each.phase == "evaluate" for each in again.trials) == 24
        assert again.trials[: len(ended.trials)] == ended.trials
    assert ended_in_a_climb
