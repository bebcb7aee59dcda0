"""The cost of a search's books an evaluation, by the evaluations before it: CPU milliseconds, and memory.

    python benchmarks/books.py TABLE [--at 200,1000,5000,20000] [--optuna journal:books.log] [--folder F] [--whole]

One search over a recorded table, through the same code as `hivenas search`, with MLflow in sqlite: nothing is trained,
so all but the look-up is books. A line for every mark: the mean over the 200 evaluations around it, by part. `records`
are the ledger, with the messages to MLflow, and the table on the disk; `rest` is the loop itself. `resident` is the
process's memory after the window, and the last column the ratio of the sum to that of the first line.

Colony, ledger and table are those of every evaluation. MLflow and Optuna are told of the evaluations within the
windows one by one, as in any search; of those between, Optuna is told at the beginning of the next window, and MLflow's
database gets copies of earlier runs, so that it is as large as it would be. With --whole MLflow is told of every one.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, chdir, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from hivenas import api
from hivenas.config import Config, from_mapping
from hivenas.core.children import Child
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.folder import ResultsFolder
from hivenas.core.records import Trial
from hivenas.objectives.table import TableObjective
from hivenas.run.callbacks import Callback, RunningSearch
from hivenas.storage import Ledger, Outbox
from hivenas.tracking.mlflow_tracker import MlflowTracker

HALF = 100  # evaluations on either side of a mark
PARTS = ("records", "MLflow", "colony", "Optuna", "rest")
LOOK_UP = "look-up"  # stands for the training, and is left out


@dataclass
class Clock:
    """CPU seconds by part; what is called within another part is counted once, as its own."""

    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _open: list[float] = field(default_factory=list)  # of every call that runs: seconds of calls within it

    def watch(self, owner: type, part: str, *names: str) -> None:
        """Has methods of a class counted, in this process, until it ends."""
        for name in names:
            setattr(owner, name, self.timed(part, getattr(owner, name)))

    def watch_block(self, owner: type, part: str, name: str) -> None:
        """Has the beginning and the end of what a method gives for a `with` counted, not what is done within."""
        method = getattr(owner, name)
        setattr(owner, name, lambda *given, **named: TimedBlock(self, part, method(*given, **named)))

    def timed(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose seconds are counted as the part's."""

        @functools.wraps(method)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._open.append(0.0)
            started = time.process_time()
            try:
                return method(*arguments, **named)
            finally:
                whole = time.process_time() - started
                self.spent[part] += whole - self._open.pop()
                if self._open:
                    self._open[-1] += whole

        return timed


@dataclass
class TimedBlock(AbstractContextManager[Any]):
    """A `with` block whose beginning and end are counted."""

    clock: Clock
    part: str
    block: AbstractContextManager[Any]

    def __enter__(self) -> Any:
        return self.clock.timed(self.part, self.block.__enter__)()

    def __exit__(self, *exc: object) -> bool | None:
        suppressed: bool | None = self.clock.timed(self.part, self.block.__exit__)(*exc)
        return suppressed


@dataclass
class Between:
    """The evaluations between the windows, of which others are not told one by one.

    Args:
        database: MLflow's.
    """

    database: Path
    is_on: bool = False
    _steps: list[int] = field(default_factory=list)

    def skip(self, owner: type, name: str, answer: Callable[..., Any]) -> None:
        """Has a method replaced between the windows."""
        method = getattr(owner, name)

        def chosen(*given: Any, **named: Any) -> Any:
            return (answer if self.is_on else method)(*given, **named)

        setattr(owner, name, chosen)

    def untracked(self, tracker: MlflowTracker, child: Child) -> str:
        """The id of a run that the database gets when the window opens."""
        self._steps.append(child.step)
        run_id = uuid.uuid4().hex
        tracker.resume_from(tracker.opened, {child.key: run_id})
        return run_id

    def fill(self) -> None:
        """Copies runs of MLflow's database, with all that belongs to them, and draws the parent's curves on."""
        self.is_on = False
        parent = "(SELECT value FROM tags WHERE key = 'mlflow.parentRunId' LIMIT 1)"
        children = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId'"
        point = "key, value, timestamp, run_uuid, is_nan"
        with closing(sqlite3.connect(self.database)) as store, store:
            store.execute("CREATE TEMP TABLE twin (old TEXT, new TEXT)")
            for start in range(0, len(self._steps), HALF):
                some = f"{children} LIMIT {min(HALF, len(self._steps) - start)}"
                store.execute(f"INSERT INTO twin SELECT run_uuid, lower(hex(randomblob(16))) FROM ({some})")
                for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
                    columns = [each[1] for each in store.execute(f"PRAGMA table_info({table})")]
                    taken = ", ".join("new" if column == "run_uuid" else column for column in columns)
                    store.execute(f"INSERT INTO {table} SELECT {taken} FROM twin JOIN {table} ON run_uuid = old")
                store.execute("DELETE FROM twin")
            latest = store.execute(f"SELECT {point} FROM latest_metrics WHERE run_uuid = {parent}").fetchall()
            curves = [(*each, step) for step in self._steps for each in latest]
            store.executemany(f"INSERT INTO metrics ({point}, step) VALUES (?, ?, ?, ?, ?, ?)", curves)
        self._steps.clear()


