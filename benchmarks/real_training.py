"""Replays searches over a table of networks that were really trained: how good, and after how many CPU seconds?

    python benchmarks/real_training.py --table benchmarks/tables/digits.csv.gz --out O.json
        [--algorithms abc,canonical,random,tpe] [--evaluations 40] [--seeds 100] [--first-seed 0] [--noise]

Accuracy: the recorded fitness of the architecture that a search would hand out. CPU seconds: the table's column
seconds, added up over the unique evaluations in the order in which the search asked for them; what proposing costs is
not in it. They are counted until the search would hand out something as good as what random search ends with: once the
random search of the same seed, which reaches that itself in every case, and once the mean of all seeds' random
searches. A search that does not get there counts with what it spent in all, which is less than it would have needed:
means are then lower bounds (≥), and so is a median where too many do not get there. The expected seconds are those
until success if a search that ends without it is followed by another: all seconds by the number of successes; how many
times faster than random search is the ratio of these. With --noise a search sees one seed's accuracy of every network,
as a real search does, and is judged by the mean of the seeds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported: a process is one job

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from peers import ALGORITHMS
from search_quality import Job, course_of, prepare

from hivenas.errors import InputError
from hivenas.reports import as_text

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """The accuracy in hand, and the CPU seconds spent, after every unique evaluation of one search."""

    accuracy: _Floats
    seconds: _Floats

    def seconds_to(self, target: float) -> tuple[float, bool]:
        """The seconds after which the accuracy is reached, and whether it is; else the seconds spent in all."""
        reached = np.flatnonzero(self.accuracy >= target - 1e-9)
        return float(self.seconds[reached[0] if len(reached) else -1]), bool(len(reached))


@dataclass(frozen=True, slots=True)
class Reach:
    """The effort that it took an algorithm to reach a target.

    Args:
        reached: in how many searches it was reached.
        mean: CPU seconds until then, or in all; a lower bound where it was not reached in all searches.
        se: standard error of the mean.
        median: CPU seconds until then.
        median_is_bound: whether the median is a lower bound, since too many searches did not reach the target.
        expected: CPU seconds of all searches by the number of those that reached it; None where none did.

    Source of `expected`: Hansen et al. (2021), "COCO: a platform for comparing continuous optimizers" (runtime).
    """

    reached: int
    mean: float
    se: float
    median: float
    median_is_bound: bool
    expected: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of an algorithm, over so many seeds.

    Args:
        table: name of the table.
        noise: whether a search saw one seed's accuracies only.
        algorithm: name of the algorithm.
        evaluations: unique evaluations of a search.
        seeds: searches.
        mean: final accuracy in hand, in the table's unit.
        se: standard error of the mean.
        over_random: final accuracy minus that of the random search of the same seed, mean.
        over_random_se: standard error of that.
        cpu: CPU seconds of all evaluations of a search, mean.
        paired: until the final accuracy of the random search of the same seed.
        common: until the mean final accuracy of the random searches.
        target: that mean.
    """

    table: str
    noise: bool
    algorithm: str
    evaluations: int
    seeds: int
    mean: float
    se: float
    over_random: float
    over_random_se: float
    cpu: float
    paired: Reach
    common: Reach
    target: float


def replay(job: Job) -> Course:
    """Carries out one search.

    Raises:
        InputError: the table cannot be read, or has no column seconds.
    """
    search, objective, budget, rng = prepare(job)
    table = objective.table
    if "seconds" not in table.figures:
        raise InputError(f"a table must say what a training takes, got no column seconds in {table.path}; record it")
    course = course_of(search, objective, budget, rng)
    seconds = table.figures["seconds"][[table.rows[arch] for arch in course.seen]]
    return Course(objective.best_fitness - np.array(course.regrets), np.cumsum(seconds))


