"""Compares the colony with its peers on recorded tables: mean regret by unique evaluations, paired by seed.

    python benchmarks/search_quality.py --tables FILE… --out O.json [--algorithms abc,random,…] [--budgets 25,50,100]
        [--seeds 100] [--first-seed 0] [--jobs 1] [--noise] [--plot P.png] [--merge CURVES.npz…]

Regret: the table's largest fitness minus the recorded fitness of the architecture that the search would hand out, which
is the one with the highest fitness seen unless the search names another. With --noise a search sees one seed of every
architecture; what it hands out is judged by the column fitness all the same. An architecture that is asked for again
costs nothing. All algorithms share the seeds: the difference of two is taken seed by seed.

Beside O.json lie O.png, a plot with bands of one standard error, and O.curves.npz, the regret of every seed after every
evaluation; --merge adds such curves of earlier runs.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported: a process is one job

import functools
import importlib.util
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from peers import ALGORITHMS, Incumbent, Search

from hivenas.core.seeds import derive_seed
from hivenas.errors import InputError
from hivenas.objectives.table import TableObjective
from hivenas.objectives.table_file import Table
from hivenas.reports import as_text

# Known architectures in a row after which a random unvisited one is evaluated on the search's account, untold.
REPEATS = 2_000
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Record:
    """Mean and standard error of an algorithm's regret on a table at a budget, over so many seeds."""

    table: str
    algorithm: str
    budget: int
    mean: float
    se: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Job:
    """One search: a table's file, whether with noise, the algorithm's name, a seed, unique evaluations."""

    table: str
    noise: bool
    algorithm: str
    seed: int
    budget: int


@dataclass(frozen=True, slots=True)
class Curves:
    """Regrets after every unique evaluation (seeds, budget), and the seeds."""

    seeds: NDArray[np.int64]
    regrets: _Floats


Found = Mapping[tuple[str, str], Curves]  # by table and algorithm


class Course:
    """The evaluations that a search has asked for so far, and its regret after every unique one.

    Args:
        objective: what is searched.
        rng: draws the architectures that are evaluated where the search asks for known ones only.
    """

    def __init__(self, objective: TableObjective, rng: np.random.Generator) -> None:
        self._objective = objective
        self._rng = rng
        self._incumbent = ""
        self.seen: dict[str, float] = {}
        self.regrets: list[float] = []

    def evaluate(self, arch: str) -> float:
        """The fitness of an architecture; one that is better than the incumbent's takes its place."""
        if arch not in self.seen:
            self.seen[arch] = float(self._objective.evaluate(arch)["fitness"])
            if not self._incumbent or self.seen[arch] > self.seen[self._incumbent]:
                self._incumbent = arch
            self.regrets.append(self._objective.regret(self._incumbent))
        return self.seen[arch]

    def name(self, arch: str) -> None:
        """Takes the incumbent that a search names, having been told of everything so far."""
        self._incumbent = arch
        self.regrets[-1] = self._objective.regret(arch)

    def evaluate_unvisited(self) -> None:
        """Evaluates a random architecture that was not asked for yet."""
        rest = [arch for arch in self._objective.table.architectures if arch not in self.seen]
        self.evaluate(rest[int(self._rng.integers(len(rest)))])


def course_of(search: Search, objective: TableObjective, budget: int, rng: np.random.Generator) -> Course:
    """The evaluations that a search asks for, and its regret after each unique one.

    A search that ends early, or asks for known architectures 2,000 times in a row, goes on with random unvisited ones.

    Args:
        search: the algorithm.
        objective: drawing from the generator below.
        budget: unique evaluations; all of a table with fewer architectures.
        rng: generator of the search's draws.
    """
    course = Course(objective, np.random.default_rng(0))
    steps, answer, repeats = search(objective, budget, rng), None, 0
    while len(course.seen) < min(budget, objective.size):
        try:
            asked = steps.send(answer)  # type: ignore[arg-type]
        except StopIteration:
            course.evaluate_unvisited()
            continue
        if isinstance(asked, Incumbent):
            course.name(asked.candidate)
            answer = 0.0
            continue
        repeats = repeats + 1 if asked in course.seen else 0
        answer = course.evaluate(asked)
        if repeats >= REPEATS:
            course.evaluate_unvisited()
            repeats = 0
    return course


def regrets_of(search: Search, objective: TableObjective, budget: int, rng: np.random.Generator) -> _Floats:
    """The regret of a search after each of its unique evaluations; the arguments are those of `course_of`.

    Returns:
        Regrets (budget,), in the table's unit; of a table with fewer architectures the last one is repeated.
    """
    regrets = course_of(search, objective, budget, rng).regrets
    return np.array(regrets + regrets[-1:] * (budget - len(regrets)))


