from __future__ import annotations

import io
import logging
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hivenas.cli.errors import _orderly_end
from hivenas.core.nas.data.preparing import Preparing
from hivenas.core.preparation import shown
from hivenas.core.progress import Progress
from hivenas.core.records import EpochFigures, Proposal, Trial
from hivenas.run.live import LiveView
from tests.running import Running
from tests.trials import trial

LONG = "input|sep3x3_64|max_pool3x3|conv3x3_32bnrelu|dropout|identity|output"


def made(index: int, fitness: float = 0.5, reason: str = "") -> Trial:
    status = "failed" if reason else "complete"
    return trial(index, fitness, LONG, iteration=1, role="onlooker", status=status, reason=reason)


def console_of(width: int) -> Console:
    environment = {"TERM": "xterm-256color"}
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=24, highlight=False, _environ=environment
    )


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def frame(view: LiveView, console: Console) -> list[str]:
    """The lines that are drawn now, without colours."""
    with console.capture() as captured:
        console.print(view._drawn())
    return re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()


def busy_view(console: Console) -> LiveView:
    view = LiveView(console)
    search = Running(120, [made(index) for index in range(30)])
    view.on_start(search)
    view.on_submit([Proposal(index, 1, "onlooker", index, LONG) for index in range(40, 44)])
    for each in (made(40, 0.9), made(41, 0.0, "ValueError: too small")):
        search.trials.append(each)
        view.on_trial(each)
    return view


@pytest.mark.parametrize("width", [8, 15, 24, 40, 80, 140])
def test_no_line_is_wider_than_the_window(width: int) -> None:
    console = console_of(width)
    lines = frame(busy_view(console), console)
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert "32/120"[:width] in lines[0]


def test_best_present_failures_and_what_is_left_are_shown() -> None:
    console = console_of(140)
    head, best, now = frame(busy_view(console), console)
    assert re.search(r"━ +32/120  \d:\d\d left  1 failed", head)
    assert best == "best 0.9000  sep3x3_64|max_pool3x3|conv3x3_32bnrelu|dropout|identity"
    assert now.startswith("now  iteration 2, onlooker (+1)  sep3x3_64|")


def test_the_epoch_and_the_latest_figure_of_every_training_are_shown() -> None:
    console = console_of(140)
    view = busy_view(console)  # 42 and 43 are to come
    proposals = [Proposal(index, 1, "onlooker", index, LONG) for index in (43, 42)]
    figures = EpochFigures(3, 1.0, 0.5, 1.0, 0.875)
    for proposal in proposals:
        view.on_progress(proposal, Progress(0, 8))
    view.on_progress(proposals[1], Progress(3, 8, (figures,)))
    view.on_progress(proposals[1], Progress(4, 8, share=0.4501))
    assert frame(view, console)[2].startswith("now  iteration 2, onlooker  epoch 5 of 8 (45 %)  0.8750  sep3x3_64|")
    view.on_progress(proposals[1], Progress(4, 8))
    now, other = frame(view, console)[2:]
    assert now.startswith("now  iteration 2, onlooker  epoch 4 of 8  0.8750  sep3x3_64|")
    assert other.startswith("     iteration 2, onlooker  epoch 0 of 8  sep3x3_64|")
    view.on_trial(made(42, 0.1))
    assert frame(view, console)[2:] == [other.replace("    ", "now ", 1)]
    view.on_trial(made(43, 0.1))
    assert len(frame(view, console)) == 2


@pytest.mark.parametrize(("metric", "shown"), [("auc", "0.0123"), ("log_loss", "0.0123457")])
def test_the_latest_figure_has_the_digits_of_its_metric(metric: str, shown: str) -> None:
    console = console_of(140)
    view = busy_view(console)
    figures = EpochFigures(3, 1.0, 0.5, 1.0, 0.875, 0.012345678)
    view.on_progress(Proposal(42, 1, "onlooker", 42, LONG), Progress(3, 8, (figures,), metric=metric))
    assert frame(view, console)[2].startswith(f"now  iteration 2, onlooker (+1)  epoch 3 of 8  {shown}  sep3x3_64|")


