"""The cost of a proposal of the guided colony, by the number of evaluations that are known: CPU milliseconds.

    python benchmarks/proposal_cost.py TABLE [--evaluations 400]

Asking, and telling what came of it, divided by the proposals of the phase; the look-up in the table is left out. The
last column is the ratio to the first, for how the cost grows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.guided import GuidedBeeColony
from hivenas.objectives.table import TableObjective

_STEP = 50


def costs(objective: TableObjective, evaluations: int, rng: np.random.Generator) -> dict[int, float]:
    """Mean CPU milliseconds of a proposal, by evaluations known before it, in steps."""
    colony = GuidedBeeColony(objective, ColonyConfig(iterations=evaluations), rng)
    spent: defaultdict[int, float] = defaultdict(float)
    proposed: defaultdict[int, int] = defaultdict(int)
    while colony.evaluations < evaluations:
        step = colony.evaluations // _STEP * _STEP
        started = time.process_time()
        proposals = colony.ask()
        asked = time.process_time() - started
        told = [objective.run(proposal) for proposal in proposals]
        started = time.process_time()
        colony.tell(told)
        spent[step] += 1000 * (asked + time.process_time() - started)
        proposed[step] += len(proposals)
    return {step: spent[step] / proposed[step] for step in spent}


@click.command(help=__doc__)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--evaluations", type=click.IntRange(min=_STEP), default=400, show_default=True)
def main(table: Path, evaluations: int) -> None:
    """Prints a line a step."""
    rng = np.random.default_rng(0)
    found = costs(TableObjective(table, rng=rng), evaluations, rng)
    for step, cost in found.items():
        click.echo(f"{step:5d} known: {cost:6.2f} ms a proposal  {cost / found[0]:5.2f}")


if __name__ == "__main__":
    main()
