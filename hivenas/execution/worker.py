"""The worker process: a program of its own, which carries out one task after another.

The driver starts it as `python -c`, not through `multiprocessing`: a spawned child of `multiprocessing` imports the
main module of its parent, and with it runs a script that begins a search at its top level, or fails where that is no
file. Here the two share an interpreter, `sys.path`, the working folder and the environment, and nothing else. Tasks
come through the standard input and results leave through the standard output, which every system has; what a task
prints goes to the log, as standard error does from the start. The end of the input is the end of the driver.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import pickle
import queue
import select
import signal
import sys
import threading
from dataclasses import dataclass, replace
from typing import IO, Any

from hivenas.config.registry import import_modules
from hivenas.core.onednn import choose_onednn
from hivenas.core.output import lasting_output
from hivenas.core.progress import Progress, telling
from hivenas.execution.descendants import descendants, kill
from hivenas.execution.gpus import limit_gpus
from hivenas.execution.tasks import Task, load_data, networks_alive
from hivenas.execution.time_limit import FAREWELL
from hivenas.execution.wire import Outcome, PackedTask, Registrations, Unpacker, progress_as_bytes, receive, send

BEGUN = b""  # comes before the outcome of a task
# Is given to the interpreter, with the driver's sys.path as JSON. Signals that end work may reach the whole group, and
# the driver decides what ends; see core/interruption.py, whose import would take too long here. They are heard and not
# ignored: what is ignored stays so in every program that a task starts, which nothing but SIGKILL would end. Those that
# the driver ignores, as under nohup, are ignored in programs, too.
PROGRAM = """
import json, signal, sys
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK", "SIGUSR1", "SIGUSR2"):
    number = getattr(signal, name, None)
    if number and (name in ("SIGINT", "SIGTERM") or signal.getsignal(number) != signal.SIG_IGN):
        signal.signal(number, lambda number, frame: None)
        if hasattr(signal, "siginterrupt"):
            signal.siginterrupt(number, False)
sys.path[:] = json.loads(sys.argv.pop())
from hivenas.execution.worker import main
main()
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message to a worker.

    Args:
        argv: the driver's, as `sys.argv` is with `multiprocessing`.
        gpu: the only one that it may see; None for all.
        registrations: what the user has registered in the driver.
    """

    argv: tuple[str, ...]
    gpu: str | None
    registrations: Registrations


def main() -> None:
    """Prepares the process, then carries out what the driver sends, until that takes its leave or is gone."""
    requests, answers = _take_streams()
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, messages), daemon=True).start()
    if FAREWELL is not None:
        faulthandler.register(FAREWELL, chain=True)
    with lasting_output():  # what a task prints is worth less than the task: the disk with the log may be full
        setup = pickle.loads(messages.get())
        send(answers, Outcome.of(lambda: _set_up(setup)).to_bytes())
        unpacker = Unpacker()
        while message := messages.get():
            packed = pickle.loads(message)
            send(answers, _carry_out(unpacker, packed, answers).to_bytes())


def _take_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The ends of the pipes, out of the way of what a task reads and prints and of children that it starts.

    A child that is forked, not started anew, must not keep them open: their end tells that the worker is dead. Signals
    end it as they end any process.
    """
    ends = [os.dup(0), os.dup(1)]
    own = [each for each in signal.valid_signals() if callable(signal.getsignal(each))]
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(_become_a_child, ends.copy(), own))
    requests, answers = os.fdopen(ends[0], "rb"), os.fdopen(ends[1], "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _become_a_child(descriptors: list[int], signals: list[signal.Signals]) -> None:
    """Leaves to the worker what is its own; children of this child are forked with other files of these numbers."""
    while descriptors:
        os.close(descriptors.pop())
    if threading.current_thread() is threading.main_thread():
        while signals:
            signal.signal(signals.pop(), signal.SIG_DFL)


def _read(requests: IO[bytes], messages: queue.SimpleQueue[bytes]) -> None:
    """Reads in a thread of its own: a driver that was killed leaves no worker behind, whatever that is busy with."""
    message = b"until the driver takes its leave"
    while message:
        try:
            message = receive(requests)
        except (EOFError, OSError):
            kill(descendants(os.getpid()))
            os._exit(1)
        messages.put(message)


def _set_up(setup: Setup) -> None:
    """Makes everything ready before TensorFlow is imported, which the user's modules may do."""
    sys.argv[:] = setup.argv
    choose_onednn()
    limit_gpus(setup.gpu)
    import_modules(setup.registrations.modules)
    setup.registrations.register_main()


def _carry_out(unpacker: Unpacker, packed: PackedTask[Any], answers: IO[bytes]) -> Outcome:
    """Carries out a task; when one whose time is limited begins is said, as what it needs is there by then."""
    unpacked = Outcome.of(functools.partial(unpacker.unpack, packed))
    if unpacked.error is not None:
        return unpacked
    task: Task[Any] = unpacked.result
    if packed.timed:
        loaded = Outcome.of(functools.partial(load_data, task))
        if loaded.error is not None:
            return loaded
        send(answers, BEGUN)
    with telling(functools.partial(_tell, answers)):
        outcome = Outcome.of(task.run)
    return outcome if outcome.error is not None else replace(outcome, alive=networks_alive(task))


def _tell(answers: IO[bytes], progress: Progress) -> bool:
    """Tells the driver how far the task is; False where that does not listen now, as a training waits for nobody."""
    try:
        # Elsewhere only sockets can be asked; there a driver that is suspended holds up a training for that time.
        if sys.platform != "win32" and not select.select([], [answers], [], 0)[1]:
            return False
        send(answers, progress_as_bytes(progress))
    except (OSError, ValueError):  # the driver is gone, which ends this process in a moment
        return False
    return True
