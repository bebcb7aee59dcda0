"""The colony on numerical functions in the textbook's setting: SN 25+25, limit SN·D, D = 30, 100,000 evaluations.

    python benchmarks/numerical.py [--runs 5]

Prints the best value of every run and the median beside the textbook ABC's figures for the same setting.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

import numpy as np

from hivenas.config import ColonyConfig
from hivenas.core.colony.canonical import ArtificialBeeColony
from hivenas.objectives.numerical import NumericalObjective, Rosenbrock, Sphere

DIMENSIONS = 30
SETTING = ColonyConfig(size=50, employee_ratio=0.5, abandonment_limit=25 * DIMENSIONS, iterations=2000)
Make = Callable[[np.random.Generator], NumericalObjective]


def _shift(bound: float) -> np.ndarray:
    return np.random.default_rng(7).uniform(-bound / 2, bound / 2, DIMENSIONS)


FUNCTIONS: dict[str, tuple[Make, float]] = {
    "Sphere": (lambda rng: Sphere(DIMENSIONS, rng=rng), 4.6e-28),
    "Sphere, shifted": (lambda rng: Sphere(DIMENSIONS, rng=rng, shift=_shift(100)), 4.6e-28),
    "Rosenbrock": (lambda rng: Rosenbrock(DIMENSIONS, rng=rng), 0.19),
    "Rosenbrock, shifted": (lambda rng: Rosenbrock(DIMENSIONS, rng=rng, shift=_shift(15)), 0.19),
}


def best_of_run(make: Make, seed: int) -> float:
    """The best value that one colony finds."""
    rng = np.random.default_rng(seed)
    objective = make(rng)
    colony = ArtificialBeeColony(objective, SETTING, rng)
    while proposals := colony.ask():
        colony.tell([objective.run(proposal) for proposal in proposals])
    assert colony.best
    assert colony.best.fitness is not None
    return colony.best.fitness


def main() -> None:
    """Runs every function and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    for name, (make, textbook) in FUNCTIONS.items():
        values = [best_of_run(make, seed) for seed in range(runs)]
        shown = " ".join(f"{value:.1e}" for value in values)
        print(f"{name:20} median {median(values):.2e}  textbook {textbook:.2e}  runs {shown}")


if __name__ == "__main__":
    main()
