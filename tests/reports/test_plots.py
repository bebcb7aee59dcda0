from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from hivenas.core.records import Evaluation, Proposal, Row
from hivenas.reports import draw_plots

OPERATIONS = ("sep3x3_32", "dropout", "identity")
BEES = ("scout", "employee", "onlooker")


def search(*, trained: bool = True) -> list[Row]:
    """A search in which something of everything happens: failures, stops, continuations."""
    rng = np.random.default_rng(4)
    rows = []
    for index in range(18):
        arch = "input|" + "|".join(rng.choice(OPERATIONS, 3)) + "|output"
        status = ("complete", "complete", "stopped", "failed", "complete")[index % 5]
        proposal = Proposal(index, index // 6, BEES[index % 3], 0, arch)  # type: ignore[arg-type]
        made = Row.of(proposal, Evaluation(arch, "complete", float(rng.uniform(0.2, 0.9)), 3, params=100 * (1 + index)))
        made = replace(made, status=status, phase="momentum" if index == 16 else "evaluate")
        if trained:
            curve = f"1:0.2 2:0.5 3:{made.fitness}"
            made = replace(made, started=1000.0 + 7 * index, seconds=9.0, worker=f"host-{index % 2}", curve=curve)
        rows.append(made)
    return rows


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (search(), ["convergence", "operations", "parameters", "roles", "learning_curves", "timeline"]),
        (search(trained=False), ["convergence", "operations", "parameters", "roles"]),
        ([replace(row, candidate="[0.5]", params=0) for row in search(trained=False)], ["convergence", "roles"]),
        ([row for row in search() if row.status == "failed"], []),
        (search()[:1], ["convergence", "operations", "parameters", "roles", "learning_curves", "timeline"]),
    ],
)
@pytest.mark.parametrize("minimize", [False, True])
def test_the_pictures_that_make_sense_are_drawn(
    tmp_path: Path, rows: list[Row], names: list[str], minimize: bool
) -> None:
    files = draw_plots(rows, tmp_path, minimize=minimize)
    assert [file.name for file in files] == [f"{name}.png" for name in names]
    for file in files:
        picture = imread(file)
        assert 600 <= picture.shape[1] <= 1500
        assert np.ptp(picture[..., :3]) > 0.5


def test_fitness_below_zero_is_drawn(tmp_path: Path) -> None:
    rows = [replace(row, fitness=-row.fitness, candidate="[1.0]", params=0) for row in search(trained=False)]
    assert len(draw_plots(rows, tmp_path, minimize=True)) == 2
