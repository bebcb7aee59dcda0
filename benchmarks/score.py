"""The scores of short trainings against the ends of long ones, on recorded learning curves.

    python benchmarks/score.py CURVES… [--epochs 3 --epochs 5 …] [--score last --score mean:2 …]

A file is a table (csv.gz) with a row a network and its validation accuracies in columns acc_1, acc_2, …, of several
seeds in acc_0_1, acc_0_2, … acc_1_1 …, each of which counts as a network; or lines of JSON with them as `curve`. A
network is worth what it came to at the end of the whole training: the mean of the last five epochs, so that no score is
favoured. Printed for every file and number of epochs: how the scores of the networks after so many epochs correlate
with that, as Spearman's ρ and as Kendall's τ-b, networks that tie sharing their rank.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from hivenas.config.scores import check_score, score_of

SCORES = ("last", "best", "mean:2", "mean:3")
EPOCHS = (3, 5, 7, 10)
END = 5  # epochs


def read_curves(path: Path) -> NDArray[np.float64]:
    """The accuracies of a file's networks (networks, epochs), those without a whole curve left out."""
    if path.suffix == ".jsonl":
        curves = [json.loads(line).get("curve", []) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        curves = [curve for of_seed in _curves_by_seed(path) for curve in of_seed]
    whole = max(map(len, curves))
    return np.array([curve for curve in curves if len(curve) == whole])


def read_seeds(path: Path) -> NDArray[np.float64]:
    """The accuracies of a table's networks (seeds, networks, epochs), those without whole curves left out."""
    of_seeds = _curves_by_seed(path)
    whole = max(len(curve) for curves in of_seeds for curve in curves)
    kept = [together for together in zip(*of_seeds, strict=True) if all(len(curve) == whole for curve in together)]
    return np.array(kept).swapaxes(0, 1)


def _curves_by_seed(path: Path) -> list[list[list[float]]]:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return [[[float(row[c]) for c in columns if row[c]] for row in rows] for columns in _columns(rows[0])]


def _columns(names: Iterable[str]) -> list[list[str]]:
    """The columns of each seed in the order of the epochs."""
    of_seed: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if name.startswith("acc_"):
            of_seed["_".join(name.split("_")[1:-1])].append(name)
    return [sorted(columns, key=lambda name: int(name.rpartition("_")[2])) for columns in of_seed.values()]


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's ρ, of mean ranks."""
    return float(np.corrcoef([_ranks(one), _ranks(other)])[0, 1])


def kendall(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Kendall's τ-b."""
    first, second = (np.sign(values[:, None] - values[None, :]) for values in (one, other))
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[places]
    return ranks


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--epochs", multiple=True, default=EPOCHS, show_default=True, type=click.IntRange(min=1))
@click.option("--score", "scores", multiple=True, default=SCORES, show_default=True)
def main(files: tuple[Path, ...], epochs: tuple[int, ...], scores: tuple[str, ...]) -> None:
    """Prints a row of Markdown for every file and number of epochs: ρ / τ for every score."""
    for score in scores:
        check_score(score)
    click.echo(f"| curves | networks | epochs | {' | '.join(scores)} |\n| --- | --- | --- |{' --- |' * len(scores)}")
    for file in files:
        curves = read_curves(file)
        end = curves[:, -END:].mean(axis=1)
        for short in epochs:
            found = [np.array([score_of([*curve[:short]], score) for curve in curves]) for score in scores]
            cells = [f"{spearman(each, end):.3f} / {kendall(each, end):.3f}" for each in found]
            click.echo(f"| {file.name.split('.')[0]} | {len(curves)} | {short} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
