"""The best candidates of a search as models that MLflow keeps (`results.logged_models`), each told of once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.core.folder import WEIGHTS_SUFFIX
from hivenas.core.history import ranking
from hivenas.core.publication import LONGEST_MODEL_TAG, LoggedCandidate, ServableModel
from hivenas.core.records import Trial
from hivenas.errors import DiskFullError, first_line
from hivenas.execution import TaskExecutor, tasks
from hivenas.run.final_training import image_metadata
from hivenas.run.weights import WeightsKeeper
from hivenas.storage import Ledger, Message, Outbox

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class CandidateModels:
    """Has the best candidates of a search kept as models, with their networks where their saved states are kept.

    Those that a search has had kept stay so when it goes on and finds better ones.

    Args:
        config: the configuration, with the run's seed.
        ledger: the search's record, which says of whom was told.
        outbox: takes the messages.
        executor: makes the models of networks.
        weights: says whose saved states are kept.
    """

    config: Config
    ledger: Ledger
    outbox: Outbox
    executor: TaskExecutor
    weights: WeightsKeeper

    def post(self, data: Mapping[str, Any]) -> None:
        """Posts those of whom was not told; a process that was killed on the way has posted the others.

        Args:
            data: what `Dataset.describe` says.

        Raises:
            DiskFullError: no space for a model.
        """
        if not self.outbox.keeps_candidates:
            return
        kept = self.weights.kept()
        best = ranking(self.ledger.trials, self.ledger.state.direction)[: self.config.results.logged_models]
        for trial in reversed(best):  # MLflow's page has the latest at the top
            key = self.ledger.key(trial.index)
            if key not in self.ledger.state.logged:
                message = self._message(trial, data, kept)
                with self.ledger.transaction():
                    self.outbox.post(message)
                    self.ledger.save(logged=(*self.ledger.state.logged, key))
                _drop(message.model)

    def again(self, data: Mapping[str, Any]) -> list[Message]:
        """The messages of all those of whom was told, for a store that has lost them, but of those that still wait.

        Args:
            data: what `Dataset.describe` says.
        """
        waiting = {message.candidate.run for message in self.outbox.messages() if message.candidate}
        told = set(self.ledger.state.logged) - waiting
        kept = self.weights.kept()
        trials = [trial for trial in self.ledger.trials if self.ledger.key(trial.index) in told]
        return [self._message(trial, data, kept) for trial in trials]

    def _message(self, trial: Trial, data: Mapping[str, Any], kept: Collection[int]) -> Message:
        """The message that has a candidate kept; files that it names are the outbox's once it is posted."""
        candidate = LoggedCandidate(
            run=self.ledger.key(trial.index),
            name=trial.label,
            params={
                "architecture": trial.encoded,
                "params": str(trial.params),
                "macs": str(trial.macs),
                "role": trial.proposal.role,
            },
            tags={"hivenas.search": self.config.name, "hivenas.candidate": trial.encoded[:LONGEST_MODEL_TAG]},
        )
        is_network = self.config.objective == "nas" and trial.index in kept
        return Message(candidate=candidate, model=self._network(trial, candidate, data) if is_network else None)

    def _network(self, trial: Trial, candidate: LoggedCandidate, data: Mapping[str, Any]) -> ServableModel | None:
        """The model of a candidate's network; None where it cannot be made."""
        stem = trial.weights_filename.removesuffix(WEIGHTS_SUFFIX)
        file: Path = self.ledger.folder.checkpoints / f"{stem}-model.keras"
        task = tasks.candidate_model(self.config, trial.encoded, trial.weights_filename, file)
        try:
            answers = self.executor.submit(task).result()
        except DiskFullError:
            raise
        except Exception as error:  # whatever a user's layers may raise; the candidate is recorded all the same
            logger.warning(
                "the network of %s cannot be made of its weights (%s), so its model in MLflow has none",
                trial.label,
                first_line(error),
            )
            return None
        return ServableModel(
            file=file,
            example=file.with_suffix(".npy"),
            name=None,
            alias="",
            origin={},
            description="",
            metadata=image_metadata(data),
            answers=answers,
            candidate=candidate,
        )


def _drop(model: ServableModel | None) -> None:
    """Removes the files of a model that was posted: the outbox has them under names of its own."""
    for file in (model.file, model.example) if model else ():
        file.unlink(missing_ok=True)
