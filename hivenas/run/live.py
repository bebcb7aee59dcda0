"""A search as it goes on, in a few lines at the bottom of a terminal of any width."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleRenderable, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.table import Table
from rich.text import Text

from hivenas.config.metrics import ACCURACY, figure_told
from hivenas.core.preparation import Preparation, shown_by
from hivenas.core.progress import Progress
from hivenas.core.records import Candidate
from hivenas.core.unicode import shown_text
from hivenas.reports import figure, short
from hivenas.run.callbacks import Callback, RunningSearch, leading_time
from hivenas.wording import number_of

if TYPE_CHECKING:
    from hivenas.core.records import Proposal, Trial

_WIDEST_BAR, _NARROWEST_BAR = 30, 5
_REDRAWN = 2  # times a second, so that the time goes on
_MOST_RUNNING = 6  # lines for candidates in training


class _Reflowing(Live):
    """A region that is taken away whole also where the window has become narrower since it was drawn.

    Terminals then break its lines, so that it takes more rows than it had. The few that do not break lines, as xterm,
    lose as many rows of what was said above.
    """

    _lengths: Sequence[int] = ()  # of the lines as they were last drawn

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Takes the rows away that have come of broken lines, beside those that were drawn."""
        drawn = super().process_renderables(renderables)
        if not self.console.is_interactive:  # nothing is drawn anew in files, and notebooks have a widget for it
            return drawn
        first, *rest = drawn
        width = max(1, self.console.width)
        broken = sum(max(0, length - 1) // width for length in self._lengths)
        self._lengths = [Segment.get_line_length(line) for line in self.console.render_lines(rest[-1], pad=False)]
        up = Control(*((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * broken)
        return [first, up, *rest]


class _Point:
    """The point that a training has reached: the epoch, of one at work the share that is done, and the latest figure.

    It is empty before the training tells anything.
    """

    def __init__(self) -> None:
        self._epoch = self._figure = ""

    def take(self, progress: Progress) -> None:
        """Takes what the training tells; a figure stays until there is another."""
        begun = progress.share > 0
        self._epoch = f"epoch {progress.epoch + begun} of {progress.epochs}"
        self._epoch += f" ({100 * progress.share:.0f} %)" if begun else ""
        if progress.figures and math.isfinite(figure := progress.figures[-1].figure):
            self._figure = f"  {figure_told(figure, progress.metric or ACCURACY)}"

    def __str__(self) -> str:
        return f"{self._epoch}{self._figure}"


class LiveView(Callback, contextlib.AbstractContextManager["LiveView"]):
    """Shows how far a search is, its best candidate, the one in training, failures and the time left.

    Before it, and before a check, it shows how far the preparation of the data is.

    The lines are cut to the window, whatever its width, and drawn anew; what is said for good scrolls away above them:
    a candidate that is better than all before it, a failure, notes.

    Args:
        console: where it is shown; by default the standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._planned = self._done = self._before = self._failed = 0
        self._since = self._latest = time.monotonic()
        self._pending: list[Proposal] = []
        self._running: dict[int, tuple[Proposal, _Point]] = {}  # by the number of the evaluation
        self._best: Trial | None = None
        self._search: RunningSearch | None = None
        self._preparation: Preparation | None = None
        self._entered = contextlib.ExitStack()
        self._training = self._place = ""
        self._full: dict[str, _Point] = {}  # by candidate
        self._full_now: set[str] = set()  # candidates that have told something since a full training has begun or ended
        # It asks for what is to be drawn at once.
        self._live = _Reflowing(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=_REDRAWN,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> LiveView:
        self._live.start()
        self._entered.enter_context(shown_by(self.on_preparation))
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered.close()
        self._live.refresh()  # in the width that the window has now, in which it is then taken away
        self._live.stop()

    def on_preparation(self, reached: Preparation | None) -> None:
        """Shows how far the data are that a search, or a check, waits for; None where they are there."""
        self._preparation = reached

    def on_start(self, search: RunningSearch) -> None:
        """Begins to count, and to measure the time."""
        self._search, self._preparation = search, None
        self._planned = search.planned
        self._done = self._before = sum(trial.phase == "evaluate" for trial in search.trials)
        self._since = self._latest = time.monotonic()

    def on_submit(self, proposals: Sequence[Proposal]) -> None:
        """Shows the first of them as in training."""
        self._pending += proposals

    def on_progress(self, proposal: Proposal, progress: Progress) -> None:
        """Shows its epoch, or how far that is, and its latest figure."""
        self._running.setdefault(proposal.index, (proposal, _Point()))[1].take(progress)

    def on_trial(self, trial: Trial) -> None:
        """Counts it; says so where it is the new best, or has failed."""
        self._done += trial.phase == "evaluate"
        self._latest = time.monotonic()
        self._pending = [proposal for proposal in self._pending if proposal.index > trial.index]
        self._running.pop(trial.index, None)
        self._best = self._search.best if self._search else None
        if trial.failed:
            self._failed += 1
            self._say(f"{trial.index:>4} failed: {trial.reason}  {_shown(trial.candidate)}", "yellow")
        elif self._best and self._best.index == trial.index:
            role = _role(trial.phase, trial.role)
            self._say(f"{trial.index:>4} {role} {figure(trial)} is the best  {_shown(trial.candidate)}")

    def on_full_training(self, candidate: str, epochs: int) -> None:
        """Shows how long it has taken so far."""
        self._training = f"trained fully for {number_of(epochs, 'epoch')}"
        self._full.pop(candidate, None)
        self._full_now.clear()
        self._since = time.monotonic()
        self._say(f"training fully for {number_of(epochs, 'epoch')}: {short(candidate)}")

    def on_full_epoch(self, candidate: str, progress: Progress) -> None:
        """Shows the epoch of every training that goes on."""
        self._full.setdefault(candidate, _Point()).take(progress)
        self._full_now.add(candidate)

    def on_full_progress(self, done: int, planned: int) -> None:
        """Shows the how-manieth of how many is in training, and which are, as soon as they tell."""
        self._full_now.clear()
        self._place = f", {done + 1} of {planned}" if planned > 1 else ""

    def note(self, text: str) -> None:
        """Says it above."""
        self._say(text)

    def warn(self, text: str) -> None:
        """Says it above, in another colour."""
        self._say(text, "yellow")

    def _say(self, text: str, style: str = "") -> None:
        # The terminal breaks the line, not we: it can be copied whole.
        self._console.print(Text(shown_text(text), style), soft_wrap=True)

    # -- what is drawn ---------------------------------------------------------------------------------------------

    def _drawn(self) -> RenderableType:
        if reached := self._preparation:
            return Group(self._bar(reached.done, reached.total, str(reached)))
        if self._training:
            limit = self._search.time_limit if self._search else None
            spent = f" · {_clock(limit[0])} of {_clock(limit[1])} spent" if limit else ""
            head = _cut(f"{self._training}{self._place} · {_clock(time.monotonic() - self._since)}{spent}")
            now = [f"{point}  {_shown(each)}" for each, point in self._full.items() if each in self._full_now]
            return Group(head, *_now(now[:_MOST_RUNNING]))
        if not self._planned:
            return Text("")
        lines: list[RenderableType] = [self._head()]
        if self._best:
            lines.append(_cut(f"best {figure(self._best)}  {_shown(self._best.candidate)}", "green"))
        return Group(*lines, *_now(self._present()))

    def _present(self) -> list[str]:
        """A line for each candidate in training; the first of those to come where nothing tells which that are."""
        running = [self._running[index] for index in sorted(self._running)]
        shown = (running or [(proposal, _Point()) for proposal in self._pending[:1]])[:_MOST_RUNNING]
        more = len(self._pending) - len(shown)
        lines: list[str] = []
        for proposal, point in shown:
            others = f" (+{more})" if more > 0 and not lines else ""
            role = f"iteration {proposal.iteration + 1}, {_role(proposal.phase, proposal.role)}{others}"
            lines.append("  ".join(filter(None, [role, str(point), _shown(proposal.candidate)])))
        return lines

    def _head(self) -> RenderableType:
        """The bar and the counts; the bar gives way first, then the failures."""
        total, completed = float(self._planned), float(self._done)
        parts = [f"{self._done}/{self._planned}", self._left()]
        if limit := leading_time(self._search, self._done):
            completed, total = min(limit), limit[1]
            # So many evaluations as could be will not be made.
            parts[:2] = f"{self._done} evaluated", f"{_clock(total - completed)} of {_clock(total)} left"
        if self._failed:
            parts.append(f"{self._failed} failed")
        return self._bar(completed, total, "  ".join(parts))

    def _bar(self, completed: float, total: float, text: str) -> RenderableType:
        """A bar and a text, for which it gives way."""
        room = self._console.width - len(text) - 2
        if room < _NARROWEST_BAR:
            return _cut(text)
        line = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(total=total, completed=completed, width=min(room, _WIDEST_BAR))
        line.add_row(bar, Text(text, no_wrap=True))
        return line

    def _left(self) -> str:
        """The time left if the candidates to come are like those so far; not the full training."""
        now, counted = time.monotonic(), self._done - self._before
        if not counted:
            return f"{_clock(now - self._since)} so far"
        each = (self._latest - self._since) / counted
        return f"{_clock(max(0.0, each * (self._planned - self._done) - (now - self._latest)))} left"


def _shown(point: Candidate) -> str:
    """An architecture without its ends, a point with few digits."""
    return short(point) if isinstance(point, str) else " ".join(f"{x:.3g}" for x in point)


def _cut(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _now(lines: Sequence[str]) -> list[Text]:
    """The lines of what goes on now."""
    return [_cut(("     " if number else "now  ") + line) for number, line in enumerate(lines)]


def _role(phase: str, role: str) -> str:
    return "momentum" if phase == "momentum" else role


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
