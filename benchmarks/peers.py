"""Search methods to compare on recorded tables: the colony and its peers, all behind one signature.

A search yields the architecture that it asks for and is sent its fitness, larger being better. It may ask for one that
it knows. A search that names its incumbent by itself yields an `Incumbent`, to which it is sent nothing of use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from gp_bo import gp_bo

from hivenas.config import ColonyConfig
from hivenas.config.costs import Cost
from hivenas.core.colony.encoding import Distances, Vector
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.core.colony.kernels import Kernel
from hivenas.core.colony.names import kernels, kernels_of
from hivenas.core.colony.surrogate import Guesses, known_guesses
from hivenas.core.records import Role
from hivenas.core.strategies.kinds import make_strategy
from hivenas.core.strategies.phased import PhasedStrategy
from hivenas.core.strategy import Strategy
from hivenas.objectives.table import TableObjective

POPULATION, SAMPLE = 20, 10  # of regularized evolution
TPE_FIRST = 10  # random trials before TPE's model is asked; 20 are worse at 25 evaluations
TPE_CANDIDATES = 64  # points among which it chooses; Optuna's 24 were worse on one table at 25, elsewhere alike
REDRAWS = 50  # proposals outside a sparse table, or known already, after which a random architecture is taken


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The architecture that a search would hand out, if it ended now."""

    candidate: str


Steps = Generator[str | Incumbent, float, None]
Search = Callable[[TableObjective, int, np.random.Generator], Steps]


