"""Real searches, killed at random instants and resumed until they end; `tests/outcome.py` says what came of them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tests.processes import LIMIT_S, Place, Process

_GLANCE_S = 0.002

# What a kill waits for: a span of time, or the n-th change of something in the search's folder.
Kind = Literal[
    "time", "store", "message", "trial", "state", "history", "checkpoint", "live", "flown", "full", "model", "done"
]
_EARLY: tuple[Kind, ...] = ("time", "store")
_LATE: tuple[Kind, ...] = ("flown", "full", "model", "done")


@dataclass(frozen=True, slots=True)
class Trigger:
    """The moment of a kill: so long after the n-th event of a kind; whole groups, or the driver alone."""

    kind: Kind
    count: int = 1
    delay_s: float = 0.0
    whole_group: bool = True


@dataclass(frozen=True, slots=True)
class Life:
    """One process, from its start to its kill or its own end.

    Args:
        trigger: what it was to be killed by; None where it was let live.
        killed: whether it was killed before it ended by itself.
        seconds: that it lived.
        phase: of the search, when it ended.
        found: files that were of interest then.
        first_record_s: from its start until it had recorded an evaluation of its own, or ended; None where neither.
        output: what it printed.
        code: its exit code.
    """

    trigger: Trigger | None
    killed: bool
    seconds: float
    phase: str
    found: str
    first_record_s: float | None
    output: str
    code: int


def plan(rng: np.random.Generator, kills: int, *, trains: bool, makes_store: bool) -> list[Trigger]:
    """Draws kills over the whole life of a search, in the order of its life, so that each finds it alive.

    Args:
        rng: the generator.
        kills: how many.
        trains: whether networks are trained, and the best of them fully.
        makes_store: whether the first process makes the MLflow store.
    """
    middle: list[Kind] = ["time", "message", "message", "trial", "trial", "state"]
    if trains:
        middle += ["history", "checkpoint", "live"]
    stages = rng.choice(4 if trains else 3, size=kills, p=[0.15, 0.45, 0.25, 0.15] if trains else [0.15, 0.7, 0.15])
    triggers = []
    for stage in sorted(stages.tolist()):
        count, delay = 1, float(rng.choice([0.0, rng.uniform(0.0, 0.2)]))
        if stage == 0:
            kind: Kind = _drawn(rng, _EARLY) if makes_store else "time"
            count, delay = (int(rng.integers(1, 30)), delay) if kind == "store" else (1, float(rng.uniform(0.1, 4.0)))
        elif stage == 1:
            kind = _drawn(rng, middle)
            count = int(rng.integers(1, 3 if trains else 6))
            delay = (
                float(rng.uniform(3.0, 10.0 if trains else 6.0)) if kind == "time" else delay if trains else delay / 5
            )
        elif stage == 2 and trains:
            kind = _drawn(rng, _LATE[:3])
            count = 1 if kind == "flown" else int(rng.integers(1, 5))
            delay = float(rng.uniform(0.0, 3.0)) if kind == "flown" else delay
        else:
            kind = "done"
            delay /= 4
        triggers.append(Trigger(kind, count, delay, bool(rng.random() < 0.7)))
    return sorted(triggers, key=lambda trigger: _LATE.index(trigger.kind) if trigger.kind in _LATE else -1)


def _drawn(rng: np.random.Generator, kinds: Sequence[Kind]) -> Kind:
    return kinds[int(rng.integers(len(kinds)))]


def harass(place: Place, triggers: Iterable[Trigger]) -> list[Life]:
    """Kills a search once for each trigger and resumes it until it ends by itself.

    Raises:
        AssertionError: a process ended in another way.
    """
    lives: list[Life] = []
    for trigger in [*triggers, None]:
        lives.append(live(place, trigger))
        if not lives[-1].killed:
            break
    assert lives[-1].code == 0, lives[-1].output
    return lives


def harass_until(
    kills: int, folder: Path, text: str, template: Path, rng: np.random.Generator
) -> Iterator[tuple[Place, list[Life]]]:
    """Searches one after another, until so many kills have met a living process.

    Args:
        kills: how many.
        folder: where the searches run.
        text: their configuration.
        template: an empty MLflow store, for all searches but the first, which makes its own and is killed over that.
        rng: the generator of the kills.
    """
    while kills > 0:
        place = Place(folder / f"killed-{len(list(folder.glob('killed-*')))}", text)
        is_first, trains = place.folder.name == "killed-0", place.trains
        if not is_first:
            place.share_store(template)
        lives = harass(place, plan(rng, min(kills, 7), trains=trains, makes_store=is_first))
        kills -= sum(life.killed for life in lives)
        yield place, lives


def live(place: Place, trigger: Trigger | None, *arguments: str) -> Life:
    """Runs one process of a search, resumed where there is something to resume, until its kill or its end."""
    folder = _Folder(place)
    resume = ["--resume"] if folder.state() else []
    recorded = folder.trials()
    process = place.start(*resume, *arguments)
    first_record_s: float | None = None
    killed = False
    for events in folder.watch(trigger.kind if trigger else "time", process):
        if not process.is_running or process.seconds > LIMIT_S:
            break
        if first_record_s is None and folder.trials() > recorded:
            first_record_s = process.seconds
        if trigger and events >= trigger.count:
            time.sleep(trigger.delay_s)
            killed = process.is_running
            break
    phase, found = folder.phase(process.output), folder.found()
    if killed or process.is_running:
        process.kill(whole_group=trigger is None or trigger.whole_group)
    if not killed and first_record_s is None:
        first_record_s = process.seconds
    code, seconds = process.wait(), process.seconds
    assert killed or seconds < LIMIT_S, f"no end within {LIMIT_S:.0f} s; it printed:\n{process.output}"
    assert process.group_ends(), "a worker outlives its driver"
    return Life(trigger, killed, seconds, phase, found, first_record_s, process.output, code)


class _Folder:
    """The state of a search as it is seen from outside, at a glance."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = place.results
        self._ledger = place.results / "ledger.db"
        self._stamp = (0, 0)
        self._seen_last: dict[str, list[tuple[object, ...]]] = {}

    def trials(self) -> int:
        """Trials in the ledger."""
        return int(str(self._ask("SELECT count(*) FROM trials", [(0,)])[0][0]))

    def state(self) -> str:
        """The search's state as text; empty where there is none."""
        return "".join(str(value) for (value,) in self._ask("SELECT value FROM search WHERE key = 'state'", []))

    def messages(self) -> list[str]:
        """The messages in the ledger."""
        return [str(content) for (content,) in self._ask("SELECT content FROM messages ORDER BY number", [])]

    def _ask(self, query: str, otherwise: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        """The answer of the ledger; the one before where it is just being made."""
        stamp = _stamp(self._ledger)
        if stamp != self._stamp:
            self._stamp = stamp
            self._seen_last = {}
        if query not in self._seen_last:
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)) as db,
            ):
                self._seen_last[query] = db.execute(query).fetchall()
        return self._seen_last.get(query, otherwise)

    def watch(self, kind: Kind, process: Process) -> Iterator[int]:
        """Counts the events of a kind, glance by glance."""
        last, events = self._seen(kind, process), int(kind == "time")
        while True:
            yield events
            time.sleep(_GLANCE_S)
            now = self._seen(kind, process)
            events += now != last and bool(now)
            last = now

    def phase(self, output: str) -> str:
        """The point that the search had reached."""
        state, messages = self.state(), self.messages()
        publishes = any('"model": {' in text for text in messages)
        if '"stage": "done"' in state:
            return "publication" if publishes and any('"closing": {' in text for text in messages) else "closing"
        if '"stage": "full_train"' in state:
            return "publication" if publishes else "full training" if self._place.trains else "closing"
        if "searching:" not in output:
            return "start-up"
        return "delivery" if messages else "evaluation"

    def found(self) -> str:
        """Files and messages that a kill may leave behind."""
        # A folder of attachments may go while it is looked into, over which a glob would fall.
        everything = (name for _, folders, files in os.walk(self._path) for name in (*folders, *files))
        names = [name for name in everything if (name.startswith(".") and name != ".lock") or name.endswith("-journal")]
        names += [f"messages/{number}" for number, _ in enumerate(self.messages())]
        names += [f"checkpoints/{path.name}" for path in self._path.glob("checkpoints/*")]
        return ", ".join(sorted(names))

    def _steps_of_publication(self) -> tuple[int, ...]:
        """Models logged, links to their runs, folders of their files, versions registered."""
        file = self._place.folder / "mlflow.db"
        tables = ("logged_models", "inputs WHERE source_type = 'RUN_OUTPUT'", "model_versions")
        folders = len(list(self._place.folder.glob("mlruns/*/models/*/**/")))
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
        ):
            counts = [int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in tables]
            return (*counts, folders) if any(counts) else ()
        return ()

    def _live_runs(self) -> tuple[int, ...]:
        """Nested runs in MLflow whose candidates are in training, and their points; nothing without one."""
        live = """SELECT run_uuid FROM runs WHERE status = 'RUNNING'
            AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'hivenas.bee')"""
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{self._place.folder}/mlflow.db?mode=ro", uri=True)) as db,
        ):
            runs = [str(run) for (run,) in db.execute(live)]
            points = db.execute(f"SELECT count(*) FROM metrics WHERE step > 0 AND run_uuid IN ({live})").fetchone()[0]
            return (len(runs), int(points)) if runs else ()
        return ()

    def _seen(self, kind: Kind, process: Process) -> object:
        """Something that changes with every event of a kind; false where there was none yet."""
        if kind == "message":
            return tuple(self.messages())
        if kind in {"history", "checkpoint"}:
            pattern = "training_history/*.json" if kind == "history" else "checkpoints/*"
            return tuple(sorted((path.name, _stamp(path)) for path in self._path.glob(pattern)))
        if kind == "full":
            return tuple(sorted(path.name for path in self._path.glob("weights/*-full*")))
        if kind == "model":
            return self._steps_of_publication()
        if kind == "live":
            return self._live_runs()
        if kind == "flown":
            return "training fully" in process.output
        if kind == "done":
            return '"stage": "done"' in self.state()
        if kind == "store":
            return tuple((path.name, _stamp(path)) for path in self._place.folder.glob("*mlflow.db*"))
        return self.state() if kind == "state" else self.trials()


def _stamp(path: Path) -> tuple[int, int]:
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size
    return 0, 0
