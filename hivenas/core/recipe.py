"""All that it takes to train a candidate again: kept with its run, so that anybody can check its figures."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hivenas.config import Config
from hivenas.core.cores import usable_cores
from hivenas.core.full_training import MEMBERS, REFIT_EPOCHS, SEED_NUMBER, STARTED_FROM
from hivenas.core.onednn import chosen_onednn
from hivenas.core.records import EpochFigures, Evaluation, Phase, Proposal, plain
from hivenas.errors import ConfigError, MissingResultsError

RECIPE_FILE = "recipe.json"
_VERSION = 1
_PACKAGES = ("hivenas", "tensorflow", "keras", "numpy", "h5py", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training of a candidate: how it was done, and what came of it.

    Args:
        candidate: the encoded architecture.
        phase: evaluate, momentum or full_train.
        config: the resolved configuration, with the run's seed and the candidate's own settings.
        environment: what the figures' last bits may depend on beside that, see `environment`.
        history: figures of every epoch.
        starts_from: name of the h5 file that the training started from; empty from scratch.
        momentum_epochs: epochs of a continuation.
        seed_number: which of the seeds of a full training, from 0.
        refit_epochs: epochs of a full training on training and validation images; 0 for one with validation.
        members: names of the trainings of which a model is the average; such a one is not trained itself.
    """

    candidate: str
    phase: Phase
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    history: tuple[EpochFigures, ...]
    starts_from: str = ""
    momentum_epochs: int = 0
    seed_number: int = 0
    refit_epochs: int = 0
    members: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config, evaluation: Evaluation, proposal: Proposal | None = None) -> Recipe:
        """The recipe of an evaluation in a search, or of a full training where there is no proposal."""
        # Of very many settings not all combinations are tried before a search: one that cannot be has failed.
        with contextlib.suppress(ConfigError):
            config = config.of(str(evaluation.candidate))
        starts_from = (proposal.weights_filename if proposal.momentum_epochs else proposal.inherits) if proposal else ""
        return cls(
            str(evaluation.candidate),
            proposal.phase if proposal else "full_train",
            config=config.to_mapping(),
            environment=evaluation.environment,
            history=evaluation.history,
            starts_from=starts_from or evaluation.extra.get(STARTED_FROM, ""),
            momentum_epochs=proposal.momentum_epochs if proposal else 0,
            seed_number=evaluation.extra.get(SEED_NUMBER, 0),
            refit_epochs=evaluation.extra.get(REFIT_EPOCHS, 0),
            members=tuple(evaluation.extra.get(MEMBERS, ())),
        )

    def to_text(self) -> str:
        """As JSON; floats keep every bit."""
        return json.dumps({"version": _VERSION} | plain(self), indent=1)

    @classmethod
    def from_text(cls, text: str) -> Recipe:
        """The inverse of `to_text`.

        Raises:
            MissingResultsError: not a recipe that this version reads.
        """
        try:
            data = json.loads(text)
            if data.pop("version") != _VERSION:
                raise ValueError("it is of another version")
            history = tuple(EpochFigures(**figures) for figures in data.pop("history"))
            members = tuple(data.pop("members", ()))
            return cls(history=history, members=members, **data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise MissingResultsError(
                f"{RECIPE_FILE} of the run cannot be read ({error}); reproduce it with the hivenas that made the run"
            ) from None


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure, or a part of the environment, that is not what it was."""

    what: str
    before: str
    now: str


def different_figures(before: tuple[EpochFigures, ...], now: tuple[EpochFigures, ...]) -> list[Difference]:
    """Every figure of every epoch that is not equal to the last bit, epochs that only one side has included."""
    found: list[Difference] = []
    names = [field.name for field in fields(EpochFigures) if field.name != "epoch"]
    then, again = ({figures.epoch: figures for figures in side} for side in (before, now))
    for epoch in sorted(then.keys() | again.keys()):
        for name in names:
            a, b = (getattr(side[epoch], name) if epoch in side else None for side in (then, again))
            both_nan = a is not None and b is not None and math.isnan(a) and math.isnan(b)
            if a != b and not both_nan:
                found.append(Difference(f"{name} of epoch {epoch}", _shown(a), _shown(b)))
    return found


def different_environment(before: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Every part of the environment that is not what it was."""
    keys = sorted(before.keys() | now.keys())
    pairs = [(key, before.get(key, "unknown"), now.get(key, "unknown")) for key in keys]
    return [Difference(key, a, b) for key, a, b in pairs if a != b]


def _shown(value: float | None) -> str:
    return "none" if value is None else repr(value)


def environment(data_digest: str) -> dict[str, str]:
    """Name all that the last bits of a training's figures depend on, beside configuration and seed.

    Args:
        data_digest: of the images.

    Returns:
        Versions, threads, processor, its kernels and data, by name.
    """
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", f"all of {usable_cores()}")
    return {**_machine(), "threads": threads, "onednn": chosen_onednn(), "data": data_digest}


@functools.cache
def _machine() -> dict[str, str]:
    versions = {package: package_version(package) for package in _PACKAGES}
    return {**versions, "python": platform.python_version(), "processor": _processor()}


def package_version(package: str) -> str:
    """The installed version of a package, `unknown` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    """The processor's model; instructions that it has or lacks decide how sums are ordered."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
