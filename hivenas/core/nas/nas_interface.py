"""The interface that joins the search space and the evaluation strategy."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hivenas.config import Config, from_parts
from hivenas.config.costs import COSTS
from hivenas.core.collector import without_collector
from hivenas.core.folder import weights_name
from hivenas.core.history import History
from hivenas.core.measured import test_figures
from hivenas.core.nas.data.class_weights import check_classes, needs_classes
from hivenas.core.nas.data.image_size import counts_sizes, image_for_sizes
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.feasibility import Feasibility
from hivenas.core.nas.space.parameters import run_parameters, space_parameters
from hivenas.core.nas.space.search_space import Image, NASSearchSpace
from hivenas.core.nas.training.context import in_context
from hivenas.core.nas.training.exclusive import ONE_AT_A_TIME
from hivenas.core.nas.training.failures import failed_training
from hivenas.core.nas.training.inheritance import inherited_age
from hivenas.core.nas.training.space_check import checked_space, measure
from hivenas.core.objective import ArchitectureObjective, ObjectiveInfo
from hivenas.core.onednn import choose_onednn
from hivenas.core.records import Candidate, Direction, Evaluation, Proposal
from hivenas.core.seeds import derive_seed, drawn_seed
from hivenas.core.tracker import NullTracker, Tracker
from hivenas.errors import ConfigError

if TYPE_CHECKING:
    from hivenas.core.nas.training.evaluation_strategy import NASEval
    from hivenas.run.direct import DirectCalls


class NASInterface(ArchitectureObjective):
    """Joins the search space and the evaluation strategy for the search driver, and for direct use from Python.

    What `evaluate`, `momentum_eval` and the full trainings do is recorded in the results folder and tracked as a
    run: under the active MLflow run, if there is one, else in the experiment of the configuration's name. That is the
    run of the calling thread, else of the one that has made the interface, else of the main thread. They train in the
    calling process, with its number of threads, and may be called from several threads: one trains at a time, whatever
    interface it is of, and results are those of calls one after another. Models are logged and registered by the
    commands, not here. A results folder that holds a search is not written to: such calls need a name of their own.

    Args:
        space_config: keys of the configuration's `space` section; what is missing takes its default.
        eval_config: keys of its `evaluation` section; task, dataset, full_train, results, name and seed beside them.
        tracker: where runs are tracked; None means MLflow, `NullTracker()` nowhere.
        rng: generator of samples and neighbours; by default one made from the seed.

    Attributes:
        search_space: the NASSearchSpace that samples candidates and neighbours.
        eval_strategy: the NASEval that trains them; Keras is imported when it is first used.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range.

    Examples:
        >>> interface = NASInterface({"depth": 2}, {"seed": 1})
        >>> len(interface.search_space.eval_format(interface.sample()))
        2
    """

    def __init__(
        self,
        space_config: Mapping[str, Any] | None = None,
        eval_config: Mapping[str, Any] | None = None,
        *,
        tracker: Tracker | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._set_up(from_parts(space_config, eval_config), tracker, rng)

    @classmethod
    def from_config(
        cls, config: Config, *, tracker: Tracker | None = None, rng: np.random.Generator | None = None
    ) -> Self:
        """The interface of a whole configuration."""
        interface = cls.__new__(cls)
        interface._set_up(config, tracker, rng)
        return interface

    def _set_up(self, config: Config, tracker: Tracker | None, rng: np.random.Generator | None) -> None:
        seed = drawn_seed(config.seed)
        self._config = config
        self._seed = seed
        self._tracker = tracker
        self._made_in = threading.get_ident()
        self._draws = threading.Lock()
        self.search_space = NASSearchSpace(
            config.space,
            rng or np.random.default_rng(derive_seed(seed, "search")),
            image=image_for_sizes(config, seed),
            measure=measure,
            choices=config.choices,
        )

    @functools.cached_property
    def eval_strategy(self) -> NASEval:
        """The NASEval that builds and trains candidates."""
        choose_onednn()
        with without_collector():
            from hivenas.core.nas.training.evaluation_strategy import NASEval

        return NASEval(self.search_space, self._config, self._seed)

    @property
    def networks_alive(self) -> Sequence[str]:
        """Names of the h5 files whose trainings can go on without a start; see `training.alive`."""
        return self.eval_strategy.alive.names if "eval_strategy" in vars(self) else ()

    @functools.cached_property
    def _direct(self) -> DirectCalls:
        # The one place where the core knows of what is above it: calls from Python are recorded without further ado.
        from hivenas.run.direct import DirectCalls

        seeded = self._config.model_copy(update={"seed": self._seed})
        return DirectCalls(seeded, self, self._tracker, thread=self._made_in)

    @property
    def rng(self) -> np.random.Generator:
        """Generator of samples and neighbours."""
        return self.search_space.rng

    @rng.setter
    def rng(self, rng: np.random.Generator) -> None:
        self.search_space.rng = rng

    @property
    def is_minimize(self) -> bool:
        """False: accuracy is maximised; True where `evaluation.fitness` is a metric of which less is better."""
        return self._config.evaluation.metric.minimize

    def describe(self) -> ObjectiveInfo:
        """Networks, whose validation accuracy is maximised, or what `evaluation.fitness` says looked for."""
        metric = self._config.evaluation.metric
        return ObjectiveInfo(
            direction=Direction.of(metric.minimize),
            metric=f"validation {metric.label}",
            trains=True,
            is_share=metric.is_share,
            parameters=space_parameters(self._config.space, self._config.choices),
            size=self.search_space.size,
            costs=tuple(key for key, cost in COSTS.items() if cost.known) if counts_sizes(self._config) else (),
            measures=tuple(key for key, cost in COSTS.items() if not cost.known),
        )

    def sample(self) -> str:
        """A new random candidate architecture, string-encoded."""
        with self._draws:  # a candidate takes several draws
            return self.search_space.sample()

    def get_neighbor(self, orig_arch: str) -> str:
        """A random architecture that differs from the given one in one component.

        Raises:
            ArchitectureError: not an architecture of the space.
        """
        with self._draws:
            return self.search_space.get_neighbor(orig_arch)

    def neighbors(self, arch: str) -> Sequence[str]:
        """Every architecture of the space that differs from the given one in one component."""
        return self.search_space.neighbors(arch)

    def components(self, arch: str) -> tuple[str, ...]:
        """The candidate's operations, with skip connections `sc_k` or "" a layer, settings `key=value`."""
        return self.search_space.components(arch)

    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The components that may stand at every position of `components`."""
        return self.search_space.entries()

    def ranks(self) -> tuple[tuple[int, ...], ...]:
        """The place in the order of each of the `entries` at a position of numbers; nothing at others."""
        return self.search_space.ranks()

    def definitions(self) -> dict[str, dict[str, Any]]:
        """The operations that may be chosen, by name: the layer as `op`, and its arguments."""
        return self.search_space.definitions()

    def compose(self, components: Sequence[str]) -> str | None:
        """The architecture of these components; None for one beyond `space.max_params` or `max_macs`."""
        return self.search_space.compose(components)

    def costs(self, arch: str) -> Mapping[str, float]:
        """Trainable parameters and multiply-adds, where `objectives` or a limit asks for them and it builds."""
        return self.search_space.costs(arch)

    def sizes(self, arch: str) -> tuple[float, ...]:
        """Trainable parameters and multiply-adds, as far as they are known; nothing where the images are not."""
        return self.search_space.sizes(arch)

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Has the space count sizes for images of this shape, and as many classes."""
        height, width, channels = data["shape"]
        self.search_space.set_image(((height, width, channels), data["classes"]))

    def evaluate(self, candidate: str) -> dict[str, Any]:
        """Trains and scores a candidate.

        The result depends on the candidate and the seed alone. Rules that look at other candidates (the median rule,
        first looks, inheritance) belong to a search; of the stopping rules only `act` applies here.

        Args:
            candidate: string-encoded architecture of the space.

        Returns:
            fitness (validation accuracy, 0…1, or what `evaluation.fitness` says), epochs (really trained), filename (of
            the h5 file, starting with the sha1 of the architecture), params (trainable) and momentum. A candidate that
            fails has fitness 0.0 (infinitely bad, where fitness is no share) and no filename; the record says why.

        Raises:
            ArchitectureError: malformed, or not in the space.
            ConfigError: an operation or the optimizer cannot be used; found before the first candidate.
            DatasetError: the data cannot be loaded.
            ResultsExistError: the results folder holds a search, or another process is at work there.
        """
        with ONE_AT_A_TIME:
            self._try_once(candidate)
            return self._direct.evaluate(candidate).as_result()

    def momentum_eval(self, candidate: str, weights_filename: str, m_epochs: int) -> dict[str, Any]:
        """Continues an evaluated candidate's training exactly, by m_epochs epochs.

        Args:
            candidate: string-encoded architecture.
            weights_filename: the file name that `evaluate` returned, or its sha1.
            m_epochs: further epochs, at least 1.

        Returns:
            As `evaluate`; epochs counts the further ones.

        Raises:
            ConfigError: m_epochs is no whole number from 1 on.
            MissingResultsError: no such weights (a FileNotFoundError).
            ResultsExistError: the results folder holds a search, or another process is at work there.
        """
        try:
            further = 0 if isinstance(m_epochs, bool) else operator.index(m_epochs)  # numpy's whole numbers are some
        except TypeError:
            further = 0
        if further < 1:
            raise ConfigError(f"m_epochs must be a whole number ≥ 1, got {m_epochs!r}; leave the candidate as it is")
        with ONE_AT_A_TIME:
            return self._direct.momentum_eval(candidate, weights_filename, further).as_result()

    def fully_train_best_model(self, from_arch: bool = True) -> dict[str, Any]:
        """Fully trains the best recorded candidate, in one training from the run's seed, and tests it once.

        Args:
            from_arch: from scratch; False continues from its h5 file.

        Returns:
            As `evaluate`, with test_accuracy and test_loss beside, of other tasks than classes test_loss and the test
            of what is looked for; epochs does not count earlier trainings. Fitness is that of the weights which
            `full_train.keep` keeps. `full_train.seeds`, `refit` and `ensemble` are for searches, `hivenas.train` and
            `hivenas.api.train_custom`, and `finalists` for searches alone: none of them counts here.

        Raises:
            MissingResultsError: no results, or no h5 file where one is needed (a FileNotFoundError).
            TrainingError: the training failed.
        """
        with ONE_AT_A_TIME:
            return self._full_result(self._direct.fully_train_best(from_arch=from_arch))

    def train_custom_arch(self, arch_str: str) -> dict[str, Any]:
        """Fully trains a given architecture, of any depth over the reference operations, and tests it once.

        Returns:
            As `fully_train_best_model`, of one training: `full_train.seeds`, `refit`, `ensemble` do not count here.

        Raises:
            ArchitectureError: malformed.
            TrainingError: the training failed.
        """
        with ONE_AT_A_TIME:
            self.check_space(arch_str)
            return self._full_result(self._direct.fully_train(arch_str))

    def fully_train(self, arch_str: str, weights_filename: str | None = None, *, resume: bool = True) -> Evaluation:
        """`train_custom_arch` with the whole record, untracked: for executors; from scratch or from an h5 file."""
        return self.eval_strategy.fully_train(arch_str, weights_filename, resume=resume)

    def check_space(self, arch: str = "", image: Callable[[], Image] | None = None) -> Feasibility:
        """Counts the architectures that build, and tries on one batch what the configuration defines itself.

        Args:
            arch: the one architecture to look at; empty for the whole space.
            image: gives height, width and channels of an image, and the number of classes, for a process that trains
                nothing; by default the loaded data do.

        Returns:
            The share that builds.

        Raises:
            ConfigError: an operation that cannot be built, trained, or saved so that it answers as before; an optimizer
                that cannot be made; nothing of the space builds; a metric or weights that do not suit the classes.
            DatasetError: the data cannot be loaded.
        """
        chain = decode(arch, self.search_space.reference) if arch else None
        self._config.of(arch)  # refuses settings that cannot be
        if image is None and needs_classes(self._config.evaluation):
            check_classes(self._config.evaluation, self.eval_strategy.data.class_names)
        is_tried = image is None
        return checked_space(self.search_space, self._config.evaluation, chain, image or self._image, is_tried=is_tried)

    def _image(self) -> Image:
        data = self.eval_strategy.data
        return data.shape, data.classes

    @functools.cached_property
    def _tried(self) -> Feasibility:
        return self.check_space()

    def _try_once(self, candidate: str) -> None:
        """Refuses a space that cannot be used before the first candidate, and what is no architecture before that."""
        self.search_space.parse(candidate)
        _ = self._tried

    def with_context(self, proposal: Proposal, history: History) -> Proposal:
        """Adds the thresholds that the records set to a candidate, and the state from which it inherits."""
        if proposal.momentum_epochs:
            return proposal
        return in_context(proposal, history, self._config, self.costs)

    def saved_states(self, evaluation: Evaluation) -> Sequence[str]:
        """The h5 file of an evaluation, and the younger one from which its neighbours inherit."""
        heirs = weights_name(str(evaluation.candidate), inherited_age(self._config.evaluation))
        own = super().saved_states(evaluation)
        return [*own, heirs] if own and self._config.evaluation.inherit and not evaluation.momentum_epochs else own

    def run(self, proposal: Proposal) -> Evaluation:
        """Carries out a proposal in a worker: neither recorded nor tracked here; a killed training goes on."""
        candidate = str(proposal.candidate)
        if proposal.momentum_epochs:
            return self.eval_strategy.momentum_eval(
                candidate, proposal.weights_filename or "", proposal.momentum_epochs, resume=True
            )
        return self.eval_strategy.evaluate(
            candidate,
            inherits=proposal.inherits,
            thresholds=proposal.thresholds,
            until=proposal.until,
            resume=True,
        )

    def evaluator(self) -> tuple[Callable[..., Evaluation], tuple[Any, ...]]:
        """The function that carries out proposals by the interface which each worker makes for itself."""
        return run_proposal, (self._config,)

    def run_params(self, candidate: Candidate) -> dict[str, str]:
        """The candidate's operations as run parameters."""
        chain = decode(str(candidate), self.search_space.reference)
        return run_parameters(chain.operations, chain.skips, self.search_space.depth, chain.settings)

    def _full_result(self, evaluation: Evaluation) -> dict[str, Any]:
        if evaluation.status == "failed":
            raise failed_training(self._config, evaluation)
        return evaluation.as_result() | test_figures(evaluation.extra)


def interface_of(config: Config) -> NASInterface:
    """The interface of this process for a configuration; its data stay loaded between calls."""
    return _interface(_Compared(config.identity, config))


def interface_anew(config: Config) -> NASInterface:
    """The same, its data loaded anew: a search in this process before may have had others by the same names."""
    _interface.cache_clear()
    return interface_of(config)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A configuration compared by its text.

    It is not read from that again: a worker does not know the strategies that the main module has registered.
    """

    text: str
    config: Config = field(compare=False)


@functools.lru_cache(maxsize=1)
def _interface(compared: _Compared) -> NASInterface:
    return NASInterface.from_config(compared.config, tracker=NullTracker())


def run_proposal(config: Config, proposal: Proposal) -> Evaluation:
    """Evaluates a proposal in the process that this is called in."""
    return interface_of(config).run(proposal)
