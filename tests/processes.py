"""Real processes of `hivenas` in folders of their own, and tiny searches for them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT_S = 300.0  # a process that takes longer hangs

TRAINING = """
name: {name}
seed: {seed}
dataset: {{name: digits, train_limit: 200}}
space: {{depth: 2, skip_rate: 0.2, operations: [sep3x3_32, max_pool3x3, dropout, identity]}}
evaluation: {{epochs: 3, batch_size: 32, momentum_epochs: 2, stopping: none, augmentation: {{shift: 0}}}}
colony: {{size: 2, iterations: 2}}
full_train: {{epochs: 4, finalists: 1}}
tracking_live_s: 0
execution: {{checkpoint_s: 0}}
optuna: {{storage: sqlite:///books.db}}
"""
# Four candidates in an iteration, of which some climb to the rungs 3 and 5, a round each.
CLIMBING = """
name: {name}
seed: {seed}
dataset: {{name: digits, train_limit: 200}}
space: {{depth: 2, skip_rate: 0.2, operations: [sep3x3_32, max_pool3x3, dropout, identity]}}
evaluation:
  epochs: 5
  batch_size: 32
  stopping: ladder
  ladder: {{share: 0.65, hold: 1.0}}
  augmentation: {{shift: 0}}
colony: {{size: 4, iterations: {iterations}}}
tracking_live_s: 0
execution: {{workers: 2, checkpoint_s: 0}}
optuna: {{storage: sqlite:///books.db}}
"""
SPHERE = """
name: {name}
seed: {seed}
objective: sphere_min
colony: {{size: 8, iterations: {iterations}, employee_ratio: 0.5}}
optuna: {{storage: sqlite:///books.db}}
"""


@dataclass
class Place:
    """A working folder with a configuration and, by default, an MLflow store of its own.

    Args:
        folder: the working folder.
        text: the configuration.
        environment: of its processes, beside this one's.
    """

    folder: Path
    text: str
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(self.text)
        (self.name,) = re.findall(r"^name: (\S+)$", self.text, re.MULTILINE)
        self.results = self.folder / "results" / self.name

    @property
    def config(self) -> Path:
        return self.folder / "search.yaml"

    @property
    def trains(self) -> bool:
        """True where its searches train networks."""
        return "objective:" not in self.text

    @property
    def store_uri(self) -> str:
        return self.environment.get("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder}/mlflow.db")

    def start(self, *arguments: str, command: Sequence[str] = ()) -> Process:
        """Starts `hivenas search`, or another command, as the leader of a group of its own."""
        self.processes += 1
        log = self.folder / f"process-{self.processes:02d}.txt"
        whole = command or (sys.executable, "-m", "hivenas", "search", "--config", str(self.config))
        return Process([*whole, *arguments], self.folder, environment() | dict(self.environment), log)

    def run(self, *arguments: str, command: Sequence[str] = ()) -> Process:
        """Starts a command and waits for its end."""
        process = self.start(*arguments, command=command)
        process.wait()
        return process

    def hivenas(self, command: str, *arguments: str) -> Process:
        """Runs another command of hivenas on the same configuration to its end."""
        return self.run(*arguments, command=(sys.executable, "-m", "hivenas", command, "--config", str(self.config)))

    def share_store(self, template: Path) -> None:
        """Gives the place a copy of an empty store: making one takes seconds."""
        shutil.copy(template, self.folder / "mlflow.db")


class Process:
    """A running command with its children, and what it prints."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self.started = time.monotonic()
        with log.open("wb") as file:
            self._popen = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Waits for its own end; what hangs is killed, and told."""
        try:
            return self._popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end within {limit_s:.0f} s; it printed:\n{self.output}") from None

    def signal(self, number: signal.Signals, *, whole_group: bool = False) -> None:
        """Sends a signal to the process, or to its whole group."""
        with contextlib.suppress(ProcessLookupError):
            if whole_group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def kill(self, *, whole_group: bool = True) -> None:
        """Kills it, and waits until it is gone; its children may outlive it for an instant."""
        self.signal(signal.SIGKILL, whole_group=whole_group)
        self._popen.wait()

    def wait_for(self, text: str) -> None:
        """Waits until it has printed something.

        Raises:
            AssertionError: it ended before.
        """
        while text not in self.output:
            assert self.is_running, f"ended before it said {text!r}; it printed:\n{self.output}"
            assert self.seconds < LIMIT_S
            time.sleep(0.002)

    def group_ends(self) -> bool:
        """True where every process of its group ends within seconds."""
        for _ in range(200):
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        return False


def environment() -> dict[str, str]:
    """This process's environment with the package and the commands of this checkout, without what MLflow was told."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT)}