def colony(
    config: ColonyConfig,
    without: frozenset[Role] = frozenset(),
    *,
    costs: Sequence[Cost] = (),
    guesses: Guesses = known_guesses,
) -> Search:
    """A strategy of hivenas; a phase that the budget cuts short is not told.

    Args:
        config: its kind and size.
        without: roles whose job nobody does, of a guided colony.
        costs: it looks for a front of fitness and these, where it can.
        guesses: of how alike architectures are, of a guided colony.
    """

    def search(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
        # An iteration may reuse records only, so that there may be more of them than evaluations.
        endless = config.model_copy(update={"iterations": 100 * budget})
        if without or guesses is not known_guesses:
            guided = GuidedBeeColony(objective, endless, rng, without=without, guesses=guesses)
            if costs:
                guided.weigh(*costs)
            hive: Strategy = guided
        else:
            hive = make_strategy(objective, endless, rng, costs=costs)
        assert isinstance(hive, PhasedStrategy)
        while proposals := hive.ask():
            evaluations = []
            for proposal in proposals:
                yield str(proposal.candidate)
                evaluations.append(objective.run(proposal))
            hive.tell(evaluations)
            if hive.best:
                yield Incumbent(str(hive.best.candidate))

    return search


def by_names(distances: Distances, scores: Vector, *, sized: bool) -> Sequence[Kernel]:
    """The kernels of a colony that is told no sizes."""
    return kernels(distances, scores)


def by_positions(distances: Distances, scores: Vector, *, sized: bool) -> Sequence[Kernel]:
    """Those of one that compares operations at the same position alone."""
    return kernels_of(0.0)


def random(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
    """Random search; known architectures cost nothing, so it is one without replacement."""
    while True:
        yield objective.sample()


def evolution(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
    """Regularized evolution: the best of a sample has a child, a random neighbour; the oldest dies.

    Source: Real et al. (2019), "Regularized evolution for image classifier architecture search".
    """
    population: deque[tuple[float, str]] = deque()
    while True:
        if len(population) < POPULATION:
            arch = objective.sample()
        else:
            drawn = rng.choice(POPULATION, SAMPLE, replace=False)
            arch = objective.get_neighbor(max((population[int(i)] for i in drawn), key=lambda one: one[0])[1])
            population.popleft()
        fitness = yield arch
        population.append((fitness, arch))


def local_search(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
    """Local search: all neighbours in random order, then on from the best; from a random one at a local optimum.

    Source: White et al. (2020), "Exploring the loss landscape in neural architecture search".
    """
    while True:
        place = objective.sample()
        fitness = yield place
        while True:
            around: list[tuple[float, str]] = []
            neighbors = objective.neighbors(place)
            for i in rng.permutation(len(neighbors)):
                value = yield neighbors[int(i)]
                around.append((value, neighbors[int(i)]))
            best = max(around, key=lambda one: one[0], default=(fitness, place))
            if best[0] <= fitness:
                break
            fitness, place = best


def tpe(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
    """Optuna's TPESampler, multivariate, over a categorical parameter a position.

    Source: Bergstra et al. (2011), "Algorithms for hyper-parameter optimization"; Falkner et al. (2018), "BOHB".
    """
    import optuna

    seed = int(rng.integers(2**31))
    sampler = optuna.samplers.TPESampler(
        multivariate=True, seed=seed, n_startup_trials=TPE_FIRST, n_ei_candidates=TPE_CANDIDATES
    )
    return optuna_study(objective, sampler)


def gp(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
    """Optuna's GPSampler over a categorical parameter a position; it needs the package torch."""
    import optuna

    sampler = optuna.samplers.GPSampler(seed=int(rng.integers(2**31)), deterministic_objective=False)
    return optuna_study(objective, sampler)


def optuna_study(objective: TableObjective, sampler: object, costs: Sequence[Cost] = ()) -> Steps:
    """A study over a categorical parameter a position that is asked and told.

    What is no architecture of the table, or known already, is told as a failed trial or with its fitness, and asked
    anew; after so many times in a row it is a random architecture's turn.

    Args:
        objective: what is searched.
        sampler: Optuna's.
        costs: the further objectives of the study; none for the fitness alone.
    """
    import optuna

    verbosity = optuna.logging.get_verbosity()  # the whole process's, so it is given back
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = ["maximize", *("minimize" for _ in costs)]
    study = optuna.create_study(directions=directions, sampler=sampler)  # type: ignore[arg-type]
    optuna.logging.set_verbosity(verbosity)
    space = {
        f"{i:02d}": optuna.distributions.CategoricalDistribution(entries)
        for i, entries in enumerate(objective.table.entries)
        if len(entries) > 1
    }
    constant = {f"{i:02d}": entries[0] for i, entries in enumerate(objective.table.entries)}
    known: dict[str, float] = {}
    vain = 0
    while True:
        if vain > REDRAWS:
            named = dict(zip(sorted(constant), objective.components(objective.sample()), strict=True))
            study.enqueue_trial({name: named[name] for name in space})
        trial = study.ask(dict(space))
        named = constant | trial.params
        arch = objective.compose([named[name] for name in sorted(named)])
        vain = vain + 1 if arch is None or arch in known else 0
        if arch is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        if arch not in known:
            known[arch] = yield arch
        study.tell(trial, [known[arch], *(objective.costs(arch)[cost.key] for cost in costs)])


ALGORITHMS: dict[str, Search] = {
    "abc": colony(ColonyConfig()),
    "overlap_1": colony(ColonyConfig(overlap=1)),
    "overlap_2": colony(ColonyConfig(overlap=2)),
    "canonical": colony(ColonyConfig(kind="canonical")),
    "no_employees": colony(ColonyConfig(), frozenset({"employee"})),
    "no_onlookers": colony(ColonyConfig(), frozenset({"onlooker"})),
    "no_scouts": colony(ColonyConfig(), frozenset({"scout"})),
    "no_sizes": colony(ColonyConfig(), guesses=by_names),
    "positions": colony(ColonyConfig(), guesses=by_positions),
    "random": random,
    "evolution": evolution,
    "evolution_batches": colony(ColonyConfig(kind="evolution")),
    "local_search": local_search,
    "tpe": tpe,
    "gp": gp,
    "gp_bo": gp_bo,
}
