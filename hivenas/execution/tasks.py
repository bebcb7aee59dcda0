"""The tasks that executors are given, to be carried out in whatever process that is."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hivenas.config import Config
from hivenas.core.candidates import encode_candidate
from hivenas.core.full_training import TrainingSpec
from hivenas.core.measured import METRIC
from hivenas.core.nas.data.datasets import load_dataset
from hivenas.core.nas.data.image_size import image_of
from hivenas.core.nas.data.placement import placed
from hivenas.core.nas.nas_interface import interface_anew, interface_of, run_proposal
from hivenas.core.nas.space.feasibility import Feasibility
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.records import Evaluation, Proposal
from hivenas.core.seeds import drawn_seed
from hivenas.core.stopwatch import Stopwatch
from hivenas.errors import HivenasError, first_line, innermost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """Something to be called, and all that an executor must know of it.

    Args:
        kind: of work, for logs: `evaluate`, `survey`, `full_train`, …
        call: importable, or a function of the main module or a closure, which travels by value.
        arguments: of the call.
        name: names the one task in logs, such as `0017-onlooker input|…|output`; empty for none. A serial search that
            crashed at a named task does not try it again.
        needs: file names of the saved states that it starts from.
        continues: which of them it goes on with; a process that has its training alive spares the start.
        timed: whether `execution.timeout_s` applies; it is for candidates.
        local: whether it needs this machine's files or stores, which another machine may not have.
        told_as: what it tells on its way is told under this; empty for its name.
    """

    kind: str
    call: Callable[..., T]
    arguments: tuple[Any, ...] = ()
    name: str = ""
    needs: tuple[str, ...] = ()
    continues: str = ""
    timed: bool = False
    local: bool = False
    told_as: str = ""

    @property
    def heard_as(self) -> str:
        """The name under which it tells how far it is; empty for none."""
        return self.told_as or self.name

    def run(self) -> T:
        """Carries it out here and now."""
        return self.call(*self.arguments)


@dataclass(frozen=True, slots=True)
class ByValue(Generic[T]):
    """A value that many tasks share: `wire.Packer` pickles it once, and a worker unpickles it once."""

    value: T


@contextlib.contextmanager
def exit_as_failure(*, of_anyone: bool = False) -> Iterator[None]:
    """Has a wish to exit be a failure of the task that raises it, not what its caller is to do.

    Args:
        of_anyone: whether all that is no Exception is the task's own: nobody interrupts a worker.

    Raises:
        RuntimeError: in its place, and in that of an awaited call that was cancelled.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if of_anyone or isinstance(error, SystemExit | asyncio.CancelledError):
            raise RuntimeError(first_line(error)) from None
        raise


def evaluate(objective: ObjectiveInterface, proposal: Proposal) -> Task[Evaluation]:
    """The evaluation of a proposal: by the objective's own function for workers, or by the objective itself."""
    evaluator = objective.evaluator()
    if evaluator is None:
        return evaluate_with(objective, proposal)
    call, arguments = evaluator
    return _evaluation(call, (*arguments, proposal), proposal)


def evaluate_network(config: Config, proposal: Proposal) -> Task[Evaluation]:
    """The evaluation of a proposal by the network that it asks for."""
    return _evaluation(run_proposal, (config, proposal), proposal)


def evaluate_with(objective: ObjectiveInterface, proposal: Proposal, timed: bool = True) -> Task[Evaluation]:
    """The evaluation of a proposal by an objective, which travels by value: pickled once, unpickled once a worker.

    Args:
        objective: anyone's; `run` is called where the task is carried out.
        proposal: is carried out.
        timed: whether `execution.timeout_s` applies.
    """
    info = objective.describe()
    known = _Known(info.worst, "" if info.is_share else info.metric, info.in_workers)
    return _evaluation(_evaluate_with, (ByValue(objective), known, proposal), proposal, timed)


def digest_data(config: Config) -> Task[str]:
    """Loads the data set, whether or not the process has it already, and gives its digest."""
    return Task("digest_data", _digest_data, (config,))


def on_data(task: Task[T], config: Config, digest: str) -> Task[T]:
    """A task that is refused, with a DatasetError, by a process whose data are not those of a digest.

    Args:
        task: to be carried out.
        config: the configuration, with the run's seed, of the data; a task of others stays as it is.
        digest: of the data.
    """
    own = next((each for each in task.arguments if isinstance(each, Config)), None)
    if own is None or (own.dataset, own.seed) != (config.dataset, config.seed):
        return task
    return replace(task, call=_on_data, arguments=(digest, task.call, *task.arguments))


def survey(config: Config, arch: str = "") -> Task[tuple[dict[str, Any], Feasibility]]:
    """Says what the data are, and tries the space, or one architecture, on them; see `NASInterface.check_space`."""
    return Task("survey", _survey, (config, arch))


def split_sizes(config: Config) -> Task[tuple[int, int]]:
    """Counts the images that candidates are trained on, and those that they are validated on."""
    return Task("split_sizes", _split_sizes, (config,))


def check_space(config: Config) -> Task[Feasibility]:
    """Tries the space where nothing will be trained; only the user's own data are loaded to know their shape."""
    return Task("check_space", _check_space, (config,))


def augmented_examples(config: Config) -> Task[NDArray[np.float32]]:
    """Training images as they are and augmented, for people to look at."""
    return Task("augmented_examples", _augmented_examples, (config,))


def full_training(config: Config, arch: str, weights_filename: str | None = None) -> Task[Evaluation]:
    """The full training of an architecture, from scratch or from an h5 file."""
    needs = (weights_filename,) if weights_filename else ()
    told_as = TrainingSpec(arch).stem
    return Task("full_train", _train_fully, (config, arch, weights_filename), needs=needs, told_as=told_as)


