"""What executors are given to call, in whatever process that is."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from hivenas.config import Config, from_mapping
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.records import Evaluation, Proposal
from hivenas.core.tracker import NullTracker

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unlimited(Generic[P, T]):
    """A call to which `execution.timeout_s` does not apply: the limit is for candidates."""

    call: Callable[P, T]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls it."""
        return self.call(*args, **kwargs)


class Local(Unlimited[P, T]):
    """A call that needs this machine's files or stores, which another machine may not have."""


@functools.lru_cache(maxsize=1)
def _interface(config_json: str) -> NASInterface:
    """The worker's interface: one at a time, so that its data are loaded once."""
    return NASInterface.from_config(from_mapping(json.loads(config_json)), tracker=NullTracker())


def interface_of(config: Config) -> NASInterface:
    """The interface of this process for a configuration; its data stay loaded between calls."""
    return _interface(config.model_dump_json(by_alias=True))


def run_proposal(config: Config, proposal: Proposal) -> Evaluation:
    """Evaluates a proposal in the process that this is called in."""
    return interface_of(config).run(proposal)


def describe_data(config: Config) -> dict[str, Any]:
    """Loads the data set and says what it is."""
    return interface_of(config).eval_strategy.data.describe()


def augmented_examples(config: Config) -> NDArray[np.float32]:
    """Training images as they are and augmented, for people to look at."""
    return interface_of(config).eval_strategy.augmented_examples()


def train_arch(config: Config, arch: str, weights_filename: str | None = None) -> Evaluation:
    """Fully trains a given architecture, from scratch or from an h5 file."""
    return interface_of(config).fully_train(arch, weights_filename)
