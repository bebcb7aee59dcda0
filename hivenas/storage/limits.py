"""The spending of a search, its end before the last iteration, and the full training that its budget left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hivenas.reports.text import duration
from hivenas.wording import number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The time that a search has taken, of all its processes, without the pauses between them.

    Args:
        wall: seconds.
        cpu: seconds of processors, of the driver and its workers, their starts included.
    """

    wall: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The decision that a search ends before its last iteration, written down with the trial that it follows.

    Where time decides, a resumption could not find out again: it repeats what is written.

    Args:
        key: of the limit, see `Config.limits`.
        limit: as it was then.
        after: number of the last evaluation that still counts; −1 for none.
        is_final: whether there was no time either for what the strategy does at its end.
    """

    key: str
    limit: float
    after: int
    is_final: bool = False

    def holds(self, limits: Mapping[str, float]) -> bool:
        """True where a search with these limits, at the same place, ends too: its limit is there and no larger."""
        return self.key in limits and limits[self.key] <= self.limit

    @property
    def told(self) -> str:
        """The cause, for people."""
        return ENDINGS[self.key].format(limit_told(self.key, self.limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The full training for which a budget has room, decided once, before anything of it is trained.

    Args:
        finalists: so many candidates …
        epochs: … for so many epochs.
        wanted: finalists, seeds and epochs that are configured, whether there is a refit, of how many the ensemble is,
            and whether there is a small model: with others it is settled anew.
        limits: those of time, in seconds, that it was decided for: with a larger one, or without, it is too.
    """

    finalists: int
    epochs: int
    wanted: tuple[int | bool, ...]
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wanted", tuple(self.wanted))  # JSON knows no tuples

    @property
    def told(self) -> str:
        """Of what less is trained than is configured, for people; empty where it is the same."""
        pairs = (("finalists", self.finalists, self.wanted[0]), ("epochs", self.epochs, self.wanted[2]))
        less = [f"{now} of {wanted} {what}" for what, now, wanted in pairs if now < wanted]
        return f"the budget left room for {' and '.join(less)} of full training" if less else ""


ENDINGS: Mapping[str, str] = {
    "wall": "the budget of {} was spent",
    "cpu": "the budget of {} was spent",
    "evaluations": "the budget of {} was spent",
    "patience": "{} brought nothing better",
}


def limit_told(key: str, limit: float) -> str:
    """A limit for people, such as 10 min or 40 evaluations."""
    if key == "cpu":
        return f"{limit / 3600:g} {'CPU hour' if limit == 3600 else 'CPU hours'}"
    if key == "wall":
        whole = next((unit for unit in ((3600, "h"), (60, "min")) if limit % unit[0] == 0), None)
        return f"{limit / whole[0]:g} {whole[1]}" if whole else duration(limit)
    what = "iteration" if key == "patience" else "evaluation"
    return number_of(round(limit), what)


def spent_told(spent: Spent, limits: Mapping[str, float], evaluations: int) -> str:
    """The parts of a budget that are spent, for people, such as 9 min 12 s of 10 min; empty without a budget."""
    amounts = {"wall": duration(spent.wall), "cpu": f"{spent.cpu / 3600:.3g}", "evaluations": f"{evaluations:,}"}
    return ", ".join(f"{amounts[key]} of {limit_told(key, limits[key])}" for key in amounts if key in limits)
