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
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, TypeVar

from hivenas.config.registry import import_modules
from hivenas.core.onednn import choose_onednn
from hivenas.execution.gpus import limit_gpus
from hivenas.execution.wire import Outcome, PackedTask, Registrations, Unpacker, receive, send

T = TypeVar("T")
# Is given to the interpreter, with the driver's sys.path as JSON. SIGINT and SIGTERM may reach the whole group, and the
# driver decides what ends.
PROGRAM = """
import json, signal, sys
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
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
    setup = pickle.loads(messages.get())
    send(answers, Outcome.of(lambda: _set_up(setup)).to_bytes())
    unpacker = Unpacker()
    while message := messages.get():
        packed, limit = pickle.loads(message)
        send(answers, _carry_out(unpacker, packed, limit).to_bytes())


def _take_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The ends of the pipes, out of the way of what a task reads and prints and of children that it starts.

    A child that is forked, not started anew, must not keep them open: their end tells that the worker is dead.
    """
    ends = os.dup(0), os.dup(1)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(_close, ends))
    requests, answers = os.fdopen(ends[0], "rb"), os.fdopen(ends[1], "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _close(descriptors: Iterable[int]) -> None:
    for each in descriptors:
        os.close(each)


def _read(requests: IO[bytes], messages: queue.SimpleQueue[bytes]) -> None:
    """Reads in a thread of its own: a driver that was killed leaves no worker behind, whatever that is busy with."""
    message = b"until the driver takes its leave"
    while message:
        try:
            message = receive(requests)
        except (EOFError, OSError):
            os._exit(1)
        messages.put(message)


def _set_up(setup: Setup) -> None:
    """Makes everything ready before TensorFlow is imported, which the user's modules may do."""
    sys.argv[:] = setup.argv
    choose_onednn()
    limit_gpus(setup.gpu)
    import_modules(setup.registrations.modules)
    setup.registrations.register_main()


def _carry_out(unpacker: Unpacker, packed: PackedTask[T], limit: float | None) -> Outcome:
    return Outcome.of(lambda: _bounded(unpacker.unpack(packed).run, limit))


def _bounded(call: Callable[[], T], limit: float | None) -> T:
    """Calls; past the time limit the whole process ends, whatever native code it is in."""
    if limit:
        faulthandler.dump_traceback_later(limit, exit=True)
    try:
        return call()
    finally:
        if limit:
            faulthandler.cancel_dump_traceback_later()