def records_of(table: str, noise: bool, courses: Mapping[str, Sequence[Course]]) -> list[Record]:
    """The outcome of every algorithm, from its courses, seed by seed; random search must be among them."""
    finals = {name: np.array([course.accuracy[-1] for course in each]) for name, each in courses.items()}
    target = float(finals["random"].mean())
    targets = {"paired": finals["random"], "common": np.full(len(finals["random"]), target)}
    records = []
    for name, each in courses.items():
        mean, error = _mean_and_error(finals[name])
        over, over_error = _mean_and_error(finals[name] - finals["random"])
        reaches = {kind: reach_of(each, targets[kind]) for kind in targets}
        cpu = float(np.mean([course.seconds[-1] for course in each]))
        evaluations = len(each[0].accuracy)
        records.append(
            Record(
                table, noise, name, evaluations, len(each), mean, error, over, over_error, cpu, **reaches, target=target
            )
        )
    return records


def reach_of(courses: Sequence[Course], targets: _Floats) -> Reach:
    """The effort that it took to reach a target each."""
    found = [course.seconds_to(target) for course, target in zip(courses, targets, strict=True)]
    spent, reached = np.array([seconds for seconds, _ in found]), np.array([success for _, success in found])
    median = float(np.median(np.where(reached, spent, np.inf)))
    is_bound = not np.isfinite(median)
    return Reach(
        int(reached.sum()),
        *_mean_and_error(spent),
        float(np.median(spent)) if is_bound else median,
        is_bound,
        float(spent.sum() / reached.sum()) if reached.any() else None,
    )


def _mean_and_error(values: _Floats) -> tuple[float, float]:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return float(values.mean()), float(error)


def shown(records: Sequence[Record]) -> str:
    """Records for people: how good every algorithm ended, and what it took to reach either target."""
    ends = [["algorithm", "final accuracy", "minus random's of the same seed", "CPU s in all"]]
    for r in records:
        over = f"{r.over_random:+.3f} ± {r.over_random_se:.3f}"
        ends.append([r.algorithm, f"{r.mean:.3f} ± {r.se:.3f}", over, f"{r.cpu:.0f}"])
    random = next(record for record in records if record.algorithm == "random")
    targets = {
        "the end of the same seed's random search": [(r, r.paired, random.paired) for r in records],
        f"{random.target:.3f}, the mean end of random search": [(r, r.common, random.common) for r in records],
    }
    tables = [as_text(ends)]
    for target, each in targets.items():
        head = ["algorithm", "reached", "mean CPU s", "median CPU s", "expected CPU s", "times faster"]
        lines = [[r.algorithm, f"{own.reached} of {r.seeds}", *_figures(own, base, r.seeds)] for r, own, base in each]
        tables.append(f"CPU seconds to {target}\n\n{as_text([head, *lines])}")
    return "\n\n".join(tables)


def _figures(own: Reach, base: Reach, seeds: int) -> list[str]:
    mean = f"{'≥ ' * (own.reached < seeds)}{own.mean:.1f} ± {own.se:.1f}"
    median = f"{'≥ ' * own.median_is_bound}{own.median:.1f}"
    if own.expected is None or base.expected is None:
        return [mean, median, "–", "–"]
    return [mean, median, f"{own.expected:.1f}", f"{base.expected / own.expected:.2f}"]


def _names(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in ALGORITHMS:
            raise click.BadParameter(f"must be among {', '.join(ALGORITHMS)}, got {name!r}")
    return names if "random" in names else [*names, "random"]


@click.command(help=__doc__)
@click.option("--table", type=click.Path(dir_okay=False), required=True, help="A table with the column seconds.")
@click.option("--algorithms", default="abc,canonical,random,tpe", callback=_names, help="random is always among them.")
@click.option("--evaluations", default=40, type=click.IntRange(1), show_default=True, help="Unique ones of a search.")
@click.option("--seeds", default=100, type=click.IntRange(1), show_default=True)
@click.option("--first-seed", default=0, type=click.IntRange(0), show_default=True)
@click.option("--noise", is_flag=True, help="Show one seed of every architecture instead of the column fitness.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The JSON file.")
def main(
    table: str, algorithms: list[str], evaluations: int, seeds: int, first_seed: int, noise: bool, out: Path
) -> None:
    try:
        courses = {
            name: [replay(Job(table, noise, name, first_seed + number, evaluations)) for number in range(seeds)]
            for name in algorithms
        }
    except InputError as error:
        raise click.UsageError(str(error)) from None
    records = records_of(Path(table).name.split(".")[0], noise, courses)
    out.write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n", encoding="utf-8")
    click.echo(shown(records))


if __name__ == "__main__":
    main()
