"""A full training outside a search: with the seed and under the run of the recorded search, if there is one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hivenas.config import Config
from hivenas.core.seeds import drawn_seed
from hivenas.errors import TrackingError, TrainingError
from hivenas.execution import make_executor
from hivenas.run.callbacks import Callback, CallbackList
from hivenas.run.data import first_digest, settle_data, surveyed_data
from hivenas.run.final_training import FullTraining, trained_of
from hivenas.run.finalists import Finalists
from hivenas.run.result import Trained
from hivenas.run.tracked import open_tracker, publisher, send_all
from hivenas.run.training_book import TrainingBook
from hivenas.storage import Outbox, open_folder, recorded_digest
from hivenas.tracking import make_tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class StandaloneTraining:
    """A full training that is asked for by itself.

    Args:
        arch: the architecture.
        weights_filename: the h5 file that it starts from; None from scratch.
        register_as: the registered model's name; None to log the model only.
    """

    arch: str
    weights_filename: str | None = None
    register_as: str | None = None


def train_alone(config: Config, training: StandaloneTraining, callbacks: Sequence[Callback] = ()) -> Trained:
    """Trains an architecture fully, once or with several seeds, tracks that and publishes the model.

    Args:
        config: the configuration.
        training: says what is trained.
        callbacks: hear of every training that begins, and how far it is.

    Raises:
        ConfigError: the architecture cannot be built, or something in it not trained or saved.
        DatasetError: the data are not those of the search, or others whenever they are loaded.
        TrackingError: what a search left to be told was not taken, so that its run is not known.
        TrainingError: the training failed.
    """
    with open_folder(config, make=True) as ledger, make_executor(config.execution, ledger.folder) as executor:
        tracker = open_tracker(config, ledger, executor, "train")
        tracker.prepare()
        outbox = Outbox(ledger, tracker)
        send_all(ledger, outbox, tracker)
        if outbox.waiting:
            raise TrackingError("the MLflow store has not taken what waits for it; train when it answers")
        run_id, start = ledger.state.run_id, training.weights_filename
        of_start = [each.run_id for each in ledger.trials if start and each.evaluation.filename == start]
        recorded = ledger.state.seed if ledger.state.has_begun and config.seed is None else config.seed
        seeded = config.model_copy(update={"seed": drawn_seed(recorded)})
        first = recorded_digest(ledger, seeded) or first_digest(seeded, executor, ledger.folder)
        data = surveyed_data(seeded, executor, training.arch)
        executor_of_data = settle_data(seeded, executor, data, first)
        under = make_tracker(config, home=run_id, command="hivenas train", publisher=publisher(executor))
        told = FullTraining(
            key=f"{uuid.uuid4().hex}:full",
            register_as=training.register_as,
            search_run=run_id,
            data=data,
            continues=of_start[-1] if of_start else "",
        )
        outbox = Outbox(ledger, under)
        book = TrainingBook(seeded, ledger, outbox, told)
        try:
            finalists = Finalists(seeded, executor_of_data, book, CallbackList(callbacks))
            finalists.run([training.arch], training.weights_filename)
            assert book.message
            sent = outbox.send(force=True)
        except TrainingError:
            ledger.folder.drop_checkpoints(training.arch)
            raise
        finally:
            book.running.end()  # also what was not taken, or is refused, goes on no more
        ledger.folder.drop_checkpoints(training.arch)
        return replace(trained_of(seeded, book.message, sent), trainings=dict(book.trainings))