class Watcher(Callback):
    """Follows a search and prints a line when a window is over."""

    def __init__(self, clock: Clock, marks: list[int], between: Between | None) -> None:
        self._clock = clock
        self._marks = marks
        self._between = between
        self._first: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._sum = 0.0

    def on_start(self, search: RunningSearch) -> None:
        """Prints the head of the table."""
        click.echo("".join(f"{name:>13}" for name in ("evaluations", *PARTS, "sum", "resident MB", "ratio")))

    def on_trial(self, trial: Trial) -> None:
        """Opens or closes a window."""
        count = trial.index + 1
        if self._between and count + HALF + 1 in self._marks:
            self._between.fill()  # what Optuna lacks it gets with the last evaluation before the window
        elif count + HALF in self._marks:
            self._before = self._now()
        elif count - HALF in self._marks:
            self._print(count - HALF)
            if self._between:
                self._between.is_on = True

    def _now(self) -> dict[str, float]:
        return {**self._clock.spent, "all": time.process_time()}

    def _print(self, mark: int) -> None:
        now = self._now()
        spent = {part: 1000 * (now[part] - self._before.get(part, 0.0)) / (2 * HALF) for part in now}
        spent["rest"] = 2 * spent["all"] - sum(spent.values())
        total = spent["all"] - spent.get(LOOK_UP, 0.0)
        self._sum = self._sum or total
        figures = [*(f"{spent.get(part, 0.0):.2f}" for part in PARTS), f"{total:.2f}", f"{_resident():.0f}"]
        click.echo("".join(f"{text:>13}" for text in (str(mark), *figures, f"{total / self._sum:.2f}")))


def _resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def configuration(table: Path, evaluations: int, optuna: str | None) -> Config:
    """A table search of so many evaluations, at least."""
    return from_mapping(
        {
            "name": "books",
            "seed": 1,
            "objective": "table",
            "table": {"path": str(table.resolve())},
            "colony": {"iterations": -(-evaluations // 7)},
            "optuna": {"storage": optuna},
        }
    )


def watch(clock: Clock) -> None:
    """Has everything that a search does beside its evaluations counted."""
    clock.watch(TableObjective, LOOK_UP, "run")
    clock.watch(GuidedBeeColony, "colony", "ask", "tell", "state", "restore")
    clock.watch(MlflowTracker, "MLflow", "log_child")
    clock.watch(Outbox, "records", "post", "send")
    clock.watch(Ledger, "records", "record", "save", "set_run_ids", "export_table")
    clock.watch_block(Ledger, "records", "transaction")
    clock.watch(ResultsFolder, "records", "drop_checkpoints")
    # Optuna is imported where it is asked for.
    from hivenas.storage.mirror import OptunaMirror

    clock.watch(OptunaMirror, "Optuna", "sync")


def leave_out(database: Path) -> Between:
    """Has MLflow and Optuna told of the windows alone."""
    from hivenas.storage.mirror import OptunaMirror

    between = Between(database)
    between.skip(MlflowTracker, "log_child", lambda tracker, child, **_: between.untracked(tracker, child))
    between.skip(OptunaMirror, "sync", lambda *_, **__: 0)
    return between


@click.command(help=__doc__)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at", "at", default="200,1000,5000,20000", show_default=True, help="The marks, from 100.")
@click.option("--optuna", help="Keep Optuna's books too, in this storage.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where results and stores go; a temporary one.")
@click.option("--whole", is_flag=True, help="Tell MLflow and Optuna of every evaluation one by one.")
def main(table: Path, at: str, optuna: str | None, folder: Path | None, whole: bool) -> None:
    """Searches, and prints."""
    marks = sorted(int(mark) for mark in at.split(","))
    config = configuration(table, marks[-1] + HALF, optuna)
    clock = Clock()
    watch(clock)
    place: AbstractContextManager[str] = nullcontext(str(folder)) if folder else tempfile.TemporaryDirectory()
    with place as there:
        Path(there).mkdir(parents=True, exist_ok=True)
        with chdir(there):
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{there}/mlflow.db"
            watcher = Watcher(clock, marks, None if whole else leave_out(Path(there) / "mlflow.db"))
            api.search(config, callbacks=[watcher], progress=False)


if __name__ == "__main__":
    main()
