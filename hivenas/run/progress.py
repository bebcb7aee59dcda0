"""The progress bar of a search that is called from Python."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from hivenas.core.output import lasting_output
from hivenas.run.callbacks import Callback


@contextlib.contextmanager
def shown_progress(wanted: bool | None) -> Iterator[Sequence[Callback]]:
    """Gives the views that show progress: one where that is wanted and there is somewhere to draw it, else none.

    While it is drawn, warnings of the logger `hivenas` appear above it, unless the program handles them itself.

    Args:
        wanted: True and False decide; None for where the standard output is a terminal or a notebook.
    """
    if not (draws() or in_notebook() if wanted is None else wanted):
        yield ()
        return
    from hivenas.run.live import LiveView

    logger = logging.getLogger("hivenas")
    # In a terminal that may be closed; a notebook's output has ways of its own.
    with lasting_output() if draws() else contextlib.nullcontext(), LiveView() as view:
        handler = None if logger.hasHandlers() else _Above(view.warn)
        if handler:
            logger.addHandler(handler)
        try:
            yield (view,)
        finally:
            if handler:
                logger.removeHandler(handler)


def draws() -> bool:
    """Tells if the standard output is a terminal in which lines may be drawn anew, and its user has nothing against it.

    NO_COLOR and TERM=dumb ask for plain text, which then has no control characters at all.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout is not None and sys.stdout.isatty() and not plain


def in_notebook() -> bool:
    """Tells if this is a notebook that can draw: a Jupyter kernel with widgets."""
    return "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None


class _Above(logging.Handler):
    """Shows warnings above the progress bar."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Shows one."""
        self._show(record.getMessage())
