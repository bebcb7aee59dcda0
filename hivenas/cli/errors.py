"""Errors of commands: one clear line each, an exit code, and the command with which a search goes on."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol

import click

if TYPE_CHECKING:
    from hivenas.cli.invocation import Invocation
    from hivenas.config import Config

FAILED, WRONG_INPUT = 1, 2


class Listener(Protocol):
    """Hears that a command failed."""

    def failed(self, reason: str, code: int, way_on: str) -> None:
        """The reason, the exit code, and the command with which to go on; empty without one."""


@contextlib.contextmanager
def errors(resume_hint: ResumeHint | None = None, view: Listener | None = None) -> Iterator[None]:
    """One clear line for what went wrong, and its exit code: 2 for wrong input, 1 for failed work."""
    from hivenas.errors import HivenasError, InputError

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        with _orderly_end():
            yield
    except InputError as error:
        _fail(str(error), WRONG_INPUT, view)
    except HivenasError as error:
        _fail(str(error), FAILED, view, resume_hint)
    except KeyboardInterrupt as error:
        _fail(f"{error or 'interrupted'}; what was finished is kept", FAILED, view, resume_hint)


def _fail(reason: str, code: int, view: Listener | None, resume_hint: ResumeHint | None = None) -> NoReturn:
    if view:
        view.failed(reason, code, resume_hint.offer() if resume_hint else "")
    complain(f"{reason}{resume_hint or ''}")
    sys.exit(code)


def complain(text: str) -> None:
    """Says it on the standard error; in a window between words, but for commands, which stand on lines of their own."""
    lines = f"hivenas: {printable(text)}".splitlines()
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
        lines = [each if each.startswith("  ") else wrapper.fill(each) for each in lines]
    click.echo("\n".join(lines), err=True)


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work in order, a second one at once."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        # Not with click, which writes past the live view.
        print("\nhivenas: ending in order; once more ends at once", file=sys.stderr, flush=True)
        raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ResumeHint:
    """The way to go on with a search, as text: once there is something to go on with.

    Args:
        given: the command that searches.
    """

    def __init__(self, given: Invocation) -> None:
        self._given = given
        self.config: Config | None = None

    def __str__(self) -> str:
        command = self.offer()
        return f". Go on with\n  {command}" if command else ""

    @property
    def command(self) -> str:
        """The command, whether or not there is anything to go on with; without a password."""
        return self._given.command("search", "--resume")

    def offer(self) -> str:
        """The command; empty while there is nothing to go on with."""
        from hivenas.core.folder import ResultsFolder
        from hivenas.storage import read_state

        if self.config is None:
            return ""
        state = read_state(ResultsFolder(self.config.results.dir, self.config.name))
        return "" if state is None or not state.has_begun else self.command


def printable(text: str) -> str:
    """A text without control characters, as a reason may have them that a library gave."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "�", text)