@pytest.mark.parametrize("width", [20, 100])
def test_the_preparation_of_data_is_drawn_as_a_bar_and_no_lines_come_of_it(
    width: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    console, other, now = console_of(width), console_of(width), 0.0
    monkeypatch.setattr("hivenas.core.nas.data.preparing.time.monotonic", lambda: now)
    caplog.set_level(logging.INFO, "hivenas")
    with LiveView(console) as view:
        with Preparing("photos", "images of", 2_000, Path("cache/ab"), done=1_000) as work:
            work.advance(100)
            assert frame(view, other) == [""]  # it may be done soon
            for now, done in ((2.5, "1,250"), (2.6, "1,400")):  # noqa: B007
                work.advance(150)
                (line,) = frame(view, other)
                assert len(line) <= width
                assert width < 80 or re.search(rf"━ +{done} of 2,000 images prepared \(\d\d%\), a", line)
            work.size = 3 * 2**30
        assert frame(view, other) == [""]
    assert caplog.messages == [
        "data: preparing images of photos once, in cache/ab",
        "data: prepared in 3 s, 3.0 GiB on the disk",
    ]
    assert shown() is None


def test_the_bar_of_a_preparation_that_fails_is_gone_and_nothing_says_that_it_is_done(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    console, other, now = console_of(100), console_of(100), 0.0
    monkeypatch.setattr("hivenas.core.nas.data.preparing.time.monotonic", lambda: now)
    caplog.set_level(logging.INFO, "hivenas")

    def fail_after_a_quarter(view: LiveView) -> None:
        nonlocal now
        with Preparing("photos", "images of", 20, None) as work:
            now = 3.0
            work.advance(5)
            assert "5 of 20 images prepared" in frame(view, other)[0]
            raise OSError("unplugged")

    with LiveView(console) as view:
        with pytest.raises(OSError, match="unplugged"):
            fail_after_a_quarter(view)
        assert frame(view, other) == [""]
    assert caplog.messages == ["data: preparing images of photos"]


def test_the_bar_follows_the_time_where_that_is_what_ends_the_search() -> None:
    console = console_of(140)
    view = LiveView(console)
    search = Running(120, [made(index) for index in range(30)])
    view.on_start(search)
    search.time_limit = (150.0, 1200.0)  # an eighth, of the evaluations a quarter is done
    assert "30/120  0:00 so far" in frame(view, console)[0]
    search.time_limit = (900.0, 1200.0)
    assert "30 evaluated  5:00 of 20:00 left" in frame(view, console)[0]
    view.on_full_training(LONG, 30)
    assert frame(view, console) == ["trained fully for 30 epochs · 0:00 · 15:00 of 20:00 spent"]


def test_a_best_and_a_failure_are_said_for_good_and_nothing_in_between() -> None:
    console = console_of(140)
    with busy_view(console) as view:
        view.on_trial(made(42, 0.1))
    said = text_of(console)
    assert said.count("40 onlooker 0.9000 is the best") == 1
    assert "41 failed: ValueError: too small" in said
    assert "42 onlooker" not in said


def test_what_is_said_is_not_broken_by_us() -> None:
    """A command that is broken by the terminal can be copied; one that is broken by us cannot."""
    console = console_of(20)
    with LiveView(console) as view:
        view.note("hivenas sync --config a_long_name.yaml")
    assert "hivenas sync --config a_long_name.yaml\n" in text_of(console)


def test_what_is_said_is_said_where_nothing_is_drawn_too() -> None:
    console = Console(file=io.StringIO(), width=80)
    with busy_view(console) as view:
        view.warn("a warning")
    said = text_of(console)
    assert "40 onlooker 0.9000 is the best" in said
    assert said.endswith("a warning\n")


def test_a_point_is_shown_with_few_digits() -> None:
    console = console_of(80)
    view = LiveView(console)
    view.on_start(Running(8))
    view.on_submit([Proposal(0, 0, "scout", 0, (51.26386513101792, -0.20588, 7.0))])
    assert frame(view, console)[-1] == "now  iteration 1, scout  51.3 -0.206 7"


def test_what_a_signal_says_is_said_above_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    console = console_of(80)
    with pytest.raises(KeyboardInterrupt), _orderly_end(), busy_view(console):
        signal.raise_signal(signal.SIGTERM)
    assert "ending in order; once more ends at once" in text_of(console)
    assert capsys.readouterr().err == ""


def test_the_full_training_takes_the_place_of_the_search() -> None:
    console = console_of(80)
    view = busy_view(console)
    view.on_full_training(LONG, 30)
    assert frame(view, console) == ["trained fully for 30 epochs · 0:00"]
    view.on_full_progress(1, 3)
    assert frame(view, console) == ["trained fully for 30 epochs, 2 of 3 · 0:00"]
    unvalidated = EpochFigures(4, 1.0, 0.5, float("nan"), float("nan"))
    view.on_full_epoch(LONG, Progress(4, 30, (unvalidated,)))
    assert frame(view, console)[1].startswith("now  epoch 4 of 30  sep3x3_64|")
    view.on_full_epoch(LONG, Progress(5, 30, (replace(unvalidated, epoch=5, val_accuracy=0.875),)))
    assert frame(view, console)[1].startswith("now  epoch 5 of 30  0.8750  sep3x3_64|")
    view.on_full_epoch("input|identity|output", Progress(2, 30, share=0.5))
    assert frame(view, console)[1].startswith("now  epoch 5 of 30  0.8750  sep3x3_64|")
    assert frame(view, console)[2] == "     epoch 3 of 30 (50 %)  identity"  # it has no figure of its own yet
    view.on_full_progress(2, 3)
    view.on_full_epoch(LONG, Progress(5, 30, share=0.5))
    assert frame(view, console)[1].startswith("now  epoch 6 of 30 (50 %)  0.8750  sep3x3_64|")
    assert len(frame(view, console)) == 2
    view.on_full_training(LONG, 30)
    assert len(frame(view, console)) == 1


@pytest.mark.parametrize("width", [80, 38, 20])
def test_rows_that_a_narrower_window_makes_of_the_lines_are_taken_away(width: int) -> None:
    console = console_of(80)
    view = busy_view(console)
    lengths = [len(line) for line in frame(view, console)]
    with view:
        view._live.refresh()
        before = len(text_of(console))
        console.width = width
        view._live.refresh()
        redrawn = text_of(console)[before:]
    rows = sum(-(-length // width) for length in lengths)
    assert redrawn.count("\x1b[1A") == rows - 1
    assert rows == 3 or width < 80
