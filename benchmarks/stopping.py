"""Replays rules that spend epochs on recorded learning curves: what do they save, and what do they lose?

    python benchmarks/stopping.py CURVES… [--replays 300] [--networks 42] [--epochs 10 --epochs 20 …] [--once-more]

A file is a table (csv.gz) with a row a network and its validation accuracies in columns acc_1, acc_2, …, or lines of
JSON with them as `curve`. A replay draws networks, in phases of 3 and 4 as a colony proposes them, and lets each of
`stopping_rules.RULES` decide over the same ones: how many epochs they are trained, which of them is handed out. They
come in random order or, as those of a guided search do, later ones better on average: at the share t of a search a
network is drawn with the weight e^{4·t·rank}, its rank among all of the file being 0 to 1. Trainings shorter than the
recorded ones are their first epochs, so their schedules are not finished.

Printed is a table for every file and order; a cell has

    share of the epochs spent / loss ± its standard error / kept / rank

The loss is the last accuracy, in points of 100, of the best of all drawn networks less that of the one handed out.
"Kept" is the share of replays in which the best was trained to its end. "Rank" is the rank correlation of the
accuracies by which the search proposes its last iteration (of a ladder: predicted ends) with those that the networks
end with.

With `--once-more` the loss is that of another training: of tables with two seeds, the networks of a replay are trained
with one of them, in turns, and the accuracies of both networks with the other one are compared. So it has no part in
the luck by which the best of many accuracies is the highest.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from score import read_curves, read_seeds, spearman
from stopping_rules import PHASES, RULES, Accuracies, Rule, planned

HORIZONS = (5, 8, 10, 20, 50)
ORDERS = {"random": 0.0, "later ones better": 4.0}


@dataclass(frozen=True, slots=True)
class Replay:
    """The figures of one replay: share of epochs, loss in points, whether the best was kept, rank correlation.

    The last is NaN where a single iteration is proposed by nothing.
    """

    spent: float
    loss: float
    kept: bool
    rank: float


def replay(curves: Accuracies, rule: Rule, judged_by: Accuracies) -> Replay:
    """Lets a rule decide over networks in their order.

    Args:
        curves: validation accuracies (networks, epochs), fractions.
        rule: the rule.
        judged_by: accuracies (networks, epochs) by whose last the loss is told, such as the curves themselves.
    """
    played, final = rule.play(curves, planned(len(curves))), curves[:, -1]
    known, worth = len(played.told), judged_by[:, -1]
    return Replay(
        spent=float(played.ages.mean() / curves.shape[1]),
        loss=float(100 * (worth[final.argmax()] - worth[played.best])),
        kept=bool(played.ages[final.argmax()] == curves.shape[1]),
        rank=spearman(played.told, final[:known]) if known else float("nan"),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """Curves of networks, and what their ends are judged by.

    Args:
        curves: validation accuracies (networks, epochs), fractions.
        by: the same networks' (networks, epochs), whose last tell the loss.
    """

    curves: Accuracies
    by: Accuracies

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """The networks of all parts."""
        return cls(np.concatenate([part.curves for part in parts]), np.concatenate([part.by for part in parts]))

    def replay(self, rule: Rule, sample: Sequence[int], horizon: int) -> Replay:
        """Lets a rule decide over some of the networks, trained for so many epochs."""
        return replay(self.curves[sample, :horizon], rule, self.by[sample, :horizon])


def drawn(final: NDArray[np.float64], count: int, better: float, rng: np.random.Generator) -> list[int]:
    """Draws networks, none twice, that become better on average where `better` is above 0.

    Args:
        final: last accuracy of every network.
        count: how many are drawn.
        better: at the share t of the draws a network of rank r, 0…1, has the weight e^(better·t·r).
        rng: the generator.
    """
    ranks = final.argsort(kind="stable").argsort(kind="stable") / (len(final) - 1)
    numbers, free = [], np.ones(len(final))
    for t in np.linspace(0.0, 1.0, count):
        weights = free * np.exp(better * t * ranks)
        numbers.append(int(rng.choice(len(final), p=weights / weights.sum())))
        free[numbers[-1]] = 0.0
    return numbers


def cell(replays: Sequence[Replay]) -> str:
    """The figures of a rule's replays."""
    losses = [each.loss for each in replays]
    error = statistics.stdev(losses) / len(losses) ** 0.5 if len(losses) > 1 else 0.0
    spent, kept, rank = (statistics.mean(getattr(each, name) for each in replays) for name in ("spent", "kept", "rank"))
    return f"{spent:.2f} / {statistics.mean(losses):.3f} ± {error:.3f} / {kept:.2f} / {rank:.2f}"


