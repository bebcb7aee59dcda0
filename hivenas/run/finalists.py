"""The full trainings of the best candidates, the choice among them, and the model that is made of it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from hivenas.config import Config
from hivenas.config.metrics import figure_told
from hivenas.core.full_training import TrainingSpec, kept_epoch
from hivenas.core.nas.training.failures import CAUSE, MACHINE
from hivenas.core.progress import Progress
from hivenas.core.records import Direction, Evaluation
from hivenas.errors import WorkerDiedError
from hivenas.execution import TaskExecutor, tasks
from hivenas.reports import short
from hivenas.run.callbacks import Callback, CallbackList
from hivenas.run.training_book import Lineup, TrainingBook
from hivenas.run.waiting import Waiting

_MOST_TRIED = 3  # candidates, where those that are to be trained fully all fail

logger = logging.getLogger("hivenas")
Outcome = tuple[TrainingSpec, Evaluation]
Made = list[Outcome]


class Finalists:
    """Trains the best candidates fully, chooses by validation, and has the model made, which is tested once.

    Where a single training is asked for, it is tested at once: it is the model. A training that fails is a recorded
    result, and the choice is among the others. Where all that were to be trained fail, the next best candidates are
    trained in their place, until one succeeds or three were tried in all.

    Args:
        config: the configuration, with the run's seed.
        executor: carries the trainings out, several at a time where it can; what comes of them does not depend on that.
        book: records them, and knows those that need not be made again.
        listener: is told of every training that begins.
    """

    def __init__(self, config: Config, executor: TaskExecutor, book: TrainingBook, listener: Callback) -> None:
        self._config = config
        self._plan = config.full_train
        self._metric = config.evaluation.metric
        self._executor = executor
        self._book = book
        self._listener = listener
        self._waiting = Waiting(executor, CallbackList([listener, book.running]))

    def run(self, candidates: Sequence[str], weights_filename: str | None = None, *, apart: bool = False) -> None:
        """Does what is still to be done; the book then has the model's message.

        Args:
            candidates: the best first; each once.
            weights_filename: the h5 file that trainings start from; None from scratch.
            apart: the model is made apart from its training also where that is the only one.

        Raises:
            TrainingError: no model comes of any of them.
        """
        plan, failures = self._plan, list[Evaluation]()
        others = candidates[plan.finalists : _MOST_TRIED]
        for rank, group in enumerate((candidates[: plan.finalists], *([other] for other in others)), plan.finalists):
            if failures:
                self._say_next(failures[-1], group[0], rank)
            specs = [
                TrainingSpec(candidate, number, weights_filename) for candidate in group for number in range(plan.seeds)
            ]
            made = self._trained(specs, tested=len(specs) == 1 and not plan.refit and not apart)
            failures += [evaluation for _, evaluation in made if evaluation.status == "failed"]
            succeeded = [each for each in made if each[1].status != "failed"]
            if self._book.message or self._has_model(succeeded, failures):
                return
        raise self._book.give_up(failures)

    # -- trainings -------------------------------------------------------------------------------------------------

    def _trained(self, specs: Sequence[TrainingSpec], *, tested: bool) -> Made:
        """Makes trainings, or finds them recorded; each is recorded as soon as it has ended."""
        made = {spec: evaluation for spec in specs if (evaluation := self._book.known(spec))}
        left = [spec for spec in specs if spec not in made]
        for spec, evaluation in self._outcomes(left, len(specs), tested=tested):
            is_model = tested and evaluation.status != "failed"
            self._book.take(spec, evaluation, is_model=is_model)
            self._say(spec, evaluation, len(specs))
            made[spec] = evaluation
        self._book.running.end()
        return [(spec, made[spec]) for spec in specs]

    def _outcomes(
        self, specs: Sequence[TrainingSpec], planned: int, *, tested: bool
    ) -> Iterator[tuple[TrainingSpec, Evaluation]]:
        done = planned - len(specs)
        begun: dict[Future[Evaluation], TrainingSpec] = {}
        for number, spec in enumerate(specs):
            self._listener.on_full_progress(done + (number if self._executor.runs_at_once else 0), planned)
            self._listener.on_full_training(spec.candidate, spec.refit_epochs or self._plan.epochs)
            task = self._task(spec, tested=tested)
            future = self._waiting.submit(task, functools.partial(self._hear, spec, tested))
            if self._executor.runs_at_once:  # it is recorded before the next one begins
                self._waiting.until(future)
                yield spec, self._result(spec, future)
            else:
                begun[future] = spec
        for number, future in enumerate(self._waiting.completed(begun), start=1):
            yield begun[future], self._result(begun[future], future)
            if done + number < planned:
                self._listener.on_full_progress(done + number, planned)

    def _hear(self, spec: TrainingSpec, tested: bool, progress: Progress) -> None:
        self._listener.on_full_epoch(spec.candidate, progress)
        self._book.hear(spec, progress, tested=tested)

    def _task(self, spec: TrainingSpec, *, tested: bool) -> tasks.Task[Evaluation]:
        if tested:
            return tasks.full_training(self._config, spec.candidate, spec.weights_filename)
        return tasks.finalist(self._config, spec)

    # -- the model -------------------------------------------------------------------------------------------------

    def _has_model(self, succeeded: Made, failures: list[Evaluation]) -> bool:
        """Makes the model of the best trainings, or of the best one that a model can be made of."""
        score = Direction.of(self._metric.minimize).score
        ranked = sorted(succeeded, key=lambda each: -score(each[1].fitness))  # the better candidate first among equals
        for chosen in self._lineups(ranked):
            members = self._refitted(chosen) if self._plan.refit else chosen
            failures += [evaluation for _, evaluation in members if evaluation.status == "failed"]
            if any(evaluation.status == "failed" for _, evaluation in members):
                continue
            lineup = Lineup(tuple(spec for spec, _ in chosen), tuple(spec for spec, _ in members))
            model = self._book.failed_model(lineup)
            if model is None:
                model = self._model([evaluation for _, evaluation in chosen], [each for _, each in members])
                self._book.take_model(lineup, model)
                if model.status != "failed":
                    return True
                logger.warning("no model can be made of %s: %s", short(lineup.members[0].candidate), model.reason)
            failures.append(model)
        return False

    def _lineups(self, ranked: Made) -> Iterator[Made]:
        if self._plan.ensemble > 1 and len(ranked) > 1:
            yield ranked[: self._plan.ensemble]
        yield from ([each] for each in ranked)

    def _refitted(self, chosen: Made) -> Made:
        specs = [replace(spec, refit_epochs=kept_epoch(evaluation)) for spec, evaluation in chosen]
        return self._trained(specs, tested=False)

    def _model(self, chosen: Sequence[Evaluation], members: Sequence[Evaluation]) -> Evaluation:
        future = self._executor.submit(tasks.final_model(self._config, tuple(members), self._book.stem))
        model = self._result(TrainingSpec(str(members[0].candidate)), future)
        if model.status == "failed" or not self._plan.refit:
            return model
        # All images were trained on: what is known of the validation split is what the choice was made by.
        return replace(model, fitness=sum(each.fitness for each in chosen) / len(chosen))

    def _result(self, spec: TrainingSpec, future: Future[Evaluation]) -> Evaluation:
        """The outcome of a task; a worker that died with it is its failure, all else that is raised is not."""
        try:
            return future.result()
        except WorkerDiedError as error:
            failed = Evaluation.failure(
                spec.candidate, str(error), traceback=error.last_words, worst=self._metric.worst
            )
            return spec.failed(replace(failed, extra={CAUSE: MACHINE}))

    # -- what is said ----------------------------------------------------------------------------------------------

    def _say(self, spec: TrainingSpec, evaluation: Evaluation, planned: int) -> None:
        seed = f", seed {spec.number + 1}" if spec.number else ""
        if evaluation.status == "failed":
            if planned > 1:  # else what comes of it is said
                logger.warning("the full training of %s%s failed: %s", short(spec.candidate), seed, evaluation.reason)
        elif spec.refit_epochs:
            said = "refitted on training and validation images for %d epochs%s: %s"
            logger.info(said, spec.refit_epochs, seed, short(spec.candidate))
        elif planned > 1:
            logger.info(
                "trained fully%s: validation %s %s in epoch %d of %d: %s",
                seed,
                self._metric.label,
                figure_told(evaluation.fitness, self._metric.name),
                kept_epoch(evaluation),
                evaluation.epochs,
                short(spec.candidate),
            )

    def _say_next(self, failed: Evaluation, candidate: str, rank: int) -> None:
        logger.warning(
            "the full training of %s failed (%s); in its place the next best is trained, %d of at most %d: %s",
            short(str(failed.candidate)),
            failed.reason,
            rank,
            _MOST_TRIED,
            short(candidate),
        )
