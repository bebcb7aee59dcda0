from __future__ import annotations

import io
import logging
import sys

import pytest

from hivenas.run.live import LiveView
from hivenas.run.progress import draws, shown_progress

logger = logging.getLogger("hivenas")


@pytest.mark.parametrize(
    ("variables", "drawn"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_only_a_terminal_whose_user_wants_it_is_drawn_in(
    variables: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not draws()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert draws() is drawn


@pytest.mark.parametrize(("wanted", "shown"), [(None, False), (False, False), (True, True)])
def test_a_bar_is_shown_where_it_is_wanted_or_there_is_somewhere_to_draw_it(wanted: bool | None, shown: bool) -> None:
    with shown_progress(wanted) as views:
        assert [type(view) for view in views] == [LiveView] * shown


def test_warnings_stand_above_the_bar_unless_the_program_handles_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", False)  # to the handlers of the tests
    with shown_progress(True):
        logger.warning("above the bar")
    monkeypatch.undo()
    with shown_progress(True):
        logger.warning("to the program's handlers")
    captured = capsys.readouterr()
    assert "above the bar" in captured.out
    assert "to the program's handlers" not in captured.out
    assert logger.handlers == []