def finalist(config: Config, spec: TrainingSpec) -> Task[Evaluation]:
    """One of several full trainings; it does not touch the test split."""
    needs = (spec.weights_filename,) if spec.weights_filename else ()
    return Task("full_train", _train_finalist, (config, spec), needs=needs, told_as=spec.stem)


def final_model(config: Config, members: tuple[Evaluation, ...], stem: str) -> Task[Evaluation]:
    """The model of full trainings, tested once, in files of a name; see `NASEval.final_model`."""
    return Task("final_model", _make_model, (config, members, stem), needs=tuple(member.filename for member in members))


def candidate_model(config: Config, candidate: str, state: str, model: Path) -> Task[tuple[tuple[float, ...], ...]]:
    """The model of a candidate, from its h5 file, written with an example, whose answers are the result."""
    return Task("candidate_model", _save_candidate_model, (config, candidate, state, model), local=True)


def publish(call: Callable[..., T], model: object, run_id: str, stores: tuple[str, str]) -> Task[T]:
    """The publication of a model, by a process with Keras, which it is logged with.

    Args:
        call: publishes, as `tracking.registry.publish` does.
        model: what is published.
        run_id: the run that it belongs to.
        stores: URIs of the tracking and the registry store.
    """
    return Task("publish", call, (model, run_id, stores), local=True)


def networks_alive(task: Task[Any]) -> Sequence[str] | None:
    """Names of the saved states whose trainings are alive in this process, which has carried a task out.

    Returns:
        None after a task that says nothing of them.
    """
    config = _trained_by(task)
    return interface_of(config).networks_alive if config else None


def load_data(task: Task[Any]) -> None:
    """Loads what a candidate is trained on, before its time begins: that is its process's, which keeps it."""
    if config := _trained_by(task):
        _ = interface_of(config).eval_strategy.training_data.part


def _trained_by(task: Task[Any]) -> Config | None:
    """The configuration of a task that trains a candidate; None of others."""
    if not any(each is run_proposal for each in (task.call, *task.arguments)):
        return None
    return next(each for each in task.arguments if isinstance(each, Config))


def _evaluation(
    call: Callable[..., Evaluation], arguments: tuple[Any, ...], proposal: Proposal, timed: bool = True
) -> Task[Evaluation]:
    return Task(
        "evaluate",
        call,
        arguments,
        name=f"{proposal.label} {encode_candidate(proposal.candidate)}",
        needs=tuple(filter(None, (proposal.weights_filename, proposal.inherits))),
        continues=(proposal.weights_filename or "") if proposal.momentum_epochs else "",
        timed=timed,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """The facts that the driver knows of an objective, which may not be able to tell them in a worker.

    Args:
        worst: the fitness of a failure.
        metric: the name of a fitness that is no share; empty for a share.
        is_work: whether its evaluations take time.
    """

    worst: float
    metric: str
    is_work: bool


def _evaluate_with(objective: ByValue[ObjectiveInterface], known: _Known, proposal: Proposal) -> Evaluation:
    """Has an objective carry out a proposal, and adds what an evaluation of anyone's does not say."""
    watch = Stopwatch()
    try:
        with exit_as_failure():
            evaluation = objective.value.run(proposal)
    except HivenasError:
        raise  # whose fault it is, the driver knows
    except Exception as error:
        said, trace = innermost(error), traceback.format_exc()
        evaluation = Evaluation.failure(proposal.candidate, said, traceback=trace, worst=known.worst)
    if known.metric:  # without it, a fitness is read as an accuracy
        evaluation = replace(evaluation, extra={METRIC: known.metric, **evaluation.extra})
    is_told = evaluation.started or evaluation.seconds
    return watch.note(evaluation) if known.is_work and not is_told else evaluation


def _digest_data(config: Config) -> str:
    assert config.seed is not None
    return load_dataset(placed(config), config.seed, config.task).digest()


def _on_data(digest: str, call: Callable[..., T], *arguments: Any) -> T:
    config = next(each for each in arguments if isinstance(each, Config))
    interface_of(config).eval_strategy.training_data.refuse_others(digest)
    return call(*arguments)


def _survey(config: Config, arch: str) -> tuple[dict[str, Any], Feasibility]:
    interface = interface_anew(config)
    return interface.eval_strategy.training_data.describe(), interface.check_space(arch)


def _split_sizes(config: Config) -> tuple[int, int]:
    data = interface_of(config).eval_strategy.training_data.part
    return len(data.x_train), len(data.x_val)


def _check_space(config: Config) -> Feasibility:
    seed = drawn_seed(config.seed)
    return interface_of(config).check_space(image=functools.partial(image_of, config, seed))


def _augmented_examples(config: Config) -> NDArray[np.float32]:
    return interface_of(config).eval_strategy.augmented_examples()


def _train_fully(config: Config, arch: str, weights_filename: str | None) -> Evaluation:
    return interface_of(config).fully_train(arch, weights_filename)


def _train_finalist(config: Config, spec: TrainingSpec) -> Evaluation:
    return interface_of(config).eval_strategy.train_fully(spec)


def _save_candidate_model(config: Config, candidate: str, state: str, model: Path) -> tuple[tuple[float, ...], ...]:
    from hivenas.core.nas.training.candidate_model import save_candidate_model

    return save_candidate_model(interface_of(config).eval_strategy, config, candidate, state, model)


def _make_model(config: Config, members: tuple[Evaluation, ...], stem: str) -> Evaluation:
    return interface_of(config).eval_strategy.final_model(members, stem)
