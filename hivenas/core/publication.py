"""The models that a tracker is given to publish or to keep, and what came of a publication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hivenas.config.metrics import ACCURACY
from hivenas.config.promotion import PromotionThreshold

LONGEST_MODEL_TAG = 5000  # characters that MLflow keeps of the tag of a model or of its version


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of publishing a model.

    Args:
        uri: where to load it from; empty where there is no model.
        verdict: whether it has become the champion, and why, in a line; empty where it is not registered.
    """

    uri: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ServableModel:
    """A fully trained model to log and register.

    Args:
        file: Keras model from raw images to probabilities.
        example: `.npy` file with a few raw images.
        name: of the registered model; None to log it only.
        alias: of the registered version, once it is promoted; empty where it is not to be.
        origin: where it came from, as tags of the version.
        description: the same in markdown.
        promote: when the alias moves to it: `better` (than the version that has it, on the same test images),
            `always` or `never`.
        metadata: what whoever loads it should know of its images and classes; kept in the model.
        answers: the probabilities that the tested network gave to the example; empty where they were not kept.
        second_alias: moves to the version in any case; empty for none.
        metric: the name of what is looked for, by which it is compared with the version that has the alias.
        minimize: whether less of that is better.
        promote_if: what it must reach beside that.
        tested: file of what it answered on the test split, of which MLflow's own evaluation is made; None for none.
        candidate: of a search, whose network it is; None for a fully trained one.
    """

    file: Path
    example: Path
    name: str | None
    alias: str
    origin: Mapping[str, str]
    description: str
    promote: str = "better"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[tuple[float, ...], ...] = ()
    second_alias: str = ""
    metric: str = ACCURACY
    minimize: bool = False
    promote_if: tuple[PromotionThreshold, ...] = ()
    tested: Path | None = None
    candidate: LoggedCandidate | None = None


@dataclass(frozen=True, slots=True)
class LoggedCandidate:
    """A candidate of a search, as a logged model of its nested run.

    Args:
        run: key of the child, or id of its run.
        name: of the logged model.
        params: beside those of the run: `architecture`, `params`, `macs`, `role`.
        tags: of the logged model.
    """

    run: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
