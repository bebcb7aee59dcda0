"""The facts of a search that its page, its description in MLflow and comparisons tell."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Literal

from hivenas.config.costs import Cost
from hivenas.config.tasks import CLASSIFY, TASKS
from hivenas.core.front import front
from hivenas.core.full_training import Finalist
from hivenas.core.history import ranking
from hivenas.core.measured import FinalFigure
from hivenas.core.records import Direction, Trial
from hivenas.reports.findings import alike, succeeded
from hivenas.reports.text import Summary
from hivenas.reports.trainings import as_table, is_told, model_told

Condition = Literal["finished", "running", "failed", "interrupted", "adhoc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """A search as it is told of.

    Args:
        name: of the search.
        objective: as configured.
        condition: `finished`, `running` (a process is at work), `failed` (by an error), `interrupted` (before it was
            finished, by a person, a kill, or nobody knows by what) or `adhoc` (evaluations asked for from Python).
        direction: where a better fitness lies.
        rows: the records, oldest first.
        reused: how often a record was used again in place of an evaluation.
        planned: evaluations at the most, continuations not counted; 0 where that is not known.
        config_yaml: the resolved configuration.
        folder: the results folder.
        data: digest of the images or of the table; empty without.
        reason: the cause of an early end; empty where there was none, or where nobody knows.
        resume: the command with which it goes on; empty where that is not known.
        obstacle: the reason why it would end again as it did, unless that command changes it; empty without one.
        place: the host and the folder where that is to be given; empty likewise.
        written: the moment of writing, in seconds since 1970.
        store: address of the MLflow server, http or https; empty where there is none to link to.
        ui: the command that shows a store which is no server.
        imports: the options with which commands import what is the user's own; empty without.
        run_id: the search's run there.
        metric: what fitness is, for people.
        tested: the test figure that is looked for, of the fully trained best; None without.
        test_accuracy: of the fully trained best; None without.
        test_interval: its confidence interval of 95 %; None without.
        never_named: classes of the test split that it takes no image for.
        model_uri: of the registered model; empty without.
        use: what that does with images, in words.
        verdict: a sentence on whether that has become the champion; empty without.
        finalists: the full trainings that were made, the best first.
        ended: the cause of an end before the last iteration, and what of the full training was left out; empty without.
        budget: the parts of its budget that are spent, in words; empty without one.
        costs: what is weighed against the fitness; none where that alone counts.
    """

    name: str
    objective: str
    condition: Condition
    direction: Direction
    rows: tuple[Trial, ...]
    reused: int = 0
    planned: int = 0
    config_yaml: str = ""
    folder: str = ""
    data: str = ""
    reason: str = ""
    resume: str = ""
    obstacle: str = ""
    place: str = ""
    written: float = 0.0
    store: str = ""
    ui: str = "mlflow ui"
    imports: str = ""
    run_id: str = ""
    metric: str = "validation accuracy"
    tested: FinalFigure | None = None
    test_accuracy: float | None = None
    test_interval: tuple[float, float] | None = None
    never_named: tuple[str, ...] = ()
    model_uri: str = ""
    use: str = TASKS[CLASSIFY].use
    verdict: str = ""
    finalists: tuple[Finalist, ...] = ()
    ended: str = ""
    budget: str = ""
    costs: tuple[Cost, ...] = ()

    def command(self, name: str, *options: str) -> str:
        """A command of hivenas on the configuration that the results folder has."""
        file = shlex.quote(f"{self.folder}/{self.name}.yaml")
        return " ".join([f"hivenas {name} --config {file}{self.imports}", *options])

    @property
    def front(self) -> list[Trial]:
        """The candidates that no other one beats in both fitness and costs, see `core.front`; empty without costs."""
        return front(self.rows, self.direction, *self.costs) if self.costs else []

    @property
    def trainings(self) -> list[list[str]]:
        """The full trainings as a table, where there is more to tell than that there was one; else nothing."""
        return as_table(self.finalists, self.metric) if is_told(self.finalists) else []

    @property
    def model_told(self) -> str:
        """The networks that the model is made of, where it is not that of the best candidate; else empty."""
        return model_told(self.finalists, [row.encoded for row in self.ranked])

    @property
    def ranked(self) -> list[Trial]:
        """The latest record of every candidate that did not fail, best first."""
        return succeeded(ranking(self.rows, self.direction))

    @property
    def summary(self) -> Summary:
        """The counts of its records."""
        return Summary.of(self.rows, reused=self.reused, seconds=math.fsum(row.seconds for row in self.rows))

    @property
    def elapsed(self) -> float:
        """Seconds from the first training's start to the last one's end, pauses included; 0 where none is known."""
        trained = [row for row in self.rows if row.started]
        ends = (row.started + row.seconds for row in trained)
        return max(ends, default=0.0) - min((row.started for row in trained), default=0.0)

    @property
    def failures(self) -> list[tuple[str, list[Trial]]]:
        """An example of each reason of failures and the evaluations that had it, the most frequent first."""
        found = alike([row for row in self.rows if row.status == "failed"], lambda row: row.reason)
        return [(rows[0].reason or "no reason was recorded", rows) for rows in found]
