"""The result of a search: one record for the terminal, for programs, for MLflow, for the report and for Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hivenas.config.costs import COSTS, Cost
from hivenas.core.folder import ResultsFolder
from hivenas.core.front import front
from hivenas.core.full_training import Finalist, best_first
from hivenas.core.history import ranking
from hivenas.core.measured import TEST_METRICS, FinalFigure
from hivenas.core.publication import Published
from hivenas.core.records import Direction, Evaluation, Trial
from hivenas.reports import Summary
from hivenas.storage import SearchState, Spent, Stage
from hivenas.storage.limits import spent_told
from hivenas.wording import number_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class Trained:
    """A fully trained model: its record, its run, and what its publication came to (nothing while it waits).

    `trainings` are all that were made for it, by the names of their files; `direction` says which of them are better.
    """

    evaluation: Evaluation
    run_id: str
    published: Published
    trainings: Mapping[str, Finalist] = field(default_factory=dict)
    direction: Direction = Direction.MAXIMIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """All that came of a search, finished or not.

    `load_results` reads what the results folder holds: `waiting`, `registered` and `reason` are not known there, and
    `store` is not recorded.

    Args:
        name: the search's name.
        folder: its results folder.
        trials: every evaluation, in order.
        direction: where a better fitness lies.
        metric: what fitness is, for people.
        summary: counts of the trials.
        run_id: of the search's run in MLflow; empty where it is not tracked.
        store: URI of the MLflow store; empty where it is not tracked. From `load_results` it is MLFLOW_TRACKING_URI of
            this process, empty where that is not set.
        model_uri: where the fully trained best is loaded from; empty where there is none, or it is not published.
        registered: whether it has become the champion, and why, in a line; empty where it is not registered. Not known,
            and empty, from `load_results` and where a search that was finished before is resumed; the tag
            `hivenas.promotion` of the version says it.
        full_training: what the full training came to; None without one, or where its history is not in the folder.
        reason: why the search ended early, for its pages; empty in what `search` returns. Not known, and empty, from
            `load_results`.
        waiting: records that MLflow, or Optuna's storage, has not taken yet. Not known, and 0, from `load_results`.
        planned: evaluations at the most, continuations not counted.
        failure: a full training that failed and would fail again, see `SearchState`; None without one.
        finalists: the full trainings that were made, the best first, those that failed last.
        ended: the cause of an end before the last iteration, a budget or the patience, and what of the full training
            was left out for a budget; empty where there was none.
        spent: the time that its processes have taken.
        limits: that it has, see `Config.limits`.
        costs: what is weighed against the fitness, each with `key` and `label`; none where the fitness alone counts.
    """

    name: str
    folder: Path
    trials: tuple[Trial, ...]
    direction: Direction
    metric: str
    summary: Summary
    run_id: str = ""
    store: str = ""
    model_uri: str = ""
    registered: str = ""
    full_training: Evaluation | None = None
    reason: str = ""
    waiting: int = 0
    planned: int = 0
    failure: Mapping[str, str] | None = None
    finalists: tuple[Finalist, ...] = ()
    ended: str = ""
    spent: Spent = field(default_factory=Spent)
    limits: Mapping[str, float] = field(default_factory=dict)
    costs: tuple[Cost, ...] = ()

    @classmethod
    def of(cls, folder: ResultsFolder, state: SearchState, trials: Sequence[Trial], **more: Any) -> SearchResult:
        """The result of what is recorded.

        Args:
            folder: the results folder.
            state: the search's state.
            trials: every trial.
            more: further fields, in place of those that the state gives.
        """
        seconds = math.fsum(trial.seconds for trial in trials)
        fields: dict[str, Any] = {
            "name": folder.name,
            "folder": folder.path,
            "trials": tuple(trials),
            "direction": state.direction,
            "metric": state.metric,
            "summary": Summary.of(trials, reused=state.reused, seconds=seconds),
            "run_id": state.run_id,
            "model_uri": state.model if state.trained else "",
            "planned": state.planned,
            "failure": state.failure if state.stage == Stage.FULL_TRAIN else None,
            "finalists": tuple(best_first(state.trainings.values(), state.direction)),
            "ended": state.ended,
            "spent": state.spent,
            "limits": state.limits,
            "costs": tuple(COSTS[key] for key in state.cost.split(",") if key in COSTS),
        }
        return cls(**fields | more)

    @property
    def best(self) -> Trial | None:
        """The best candidate's latest trial, with `candidate` and `fitness`; None where every trial failed."""
        return next(iter(self.ranked), None)

    @property
    def ranked(self) -> list[Trial]:
        """The latest trial of every candidate that did not fail, best first."""
        return ranking(self.trials, self.direction)

    @property
    def cost(self) -> Cost | None:
        """The first of `costs`; None where the fitness alone counts."""
        return next(iter(self.costs), None)

    @property
    def front(self) -> list[Trial]:
        """The latest trials of the candidates that no other one beats in both fitness and cost, cheapest first.

        With several costs no other one beats them in fitness and all of these, and the one with the worst fitness comes
        first. Empty where the fitness alone counts.
        """
        return front(self.trials, self.direction, *self.costs) if self.costs else []

    @property
    def failed(self) -> Sequence[Trial]:
        """The trials that failed; each says why in `reason`."""
        return [trial for trial in self.trials if trial.failed]

    @property
    def paused(self) -> int:
        """The candidates whose training is paused: others promised more."""
        return sum(trial.status == "paused" for trial in self.ranked)

    @property
    def budget(self) -> str:
        """The parts of its budget that are spent, in words, such as 9 min 12 s of 10 min; empty without one."""
        return spent_told(self.spent, self.limits, sum(trial.phase == "evaluate" for trial in self.trials))

    @property
    def tested(self) -> FinalFigure | None:
        """The test figure that is looked for, of the fully trained best; None without a full training."""
        return FinalFigure.of(self.full_training) if self.full_training else None

    @property
    def test_metrics(self) -> Mapping[str, float]:
        """Every metric of the fully trained best on the test split, by its name; none without a full training."""
        tested = self.tested
        own = {tested.metric: tested.value} if tested else {}
        return {**own, **(self.full_training.extra.get(TEST_METRICS, {}) if self.full_training else {})}

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy of the fully trained best on the test split; None without a full training."""
        return self._figure("test_accuracy")

    @property
    def test_loss(self) -> float | None:
        """Loss of the fully trained best on the test split; None without a full training."""
        return self._figure("test_loss")

    @property
    def test_interval(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the test accuracy; None without a full training."""
        low, high = self._figure("test_accuracy_low"), self._figure("test_accuracy_high")
        return None if low is None or high is None else (low, high)

    @property
    def never_named(self) -> tuple[str, ...]:
        """Classes of the test split that the fully trained best takes no image for; none without a full training."""
        return tuple(self.full_training.extra.get("never_named", ())) if self.full_training else ()

    @property
    def model_file(self) -> Path | None:
        """The Keras file of the fully trained best, from raw images to probabilities; None without one here."""
        file = Path(self.full_training.extra.get("model", "")) if self.full_training else Path()
        return file if file.is_file() else None

    def to_frame(self) -> pandas.DataFrame:
        """The trials as a table with the columns of `<name>.csv`, and the proposed candidate as it was.

        Returns:
            A pandas.DataFrame, a row a trial, so that a candidate that was continued has several; pandas is imported
            only here. Where a cost is weighed against the fitness, the column `front` says whose trial is on the front.
            `docs/reference/table.md` says what every column is.
        """
        import pandas

        from hivenas.storage.export import as_columns

        rows: list[dict[str, Any]] = [as_columns(trial) | {"candidate": trial.candidate} for trial in self.trials]
        frame = pandas.DataFrame(rows)
        if self.costs:
            members = {trial.index for trial in self.front}
            frame["front"] = [trial.index in members for trial in self.trials]
        return frame

    def __repr__(self) -> str:
        """The best, the counts and the model in one line."""
        best = f"best {self.best.fitness:.6g} {self.best.encoded}" if self.best else "no candidate succeeded"
        model = f", {self.model_uri}" if self.model_uri else ""
        return f"<SearchResult {self.name}: {best}, {number_of(len(self.trials), 'trial')}{model}>"

    def _figure(self, name: str) -> float | None:
        value = self.full_training.extra.get(name) if self.full_training else None
        return None if value is None else float(value)
