"""Evaluation of candidates: train, continue exactly, train fully."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hivenas.config import Config
from hivenas.config.metrics import figure_told
from hivenas.config.scores import score_of
from hivenas.core.folder import WEIGHTS_SUFFIX, ResultsFolder, weights_name
from hivenas.core.full_training import MODEL_STEM, TrainingSpec
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.training.alive import LiveNetworks
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.augmentation import augmented_examples
from hivenas.core.nas.training.checkpointed import run_checkpointed
from hivenas.core.nas.training.checkpoints import (
    Checkpoint,
    Saved,
    continuing,
    deciding,
    find_saved,
    fingerprint,
    inherited,
    read_saved,
    save_state,
    warn_of_another_mark,
)
from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.nas.training.final_model import final_model, loaded
from hivenas.core.nas.training.full_training import FullTraining, beginning, joined
from hivenas.core.nas.training.guarded import guarded
from hivenas.core.nas.training.inheritance import inherited_age
from hivenas.core.nas.training.loop import TrainingLoop, accelerators
from hivenas.core.nas.training.measured_costs import measured_costs
from hivenas.core.nas.training.network import build_network, count_macs, count_params
from hivenas.core.nas.training.precision import Precision
from hivenas.core.nas.training.rules import stopping_rule
from hivenas.core.nas.training.serving import refuse_other_answers, serve
from hivenas.core.nas.training.training_data import TrainingData
from hivenas.core.nas.training.validation import validated
from hivenas.core.recipe import environment
from hivenas.core.records import Direction, EpochFigures, Evaluation, StopThreshold
from hivenas.core.seeds import derive_seed
from hivenas.core.strategies.momentum import mean_momentum
from hivenas.errors import ArchitectureError


class NASEval:
    """Builds and trains candidates on one data set.

    Every training draws its weights, its order of images and its dropout from a seed derived from the run's seed
    and the candidate, so a result depends neither on the order of calls nor on the process (with the same number of
    threads). Nothing is raised for a candidate that does not build or whose loss is not finite: its evaluation says
    so. The data are loaded when they are first needed.

    Args:
        space: decodes candidates and knows the reference operations.
        config: the sections dataset, evaluation, full_train and results.
        seed: the run's seed.
    """

    def __init__(self, space: NASSearchSpace, config: Config, seed: int) -> None:
        self._space = space
        self._config = config
        self._seed = seed
        self.training_data = TrainingData(config, seed)
        self.results = ResultsFolder(config.results.dir, config.name)
        self.alive = LiveNetworks(config.execution.keep_alive)
        self._direction = Direction.of(config.evaluation.metric.minimize)

    @property
    def data(self) -> Dataset:
        """The raw images, split; all of them, of which candidates may see a part.

        Raises:
            DatasetError: data that cannot be loaded or used.
        """
        return self.training_data.whole

    @exclusive
    def augmented_examples(self) -> NDArray[np.float32]:
        """Training images as they are and augmented, for people to look at; see `augmentation.augmented_examples`."""
        return augmented_examples(self.data, self._config.evaluation.augmentation, seed=self._seed)

    @exclusive
    def instantiate_network(self, candidate: str) -> keras.Model:
        """Builds the network of an architecture of any depth over the reference operations, weights initialised.

        Raises:
            ArchitectureError: a malformed architecture.
            ValueError: an operation that does not fit its input.
        """
        return self._build(decode(candidate, self._space.reference), derive_seed(self._seed, candidate, "network"))

    @exclusive
    def evaluate(
        self,
        candidate: str,
        *,
        inherits: str = "",
        thresholds: Sequence[StopThreshold] = (),
        until: int = 0,
        resume: bool = False,
    ) -> Evaluation:
        """Trains a candidate for the configured epochs, or fewer where a stopping rule ends it.

        Args:
            candidate: the architecture.
            inherits: the h5 file of a food source, saved at the age that `inherit_epochs` leaves; the candidate starts
                from its matching weights at that age. Empty trains from scratch, as does a file that is missing.
            thresholds: what the candidate must reach to be trained on, beside the configured stopping rule.
            until: the epoch after which the training pauses, to go on by `momentum_eval`; 0 for none.
            resume: go on from the last epoch that a killed attempt kept, with the result that it would have had.

        Raises:
            ArchitectureError: not an architecture of the space.
            DiskFullError: no space for its files.
        """
        self._space.parse(candidate)
        train = functools.partial(
            self._first_training, inherits=inherits, thresholds=thresholds, until=until, resume=resume
        )
        return self._guarded(candidate, train)

    @exclusive
    def momentum_eval(
        self, candidate: str, weights_filename: str, m_epochs: int, *, resume: bool = False
    ) -> Evaluation:
        """Continues the training of an evaluated candidate, exactly as if it had not been interrupted.

        Args:
            candidate: the architecture.
            weights_filename: name of its h5 file, or the sha1 with which that starts (then its longest training).
            m_epochs: further epochs, at least 1.
            resume: go on from the last epoch that a killed attempt kept.

        Raises:
            MissingResultsError: no such h5 file (a FileNotFoundError).
            ArchitectureError: the file belongs to another architecture.
            DiskFullError: no space for its files.
        """
        self._space.parse(candidate)
        path = self.weights_path(weights_filename)
        saved = read_saved(path)
        if saved.candidate != candidate:
            raise ArchitectureError(f"{path} holds the weights of {saved.candidate!r}, got {candidate!r}")
        train = functools.partial(self._continue, path=path, saved=saved, m_epochs=m_epochs, resume=resume)
        return self._guarded(candidate, train)

    @exclusive
    def fully_train(self, candidate: str, weights_filename: str | None = None, *, resume: bool = False) -> Evaluation:
        """Trains an architecture for `full_train.epochs` epochs and tests it, once, on the test split.

        The trained network is saved with its standardisation in front as `weights/<sha1>-full.keras`; the
        evaluation's `extra` has test_accuracy with the ends test_accuracy_low and test_accuracy_high of its confidence
        interval, test_images, test_loss, that file's path as model, as example that of an array of raw images, as
        answers that of what it answered on the test split (see `Tested`) and, where there are any, as never_named the
        classes that no image was taken for. Of other tasks than classes the metric that is looked for, test_NAME, has
        the place of the accuracy.

        Args:
            candidate: an architecture of any depth over the reference operations.
            weights_filename: where to start from; from scratch by default. The schedule of learning rates begins
                anew.
            resume: go on from the last epoch that a killed attempt kept.

        Raises:
            MissingResultsError: no such h5 file (a FileNotFoundError).
            ArchitectureError: a malformed architecture.
            DiskFullError: no space for its files.
        """
        return self.train_fully(TrainingSpec(candidate, 0, weights_filename), tested=True, resume=resume)

    @exclusive
    def train_fully(self, spec: TrainingSpec, *, tested: bool = False, resume: bool = True) -> Evaluation:
        """Makes one of several full trainings, see `fully_train`; the test split is touched only if `tested`."""
        decode(spec.candidate, self._space.reference)
        path = self.weights_path(spec.weights_filename) if spec.weights_filename is not None else None
        train = functools.partial(self._full_training, spec=spec, path=path, tested=tested, resume=resume)
        evaluation = self._guarded(spec.candidate, train)
        told = replace(spec, weights_filename=path.name if path else None)
        return told.failed(evaluation) if evaluation.status == "failed" else evaluation

    @exclusive
    def final_model(self, members: Sequence[Evaluation], stem: str = MODEL_STEM) -> Evaluation:
        """Makes the model of full trainings, best first, tests it once and saves it as `stem`: `training.final_model`.

        Raises:
            MissingResultsError: an h5 file is gone (a FileNotFoundError).
            DiskFullError: no space for its files.
        """

        def make(candidate: str) -> Evaluation:
            made = [(self.instantiate_network(str(m.candidate)), self.weights_path(m.filename)) for m in members]
            networks = loaded(made, members, self._config)
            file = self.results.weights / f"{stem}.keras"
            return final_model(networks, members, self.data, file, self._config.evaluation.metric)

        return self._guarded(str(members[0].candidate), make)

    def weights_path(self, weights_filename: str) -> Path:
        """The h5 file of a name or of a sha1.

        Raises:
            MissingResultsError: it does not exist (a FileNotFoundError).
        """
        return find_saved(self.results.weights, weights_filename, self._config.results.keep_weights)

    def _build(self, chain: Chain, seed: int) -> keras.Model:
        build = functools.partial(
            build_network,
            chain,
            self._space.reference,
            shape=self.data.shape,
            classes=self.data.classes,
            frame=self._space.frame,
            seed=seed,
            end=self._config.evaluation.task.piece("head").ending(self.data.y_train),
        )
        return Precision.of(self._config.evaluation).build(build)

    def _loop(
        self, network: keras.Model, candidate: str, purpose: str, planned_epochs: int, arrays: Arrays | None = None
    ) -> TrainingLoop:
        seed, given = derive_seed(self._seed, candidate, purpose), arrays or self.training_data.part_arrays
        own = self._config.of(candidate).evaluation
        return TrainingLoop(network, given, own, planned_epochs=planned_epochs, seed=seed)

    def _guarded(self, candidate: str, train: Callable[[str], Evaluation]) -> Evaluation:
        """Runs a training and turns whatever goes wrong with the candidate into a failed evaluation."""
        data = self.data.digest()  # data that cannot be loaded is the user's error, not the candidate's
        run = functools.partial(self.alive.make_room, functools.partial(train, candidate))
        evaluation = guarded(candidate, run, worst=self._config.evaluation.metric.worst)
        where = environment(data) | accelerators() | Precision.of(self._config.evaluation).environment()
        return replace(evaluation, environment=where)

    def _checkpoint(self, candidate: str, purpose: str, **start: Any) -> Checkpoint:
        """The place where a training keeps its state; `start` is what it starts from and all else that is its own."""
        mark = functools.partial(self._mark, candidate, purpose=purpose, start=start)
        return Checkpoint(self.results.checkpoint(candidate, purpose), mark, self._config.execution.checkpoint_s)

    def _mark(self, candidate: str, part: Callable[[Config], dict[str, Any]] = deciding, **own: Any) -> str:
        """The fingerprint of all that an epoch of a candidate depends on, and of what is a training's `own`."""
        own |= {"seed": self._seed, "candidate": candidate, "data": self.data.digest()}
        return fingerprint(part(self._config.of(candidate)) | own)

    def _first_training(
        self, candidate: str, *, inherits: str, thresholds: Sequence[StopThreshold], until: int, resume: bool
    ) -> Evaluation:
        config = self._config.evaluation
        network = self.instantiate_network(candidate)
        loop = self._loop(network, candidate, "train", config.epochs)
        pauses = {"until": until} if until else {}
        checkpoint = self._checkpoint(
            candidate, "train", inherits=inherits, thresholds=[asdict(bar) for bar in thresholds], **pauses
        )
        kept = checkpoint.take_up(network) if resume else None
        donor = self.results.weights / inherits if inherits else None
        start = kept or inherited(network, candidate, donor, self.instantiate_network)
        past, done = start.history[: start.inherited_epochs], start.history[start.inherited_epochs :]
        rule = stopping_rule(config, thresholds, self.data.classes)

        def so_far(own: Sequence[EpochFigures]) -> Saved:
            return replace(start, epochs=len(own), history=(*past, *own), partial=None)

        def after(own: Sequence[EpochFigures]) -> None:
            if config.inherit and not past and own[-1].epoch == inherited_age(config):
                self._save(network, so_far(own))

        history, stopped = run_checkpointed(
            loop,
            checkpoint,
            so_far,
            kept,
            before=len(past),
            last=until or config.epochs,
            done=done,
            stops=lambda *at: bool(rule.stop_reason(*at)),
            after=after,
        )
        evaluation = self._evaluation(loop, so_far(history), len(history))
        if stopped:
            below = rule.stop_reason(history[-1].epoch, history[-1].figure)
            figure = figure_told(history[-1].figure, config.metric.name)
            reason = f"validation {config.metric.label} {figure} {below}"
            evaluation = replace(evaluation, status="stopped", reason=reason)
        self.results.write_history(evaluation.filename.removesuffix(WEIGHTS_SUFFIX), evaluation)
        return evaluation

    def _continue(self, candidate: str, *, path: Path, saved: Saved, m_epochs: int, resume: bool) -> Evaluation:
        warn_of_another_mark(path, saved, self._mark(candidate, continuing), self._mark(candidate))
        alive = self.alive.take(path)
        network = alive.network if alive else self.instantiate_network(candidate)
        loop = alive or self._loop(network, candidate, "train", self._config.evaluation.epochs)
        checkpoint = self._checkpoint(candidate, "momentum", continues=path.name, m_epochs=m_epochs)
        kept = checkpoint.take_up(network) if resume else None
        if kept is None and alive is None:
            network.load_weights(path)

        def so_far(own: Sequence[EpochFigures]) -> Saved:
            momentum_epochs = saved.momentum_epochs + len(own)
            return replace(saved, momentum_epochs=momentum_epochs, history=(*saved.history, *own))

        age = saved.history[-1].epoch
        done = kept.history[len(saved.history) :] if kept else ()
        history, _ = run_checkpointed(loop, checkpoint, so_far, kept, before=age, last=age + m_epochs, done=done)
        evaluation = self._evaluation(loop, so_far(history), m_epochs)
        self.results.write_history(evaluation.filename.removesuffix(WEIGHTS_SUFFIX), evaluation)
        return evaluation

    def _evaluation(self, loop: TrainingLoop, saved: Saved, own: int) -> Evaluation:
        """Saves a network and says what its last `own` epochs came to; one that may be continued stays alive."""
        network, config, data = loop.network, self._config.evaluation, self.training_data
        # A continuation keeps what was measured first: the network is the same, and would be measured otherwise again.
        saved = replace(saved, costs=saved.costs or self._costs(network))
        filename = self._save(network, saved)
        if config.may_go_on_at(age := saved.history[-1].epoch):
            self.alive.keep(self.results.weights / filename, loop)
        # Epochs that were inherited are those of another network.
        trained = [self._direction.score(figures.figure) for figures in saved.history[saved.inherited_epochs :]]
        return Evaluation(
            saved.candidate,
            "paused" if config.is_paused_at(age) else "complete",
            fitness=self._direction.score(score_of(trained, config.score)),
            epochs=saved.epochs,
            momentum=mean_momentum([figures.val_accuracy for figures in saved.history]),
            momentum_epochs=saved.momentum_epochs,
            params=count_params(network),
            macs=count_macs(network),
            inherited=saved.inherited,
            inherited_epochs=saved.inherited_epochs,
            filename=filename,
            history=saved.history[-own:],
            epoch_s=loop.epoch_s,
            extra=validated(loop, data.part, config) | data.share_seen() | dict(saved.costs),
        )

    def _costs(self, network: keras.Model) -> dict[str, float]:
        """The costs that are weighed against the fitness, those that are not known beforehand."""
        return measured_costs(network, self.data, self._config.objectives.costs)

    def _full_training(
        self, candidate: str, *, spec: TrainingSpec, path: Path | None, tested: bool, resume: bool
    ) -> Evaluation:
        chain = decode(candidate, self._space.reference)
        config, every = self._config.full_train, self.training_data.arrays

        def start() -> tuple[keras.Model, TrainingLoop]:
            network = self._build(chain, derive_seed(self._seed, candidate, "full network", *spec.seed_parts))
            arrays = joined(every) if spec.refit_epochs else every
            purpose = " ".join(["full train", *map(str, spec.seed_parts)])
            return network, self._loop(network, candidate, purpose, config.epochs, arrays)

        checkpoint = self._checkpoint(candidate, spec.purpose, **beginning(spec, config, path))
        file = self.results.weights / f"{spec.stem}{WEIGHTS_SUFFIX}"
        metric = self._config.evaluation.metric
        training = FullTraining(spec, config, start, checkpoint, file, metric=metric)
        loop, evaluation = training.run(path, resume=resume)
        evaluation = replace(evaluation, extra=dict(evaluation.extra) | self._costs(loop.network))
        if tested:
            with loop.averaged():
                served = serve(loop.network, self.data, self.results.weights / f"{spec.stem}.keras", metric)
            evaluation = replace(evaluation, extra=served | dict(evaluation.extra))
        else:
            anew, task = self._build(chain, self._seed), self._config.evaluation.task
            refuse_other_answers(loop.network, anew, file, every.validation, task)
        self.results.write_history(spec.stem, evaluation)
        return evaluation

    def _save(self, network: keras.Model, saved: Saved) -> str:
        """Saves a network under the name of its age; returns that."""
        filename, mark = weights_name(saved.candidate, saved.history[-1].epoch), self._mark(saved.candidate, continuing)
        save_state(network, self.results.weights / filename, replace(saved, mark=mark))
        return filename
