"""Searches that are killed many times, and whether they end as if they had not been.

    python -m benchmarks.crash [--kills 100] [--seed 1] [--only ladder]

Half of the kills fall on searches of a numerical function, a quarter on searches that train digits, a quarter on such
ones with a ladder and two workers, at instants drawn from the seed. Prints how many kills fell in which phase, how long
a resumed process took until it had recorded an evaluation of its own or had ended, and what differs from an
uninterrupted search: nothing, or the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.crash import Life, harass_until
from tests.outcome import differences, outcome
from tests.processes import CLIMBING, SPHERE, TRAINING, Place

PHASES = ("start-up", "evaluation", "delivery", "full training", "publication", "closing")

SEARCHES: Mapping[str, Callable[[int], str]] = {
    "training": lambda seed: TRAINING.format(name="tiny", seed=seed),
    "ladder": lambda seed: (
        CLIMBING.format(name="climbing", seed=seed, iterations=2) + "full_train: {epochs: 4, finalists: 1}"
    ),
    "numbers": lambda seed: SPHERE.format(name="sphere", seed=seed, iterations=6),
}


def main() -> None:
    """Kills, resumes, compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SEARCHES, help="all kills fall on these searches")
    arguments = parser.parse_args()
    started = time.monotonic()
    texts = {name: make(arguments.seed) for name, make in SEARCHES.items() if arguments.only in (None, name)}
    shares = dict.fromkeys(texts, arguments.kills) if arguments.only else _shares(arguments.kills)
    different = False
    with tempfile.TemporaryDirectory() as folder:
        template = _empty_store(Path(folder))
        for name, text in texts.items():
            rng = np.random.default_rng([arguments.seed, len(name)])
            lives, found = _harass(Path(folder) / name, text, template, shares[name], rng)
            _print_table(name, lives)
            print("\n".join(found) if found else "all equal")
            different |= bool(found)
    print(f"\n{time.monotonic() - started:.0f} s in all")
    sys.exit(int(different))


def _shares(kills: int) -> dict[str, int]:
    """The kills of every search: half of them where nothing is trained, for those take seconds."""
    numbers = kills // 2
    ladder = (kills - numbers) // 2
    return {"training": kills - numbers - ladder, "ladder": ladder, "numbers": numbers}


def _empty_store(folder: Path) -> Path:
    place = Place(folder / "template", "name: none\n")
    code = "from hivenas.tracking.store import prepare_store; prepare_store()"
    assert place.run(command=(sys.executable, "-c", code)).wait() == 0
    return place.folder / "mlflow.db"


def _harass(
    folder: Path, text: str, template: Path, kills: int, rng: np.random.Generator
) -> tuple[list[list[Life]], list[str]]:
    """The processes of each search, and what differs from one that nobody killed."""
    whole = Place(folder / "whole", text)
    whole.share_store(template)
    assert whole.run().wait() == 0
    expected = outcome(whole)
    lives: list[list[Life]] = []
    found: list[str] = []
    for place, of_search in harass_until(kills, folder, text, template, rng):
        lives.append(of_search)
        found += [f"{place.folder.name}: {line}" for line in differences(outcome(place), expected)]
    return lives, found


def _print_table(name: str, searches: Sequence[list[Life]]) -> None:
    lives = [life for search in searches for life in search]
    resumed = [life.first_record_s for search in searches for life in search[1:] if life.first_record_s is not None]
    phases = Counter(life.phase for life in lives if life.killed)
    drivers = sum(life.killed and life.trigger is not None and not life.trigger.whole_group for life in lives)
    print(f"\n{name}: {phases.total()} kills, {drivers} of them of the driver alone")
    for phase in PHASES:
        print(f"  {phase:<14} {phases[phase]:>3}")
    print(f"  resumed until the next record: median {np.median(resumed):.1f} s, at most {max(resumed):.1f} s")


if __name__ == "__main__":
    main()
