"""The parent run of a search as a tracker is given it: its beginning and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hivenas.core.publication import Published

# What a note says of a model before it is published, a line each.
MODEL_URI, MODEL_VERDICT = "{model_uri}", "{model_verdict}"


@dataclass(frozen=True, slots=True)
class SearchCard:
    """The parent run of a search as it is from its first minute on.

    Args:
        name: the search's name.
        params: the configuration, flattened.
        config_yaml: the resolved configuration.
        data: what `Dataset.describe` or `Table.describe` says; empty for numerical objectives.
        pictures: files to keep under `plots/`.
        uid: names the search, so that its run is found again where its id was lost.
        note: the description, in markdown, until there is more to say.
        contexts: what the data are for, see `UsedData`.
        place: of their files, likewise.
        minimize: whether less fitness is better.
    """

    name: str
    params: Mapping[str, str]
    config_yaml: str
    data: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Path] = ()
    uid: str = ""
    note: str = ""
    contexts: tuple[str, ...] = ("training",)
    place: str = ""
    minimize: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a search's parent run.

    Args:
        run_id: of the parent.
        status: FINISHED, FAILED or KILLED.
        metrics: final figures.
        note: the description, in markdown.
        reason: why it did not finish; empty otherwise.
        artifacts: local files and the folders under which they are kept.
        pointer: the run that was made for a resumption and is closed as a pointer to the parent; empty without one.
        end_ms: when it ended, in milliseconds since 1970.
        step: evaluations that were recorded; the figures are kept as of then.
        trained: key of the full training whose model the note names by `MODEL_URI` and `MODEL_VERDICT`, which are
            known only when it has been published; empty without one.
        delete_weights: keys of children whose weights are not to be kept any longer.
        front: keys of the children that are on the front of fitness and cost, and get a tag that says so.
    """

    run_id: str
    status: str
    metrics: Mapping[str, float]
    note: str
    reason: str = ""
    artifacts: tuple[tuple[Path, str], ...] = ()
    pointer: str = ""
    end_ms: int = 0
    step: int = 0
    trained: str = ""
    delete_weights: tuple[str, ...] = ()
    front: tuple[str, ...] = ()

    def named(self, published: Published) -> str:
        """The note with what a model's publication came to; lines that would name nothing are left out."""
        note = self.note
        for placeholder, text in ((MODEL_URI, published.uri), (MODEL_VERDICT, published.verdict)):
            if not text:
                note = "".join(line for line in note.splitlines(keepends=True) if placeholder not in line)
            note = note.replace(placeholder, text)
        return note
