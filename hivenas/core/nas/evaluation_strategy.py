"""Evaluation of candidates: train, continue exactly, train fully."""

from __future__ import annotations

import functools
import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from hivenas.config import Config
from hivenas.core.evaluation import Bar, EpochFigures, Evaluation, mean_momentum
from hivenas.core.nas.act import TerminateOnThreshold
from hivenas.core.nas.answers import Answers
from hivenas.core.nas.augmentation import augmented_examples
from hivenas.core.nas.datasets import Dataset, load_dataset
from hivenas.core.nas.inheritance import inherited_age
from hivenas.core.nas.network import (
    build_network,
    copy_matching_weights,
    count_macs,
    count_params,
    serving_model,
)
from hivenas.core.nas.search_space import Chain, NASSearchSpace, decode
from hivenas.core.nas.stopping import Judge
from hivenas.core.nas.training import Arrays, TrainingLoop
from hivenas.core.records import WEIGHTS_SUFFIX, ResultsFolder, weights_name
from hivenas.core.seeds import arch_hash, derive_seed
from hivenas.errors import ArchitectureError, DatasetError, MissingResultsError, first_line


@dataclass(frozen=True, slots=True)
class _Saved:
    """What an h5 file says of itself, beside weights and optimizer state: `history` is that of the weights."""

    candidate: str
    epochs: int
    momentum_epochs: int
    history: tuple[EpochFigures, ...]
    inherited: float = 0.0
    inherited_epochs: int = 0


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
        self.results = ResultsFolder(config.results.dir, config.name)

    @functools.cached_property
    def data(self) -> Dataset:
        """The raw images, split.

        Raises:
            DatasetError: data that cannot be loaded or used.
        """
        return load_dataset(self._config.dataset, self._seed)

    @functools.cached_property
    def _arrays(self) -> Arrays:
        return Arrays.of(self.data)

    def augmented_examples(self) -> NDArray[np.float32]:
        """Training images as they are and augmented, for people to look at; see `augmentation.augmented_examples`."""
        return augmented_examples(self.data, self._config.evaluation.augmentation, seed=self._seed)

    def instantiate_network(self, candidate: str) -> keras.Model:
        """Builds the network of an architecture of any depth over the reference operations, weights initialised.

        Raises:
            ArchitectureError: a malformed architecture.
            ValueError: an operation that does not fit its input.
        """
        return self._build(decode(candidate, self._space.reference), derive_seed(self._seed, candidate, "network"))

    def evaluate(self, candidate: str, *, inherits: str = "", bars: Sequence[Bar] = ()) -> Evaluation:
        """Trains a candidate for the configured epochs, or fewer where a stopping rule ends it.

        Args:
            candidate: the architecture.
            inherits: the h5 file of a food source, saved at the age that `inherit_epochs` leaves; the candidate starts
                from its matching weights at that age. Empty trains from scratch, as does a file that is missing.
            bars: what the candidate must reach to be trained on, beside the configured stopping rule.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        self._space.parse(candidate)
        path = self.results.weights / inherits if inherits else None
        donor = path if path and path.is_file() else None
        return self._guarded(candidate, functools.partial(self._first_training, donor=donor, bars=bars))

    def momentum_eval(self, candidate: str, weights_filename: str, m_epochs: int) -> Evaluation:
        """Continues the training of an evaluated candidate, exactly as if it had not been interrupted.

        Args:
            candidate: the architecture.
            weights_filename: name of its h5 file, or the sha1 with which that starts (then its longest training).
            m_epochs: further epochs, at least 1.

        Raises:
            MissingResultsError: no such h5 file (a FileNotFoundError).
            ArchitectureError: the file belongs to another architecture.
        """
        self._space.parse(candidate)
        path = self.weights_path(weights_filename)
        saved = _read_saved(path)
        if saved.candidate != candidate:
            raise ArchitectureError(f"{path} holds the weights of {saved.candidate!r}, got {candidate!r}")
        return self._guarded(candidate, functools.partial(self._continue, path=path, saved=saved, m_epochs=m_epochs))

    def fully_train(self, candidate: str, weights_filename: str | None = None) -> Evaluation:
        """Trains an architecture for `full_train.epochs` epochs and tests it, once, on the test split.

        The trained network is saved with its standardisation in front as `weights/<sha1>-full.keras`; the
        evaluation's `extra` has test_accuracy, test_loss, that file's path as model, as example that of an array of
        raw images, and as answers that of what it answered on the test split (see `Answers`).

        Args:
            candidate: an architecture of any depth over the reference operations.
            weights_filename: where to start from; from scratch by default. The schedule of learning rates begins
                anew.

        Raises:
            MissingResultsError: no such h5 file (a FileNotFoundError).
            ArchitectureError: a malformed architecture.
        """
        decode(candidate, self._space.reference)
        path = self.weights_path(weights_filename) if weights_filename is not None else None
        return self._guarded(candidate, functools.partial(self._full_training, path=path))

    def weights_path(self, weights_filename: str) -> Path:
        """The h5 file of a name or of a sha1.

        Raises:
            MissingResultsError: it does not exist (a FileNotFoundError).
        """
        exact = self.results.weights / weights_filename
        if weights_filename and exact.is_file():
            return exact
        stem = Path(weights_filename).name.removesuffix(WEIGHTS_SUFFIX)
        found = list(self.results.weights.glob(f"{stem}-[0-9]*{WEIGHTS_SUFFIX}")) if stem else []
        if not found:
            raise MissingResultsError(
                f"no weights {weights_filename!r} in {self.results.weights}; evaluate the candidate first, or give the "
                "results.dir and name that it was evaluated under"
            )
        return max(found)  # names end in the age

    def _build(self, chain: Chain, seed: int) -> keras.Model:
        return build_network(
            chain,
            self._space.reference,
            shape=self.data.shape,
            classes=self.data.classes,
            input_stem=self._space.input_stem,
            output_stem=self._space.output_stem,
            seed=seed,
        )

    def _loop(self, network: keras.Model, candidate: str, purpose: str, planned_epochs: int) -> TrainingLoop:
        seed = derive_seed(self._seed, candidate, purpose)
        return TrainingLoop(network, self._arrays, self._config.evaluation, planned_epochs=planned_epochs, seed=seed)

    def _guarded(self, candidate: str, train: Callable[[str], Evaluation]) -> Evaluation:
        """Runs a training and turns whatever goes wrong with the candidate into a failed evaluation."""
        _ = self.data  # data that cannot be loaded is the user's error, not the candidate's
        started = time.monotonic()
        try:
            evaluation = train(candidate)
        except (DatasetError, MissingResultsError):
            raise
        except Exception as error:
            evaluation = Evaluation.failure(candidate, first_line(error), traceback=traceback.format_exc())
        return evaluation.with_seconds(time.monotonic() - started)

    def _first_training(self, candidate: str, *, donor: Path | None, bars: Sequence[Bar]) -> Evaluation:
        config = self._config.evaluation
        network = self.instantiate_network(candidate)
        loop = self._loop(network, candidate, "train", config.epochs)
        share, past = self._inherit(network, donor) if donor else (0.0, ())
        judge = self._judge(bars)
        keeps = config.inherit and not past
        history, stopped = loop.run(
            len(past) + 1,
            config.epochs,
            lambda epoch, accuracy: bool(judge.verdict(epoch, accuracy)),
            functools.partial(self._save_for_heirs, network, candidate) if keeps else None,
        )
        saved = _Saved(candidate, len(history), 0, (*past, *history), share, len(past))
        evaluation = self._evaluation(network, saved, len(history))
        if stopped:
            last = history[-1]
            verdict = judge.verdict(last.epoch, last.val_accuracy)
            reason = f"validation accuracy {last.val_accuracy:.4f} {verdict}"
            evaluation = replace(evaluation, status="stopped", reason=reason)
        self.results.write_history(evaluation.filename.removesuffix(WEIGHTS_SUFFIX), evaluation)
        return evaluation

    def _judge(self, bars: Sequence[Bar]) -> Judge:
        config = self._config.evaluation
        cutoff = TerminateOnThreshold(
            threshold_multiplier=config.act.beta, diminishing_factor=config.act.zeta, n_classes=self.data.classes
        )
        return Judge(cutoff if config.stopping == "act" else None, bars)

    def _inherit(self, network: keras.Model, donor: Path) -> tuple[float, tuple[EpochFigures, ...]]:
        """Starts a network from another one's matching weights; returns their share and the epochs behind them."""
        saved = _read_saved(donor)
        parent = self.instantiate_network(saved.candidate)
        parent.load_weights(donor)
        share = copy_matching_weights(parent, network)
        return (share, saved.history) if share else (0.0, ())

    def _save_for_heirs(self, network: keras.Model, candidate: str, history: Sequence[EpochFigures]) -> None:
        """Keeps the state at the age from which neighbours inherit."""
        age = history[-1].epoch
        if age == inherited_age(self._config.evaluation):
            self._save(network, weights_name(candidate, age), _Saved(candidate, age, 0, tuple(history)))

    def _continue(self, candidate: str, *, path: Path, saved: _Saved, m_epochs: int) -> Evaluation:
        network = self.instantiate_network(candidate)
        loop = self._loop(network, candidate, "train", self._config.evaluation.epochs)
        network.load_weights(path)
        age = saved.history[-1].epoch
        history, _ = loop.run(age + 1, age + m_epochs)
        further = replace(saved, momentum_epochs=saved.momentum_epochs + m_epochs, history=(*saved.history, *history))
        evaluation = self._evaluation(network, further, m_epochs)
        self.results.write_history(evaluation.filename.removesuffix(WEIGHTS_SUFFIX), evaluation)
        return evaluation

    def _evaluation(self, network: keras.Model, saved: _Saved, own: int) -> Evaluation:
        """Saves a network and says what its last `own` epochs came to."""
        filename = weights_name(saved.candidate, saved.history[-1].epoch)
        self._save(network, filename, saved)
        return Evaluation(
            saved.candidate,
            "complete",
            fitness=saved.history[-1].val_accuracy,
            epochs=saved.epochs,
            momentum=mean_momentum([figures.val_accuracy for figures in saved.history]),
            momentum_epochs=saved.momentum_epochs,
            params=count_params(network),
            macs=count_macs(network),
            inherited=saved.inherited,
            inherited_epochs=saved.inherited_epochs,
            filename=filename,
            history=saved.history[-own:],
        )

    def _full_training(self, candidate: str, *, path: Path | None) -> Evaluation:
        chain = decode(candidate, self._space.reference)
        epochs = self._config.full_train.epochs
        network = self._build(chain, derive_seed(self._seed, candidate, "full network"))
        loop = self._loop(network, candidate, "full train", epochs)
        if path:
            network.load_weights(path)
        history, _ = loop.run(1, epochs)
        filename = f"{arch_hash(candidate)}-full{WEIGHTS_SUFFIX}"
        self._save(network, filename, _Saved(candidate, epochs, 0, tuple(history)))
        mean, variance = self.data.statistics()
        serving = serving_model(network, mean, variance, str(self.data.x_test.dtype))
        model = self.results.weights / f"{arch_hash(candidate)}-full.keras"
        serving.save(model)
        example = model.with_suffix(".npy")
        np.save(example, self.data.x_test[:3])
        answers = self._answers(serving)
        answers.save(model.with_suffix(".npz"))
        evaluation = Evaluation(
            candidate,
            "complete",
            fitness=history[-1].val_accuracy,
            epochs=epochs,
            params=count_params(network),
            macs=count_macs(network),
            filename=filename,
            history=tuple(history),
            extra={
                "test_accuracy": answers.accuracy,
                "test_loss": answers.loss,
                "model": str(model),
                "example": str(example),
                "answers": str(model.with_suffix(".npz")),
            },
        )
        self.results.write_history(filename.removesuffix(WEIGHTS_SUFFIX), evaluation)
        return evaluation

    def _answers(self, serving: keras.Model) -> Answers:
        """What the very model that is served answers to the raw images of the test split."""
        images = self.data.x_test
        batches = [serving(images[i : i + 256], training=False).numpy() for i in range(0, len(images), 256)]
        return Answers.of(np.concatenate(batches), self.data.y_test, images, self.data.class_names)

    def _save(self, network: keras.Model, filename: str, saved: _Saved) -> None:
        """Saves weights and optimizer state whole or not at all."""
        self.results.weights.mkdir(parents=True, exist_ok=True)
        temporary = self.results.weights / f".{filename}"
        network.save_weights(temporary, overwrite=True)
        with h5py.File(temporary, "a") as file:
            file.attrs["hivenas"] = json.dumps(asdict(saved))
        temporary.replace(self.results.weights / filename)


def _read_saved(path: Path) -> _Saved:
    with h5py.File(path, "r") as file:
        data: dict[str, Any] = json.loads(file.attrs["hivenas"])
    data["history"] = tuple(EpochFigures(**figures) for figures in data["history"])
    return _Saved(**data)
