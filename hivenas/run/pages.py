"""What MLflow's pages say of a search and of its candidates: put together from configuration, objective and records."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from hivenas.config import Config
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Proposal, Row
from hivenas.core.tracker import Page, link_to
from hivenas.objectives.factory import candidate_pages
from hivenas.reports import Progress, Summary, search_note
from hivenas.reports.candidate import CandidatePages
from hivenas.storage import SearchStore


class SearchPages:
    """The descriptions of a search's runs.

    Args:
        config: the configuration.
        objective: what is searched.
        store: the search's record.
        resume: the command with which the search goes on; empty for that of the configuration's file.
    """

    def __init__(self, config: Config, objective: ObjectiveInterface, store: SearchStore, resume: str = "") -> None:
        self._config = config
        self._objective = objective
        self._store = store
        file = shlex.quote(config.source or str(store.folder.yaml))
        self._resume = resume or f"hivenas search --config {file} --resume"
        self._candidates: CandidatePages | None = candidate_pages(config, objective, {})

    def know(self, data: Mapping[str, Any]) -> None:
        """Takes what the images are: with their shape, layers have sizes."""
        self._candidates = candidate_pages(self._config, self._objective, data)

    def of_candidate(self, proposal: Proposal, evaluation: Evaluation, origin: str) -> Page:
        """The page of a candidate; that of a numerical point is empty."""
        return self._candidates.of(proposal, evaluation, origin=origin) if self._candidates else Page()

    def of_search(
        self,
        rows: Sequence[Row],
        state: str = "RUNNING",
        *,
        reason: str = "",
        test_accuracy: float | None = None,
        interval: tuple[float, float] | None = None,
        model_uri: str = "",
        verdict: str = "",
    ) -> str:
        """The description of the search's run; see `Progress`."""
        colony = self._config.colony
        progress = Progress(
            self._config.name,
            state,
            rows,
            self.summary(rows),
            colony.size * colony.iterations,
            self._objective.is_minimize,
            self._resume,
            f"{socket.gethostname()}:{os.getcwd()}",
            reason,
            test_accuracy,
            interval,
            model_uri,
            verdict,
        )
        drawing = self._candidates.drawing if self._candidates else None
        return search_note(progress, drawing=drawing, name_of=self._linked_name)

    def summary(self, rows: Sequence[Row]) -> Summary:
        """The counts of the records."""
        seconds = sum(row.seconds for row in rows)
        return Summary.of(rows, reused=self._store.state.reused, seconds=seconds)

    def _linked_name(self, row: Row) -> str:
        return link_to(self._store.key(row.index), row.label)
