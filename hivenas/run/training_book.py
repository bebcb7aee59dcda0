"""The record of full trainings: what MLflow is told of each, and what a search's state keeps of it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hivenas.config import Config
from hivenas.core.children import Child, link_to
from hivenas.core.folder import WEIGHTS_SUFFIX
from hivenas.core.full_training import ALONE_STEM, MEMBERS, MODEL_STEM, Finalist, TrainingSpec, chosen_of
from hivenas.core.nas.training.failures import CAUSE, failed_training
from hivenas.core.progress import Progress
from hivenas.core.records import Evaluation
from hivenas.core.seeds import arch_hash
from hivenas.errors import RepeatableTrainingError, TrainingError
from hivenas.run.final_training import FullTraining, begun_child, message_of, read_history
from hivenas.run.repeated_failure import failure_of, training_mark
from hivenas.run.running import RunningTrainings
from hivenas.storage import Ledger, Message, Outbox, Sent
from hivenas.wording import number_of

logger = logging.getLogger("hivenas")


@dataclass(frozen=True, slots=True)
class Lineup:
    """Trainings of which one model is made.

    Args:
        chosen: by their validation figure, the best first.
        members: those whose weights it has: the same, or what they were refitted to.
    """

    chosen: tuple[TrainingSpec, ...]
    members: tuple[TrainingSpec, ...]

    @property
    def name(self) -> str:
        """Names the model that is made of it among trainings and other models."""
        return f"model-{'+'.join(spec.stem for spec in self.members)}"


class TrainingBook:
    """Tells MLflow of full trainings and of the model that comes of them; nothing outlasts the process.

    But for what is shown while it goes on: that is written down before, so that whatever comes after a kill ends it.

    Args:
        config: the configuration, with the run's seed.
        ledger: of the results folder.
        outbox: takes the messages.
        told: the model's run, after whose key those of other trainings are named.
    """

    stem = ALONE_STEM  # the name of the model's files
    outlasts_a_kill = False  # where nothing is recorded for another process, the kept states stay until all has ended

    def __init__(self, config: Config, ledger: Ledger, outbox: Outbox, told: FullTraining) -> None:
        self._config = config
        self._ledger = ledger
        self._outbox = outbox
        self._told = told
        self._made: dict[str, Finalist] = {}
        self._outcomes: dict[TrainingSpec, Evaluation] = {}
        self.sent: list[Sent] = []
        self.message: Message | None = None  # of the model
        self._shown: dict[str, str] = {}  # by the names of their files: the keys that they are shown under
        self.running: RunningTrainings[str] = RunningTrainings(config.tracking_live_s, outbox, sends=False)

    @property
    def trainings(self) -> Mapping[str, Finalist]:
        """All that were made, by the names of their files."""
        return self._made

    def known(self, spec: TrainingSpec) -> Evaluation | None:
        """The outcome of a training that is recorded, if it stands; None where it is to be made."""
        return self._outcomes.get(spec)

    def failed_model(self, lineup: Lineup) -> Evaluation | None:
        """The failure, where it is recorded that no model can be made of trainings; None where that is to be tried."""
        return None

    def hear(self, spec: TrainingSpec, progress: Progress, *, tested: bool) -> None:
        """Shows a training that goes on, now and then.

        Args:
            spec: says which.
            progress: what it tells.
            tested: whether it becomes the model, unless it fails; what it is, and its run's key, is known at its end.
        """
        if not self.running.is_live:
            return
        key = f"{self._key(spec)}{'-tested' if tested else ''}"
        if spec.stem not in self._shown:
            self._reserve(key)
            self._shown[spec.stem] = key
        self.running.take(spec.stem, progress, functools.partial(self._begun, spec, key))
        self.running.show()

    def take(self, spec: TrainingSpec, evaluation: Evaluation, *, is_model: bool) -> None:
        """Records a training that has ended.

        Args:
            spec: says which.
            evaluation: what came of it.
            is_model: whether it is the only one, tested, and so the model.
        """
        mark = training_mark(self._config, spec.candidate, failed=evaluation.status == "failed")
        made = {**self.trainings, spec.stem: Finalist.of(spec, evaluation, mark)}
        shown_as = self._shown.get(spec.stem, "")
        if is_model:
            made = chosen_of(made, [spec.stem])
            told = replace(self._told, shown_as=shown_as)
            message = self.message = message_of(self._config, evaluation, told)
        else:
            told = replace(self._of_training(spec, evaluation), shown_as=shown_as)
            message = message_of(self._config, evaluation, told)
        self._outcomes[spec] = evaluation
        self.running.drop(spec.stem)
        self._write(message, made, spec.stem if is_model else "")
        if evaluation.status == "failed" or self.outlasts_a_kill:
            self._ledger.folder.checkpoint(spec.candidate, spec.purpose).unlink(missing_ok=True)
        if not is_model:
            self.sent += self._outbox.send(force=evaluation.status == "failed")

    def take_model(self, lineup: Lineup, evaluation: Evaluation) -> None:
        """Records the model that was made of trainings, or that none can be made of them."""
        told = self._of_model(lineup)
        if evaluation.status != "failed":
            self._ledger.folder.write_history(self.stem, evaluation)
            made = self._chosen([spec.stem for spec in (*lineup.chosen, *lineup.members)])
            self.message = message_of(self._config, evaluation, told)
            self._write(self.message, made, self.stem)
            return
        spec = lineup.members[0]
        mark = training_mark(self._config, spec.candidate, failed=True)
        failed = replace(Finalist.of(spec, evaluation, mark), serves=tuple(each.stem for each in lineup.members))
        told = replace(told, key=f"{self._told.key}-{lineup.name}", keep_after_send=False)
        self._write(message_of(self._config, evaluation, told), {**self.trainings, lineup.name: failed}, "")
        self.sent += self._outbox.send(force=True)

    def give_up(self, failures: Sequence[Evaluation]) -> TrainingError:
        """The error with which it ends where all have failed.

        Where another attempt may succeed with one of them, it is that one's, else the first one's.
        """
        self.sent += self._outbox.send(force=True)
        errors = [failed_training(self._config, evaluation) for evaluation in failures]
        return next((error for error in errors if not isinstance(error, RepeatableTrainingError)), errors[0])

    def _chosen(self, names: Sequence[str]) -> dict[str, Finalist]:
        """The trainings, with those marked of which the model is made."""
        return chosen_of(self.trainings, names)

    def _reserve(self, key: str) -> None:
        """Writes down under which key a training is to be shown."""
        self._ledger.show(key)

    def _write(self, message: Message, made: Mapping[str, Finalist], final: str) -> None:
        with self._ledger.transaction():
            self._outbox.post(message)
            if message.child:
                self._ledger.hide(message.child.key, message.child.shown_as)
        self._made = dict(made)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _key(self, spec: TrainingSpec) -> str:
        """Names the run of a training: another one where the training is, of other settings say."""
        refit = f"-{spec.refit_epochs}" if spec.refit_epochs else ""
        mark = training_mark(self._config, spec.candidate, failed=False)
        return f"{self._root}-{spec.stem}{refit}-{mark[:8]}"

    @property
    def _root(self) -> str:
        """The beginning of the keys of all trainings."""
        return self._told.key

    def _begun(self, spec: TrainingSpec, key: str) -> Child:
        return begun_child(self._config, spec.candidate, replace(self._told, key=key, name=_name(spec)))

    def _link(self, spec: TrainingSpec) -> str:
        return link_to(self._key(spec), _name(spec))

    def _of_training(self, spec: TrainingSpec, evaluation: Evaluation) -> FullTraining:
        origin = "Trained fully. The test split is touched by the model alone that is made of the best trainings."
        if evaluation.status == "failed":
            origin = "It was to be trained fully."
        elif spec.refit_epochs:
            first = self._link(replace(spec, refit_epochs=0))
            origin = (
                f"Trained anew on training and validation images, for the {number_of(spec.refit_epochs, 'epoch')} that "
                f"{first} has found. There is no validation in it."
            )
        return replace(self._told, key=self._key(spec), keep_after_send=False, name=_name(spec), origin=origin)

    def _of_model(self, lineup: Lineup) -> FullTraining:
        members = [self._link(spec) for spec in lineup.members]
        what = f"The average of {', '.join(members)}" if len(members) > 1 else f"The model of {members[0]}"
        return replace(
            self._told,
            continues=self._told.continues or (self._key(lineup.members[0]) if len(members) == 1 else ""),
            name=f"{self.stem}_model-{arch_hash(lineup.members[0].candidate)[:8]}",
            origin=f"{what}, tested once on images that the search never saw.",
            has_weights=False,
        )


class SearchBook(TrainingBook):
    """Keeps with a search's state which full trainings were made, in the transactions that post their messages."""

    stem = MODEL_STEM
    outlasts_a_kill = True

    @property
    def trainings(self) -> Mapping[str, Finalist]:
        """All that were made, by earlier processes too."""
        return self._ledger.state.trainings

    def known(self, spec: TrainingSpec) -> Evaluation | None:
        """The outcome of a recorded training on which nothing has changed since and whose files are there."""
        if outcome := super().known(spec):
            return outcome
        entry = self.trainings.get(spec.stem)
        if entry is None or entry.refit_epochs != spec.refit_epochs or not self._stands(entry):
            return None
        if entry.status == "failed":
            return spec.failed(self._failure(entry))
        folder = self._ledger.folder
        recorded = read_history(folder.histories / f"{spec.stem}.json")
        is_whole = (folder.weights / f"{spec.stem}{WEIGHTS_SUFFIX}").is_file()
        # Another command may have trained the same candidate otherwise in this folder since.
        return recorded if recorded and is_whole and entry.is_of(recorded) else None

    def failed_model(self, lineup: Lineup) -> Evaluation | None:
        """The failure, where that is recorded and nothing has changed since."""
        entry = self.trainings.get(lineup.name)
        is_known = entry is not None and entry.serves and self._stands(entry)
        return self._failure(entry) if entry and is_known else None

    def of_recorded_model(self, model: Evaluation) -> FullTraining:
        """The run of the model with which the search ended, as it is told."""
        names = model.extra.get(MEMBERS, ())
        found = [_spec(self.trainings[name]) for name in names if name in self.trainings]
        return self._of_model(Lineup((), tuple(found))) if found else self._told

    def recorded_trainings(self) -> list[Message]:
        """The messages of the trainings whose runs are not the model's, as far as their files are here."""
        specs = [
            _spec(each) for name, each in self.trainings.items() if not each.serves and name != self._ledger.state.final
        ]
        found = [(spec, evaluation) for spec in specs if (evaluation := self.known(spec))]
        return [message_of(self._config, evaluation, self._of_training(spec, evaluation)) for spec, evaluation in found]

    def give_up(self, failures: Sequence[Evaluation]) -> TrainingError:
        """The error, kept with the state where every attempt would fail again; others are made anew when it goes on."""
        error = super().give_up(failures)
        repeats = isinstance(error, RepeatableTrainingError)
        lasting = {
            name: each
            for name, each in self.trainings.items()
            if each.status != "failed" or failure_of(self._config, self._failure(each)) is not None
        }
        failure = failure_of(self._config, failures[0]) if repeats else None
        self._ledger.save(trainings=lasting, failure=failure)
        return error

    def take(self, spec: TrainingSpec, evaluation: Evaluation, *, is_model: bool) -> None:
        """Records a training, and all of it for those that come after, in its history."""
        if not is_model and evaluation.status != "failed":
            self._ledger.folder.write_history(spec.stem, evaluation)
        super().take(spec, evaluation, is_model=is_model)

    def _reserve(self, key: str) -> None:
        """The search that is resumed takes it up."""

    def _write(self, message: Message, made: Mapping[str, Finalist], final: str) -> None:
        changes = {"final": final, "failure": None} if final else {}
        with self._ledger.transaction():
            self._outbox.post(message)
            self._ledger.save(trainings=dict(made), **changes)

    def _stands(self, entry: Finalist) -> bool:
        return entry.mark == training_mark(self._config, entry.candidate, failed=entry.status == "failed")

    def _failure(self, entry: Finalist) -> Evaluation:
        worst = self._config.evaluation.metric.worst
        return replace(Evaluation.failure(entry.candidate, entry.reason, worst=worst), extra={CAUSE: entry.cause})


def _spec(entry: Finalist) -> TrainingSpec:
    return TrainingSpec(entry.candidate, entry.number, refit_epochs=entry.refit_epochs)


def _name(spec: TrainingSpec) -> str:
    """The name of a training's run, such as full_train-0a1b2c3d, with -2 for the second seed, -refit for a refit."""
    kind = spec.purpose.removeprefix("full")
    return f"full_train-{arch_hash(spec.candidate)[:8]}{f'-{kind}' if kind else ''}"
