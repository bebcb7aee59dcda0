"""The small model: of the front the smallest network that is about as good as the best, trained fully beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hivenas.config import Config
from hivenas.core.front import cost_of, front
from hivenas.core.full_training import SMALL_STEM, Finalist
from hivenas.core.records import Direction, Evaluation, Trial
from hivenas.core.rounding import reaches
from hivenas.errors import TrainingError
from hivenas.execution import TaskExecutor
from hivenas.reports import short
from hivenas.run.callbacks import Callback
from hivenas.run.final_training import FullTraining, message_of, read_history
from hivenas.run.finalists import Finalists
from hivenas.run.full_plan import alone
from hivenas.run.training_book import SearchBook
from hivenas.storage import Ledger, Message, Outbox, Sent

logger = logging.getLogger("hivenas")


def small_candidate(config: Config, trials: Sequence[Trial], direction: Direction) -> str:
    """The smallest member of the front whose fitness is within `registry.small_within` of the best; empty for none.

    Of several costs the first decides what is smallest, the second among equals.

    Args:
        config: the configuration; without `registry.small`, or where nothing is registered, there is none.
        trials: of the search.
        direction: where a better fitness lies.
    """
    costs = config.objectives.costs
    if not costs or not config.has_small_model:
        return ""
    members = front(trials, direction, *costs)
    best = max((direction.score(each.fitness) for each in members), default=0.0)
    within = config.registry.small_within
    good = [each for each in members if reaches(direction.score(each.fitness), -within, over=best)]
    return min(good, key=lambda each: [cost_of(each, cost) for cost in costs]).encoded if good else ""


class SmallBook(SearchBook):
    """Records the small model beside the model of the search, whose choice among full trainings stays as it is."""

    stem = SMALL_STEM

    @property
    def _root(self) -> str:
        # It may be one of the finalists, with a run of its own already.
        return self._told.key.removesuffix(_SUFFIX)

    def _chosen(self, names: Sequence[str]) -> dict[str, Finalist]:
        return dict(self.trainings)

    def _write(self, message: Message, made: Mapping[str, Finalist], final: str) -> None:
        with self._ledger.transaction():
            self._outbox.post(message)
            told = {"small": str(message.evaluation.candidate)} if final and message.evaluation else {}
            self._ledger.save(trainings=dict(made), **told)

    def give_up(self, failures: Sequence[Evaluation]) -> TrainingError:
        """The error with which it ends, which is not the search's."""
        return super(SearchBook, self).give_up(failures)


_SUFFIX = f"-{SMALL_STEM}"


def small_told(told: FullTraining) -> FullTraining:
    """The run of the small model as it is told.

    Args:
        told: that of the search's model.
    """
    return replace(told, key=f"{told.key}{_SUFFIX}", keep_after_send=False, is_small=True)


def train_small(
    config: Config, executor: TaskExecutor, ledger: Ledger, outbox: Outbox, *, told: FullTraining, listener: Callback
) -> list[Sent]:
    """Trains the small candidate fully and posts its model; where that fails it is a warning, and the search goes on.

    Args:
        config: that of the full training.
        executor: carries the training out.
        ledger: the search's record; what is recorded there is not made again.
        outbox: takes the messages.
        told: the run of the search's model, with the small candidate.
        listener: is told of the training.

    Returns:
        What was sent meanwhile, also of messages that had waited.
    """
    if not told.small or ledger.state.small == told.small:
        return []
    small = config.model_copy(update={"full_train": alone(config.full_train)})
    logger.info("the small model: %s", short(told.small))
    book = SmallBook(small, ledger, outbox, small_told(told))
    try:
        Finalists(small, executor, book, listener).run([told.small], apart=True)
    except TrainingError as error:
        logger.warning("there is no small model: %s", error)
    return book.sent


def say_small(sent: Iterable[Sent]) -> None:
    """Says where the small model is, once it is published."""
    for each in sent:
        if each.message.model and not each.message.model.alias and each.published.uri:
            logger.info("the small model: %s, %s", each.published.uri, each.published.verdict)


def small_model(config: Config, ledger: Ledger, outbox: Outbox, told: FullTraining) -> Message | None:
    """The message of a recorded small model; None without one whose files are here.

    Args:
        config: that of the full training.
        ledger: the search's record.
        outbox: takes messages.
        told: the run of the search's model.
    """
    evaluation = read_history(ledger.folder.histories / f"{SMALL_STEM}.json") if ledger.state.small else None
    if evaluation is None or evaluation.candidate != ledger.state.small:
        return None
    book = SmallBook(config, ledger, outbox, small_told(told))
    message = message_of(config, evaluation, book.of_recorded_model(evaluation))
    return message if message.model and message.model.file.is_file() else None