def print_table(title: str, judged: Sequence[Judged], horizons: Sequence[int], networks: int, replays: int) -> None:
    """Prints a table for every order of a file's networks; of each, all rules decide over the same draws.

    Args:
        title: of the file.
        judged: curves and what they are judged by; replays take them in turns.
        horizons: numbers of epochs.
        networks: of a replay.
        replays: of a rule.
    """
    in_turns = [judged[number % len(judged)] for number in range(replays)]
    for order, better in ORDERS.items():
        click.echo(f"\n{title}, {len(judged[0].curves)} networks, {order}\n")
        click.echo(f"| rule |{''.join(f' {horizon} epochs |' for horizon in horizons)}")
        click.echo(f"| --- |{' --- |' * len(horizons)}")
        rng = np.random.default_rng(1)
        samples = [
            (horizon, [drawn(each.curves[:, horizon - 1], networks, better, rng) for each in in_turns])
            for horizon in horizons
        ]
        for name, rule in RULES.items():
            cells = (
                cell([each.replay(rule, sample, horizon) for each, sample in zip(in_turns, of_horizon, strict=True)])
                for horizon, of_horizon in samples
            )
            click.echo(f"| {name} | {' | '.join(cells)} |")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--replays", default=300, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--networks", default=42, show_default=True, type=click.IntRange(1 + sum(PHASES)), help="In every replay."
)
@click.option("--epochs", multiple=True, default=HORIZONS, show_default=True, type=click.IntRange(3))
@click.option("--join", is_flag=True, help="The files are parts of one.")
@click.option("--once-more", is_flag=True, help="The loss is that of a training with another seed.")
def main(
    files: tuple[Path, ...], replays: int, networks: int, epochs: tuple[int, ...], join: bool, once_more: bool
) -> None:
    """Prints tables of Markdown for every file."""
    tables = {file.name.split(".")[0]: (_by_another if once_more else _by_itself)(file) for file in files}
    if join:
        tables = {"all files": [Judged.joined(parts) for parts in zip(*tables.values(), strict=True)]}
    for title, judged in tables.items():
        curves = judged[0].curves
        horizons = [horizon for horizon in epochs if horizon <= curves.shape[1]]
        if len(curves) < networks or not horizons:
            raise click.ClickException(
                f"{title} must have the curves of at least {networks} networks over {min(epochs)} epochs, got "
                f"{len(curves)} over {curves.shape[1]}; choose fewer (--networks, --epochs), or --join files"
            )
        print_table(title, judged, horizons, networks, replays)


def _by_itself(file: Path) -> list[Judged]:
    """The curves of a file, which are judged by their own ends."""
    curves = read_curves(file)
    return [Judged(curves, curves)]


def _by_another(file: Path) -> list[Judged]:
    """The curves of a table's first two seeds, each judged by those of the other."""
    seeds = read_seeds(file)
    if len(seeds) < 2:
        raise click.BadParameter(f"{file.name} must have two seeds, got {len(seeds)}", param_hint="--once-more")
    return [Judged(seeds[0], seeds[1]), Judged(seeds[1], seeds[0])]


if __name__ == "__main__":
    main()
