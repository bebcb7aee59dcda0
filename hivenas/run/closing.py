"""The things that a search's run in MLflow is told when a process of the search ends."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

from hivenas.config import Config
from hivenas.config.metrics import ACCURACY
from hivenas.core.clock import now_ms
from hivenas.core.publication import Published
from hivenas.core.records import Trial
from hivenas.core.search_run import MODEL_URI, MODEL_VERDICT, Closing
from hivenas.core.tracker import Tracker
from hivenas.reports import draw_plots
from hivenas.reports.attempts import attempted
from hivenas.run.pages import CONDITIONS, SearchPages
from hivenas.run.report import write_report_of
from hivenas.run.result import SearchResult
from hivenas.storage import Ledger, Message


class Closings:
    """Makes the record with which the search's run is closed, in order or early.

    Args:
        config: the configuration.
        ledger: the search's record.
        tracker: knows the run.
        pages: what is said of the search.
    """

    def __init__(self, config: Config, ledger: Ledger, tracker: Tracker, pages: SearchPages) -> None:
        self._config = config
        self._ledger = ledger
        self._tracker = tracker
        self._pages = pages

    def of(self, status: str, message: Message | None, given_up: Sequence[Trial] = (), *, reason: str = "") -> Closing:
        """The record, for which the table, the report and the plots are written.

        Args:
            status: of the run, in MLflow's words.
            message: of the full training; None where there is none.
            given_up: trials whose saved states go.
            reason: of an early end.
        """
        ledger, run_id = self._ledger, self._tracker.opened or self._ledger.state.run_id
        is_trained = bool(message and message.model)
        result = SearchResult.of(
            ledger.folder,
            ledger.state,
            ledger.trials,
            run_id=run_id,
            store=self._tracker.store,
            full_training=message.evaluation if message and is_trained else None,
            model_uri=ledger.state.model if is_trained else "",
            reason=reason,
        )
        model = Published(MODEL_URI, MODEL_VERDICT) if is_trained else None
        return Closing(
            run_id=run_id,
            status=status,
            metrics=result.summary.metrics() | _test_figures(result),
            note=self._pages.of_search(result, status, model),
            reason=reason,
            artifacts=closing_files(self._config, ledger, result, status),
            pointer=self._pointer(run_id),
            end_ms=now_ms(),
            step=len(result.trials),
            trained=message.child.key if message and message.child and is_trained else "",
            delete_weights=tuple(ledger.key(trial.index) for trial in given_up),
            front=tuple(ledger.key(trial.index) for trial in result.front) if status == "FINISHED" else (),
        )

    def _pointer(self, run_id: str) -> str:
        """The run that `mlflow run` has made for a resumption."""
        return self._tracker.project_run_id if self._tracker.project_run_id != run_id else ""


def _test_figures(result: SearchResult) -> dict[str, float]:
    """The accuracy of the test and the figure that is looked for, each with its 95 % confidence interval."""
    if result.full_training is None or result.tested is None:
        return {}
    extra = result.full_training.extra
    names = [f"test_{metric}{end}" for metric in (ACCURACY, result.tested.metric) for end in ("", "_low", "_high")]
    found = {name: float(extra[name]) for name in names if extra.get(name) is not None}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def closing_files(config: Config, ledger: Ledger, result: SearchResult, status: str) -> tuple[tuple[Path, str], ...]:
    """The table, the report and the plots, written for a closing, each with the folder that it goes to."""
    ledger.export_table(force=True)
    plots = draw_plots(result.trials, ledger.folder.plots, result.direction, result.costs)
    make = functools.partial(write_report_of, config, result, CONDITIONS[status], ledger.state.data)
    page = attempted(str(ledger.folder.report), make, None)
    files = [ledger.folder.csv, page] if page else [ledger.folder.csv]
    return (*((file, "") for file in files), *((file, "plots") for file in plots))
