"""A full training that failed and would fail again: kept with the search, so that going on does not train it anew."""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from hivenas.config import PLACES, Config
from hivenas.core.nas.training.failures import CAUSE, failed_training
from hivenas.core.recipe import package_version
from hivenas.core.records import Evaluation
from hivenas.errors import RepeatableTrainingError
from hivenas.storage import SearchState

# The keys on which a full training depends; how it is searched before, kept and told of is not among them.
_DEPENDS = ("seed", "task", "dataset.", "space.", "evaluation.", "full_train.")
# Of these, what decides how many trainings there are, and what becomes of them, not how one goes.
_AROUND = tuple(f"full_train.{key}" for key in ("enabled", "finalists", "seeds", "refit", "ensemble"))
# Keys that were not there when a mark was written, and had these values.
_LATER = {
    "task": "classify",
    "evaluation.loss": "cross_entropy",
    "evaluation.class_weight": "null",
    "evaluation.fitness": "accuracy",
}
# Where images are kept, and how many of them candidates see.
_ELSEWHERE = (*(f"dataset.{key}" for key in PLACES), "evaluation.train_limit")
_DEVICES = ("execution.kind", "execution.threads", "execution.gpus", "execution.address")
_PACKAGES = ("hivenas", "tensorflow", "keras", "numpy")


def failure_of(config: Config, evaluation: Evaluation) -> dict[str, str] | None:
    """The record of a full training that failed, for a search's state; None where another attempt may succeed."""
    if not isinstance(failed_training(config, evaluation), RepeatableTrainingError):
        return None
    candidate = str(evaluation.candidate)
    told = {"candidate": candidate, "reason": evaluation.reason, "cause": str(evaluation.extra[CAUSE])}
    return {**told, "mark": _mark(config, candidate)}


def repeated_failure(config: Config, state: SearchState, candidate: str) -> RepeatableTrainingError | None:
    """The error that the full training of a candidate would end with again.

    Args:
        config: the configuration, with the run's seed.
        state: of the search.
        candidate: is to be trained fully.

    Returns:
        The error of then; None where there is none, or where anything that the training depends on has changed:
        configuration, packages, code of one's own.
    """
    if state.failure is None or state.failure["mark"] != _mark(config, candidate):
        return None
    return failure_told(config, state.failure)


def failure_told(config: Config, failure: Mapping[str, str] | None) -> RepeatableTrainingError | None:
    """The error of a failure that a state keeps; None without one."""
    if failure is None:
        return None
    failed = Evaluation(failure["candidate"], "failed", 0.0, reason=failure["reason"], extra={CAUSE: failure["cause"]})
    error = failed_training(config, failed)
    assert isinstance(error, RepeatableTrainingError)
    return error


def training_mark(config: Config, candidate: str, *, failed: bool) -> str:
    """A hash of all that one full training depends on.

    Args:
        config: the configuration, with the run's seed.
        candidate: is trained.
        failed: a failure may also be mended by other packages, devices or code of one's own; what has succeeded is not
            made anew for their sake, as little as a search's candidates are.
    """
    if failed:
        return _mark(config, candidate, without=_AROUND)
    keys = _keys(config, _DEPENDS, without=_AROUND)
    return hashlib.sha256(json.dumps([candidate, keys], sort_keys=True).encode()).hexdigest()


def _mark(config: Config, candidate: str, *, without: tuple[str, ...] = ()) -> str:
    keys = _keys(config, (*_DEPENDS, *_DEVICES), without=without)
    versions = {package: package_version(package) for package in _PACKAGES}
    code = sorted({_digest(file) for file in _own_code()})
    return hashlib.sha256(json.dumps([candidate, keys, versions, code], sort_keys=True).encode()).hexdigest()


def _keys(config: Config, depends: tuple[str, ...], *, without: tuple[str, ...]) -> dict[str, str]:
    return {
        key: value
        for key, value in config.flat().items()
        if key.startswith(depends) and key not in (*without, *_ELSEWHERE) and _LATER.get(key) != value
    }


def _own_code() -> Iterator[Path]:
    """The files of the modules that came neither with Python nor with a package: operations and what they use."""
    installed = (sysconfig.get_path("stdlib"), "site-packages", "dist-packages")
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        if file.endswith(".py") and name.partition(".")[0] != "hivenas" and not any(part in file for part in installed):
            yield Path(file)


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:  # a module may have come from where there are no files
        return ""