@functools.cache
def _table(path: str) -> Table:
    return Table.read(path)


def prepare(job: Job) -> tuple[Search, TableObjective, int, np.random.Generator]:
    """The arguments of `course_of` for a job."""
    rng = np.random.default_rng(derive_seed(job.seed, "search quality"))
    objective = TableObjective(_table(job.table), rng=rng, noise=job.noise, seed=job.seed)
    return ALGORITHMS[job.algorithm], objective, job.budget, rng


def run(job: Job) -> _Floats:
    """Carries out one search; the same job gives the same regrets in any process."""
    return regrets_of(*prepare(job))


def key_of(job: Job) -> tuple[str, str]:
    """The name of a job's table, and its algorithm."""
    stem = Path(job.table).name.removesuffix(".gz").removesuffix(".csv")
    return f"{stem}{'+noise' if job.noise else ''}", job.algorithm


def run_all(jobs: Sequence[Job], processes: int) -> dict[tuple[str, str], Curves]:
    """Carries out searches, in so many processes, and sorts their regrets by table and algorithm."""
    found: dict[tuple[str, str], list[tuple[int, _Floats]]] = {}
    for job, regrets in zip(jobs, _map(jobs, processes), strict=True):
        found.setdefault(key_of(job), []).append((job.seed, regrets))
    return {
        key: Curves(np.array([seed for seed, _ in each]), np.array([regrets for _, regrets in each]))
        for key, each in found.items()
    }


def _map(jobs: Sequence[Job], processes: int) -> Iterator[_Floats]:
    with click.progressbar(length=len(jobs), label="searching", show_pos=True) as bar:
        if processes == 1:
            for job in jobs:
                yield run(job)
                bar.update(1)
            return
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            for regrets in pool.map(run, jobs, chunksize=4):
                yield regrets
                bar.update(1)


def records_of(curves: Found, budgets: Sequence[int]) -> list[Record]:
    """Mean regrets and their standard errors, at the budgets that the curves reach."""
    return [
        Record(table, algorithm, budget, *_mean_and_error(each.regrets[:, budget - 1]), len(each.seeds))
        for (table, algorithm), each in curves.items()
        for budget in budgets
        if budget <= each.regrets.shape[1]
    ]


def _mean_and_error(values: _Floats) -> tuple[float, float]:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return float(values.mean()), float(error)


def differences_of(curves: Found, budgets: Sequence[int], against: str) -> list[Record]:
    """The regret of one algorithm beyond that of each other, seed by seed: negative where it is the better one."""
    differences = {}
    for (table, algorithm), other in curves.items():
        own = curves.get((table, against))
        if own is None or algorithm == against:
            continue
        _, mine, theirs = np.intersect1d(own.seeds, other.seeds, return_indices=True)
        length = min(own.regrets.shape[1], other.regrets.shape[1])
        if len(mine):
            paired = own.regrets[mine, :length] - other.regrets[theirs, :length]
            differences[table, algorithm] = Curves(own.seeds[mine], paired)
    return records_of(differences, budgets)


def shown(records: Sequence[Record], budgets: Sequence[int], *, signed: bool = False) -> str:
    """Records as a table: a line a table and algorithm, a column a budget."""
    lines: dict[tuple[str, str, int], dict[int, str]] = {}
    for record in records:
        figures = f"{record.mean:{'+' if signed else ''}.3f} ± {record.se:.3f}"
        lines.setdefault((record.table, record.algorithm, record.seeds), {})[record.budget] = figures
    head = ["table", "algorithm", "seeds", *(f"at {budget}" for budget in budgets)]
    return as_text([head, *([*map(str, key), *(each.get(b, "") for b in budgets)] for key, each in lines.items())])


def save_curves(curves: Found, path: Path) -> None:
    """Writes the regrets of every seed, as `table:algorithm` and `table:algorithm:seeds`."""
    arrays: dict[str, Any] = {f"{table}:{algorithm}": each.regrets for (table, algorithm), each in curves.items()}
    arrays |= {f"{table}:{algorithm}:seeds": each.seeds for (table, algorithm), each in curves.items()}
    np.savez_compressed(path, **arrays)


def load_curves(path: Path) -> dict[tuple[str, str], Curves]:
    """Reads what `save_curves` has written."""
    with np.load(path) as arrays:
        keys = [name.rsplit(":", 2)[:2] for name in arrays.files if name.endswith(":seeds")]
        return {(t, a): Curves(arrays[f"{t}:{a}:seeds"], arrays[f"{t}:{a}"]) for t, a in keys}


