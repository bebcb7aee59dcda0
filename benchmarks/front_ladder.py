"""Replays the ladder on recorded learning curves of networks with known costs: by fitness, and by what adds to a front.

    python benchmarks/front_ladder.py --table TABLE CURVES… [--cost params] [--cost params,macs] [--epochs 20]
        [--replays 200] [--networks 42] [--first-seed 0]

The curves are lines of JSON with `arch` and, after every epoch, the validation accuracy as `curve`; the table, see
record_table.py, has the costs of those architectures. A replay draws networks, none twice, and has both ladders decide
over the same ones, in phases of 3 and 4 as a colony proposes them; both train as many epochs. The files are one list.

Printed is a line for every cost and number of epochs, with means over the replays: the share of all epochs that is
trained; what of the hypervolume of all drawn networks, trained to their ends, those have that a ladder has trained to
theirs, by fitness and by the front; the difference of the two, with its standard error, and in how many replays it is
above and below 0; and the points of accuracy by which the best of them is worse than the best of all. The reference is
the largest cost of the list and the 5 % quantile of its last accuracies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from hypervolume import LOWEST, parsed_costs
from numpy.typing import NDArray
from stopping_rules import PHASES, Accuracies, Climb, Played, planned

from hivenas.core.front import Point, hypervolume
from hivenas.core.seeds import derive_seed
from hivenas.core.strategies.orders import ByFront, Order, by_score
from hivenas.errors import InputError
from hivenas.objectives.table_file import Table

EPOCHS = (20, 50)


@dataclass(frozen=True, slots=True)
class Networks:
    """Networks whose trainings were recorded.

    Args:
        curves: validation accuracies (networks, epochs), fractions.
        costs: by their keys, of every network.
    """

    curves: Accuracies
    costs: Mapping[str, NDArray[np.float64]]

    @classmethod
    def read(cls, files: Sequence[Path], table: Table) -> Networks:
        """Those of some files, each architecture once, the first of its trainings."""
        lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        places = {arch: number for number, arch in enumerate(table.architectures)}
        found = {line["arch"]: line["curve"] for line in reversed(lines) if line["arch"] in places}
        rows = [places[arch] for arch in found]
        sizes = {key: np.asarray(values, float)[rows] for key, values in table.figures.items() if key != "seconds"}
        return cls(np.array([*found.values()]), sizes)


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the printed table.

    Args:
        cost: keys of the costs, with commas.
        epochs: of a complete training.
    """

    cost: str
    epochs: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The outcome of a ladder in a replay: share of the epochs, share of the volume, loss of the best in points."""

    spent: float
    volume: float
    loss: float


def replay(networks: Networks, setting: Setting, drawn: Sequence[int]) -> tuple[Kept, Kept]:
    """Has the ladder decide over some networks by fitness, and by the front."""
    curves = networks.curves[drawn, : setting.epochs]
    costs = [networks.costs[key] for key in setting.cost.split(",")]
    own = [each[drawn].tolist() for each in costs]
    points: list[Point] = list(zip(*own, curves[:, -1].tolist(), strict=True))
    lowest = float(np.quantile(networks.curves[:, setting.epochs - 1], LOWEST))
    reference = (*(float(each.max()) for each in costs), lowest)
    whole = hypervolume(points, reference)

    def kept(order: Order) -> Kept:
        played: Played = Climb(order=order).play(curves, planned(len(curves)))
        complete = np.flatnonzero(played.ages == setting.epochs)
        return Kept(
            spent=float(played.ages.mean() / setting.epochs),
            volume=hypervolume([points[number] for number in complete], reference) / whole,
            loss=100 * float(curves[:, -1].max() - curves[complete, -1].max()),
        )

    by_front = ByFront(*((lambda name, each=each: each[int(name)]) for each in own))
    return kept(by_score), kept(by_front)


def line(setting: Setting, replays: Sequence[tuple[Kept, Kept]]) -> str:
    """A line of the printed table."""
    alone, weighed = (np.array([(k.spent, k.volume, k.loss) for k in each]) for each in zip(*replays, strict=True))
    gains = weighed[:, 1] - alone[:, 1]
    error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    spent = " / ".join(f"{each[:, 0].mean():.3f}" for each in (alone, weighed))
    losses = " / ".join(f"{each[:, 2].mean():.2f}" for each in (alone, weighed))
    return (
        f"| {setting.cost.replace(',', ' and ')}, {setting.epochs} epochs | {spent} | {alone[:, 1].mean():.4f} | "
        f"{weighed[:, 1].mean():.4f} | {gains.mean():+.4f} ± {error:.4f} | {(gains > 0).sum()} / {(gains < 0).sum()} | "
        f"{losses} |"
    )


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--table", required=True, help="Has the costs.")
@click.option("--cost", "costs", multiple=True, default=["params", "macs", "params,macs"], callback=parsed_costs)
@click.option("--epochs", multiple=True, default=EPOCHS, show_default=True, type=click.IntRange(3))
@click.option("--replays", default=200, show_default=True, type=click.IntRange(1))
@click.option("--networks", "count", default=42, show_default=True, type=click.IntRange(1 + sum(PHASES)))
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(0))
def main(
    files: tuple[Path, ...],
    table: str,
    costs: tuple[str, ...],
    epochs: tuple[int, ...],
    replays: int,
    count: int,
    first_seed: int,
) -> None:
    try:
        networks = Networks.read(files, Table.read(table))
    except (InputError, ValueError, KeyError) as error:
        raise click.UsageError(str(error)) from None
    total, longest = networks.curves.shape
    if count > total or max(epochs) > longest:
        raise click.UsageError(f"the files have {total} networks over {longest} epochs; choose fewer")
    click.echo(f"{total} networks, {count} a replay, {replays} replays\n")
    click.echo("| cost | epochs spent | by fitness | by the front | difference | above / below 0 | loss of the best |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    rngs = [np.random.default_rng(derive_seed(first_seed + number, "front ladder")) for number in range(replays)]
    drawn = [rng.choice(total, count, replace=False).tolist() for rng in rngs]
    for setting in (Setting(cost, each) for cost in costs for each in epochs):
        click.echo(line(setting, [replay(networks, setting, numbers) for numbers in drawn]))


if __name__ == "__main__":
    main()
