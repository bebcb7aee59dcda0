"""The rules that end a training early: candidates that are not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hivenas.config import EvaluationConfig
from hivenas.config.metrics import ACCURACY, figure_told
from hivenas.core.history import Curves
from hivenas.core.nas.training.act import TerminateOnThreshold
from hivenas.core.records import Direction, StopThreshold, Trial
from hivenas.wording import number_of


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """Decides after every epoch whether a candidate is trained on.

    Args:
        cutoff: the adaptive cutoff threshold, where it is in force.
        thresholds: what the search's records ask of the candidate.
        direction: where a better figure lies.
        metric: its name.
    """

    cutoff: TerminateOnThreshold | None = None
    thresholds: Sequence[StopThreshold] = ()
    direction: Direction = Direction.MAXIMIZE
    metric: str = ACCURACY

    def stop_reason(self, epoch: int, figure: float) -> str:
        """The reason to stop after this epoch (from 1) with this validation figure; empty where training goes on."""
        if self.cutoff and self.cutoff.stops(epoch, figure):
            threshold = figure_told(self.cutoff.threshold(epoch), self.metric)
            return f"{self._worse} the threshold {threshold} after epoch {epoch}"
        for bar in self.thresholds:
            if bar.epoch == epoch and self.direction.is_better(bar.accuracy, figure):
                return f"{self._worse} {bar.origin}, {figure_told(bar.accuracy, self.metric)}, after epoch {epoch}"
        return ""

    @property
    def _worse(self) -> str:
        return "above" if self.direction.minimize else "below"


def stopping_rule(config: EvaluationConfig, thresholds: Sequence[StopThreshold], classes: int) -> StoppingRule:
    """The rule of a candidate's first training.

    Args:
        config: which rule is in force, and what is looked for.
        thresholds: what the search's records ask of the candidate.
        classes: of the data.
    """
    choices, guessed = config.metric.choices, config.metric.guessed
    cutoff = TerminateOnThreshold(
        threshold_multiplier=config.act.beta,
        diminishing_factor=config.act.zeta,
        n_classes=choices(classes) if choices else classes,
        guessed=guessed(classes) if guessed else 0.0,
    )
    direction = Direction.of(config.metric.minimize)
    return StoppingRule(cutoff if config.stopping == "act" else None, thresholds, direction, config.metric.name)


def median_thresholds(curves: Curves, config: EvaluationConfig) -> list[StopThreshold]:
    """The median rule: worse than the median of what earlier candidates had at that epoch, a training ends.

    Args:
        curves: of the candidates that were told when this one was proposed.
        config: which epochs the rule judges, and how many candidates it needs for a median.

    Source: the median stopping rule of Golovin et al. (2017), "Google Vizier: A service for black-box
    optimization", with medians of the figure at an epoch instead of averages up to it.
    """
    thresholds = []
    for epoch in config.judged_epochs:
        seen = curves.at(epoch)
        if len(seen) >= config.median.candidates:
            middle = len(seen) // 2
            median = seen[middle] if len(seen) % 2 else (seen[middle - 1] + seen[middle]) / 2
            thresholds.append(
                StopThreshold(epoch, median, f"the median of {number_of(len(seen), 'earlier candidate')}")
            )
    return thresholds


def first_look_thresholds(parent: Trial | None, config: EvaluationConfig) -> list[StopThreshold]:
    """The first look: a neighbour goes on only if it is not worse than its food source was at the same age.

    Fitness is compared at equal training age alone: a neighbour's first epochs against its food source's whole
    training would decide against almost every neighbour.

    Args:
        parent: the record of the food source; None, or one that did not train that epoch, sets no bar.
        config: after how many epochs the look is taken, if any.
    """
    seen = parent.accuracies() if parent else {}
    if config.first_look is None or config.first_look not in seen:
        return []
    return [StopThreshold(config.first_look, seen[config.first_look], "its food source at that age")]
