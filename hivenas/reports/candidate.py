"""The page of a candidate in words and pictures: its outcome, its changes, its layers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

from hivenas.config import Config
from hivenas.config.costs import COSTS
from hivenas.config.metrics import figure_told
from hivenas.config.settings import split_candidate
from hivenas.config.tasks import TASKS, task_of
from hivenas.config.text import listed
from hivenas.core.children import Page
from hivenas.core.measured import FinalFigure, metric_of
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.core.nas.space.frame import Frame
from hivenas.core.nas.space.operations import reference_space
from hivenas.core.nas.space.outline import Outline, Outliner, changes
from hivenas.core.records import Evaluation, Proposal
from hivenas.reports.diagram import as_lines, as_svg
from hivenas.wording import number_of

_LONGEST_DRAWING = 5000  # characters, of the 8,000 that MLflow shows of a description


class CandidatePages:
    """Makes the pages of a space's candidates; a page takes less than a millisecond.

    Args:
        outliner: knows the layers of the space's architectures.
        decode: reads an architecture.
        figure: what fitness is, for people.
    """

    def __init__(
        self, outliner: Outliner, decode: Callable[[str], Chain], *, figure: str = "validation accuracy"
    ) -> None:
        self._outliner = outliner
        self._decode = decode
        self._figure = figure

    @classmethod
    def of_space(cls, config: Config, data: Mapping[str, Any]) -> Self:
        """The pages of the networks of a configuration's space.

        Args:
            config: the configuration.
            data: what `Dataset.describe` says, of which `shape` and `classes` are needed; without it layers have no
                sizes.
        """
        space = config.space
        reference = reference_space(space.reference, width=space.width, l2=space.l2)
        image = None
        if data:
            height, width, channels = data["shape"]
            image = (height, width, channels)
        outliner = Outliner(
            reference,
            shape=image,
            classes=data.get("classes", 0),
            frame=Frame.of(space),
            activation=TASKS[config.task].activation,
        )
        figure = f"validation {config.evaluation.metric.label}"
        return cls(outliner, lambda arch: decode(arch, reference), figure=figure)

    def drawing(self, candidate: str) -> list[str]:
        """An architecture as lines of text."""
        return as_lines(self._outliner.of(self._decode(candidate)))

    def of(self, proposal: Proposal | None, evaluation: Evaluation, *, origin: str = "") -> Page:
        """The page of a candidate, or of a full training where there is no proposal.

        Args:
            proposal: who asked for it.
            evaluation: what came of it.
            origin: the parent, or the training that is continued: its name with a link to its run, see
                `children.link_to`; empty where there is none. Of a full training the sentence that says what it was.
        """
        chain = self._decode(str(evaluation.candidate))
        outline = self._outliner.of(chain)
        changed = changes(self._decode(proposal.parent), chain) if proposal and proposal.parent else []
        marked = {int(number) for line in changed for number in re.findall(r"^layer (\d+):", line)}
        note = _note(proposal, evaluation, outline, figure=self._figure, changed=changed, origin=origin)
        said = f"orange edge: differs from its parent {_bare(origin)}" if marked else ""
        title = proposal.label if proposal else "full training"
        return Page(note, "; ".join(changed), as_svg(outline, title=title, marked=marked, note=said))


def _note(
    proposal: Proposal | None,
    evaluation: Evaluation,
    outline: Outline,
    *,
    figure: str,
    changed: list[str],
    origin: str,
) -> str:
    whence = _whence(proposal, evaluation, origin)
    whence += " Changed: " + "; ".join(_code_around_names(line) for line in changed) + "." if changed else ""
    settings = [as_code(f"{key}={value}") for key, value in split_candidate(str(evaluation.candidate))[1]]
    whence += f" Trained with {', '.join(settings)}." if settings else ""
    parts = [f"{_outcome(evaluation, figure)}  \n{whence}"]
    drawing = "\n".join(as_lines(outline))
    if len(drawing) <= _LONGEST_DRAWING:
        parts.append(f"```text\n{drawing}\n```")
    return "\n\n".join(parts) + "\n"


def _outcome(evaluation: Evaluation, figure: str) -> str:
    if evaluation.status == "failed":
        seen = "; the artifact `traceback.txt` says where" if evaluation.traceback else ""
        return f"**Failed**: {as_code(evaluation.reason)}{seen}."
    test = FinalFigure.of(evaluation)
    text = f"**{_told(evaluation, evaluation.fitness)}** {figure}"
    if not math.isfinite(evaluation.fitness) and evaluation.history:  # all images were trained on
        text = f"**{figure_told(evaluation.history[-1].accuracy)}** training {task_of(evaluation.extra).share_label}"
    text = f"**{test.told}** test {test.label}, {text}" if test else text
    if evaluation.age:
        text += f" after {number_of(evaluation.age, 'epoch')}"
    if evaluation.params:
        text += f", {evaluation.params:,} parameters"
    text += "".join(
        f", {evaluation.extra[key]:g} {cost.label}" for key, cost in COSTS.items() if key in evaluation.extra
    )
    never = evaluation.extra.get("never_named")
    text += f". It never answers {as_code(listed(never))}" if never else ""
    if evaluation.status == "paused":
        return f"{text}. Paused: it goes on if it is among the best of its age."
    return text + (f". Stopped early: {evaluation.reason}." if evaluation.status == "stopped" else ".")


def _whence(proposal: Proposal | None, evaluation: Evaluation, origin: str) -> str:
    if proposal is None:
        return origin or "Trained fully, and tested once on images that the search never saw."
    if proposal.momentum_epochs:
        more = number_of(proposal.momentum_epochs, "epoch")
        known = proposal.center_fitness
        before = "" if known is None else f" (there {_told(evaluation, known)})"
        return f"Trained on for {more}, from the weights of {origin}{before}."
    if not proposal.parent:
        return "A new food source." if proposal.role == "scout" else f"A new food source of an {proposal.role}."
    text = f"A neighbour of {origin}" if origin else "A neighbour of a food source"
    text += _compared(proposal, evaluation)
    if evaluation.inherited:
        text += (
            f"; {evaluation.inherited:.0%} of its weights were inherited, as they were after "
            f"{number_of(evaluation.inherited_epochs, 'epoch')}"
        )
    return f"{text}, visited by an {proposal.role}." if proposal.role != "scout" else f"{text}, visited by a scout."


def _compared(proposal: Proposal, evaluation: Evaluation) -> str:
    """The fitness of the parent, and the gain on it; no gain of a training that is not over, whose age is another."""
    there = proposal.center_fitness
    if evaluation.status == "failed" or there is None or not math.isfinite(there):
        return ""
    gain = evaluation.fitness - there
    said = f", so {'−' if gain < 0 else '+'}{_told(evaluation, abs(gain))}" if evaluation.status != "paused" else ""
    return f" (there {_told(evaluation, there)}{said})"


def _told(evaluation: Evaluation, value: float) -> str:
    """A value of the metric that is looked for, for people."""
    return figure_told(value, metric_of(evaluation.extra))


def as_code(text: str) -> str:
    """A text of anyone's within markdown, as code on one line."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _code_around_names(change: str) -> str:
    place, _, names = change.partition(": ")
    before, _, after = names.partition(" → ")
    return f"{place}: `{before}` → `{after}`"


def _bare(link: str) -> str:
    """The text of a link."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", link)
