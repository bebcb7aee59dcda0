"""The time that a search will take at the most, by what candidates took: recorded ones, or some that are tried."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hivenas.config import Config
from hivenas.config.loading import from_record
from hivenas.config.text import parse_yaml
from hivenas.core.folder import ResultsFolder
from hivenas.core.measured import IMAGE_SHARE, PEAK_RSS_MB, total_spent
from hivenas.core.nas.data.placement import placed
from hivenas.core.nas.data.preparing import MEASURED, Preparing
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.records import Proposal, Trial
from hivenas.core.seeds import drawn_seed
from hivenas.core.tracker import NullTracker
from hivenas.errors import HivenasError
from hivenas.execution import tasks
from hivenas.run.full_plan import SHARE, Timing, full_seconds, times
from hivenas.run.plan import Plan, one_worker
from hivenas.storage import SearchState, read_ledger
from hivenas.wording import number_of

_TRIED = 3  # candidates
_EPOCHS = 3  # of each; their median is taken, as the first one prepares the graph
_BATCHES = 10  # of an epoch
_IMAGES_A_CLASS = 4  # at least, so that every split has some
_MIB = 2**20
_VALIDATED = 1 / 3  # of the work of an image that is trained on, of whose gradients there are two more such parts


@dataclass(frozen=True, slots=True)
class ExpectedTime:
    """Seconds that are expected of a search, at the most.

    Args:
        epoch: of a candidate.
        search: of all evaluations, with all workers.
        full_training: of the full training after it; 0 where there is none.
        of: the candidates that were measured, in words.
        evaluations: so many of the planned ones a budget of time leaves room for; None where it does for all.
        memory: bytes that a worker took at the most, with few of the images; None where no candidates were tried, or
            the system does not tell.
    """

    epoch: float
    search: float
    full_training: float
    of: str
    evaluations: int | None = None
    memory: float | None = None

    def __str__(self) -> str:
        """A line for people."""
        then = f", then {_shown(self.full_training)} of full training" if self.full_training else ""
        line = f"{_shown(self.epoch)} an epoch in {self.of}; at most about {_shown(self.search)}{then}"
        if self.evaluations is None:
            return line
        return f"{line}; the budget leaves room for about {self.evaluations:,} of the evaluations"


def recorded_time(config: Config, plan: Plan, data: Mapping[str, Any]) -> ExpectedTime | None:
    """The time that a configuration's search will take, where one of its name has trained on the same data.

    Args:
        config: the configuration.
        plan: what it would do.
        data: what `describe_data` says.
    """
    try:
        state, trials = read_ledger(ResultsFolder(config.results.dir, config.name))
    except HivenasError:  # the search itself says what is wrong with the folder
        return None
    if state is None or not _has_same_images(config, data, state) or not _saw_as_many(data, trials):
        return None
    return expected_time(config, plan, trials, "recorded so far")


def measured_time(config: Config, plan: Plan, data: Mapping[str, Any]) -> ExpectedTime | None:
    """The time that a configuration's search will take, by a few candidates that are trained on some of the images.

    Args:
        config: the configuration.
        plan: what it would do.
        data: what `describe_data` says.

    Returns:
        None where nothing is trained, or none of the candidates could be.
    """
    if not plan.epochs:
        return None
    used = data["train"] + data["validation"]
    seen = data.get("candidates", data)
    limit = min(used, max(_BATCHES * config.evaluation.batch_size, _IMAGES_A_CLASS * data["classes"], 10))
    seed = drawn_seed(config.seed)
    interface = NASInterface.from_config(config.model_copy(update={"seed": seed}), tracker=NullTracker())
    trials: list[Trial] = []
    progress = Preparing(config.dataset.name, "candidates on", _TRIED, None, deed=MEASURED)
    with progress, one_worker(config) as (executor, folder):
        tried = config.model_copy(
            update={
                "seed": seed,
                "dataset": placed(config).model_copy(update={"train_limit": limit}),
                "evaluation": config.evaluation.model_copy(
                    update={"stopping": "none", "epochs": max(_EPOCHS, config.evaluation.epochs), "train_limit": None}
                ),
                "results": config.results.model_copy(update={"dir": folder}),
            }
        )
        sizes = executor.submit(tasks.split_sizes(tried)).result()  # train_limit leaves a given validation split whole
        for index in range(_TRIED):
            proposal = Proposal(index, 0, "scout", index, interface.sample(), until=_EPOCHS)
            evaluation = executor.submit(tasks.evaluate_network(tried, proposal)).result()
            epoch = evaluation.epoch_s * work_ratio((seen["train"], seen["validation"]), sizes)
            seconds = evaluation.seconds + len(evaluation.history) * (epoch - evaluation.epoch_s)
            measured = replace(evaluation, epoch_s=epoch, seconds=seconds)
            trials.append(
                Trial(proposal, replace(measured, extra={**evaluation.extra, IMAGE_SHARE: _share_seen(data)}))
            )
            progress.advance(1)
    found = expected_time(config, plan, trials, f"tried on {number_of(sum(sizes), 'image')}")
    peak = total_spent(trial.evaluation.extra for trial in trials).get(PEAK_RSS_MB)
    return replace(found, memory=peak * _MIB) if found and peak else found


def work_ratio(sizes: tuple[int, int], tried: tuple[int, int]) -> float:
    """The work of an epoch against that of a smaller one.

    Args:
        sizes: images that are trained on, and that are validated on.
        tried: the same of the smaller one.
    """
    whole, part = (train + _VALIDATED * validated for train, validated in (sizes, tried))
    return whole / part


def expected_time(config: Config, plan: Plan, trials: Sequence[Trial], how: str) -> ExpectedTime | None:
    """The time of a search whose candidates take as long, in the mean, as those of some trials.

    Args:
        config: the configuration.
        plan: what it would do.
        trials: that were measured.
        how: they were, in words.

    Returns:
        None where none of them has trained.
    """
    trained = [(trial, timing) for trial in trials if (timing := Timing.of(trial))]
    timings = [timing for _, timing in trained]
    if not timings or not plan.epochs:
        return None
    candidates = max(1, sum(trial.phase == "evaluate" for trial, _ in trained))
    epoch = statistics.fmean(timing.epoch for timing in timings)
    seen = statistics.fmean(timing.share for timing in timings)
    start = sum(timing.start for timing in timings) / candidates  # those of its continuations, too
    workers = config.execution.at_a_time
    expected = ExpectedTime(
        epoch=epoch,
        search=(plan.evaluations * start + plan.epochs * epoch) / workers,
        full_training=full_seconds(config, Timing(0.0, epoch, seen)),
        of=f"{number_of(candidates, 'candidate')} {how}",
    )
    share = _share_within(config, expected)
    return expected if share >= 1 else replace(expected, evaluations=int(share * plan.evaluations))


def _share_within(config: Config, expected: ExpectedTime) -> float:
    """The share of a search for which its budget of time leaves room, beside what it keeps for the full training."""
    workers = config.execution.at_a_time
    allowed = [limit / (workers if key == "cpu" else 1) for key, limit in times(config.limits).items()]
    rooms = [limit - min(expected.full_training, SHARE * limit) for limit in allowed]
    return min((room / expected.search for room in rooms if room < expected.search), default=1.0)


def _has_same_images(config: Config, data: Mapping[str, Any], state: SearchState) -> bool:
    """True where a recorded search had the images of a configuration; of data that were not loaded its keys tell."""
    if "digest" in data:
        return bool(data["digest"] == state.data)
    file = ResultsFolder(config.results.dir, config.name).yaml
    try:
        recorded = from_record(parse_yaml(file.read_text(encoding="utf-8"), str(file)) or {})
    except (OSError, HivenasError):
        return False
    return recorded.dataset.figures == config.dataset.figures


def _saw_as_many(data: Mapping[str, Any], trials: Sequence[Trial]) -> bool:
    """True where recorded candidates saw the share of the images that those of a configuration would see."""
    share = _share_seen(data)
    shares = (trial.evaluation.extra.get(IMAGE_SHARE, 1.0) for trial in trials if not trial.failed)
    return all(math.isclose(each, share, rel_tol=0.05) for each in shares)


def _share_seen(data: Mapping[str, Any]) -> float:
    """The share of the training images that candidates see, of data as they are described."""
    return float(data["candidates"]["train"] / data["train"]) if "candidates" in data else 1.0


def _shown(seconds: float) -> str:
    """Seconds for people, in the unit that suits them."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"
