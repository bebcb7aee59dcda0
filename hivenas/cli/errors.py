"""Errors of commands: one clear line each, an exit code, and the command with which a search goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol

import click

from hivenas.core.interruption import ANNOUNCED, ASKED, await_end
from hivenas.core.unicode import shown_text

if TYPE_CHECKING:
    from hivenas.cli.invocation import Invocation
    from hivenas.config import Config
    from hivenas.errors import LostRunError, RepeatableTrainingError

FAILED, WRONG_INPUT = 1, 2


class Listener(Protocol):
    """Hears that a command failed."""

    def failed(self, reason: str, code: int, way_on: str) -> None:
        """The reason, the exit code, and the command with which to go on; empty without one."""


@contextlib.contextmanager
def errors(resume_hint: ResumeHint | None = None, view: Listener | None = None) -> Iterator[None]:
    """One clear line for what went wrong, and its exit code: 2 for wrong input, 1 for failed work."""
    from hivenas.errors import HivenasError, InputError, LostRunError, RepeatableTrainingError

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with _orderly_end():
            yield
    except LostRunError as error:
        _fail(str(error), WRONG_INPUT, view, resume_hint, error)
    except InputError as error:
        _fail(str(error), WRONG_INPUT, view)
    except RepeatableTrainingError as error:
        _fail(str(error), FAILED, view, resume_hint, error)
    except HivenasError as error:
        _fail(str(error), FAILED, view, resume_hint)
    except KeyboardInterrupt as error:
        code = error.code if isinstance(error, EndedError) else FAILED
        _fail(f"{error or 'interrupted'}; what was finished is kept", code, view, resume_hint)


def _fail(
    reason: str,
    code: int,
    view: Listener | None,
    hint: ResumeHint | None = None,
    error: LostRunError | RepeatableTrainingError | None = None,
) -> NoReturn:
    command = hint.offer(error) if hint else ""
    if view:
        view.failed(reason, code, command)
    lead = error.lead if error else "Go on with"
    complain(f"{reason}. {lead}\n  {command}" if command else reason)
    sys.exit(code)


def complain(text: str) -> None:
    """Says it on the standard error; in a window between words, but for commands, which stand on lines of their own."""
    lines = f"hivenas: {printable(text)}".splitlines()
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
        lines = [each if each.startswith("  ") else wrapper.fill(each) for each in lines]
    click.echo("\n".join(lines), err=True)


class EndedError(KeyboardInterrupt):
    """The work is to end because of a signal.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.code = FAILED if number in ASKED else 128 + number  # as shells have it


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Signals end the work in order, a second Ctrl-C or SIGTERM at once; what is ignored, as under nohup, stays so."""

    def end(number: int, frame: FrameType | None) -> None:
        await_end(before)
        # Not with click, which writes past the live view; and it may come in the middle of other words.
        with contextlib.suppress(OSError, RuntimeError):
            print("\nhivenas: ending in order; once more ends at once", file=sys.stderr, flush=True)
        raise EndedError(number)

    taken = [*ASKED, *(number for number in ANNOUNCED if signal.getsignal(number) is signal.SIG_DFL)]
    before = {number: signal.getsignal(number) for number in taken}
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ResumeHint:
    """The way to go on with a search, once there is something to go on with, or with a full training that failed.

    Args:
        given: the command that searches.
        verb: the command, with what else it was given.
    """

    def __init__(self, given: Invocation, verb: str = "search") -> None:
        self._given = given
        self._verb = verb
        self.config: Config | None = None

    @property
    def command(self) -> str:
        """The command, whether or not there is anything to go on with; without a password."""
        return self._given.command(self._verb, *(["--resume"] if self._verb == "search" else []))

    def offer(self, error: LostRunError | RepeatableTrainingError | None = None) -> str:
        """The command; empty while there is nothing to go on with.

        Args:
            error: the one that says how to go on, where it does.
        """
        from hivenas.core.folder import ResultsFolder
        from hivenas.errors import LostRunError
        from hivenas.storage import read_state

        if isinstance(error, LostRunError):
            return self._given.command("sync", "--rehome")
        if error:
            return error.way_on(self.command)
        if self.config is None:
            return ""
        state = read_state(ResultsFolder(self.config.results.dir, self.config.name))
        return "" if state is None or not state.has_begun else self.command


def printable(text: str) -> str:
    """A text without control characters and marks that turn it, as a reason or a name may have them."""
    return shown_text(text).replace("\r", "�")
