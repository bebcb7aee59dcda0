"""A program that is stopped when it and its workers have spent their CPU time, and what was seen of it until then."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process_tree import adopt, cpu_below, kill_below

POLL = 0.25  # seconds
LONGEST_MEASURING = 120.0  # seconds for which a program past its budget is left to measure a network
IDLE = 900.0  # seconds in which a program that hangs has not spent one of CPU time


@dataclass(frozen=True)
class Spent:
    """The spending of a program.

    Args:
        cpu: seconds of all its processes, without the measuring.
        measuring: CPU seconds of that.
        wall: seconds.
        code: its exit code; None where it was stopped.
    """

    cpu: float
    measuring: float
    wall: float
    code: int | None


def read_events(file: Path) -> list[dict[str, Any]]:
    """The lines that `contenders/observing` has written so far; one that is still being written is left out."""
    if not file.exists():
        return []
    whole = file.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def run_within(
    command: Sequence[str], budget: float, events: Path, *, folder: Path, environment: Mapping[str, str]
) -> Spent:
    """Runs a program until it ends or its budget is spent; then none of its processes is left.

    It must be the only child that this process has ever had. It is killed as well when this process's parent ends.

    Args:
        command: the program and its arguments.
        budget: CPU seconds of all its processes together.
        events: the file that the observer writes, by which measuring costs nothing.
        folder: it works there; what it prints goes to `stdout.txt` and `stderr.txt`.
        environment: of the program, beside this process's own.
    """
    adopt()
    root, parent, began = os.getpid(), os.getppid(), time.monotonic()
    busy = began, 0.0
    variables = {**os.environ, **environment, "REAL_SIZE_EVENTS": str(events), "REAL_SIZE_ROOT": str(root)}
    with (folder / "stdout.txt").open("ab") as out, (folder / "stderr.txt").open("ab") as err:
        program = subprocess.Popen(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        past: float | None = None
        while program.poll() is None:
            time.sleep(POLL)
            seen = read_events(events)
            now, everything = time.monotonic(), cpu_below(root)
            busy = (now, everything) if everything > busy[1] + 1 else busy
            if now - busy[0] > IDLE or os.getppid() != parent:
                break
            # That is too much while a network is measured, whose cost is not written down before its end.
            past = (past or now) if everything - measured(seen) >= budget else None
            if past and (not is_measuring(seen) or now - past > LONGEST_MEASURING):
                break
        code = program.poll()
        kill_below(root)
        program.wait()
    cost = measured(read_events(events))
    return Spent(cpu_below(root) - cost, cost, time.monotonic() - began, code)


def measured(events: Sequence[Mapping[str, Any]]) -> float:
    """CPU seconds that the measuring has taken."""
    return float(sum(each.get("cost", 0.0) for each in events))


def is_measuring(events: Sequence[Mapping[str, Any]]) -> bool:
    """True while a process measures a network."""
    names = [str(each["event"]) for each in events]
    return names.count("begins") > names.count("ends")
