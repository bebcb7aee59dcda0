"""The learning rate of every step of an epoch."""

from __future__ import annotations

from hivenas.config import EvaluationConfig
from hivenas.config.schedules import SCHEDULES


def learning_rates(config: EvaluationConfig, epoch: int, *, epochs: int, steps: int) -> list[float]:
    """The learning rates of an epoch's steps: they depend on these arguments alone, so any epoch can be trained anew.

    During the first `warmup_epochs` the rate rises to that of the schedule, by the same share of it at every step. A
    schedule that changes at every epoch counts these epochs; one that changes at every step begins after them.

    Args:
        config: holds schedule, warmup_epochs, initial_lr and final_lr; where these are 0, the optimizer's own rate is
            that of every step.
        epoch: from 0; epochs beyond the planned ones stay at the end's rate.
        epochs: over how many epochs the rate follows the schedule.
        steps: of an epoch.
    """
    schedule = SCHEDULES[config.schedule]
    is_constant = not config.initial_lr or not config.final_lr
    warmup = min(config.warmup_epochs, epochs)

    def planned(step: int) -> float:
        if is_constant:
            return float(config.optimizer.arguments["learning_rate"])
        done = min(epoch, epochs) / epochs
        if schedule.by_step:
            done = min(max((epoch + step / steps - warmup) / max(epochs - warmup, 1 / steps), 0.0), 1.0)
        return schedule.at((config.initial_lr, config.final_lr), done)

    def warm(step: int) -> float:
        return min((epoch * steps + step + 1) / (warmup * steps), 1.0) if warmup else 1.0

    if epoch >= warmup and (is_constant or not schedule.by_step):
        return [planned(0)] * steps
    return [planned(step) * warm(step) for step in range(steps)]