def merge(first: Found, second: Found) -> dict[tuple[str, str], Curves]:
    """Both; where both have a seed, the first counts, and where one has fewer evaluations, only so many are kept."""
    merged = dict(second) | dict(first)
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        new = ~np.isin(other.seeds, one.seeds)
        length = min(one.regrets.shape[1], other.regrets.shape[1])
        regrets = np.concatenate([one.regrets[:, :length], other.regrets[new, :length]])
        merged[key] = Curves(np.concatenate([one.seeds, other.seeds[new]]), regrets)
    return merged


def draw(curves: Found, path: Path) -> None:
    """Mean regret against unique evaluations, with bands of one standard error; a picture a table."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    tables = list(dict.fromkeys(table for table, _ in curves))
    colours = {name: f"C{i}" for i, name in enumerate(dict.fromkeys(algorithm for _, algorithm in curves))}
    figure, grid = plt.subplots(1, len(tables), figsize=(6.5 * len(tables), 4.5), squeeze=False, layout="constrained")
    for axes, table in zip(grid[0], tables, strict=True):
        for (of, algorithm), each in curves.items():
            if of == table:
                mean = each.regrets.mean(axis=0)
                error = each.regrets.std(axis=0, ddof=1) / len(each.seeds) ** 0.5 if len(each.seeds) > 1 else 0 * mean
                x = np.arange(1, len(mean) + 1)
                axes.plot(x, np.maximum(mean, 1e-4), color=colours[algorithm], label=algorithm)
                low, high = (np.maximum(mean + sign * error, 1e-4) for sign in (-1, 1))
                axes.fill_between(x, low, high, color=colours[algorithm], alpha=0.2, linewidth=0)
        axes.set(yscale="log", xlabel="unique evaluations", ylabel="mean regret (points)", title=table)
        axes.set_ylim(bottom=1e-3)
        axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _names(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in ALGORITHMS:
            raise click.BadParameter(f"must be among {', '.join(ALGORITHMS)}, got {name!r}")
    if "gp" in names and importlib.util.find_spec("torch") is None:
        raise click.BadParameter("gp, Optuna's GPSampler, needs the package torch; pip install torch, or leave it out")
    return names


def _budgets(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        budgets = sorted({int(text) for text in value.split(",")})
    except ValueError:
        budgets = [0]
    if budgets[0] < 1:
        raise click.BadParameter(f"must be whole numbers ≥ 1 such as 25,50, got {value!r}")
    return budgets


class _Files(click.Command):
    """Lets --tables and --merge take several files, as in --tables a.csv b.csv.gz --out o.json."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        option = ""
        for arg in args:
            if arg.startswith("-"):
                option = arg if arg in ("--tables", "--merge") else ""
                spread += [] if option else [arg]
            else:
                spread += [option, arg] if option else [arg]
        return super().parse_args(ctx, spread)


@click.command(cls=_Files, help=__doc__)
@click.option("--tables", multiple=True, required=True, type=click.Path(dir_okay=False), help="Recorded tables.")
@click.option("--algorithms", default="abc,canonical,random,evolution,local_search,tpe,gp_bo", callback=_names)
@click.option("--budgets", default="25,50,100,200", callback=_budgets)
@click.option("--seeds", default=100, type=click.IntRange(1), show_default=True)
@click.option("--first-seed", default=0, type=click.IntRange(0), show_default=True)
@click.option("--jobs", default=1, type=click.IntRange(1), show_default=True, help="Processes.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The JSON file.")
@click.option("--noise", is_flag=True, help="Show one seed of every architecture instead of the column fitness.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="The plot; O.png beside the JSON file.")
@click.option("--merge", "merged", multiple=True, type=click.Path(path_type=Path, exists=True), help="Earlier curves.")
def main(
    tables: tuple[str, ...],
    algorithms: list[str],
    budgets: list[int],
    seeds: int,
    first_seed: int,
    jobs: int,
    out: Path,
    noise: bool,
    plot: Path | None,
    merged: tuple[Path, ...],
) -> None:
    try:
        for table in tables:
            TableObjective(_table(table), rng=np.random.default_rng(0), noise=noise)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    listed = [
        Job(table, noise, algorithm, seed, budgets[-1])
        for table in tables
        for algorithm in algorithms
        for seed in range(first_seed, first_seed + seeds)
    ]
    curves = run_all(listed, jobs)
    for path in merged:
        curves = merge(curves, load_curves(path))
    records = records_of(curves, budgets)
    out.write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n", encoding="utf-8")
    save_curves(curves, out.with_suffix(".curves.npz"))
    draw(curves, plot or out.with_suffix(".png"))
    click.echo(f"\n{shown(records, budgets)}")
    if differences := differences_of(curves, budgets, "abc"):
        click.echo(f"\nabc minus each other, seed by seed\n\n{shown(differences, budgets, signed=True)}")


if __name__ == "__main__":
    main()
