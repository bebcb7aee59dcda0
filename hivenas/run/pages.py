"""The descriptions that MLflow shows of a search and of its candidates."""

from __future__ import annotations

import functools
import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hivenas.config import Config
from hivenas.config.registry import import_options
from hivenas.core.children import Page, link_to
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.publication import Published
from hivenas.core.records import Trial
from hivenas.objectives.factory import candidate_pages
from hivenas.reports import Condition, search_note
from hivenas.reports.attempts import attempted
from hivenas.reports.candidate import CandidatePages
from hivenas.run.repeated_failure import failure_told
from hivenas.run.report import report_data
from hivenas.run.result import SearchResult
from hivenas.storage import Ledger

CONDITIONS: Mapping[str, Condition] = {
    "RUNNING": "running",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "interrupted",
}


class SearchPages:
    """The descriptions of a search's runs.

    Args:
        config: the configuration.
        objective: what is searched.
        ledger: the search's record.
        resume: the command with which the search goes on; empty for that of the configuration's file.
    """

    def __init__(self, config: Config, objective: ObjectiveInterface, ledger: Ledger, resume: str = "") -> None:
        self._config = config
        self._objective = objective
        self._ledger = ledger
        file = shlex.quote(config.source or str(ledger.folder.yaml))
        self._resume = resume or f"hivenas search --config {file}{import_options()} --resume"
        self._candidates: CandidatePages | None = candidate_pages(config, objective, {})
        self.data: Mapping[str, Any] = {}

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Takes what the images are: with their shape, layers have sizes."""
        self._candidates = candidate_pages(self._config, self._objective, data)
        self.data = data

    def of_candidate(self, trial: Trial, origin: str) -> Page:
        """The page of a candidate; empty where candidates are no architectures.

        Args:
            trial: its trial.
            origin: the name, with a link, of the run that it comes from.
        """
        pages = self._candidates
        if not pages:
            return Page()
        make = functools.partial(pages.of, trial.proposal, trial.evaluation, origin=origin)
        return attempted(f"the page of evaluation {trial.index}", make, Page())

    def of_search(self, result: SearchResult, state: str = "RUNNING", published: Published | None = None) -> str:
        """The description of the search's run; empty, with a warning, where it cannot be made.

        Args:
            result: what came of the search so far.
            state: RUNNING, FINISHED, FAILED or KILLED.
            published: the model, or what stands for it until it is published; None without one.
        """
        make = functools.partial(self._search_note, result, state, published)
        return attempted("the description of the search", make, "")

    def _search_note(self, result: SearchResult, state: str, published: Published | None) -> str:
        failure = failure_told(self._config, result.failure)
        told = replace(
            report_data(self._config, result, CONDITIONS[state]),
            resume=failure.way_on(self._resume) if failure else self._resume,
            place=f"{socket.gethostname()}:{os.getcwd()}",
            model_uri=published.uri if published else "",
            verdict=published.verdict if published else "",
        )
        drawing = self._candidates.drawing if self._candidates else None
        return search_note(told, drawing=drawing, name_of=self._linked_name)

    def _linked_name(self, trial: Trial) -> str:
        return link_to(self._ledger.key(trial.index), trial.label)
