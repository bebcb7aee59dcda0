"""The Adaptive Cutoff Threshold: a candidate that is too weak for its age is not trained on."""

from __future__ import annotations

from dataclasses import dataclass

from hivenas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TerminateOnThreshold:
    """Ends training after an epoch whose monitored accuracy lies below a threshold that rises with the epochs.

    T(ε) = base + c − 1 / (1/c + ζ(ε − 1)) with base = 1/n + β(1 − 1/n) and c = 1 − base: it starts at `base`, a
    share β of the way from chance to 1, and climbs towards 1. The training asks after every epoch but its last, where
    nothing is left to stop.

    Of a loss, of which less is better, the threshold falls instead: L(ε) = guessed · (1 − T(ε)), with T of the share of
    the way from what guessing comes to, to 0, so that 1/n is 0.

    Args:
        monitor: the name of the figure that `stops` is given, for people; it is no callback of Keras, which would look
            for it.
        threshold_multiplier: β, from 0 to 1; 0 switches the cutoff off.
        diminishing_factor: ζ ≥ 0, how fast the threshold climbs.
        n_classes: n, the number of classes; of another metric, the number of answers among which guessing chooses.
        guessed: of a loss what guessing comes to; 0 of what is maximised.

    Raises:
        ConfigError: a value out of range.

    Source: HiveNAS, Adaptive Cutoff Threshold.

    Examples:
        >>> cutoff = TerminateOnThreshold(n_classes=10)
        >>> [round(cutoff.threshold(epoch), 4) for epoch in (1, 2, 3)]
        [0.325, 0.4225, 0.4953]
    """

    monitor: str = "val_accuracy"
    threshold_multiplier: float = 0.25
    diminishing_factor: float = 0.25
    n_classes: float = 10
    guessed: float = 0.0

    def __post_init__(self) -> None:
        """Refuses values of which no threshold comes."""
        for name, fits, rule in (
            ("threshold_multiplier", 0 <= self.threshold_multiplier <= 1, "from 0 to 1"),
            ("diminishing_factor", self.diminishing_factor >= 0, "≥ 0"),
            ("n_classes", self.n_classes >= 1, "≥ 1"),
            ("guessed", self.guessed >= 0, "≥ 0"),
        ):
            if not fits:
                raise ConfigError(f"{name} must be {rule}, got {getattr(self, name)}; correct it")

    def threshold(self, epoch: int) -> float:
        """The accuracy that epoch ε (from 1) must reach; the loss that it must not be above."""
        return self.guessed * (1 - self._share(epoch)) if self.guessed else self._share(epoch)

    def _share(self, epoch: int) -> float:
        guessing = 0.0 if self.guessed else 1 / self.n_classes
        base = guessing + self.threshold_multiplier * (1 - guessing)
        room = 1 - base
        if room <= 0:
            return base
        return base + room - 1 / (1 / room + self.diminishing_factor * (epoch - 1))

    def stops(self, epoch: int, accuracy: float) -> bool:
        """True where training ends after epoch ε (from 1) with this accuracy, or loss."""
        bar = self.threshold(epoch)
        return self.threshold_multiplier > 0 and (accuracy > bar if self.guessed else accuracy < bar)
