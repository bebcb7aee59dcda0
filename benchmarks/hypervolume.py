"""Compares searches for a front of fitness and costs on recorded tables: mean hypervolume by unique evaluations.

    python benchmarks/hypervolume.py --table FILE [--table FILE…] [--cost params] [--cost params,macs]
        [--algorithms 'guided; …'] [--budgets 25,50,100,200] [--seeds 60] [--first-seed 0] [--jobs 1]

Hypervolume: the area of fitness and cost between the front of what a search has asked for and a reference point, which
is the table's largest cost and the quantile of its fitness below which 5 % of it lie, as a share of the area of the
table's true front; of two costs, such as params,macs, which are weighed together, the volume. It is measured on the
scales of the table: points of accuracy, parameters or multiply-adds. An architecture that is asked for again costs
nothing. All algorithms share the seeds. It prints a Markdown table of means and standard errors.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported: a process is one job

import functools
import math
import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from peers import Search, Steps, by_names, colony, optuna_study, random
from search_quality import course_of

from hivenas.config import ColonyConfig
from hivenas.config.costs import COSTS, Cost
from hivenas.core.front import Point, hypervolume
from hivenas.core.objective import ObjectiveInfo
from hivenas.core.records import Evaluation, Proposal
from hivenas.core.seeds import derive_seed
from hivenas.errors import InputError
from hivenas.objectives.table import TableObjective
from hivenas.objectives.table_file import Table

LOWEST = 0.05  # quantile of the fitness that is the reference
NOISE = 0.1  # of the logarithm of a cost that is measured, about that of latencies on a busy machine
POPULATION = 20  # of NSGA-II; Optuna's 50 leave 200 evaluations four generations
Costs = Sequence[Cost]
_Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Job:
    """One search: a table's file, the keys of the costs, with commas, the algorithm's name, a seed, the budgets."""

    table: str
    cost: str
    algorithm: str
    seed: int
    budgets: tuple[int, ...]


def nsga2(costs: Costs, population: int = POPULATION) -> Search:
    """Optuna's NSGA-II.

    Source: Deb et al. (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II".
    """

    def sampler(seed: int) -> Any:
        import optuna

        return optuna.samplers.NSGAIISampler(seed=seed, population_size=population)

    return _study(costs, sampler)


def tpe(costs: Costs) -> Search:
    """Optuna's TPESampler over several objectives, multivariate.

    Source: Ozaki et al. (2022), "Multiobjective tree-structured Parzen estimator".
    """

    def sampler(seed: int) -> Any:
        import optuna

        return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=10)

    return _study(costs, sampler)


def _study(costs: Costs, make_sampler: Callable[[int], Any]) -> Search:
    """A study of several objectives, of whose sampler Optuna does not say that it is an experiment."""

    def search(objective: TableObjective, budget: int, rng: np.random.Generator) -> Steps:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = make_sampler(int(rng.integers(2**31)))
        return optuna_study(objective, sampler, costs)

    return search


class _Untold(TableObjective):
    """A table whose costs are known only of what was evaluated, and are told a little wrong, as a measurement is.

    Args:
        table: the table.
        costs: which of its costs.
        rng: generator of samples and neighbours; the noise follows from its seed, and from none of its draws.
        noise: standard deviation of the logarithm of what is told.
    """

    def __init__(self, table: Table, costs: Costs, *, rng: np.random.Generator, noise: float) -> None:
        super().__init__(table, rng=rng)
        self._untold = tuple(cost.key for cost in costs)
        self._deviation = noise
        self._noise_seed = int(rng.spawn(1)[0].integers(2**31))

    def describe(self) -> ObjectiveInfo:
        info = super().describe()
        return replace(info, costs=tuple(key for key in info.costs if key not in self._untold), measures=self._untold)

    def costs(self, arch: str) -> dict[str, float]:
        return {key: value for key, value in super().costs(arch).items() if key not in self._untold}

    def run(self, proposal: Proposal) -> Evaluation:
        evaluation = super().run(proposal)
        rng = np.random.default_rng(derive_seed(self._noise_seed, "noise", proposal.index))
        wrong = {key: math.exp(self._deviation * rng.normal()) for key in self._untold}
        told: dict[str, Any] = {key: round(getattr(evaluation, key) * factor) for key, factor in wrong.items()}
        return replace(evaluation, **told)


def predicting(costs: Costs, noise: float = 0.0) -> Search:
    """The guided colony that knows the costs of nothing before it was evaluated, and predicts them."""
    search = colony(ColonyConfig(), costs=costs)
    return lambda objective, budget, rng: search(_Untold(objective.table, costs, rng=rng, noise=noise), budget, rng)


ALGORITHMS: Mapping[str, Callable[[Costs], Search]] = {
    "guided": lambda costs: colony(ColonyConfig(), costs=costs),
    "guided, told no sizes": lambda costs: colony(ColonyConfig(), costs=costs, guesses=by_names),
    "guided, fitness alone": lambda _: colony(ColonyConfig()),
    "guided, first cost alone": lambda costs: colony(ColonyConfig(), costs=costs[:1]),
    "guided, cost predicted": predicting,
    "guided, cost measured": lambda costs: predicting(costs, NOISE),
    "NSGA-II": nsga2,
    "NSGA-II of 50": lambda costs: nsga2(costs, 50),
    "TPE": tpe,
    "random": lambda _: random,
}


@functools.cache
def _table(path: str) -> Table:
    return Table.read(path)


@functools.cache
def _whole(path: str, cost: str) -> tuple[Point, float]:
    """The reference point of a table, and the hypervolume of all that it has."""
    table = _table(path)
    costs = [table.figures[key] for key in cost.split(",")]
    reference = (*(float(each.max()) for each in costs), float(np.quantile(table.fitness, LOWEST)))
    points = list(zip(*(each.tolist() for each in costs), table.fitness.tolist(), strict=True))
    return reference, hypervolume(points, reference)


def run(job: Job) -> _Shares:
    """Carries out one search; its share of the table's hypervolume at every budget."""
    rng = np.random.default_rng(derive_seed(job.seed, "hypervolume"))
    objective = TableObjective(_table(job.table), rng=rng)
    keys = job.cost.split(",")
    search = ALGORITHMS[job.algorithm]([COSTS[key] for key in keys])
    asked = list(course_of(search, objective, job.budgets[-1], rng).seen.items())
    reference, whole = _whole(job.table, job.cost)
    points = [(*(objective.costs(arch)[key] for key in keys), fitness) for arch, fitness in asked]
    return np.array([hypervolume(points[:budget], reference) / whole for budget in job.budgets])


def run_all(jobs: Sequence[Job], processes: int) -> dict[tuple[str, str, str], _Shares]:
    """Carries out searches, in so many processes; their shares (seeds, budgets) by table, cost and algorithm."""
    found: dict[tuple[str, str, str], list[_Shares]] = {}
    for job, shares in zip(jobs, _map(jobs, processes), strict=True):
        found.setdefault((job.table, job.cost, job.algorithm), []).append(shares)
    return {key: np.array(each) for key, each in found.items()}


def _map(jobs: Sequence[Job], processes: int) -> Iterator[_Shares]:
    if processes == 1:
        yield from map(run, jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(run, jobs, chunksize=4)


def as_markdown(found: Mapping[tuple[str, str, str], _Shares], budgets: Sequence[int]) -> str:
    """Means and standard errors as a table: a line a table, cost and algorithm, a column a budget."""
    lines = [
        f"| table, cost | algorithm | seeds |{''.join(f' at {budget} |' for budget in budgets)}",
        f"| --- | --- | --- |{' --- |' * len(budgets)}",
    ]
    for (table, cost, algorithm), shares in found.items():
        stem = os.path.basename(table).removesuffix(".gz").removesuffix(".csv")
        errors = shares.std(axis=0, ddof=1) / len(shares) ** 0.5 if len(shares) > 1 else 0 * shares[0]
        cells = (f" {mean:.4f} ± {error:.4f} |" for mean, error in zip(shares.mean(axis=0), errors, strict=True))
        lines.append(f"| {stem}, {cost.replace(',', ' and ')} | {algorithm} | {len(shares)} |{''.join(cells)}")
    return "\n".join(lines)


def _names(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(";")] if value else list(ALGORITHMS)
    for name in names:
        if name not in ALGORITHMS:
            raise click.BadParameter(f"must be among {'; '.join(ALGORITHMS)}, got {name!r}")
    return names


def parsed_costs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The costs of every table, with commas where several are weighed together; refuses others than there are."""
    for key in (key for value in values for key in value.split(",")):
        if key not in COSTS:
            raise click.BadParameter(f"must be among {', '.join(COSTS)}, got {key!r}")
    return values


@click.command(help=__doc__)
@click.option("--table", "tables", multiple=True, required=True, help="Recorded tables.")
@click.option(
    "--cost",
    "costs",
    multiple=True,
    default=["params"],
    callback=parsed_costs,
    show_default=True,
    help="With commas: together.",
)
@click.option("--algorithms", default="", callback=_names, help="Separated by semicolons; all of them by default.")
@click.option("--budgets", default="25,50,100,200", show_default=True)
@click.option("--seeds", default=60, type=click.IntRange(1), show_default=True)
@click.option("--first-seed", default=0, type=click.IntRange(0), show_default=True)
@click.option("--jobs", default=1, type=click.IntRange(1), show_default=True, help="Processes.")
def main(
    tables: tuple[str, ...],
    costs: tuple[str, ...],
    algorithms: list[str],
    budgets: str,
    seeds: int,
    first_seed: int,
    jobs: int,
) -> None:
    try:
        numbers = tuple(sorted({int(text) for text in budgets.split(",")}))
        for table in tables:
            _table(table)
    except (InputError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    listed = [
        Job(table, cost, algorithm, seed, numbers)
        for table in tables
        for cost in costs
        for algorithm in algorithms
        for seed in range(first_seed, first_seed + seeds)
    ]
    click.echo(as_markdown(run_all(listed, jobs), numbers))


if __name__ == "__main__":
    main()
