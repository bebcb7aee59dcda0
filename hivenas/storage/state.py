"""All of a search that its trials do not hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from hivenas.config import Config
from hivenas.core.full_training import Finalist
from hivenas.core.nas.training.failures import MACHINE
from hivenas.core.records import Direction
from hivenas.storage.limits import Ending, Settled, Spent


class Stage(StrEnum):
    """The work of a search that is still to be done, in its order."""

    SEARCH = "search"
    FULL_TRAIN = "full_train"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SearchState:
    """All of a search that its trials do not hold.

    Args:
        stage: what is still to be done.
        run_id: of the parent run.
        seed: the run's seed, also where the configuration leaves it open.
        strategy: the strategy's state; None before its first proposals.
        trained: whether the best candidate of what was evaluated has been trained fully.
        model: where the best candidate's model is loaded from, once it has been trained fully and published.
        data: digest of the images or the table that the search began with; empty for numerical objectives.
        uid: names the search wherever it is recorded.
        abandoned: names of searches in this folder that were given up for this one, or ids of their parent runs, and
            keys of full trainings outside a search; those that a kill has left running are still to be closed.
        replaces: name of the search whose mirror this one's replaces; empty for none.
        pruned: whether saved states that further iterations may start from are gone, see `results.keep_weights`.
        direction: where a better fitness lies.
        metric: what fitness is, for people.
        planned: evaluations at the most, continuations not counted.
        failure: the full training that failed and would again: `candidate`, `reason`, `cause`, and as `mark` a hash of
            all that it depends on; None without one.
        trainings: the full trainings that were made, by the names of their files.
        final: name of the history that tells of the model; empty where that is the best candidate's.
        spent: by all processes of the search.
        limits: that it has, see `Config.limits`.
        ending: what ended the search before its last iteration, once that is decided; None without.
        settled: the full training, where a budget decides on it; None without.
        cost: keys of the costs that are weighed against the fitness, separated by commas; empty where the fitness
            alone counts.
        small: the candidate whose model was made beside the search's own, see `registry.small`; empty without.
        logged: keys of the candidates that MLflow was told to keep as models, see `results.logged_models`.
        remade: how often a full training was given up for another after so many trials: first these, then how often.
        stopped: evaluations that were planned at the most when a callback has stopped the search; 0 where none has.
    """

    stage: Stage = Stage.SEARCH
    run_id: str = ""
    seed: int = 0
    strategy: dict[str, Any] | None = None
    trained: bool = False
    model: str = ""
    data: str = ""
    uid: str = ""
    abandoned: tuple[str, ...] = ()
    replaces: str = ""
    pruned: bool = False
    direction: Direction = Direction.MAXIMIZE
    metric: str = "fitness"
    planned: int = 0
    failure: dict[str, str] | None = None
    trainings: dict[str, Finalist] = field(default_factory=dict)
    final: str = ""
    spent: Spent = field(default_factory=Spent)
    limits: dict[str, float] = field(default_factory=dict)
    ending: Ending | None = None
    settled: Settled | None = None
    cost: str = ""
    small: str = ""
    logged: tuple[str, ...] = ()
    remade: tuple[int, int] = (0, 0)
    stopped: int = 0

    def __post_init__(self) -> None:
        # JSON knows neither tuples nor enumerations.
        object.__setattr__(self, "stage", Stage(self.stage))
        object.__setattr__(self, "abandoned", tuple(self.abandoned))
        object.__setattr__(self, "logged", tuple(self.logged))
        object.__setattr__(self, "remade", tuple(self.remade))
        object.__setattr__(self, "direction", Direction(self.direction))
        made = {name: each if isinstance(each, Finalist) else Finalist(**each) for name, each in self.trainings.items()}
        object.__setattr__(self, "trainings", made)
        for name, kind in (("spent", Spent), ("ending", Ending), ("settled", Settled)):
            if isinstance(value := getattr(self, name), dict):
                object.__setattr__(self, name, kind(**value))

    @property
    def progress(self) -> tuple[int, int, int]:
        """Grows as the search goes on: what was evaluated, what was told, and what is done after that."""
        strategy = self.strategy or {}
        return strategy.get("evaluations", -1), strategy.get("iteration", -1), list(Stage).index(self.stage)

    def has_run(self, config: Config) -> bool:
        """True where every iteration was run, or where what has ended the search before would end it again.

        Args:
            config: asks for more iterations, or a larger budget, than the recorded search had, perhaps.
        """
        if self.strategy is None:
            return False
        if self.stage == Stage.FULL_TRAIN and config.evaluations <= self.stopped:
            return True
        if self.ending is not None and self.ending.holds(config.limits):
            return True
        # What a strategy has done at the end of a search counts for nothing where that goes on.
        reached = self.strategy.get("unfinished") or self.strategy if self.ending else self.strategy
        proposed = [flight["proposal"] for flight in reached.get("flights", ()) if flight.get("proposal")]
        is_left = self.ending is not None and any(each["index"] > self.ending.after for each in proposed)
        return bool(reached["iteration"] >= config.colony.iterations) and not is_left

    @property
    def ended(self) -> str:
        """The cause of an end before the last iteration, and what was left of the full training; empty without."""
        settled = self.settled.told if self.settled else ""
        return "; ".join(filter(None, [self.ending.told if self.ending else "", settled]))

    def full_key(self, trials: int) -> str:
        """The key of the full training after so many trials; another one after the same has one of its own."""
        after, times = self.remade
        return f"{self.uid}:full-{trials}" + (f"-{times}" if times and after == trials else "")

    def going_on(self, trials: int) -> Self:
        """The state with which the search goes on, after so many trials, and whatever was trained fully is no more.

        What failed stays recorded, but where another attempt may succeed.
        """
        after, times = self.remade
        failed = {
            name: each for name, each in self.trainings.items() if each.status == "failed" and each.cause != MACHINE
        }
        remade = (trials, times + 1 if after == trials else 1)
        left = replace(self, stage=Stage.SEARCH, trained=False, model="", failure=None, settled=None, small="")
        return replace(left, trainings=failed, remade=remade)

    @property
    def reused(self) -> int:
        """The number of times that the strategy came back to a candidate whose record was used again."""
        return self.strategy["reused"] if self.strategy else 0

    @property
    def has_begun(self) -> bool:
        """True where there is anything to go on with: a process killed before its first proposals leaves nothing."""
        return self.strategy is not None or self.stage != Stage.SEARCH
