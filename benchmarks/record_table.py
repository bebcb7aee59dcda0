"""Trains every network of a small space and writes down what came of it, so that searches over it can be replayed.

    cd benchmarks/tables && python ../record_table.py --config digits.yaml --seeds 2 --out digits.csv.gz

That is the command of the table that is kept. A network is trained by the code that a search calls, in worker processes
that are replaced before their memory has grown; MLflow is not told and no weights are kept. What is recorded goes to
`T.part.csv` beside the table `T.csv.gz` at once, so that the same command goes on where a killed one was; with more
`--seeds`, a larger `--limit`, or more operations in the space it adds to what there is.

Columns of the table: architecture; fitness, the mean of seed_0, seed_1 …, each a validation accuracy in points of 100
under the configuration's seed, the next one … (other initial weights, another order and another split of the images);
params; macs; seconds, CPU seconds of an evaluation in a warm process, tracing and validation included, mean over seeds.
With `--curves` also acc_0_1, acc_0_2, … acc_1_1 …: validation accuracy, a fraction, of each seed after each epoch.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import click
import numpy as np

from hivenas.config import Config, ResultsConfig, load
from hivenas.config.text import leaves
from hivenas.core.files import cut_torn_line, written_whole
from hivenas.core.nas.nas_interface import NASInterface, interface_of
from hivenas.core.seeds import derive_seed
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError, HivenasError, WorkerDiedError
from hivenas.execution import Task, WorkerExecutor

if TYPE_CHECKING:
    from hivenas.core.nas.training.evaluation_strategy import NASEval

TABLE_SUFFIX = ".csv.gz"
_REPORT_EVERY_S = 30.0
_DECIDING = ("seed", "dataset.", "evaluation.", "space.")
_WHICH_NETWORKS = {f"space.{key}" for key in ("operations", "depth", "skip_rate", "max_params", "max_macs")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the part file: one network, trained once.

    Args:
        recipe: fingerprint of the configuration that it was trained by, see `recipe_of`.
        architecture: the encoded network.
        seed: the run's seed that it was trained with.
        fitness: validation accuracy in points (0–100); 0 where the training failed.
        params: trainable parameters.
        macs: multiply-adds for one image.
        seconds: CPU seconds of the evaluation.
        reason: why it failed; empty otherwise.
        curve: validation accuracy after every epoch, fractions; none where the training failed.
    """

    recipe: str
    architecture: str
    seed: int
    fitness: float
    params: int
    macs: int
    seconds: float
    reason: str = ""
    curve: tuple[float, ...] = ()

    @classmethod
    def of(cls, line: Mapping[str, str]) -> Entry:
        """The inverse of what `append` writes."""
        return cls(
            line["recipe"],
            line["architecture"],
            int(line["seed"]),
            float(line["fitness"]),
            int(line["params"]),
            int(line["macs"]),
            float(line["seconds"]),
            line["reason"],
            tuple(map(float, line["curve"].split())),
        )

    def line(self) -> tuple[object, ...]:
        """The fields as they are written; six decimals tell one image of half a million."""
        return *astuple(self)[:-1], " ".join(f"{accuracy:.6g}" for accuracy in self.curve)


_COLUMNS = [field.name for field in fields(Entry)]


class PartFile:
    """The record so far, a line a training; lines are added and never changed.

    Args:
        path: a CSV file; made with the first line. A last line that was torn is taken away.
        recipe: fingerprint of the configuration.

    Raises:
        ConfigError: it holds what another configuration came to, or has other columns.
    """

    def __init__(self, path: Path, recipe: str) -> None:
        self.path = path
        cut_torn_line(path)
        self.entries = list(self._read())
        if any(entry.recipe != recipe for entry in self.entries):
            raise ConfigError(
                f"{path} must hold trainings by the configuration that is given, got some by another; give another "
                "--out or remove it"
            )

    def _read(self) -> Iterator[Entry]:
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if reader.fieldnames != _COLUMNS:
                    raise ConfigError(
                        f"{self.path} must have the columns {', '.join(_COLUMNS)}, got "
                        f"{', '.join(reader.fieldnames or ())}; give another --out or remove it"
                    )
                yield from map(Entry.of, reader)

    def append(self, entry: Entry) -> None:
        """Adds a line; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if file.tell() == 0:
                writer.writerow(_COLUMNS)
            writer.writerow(entry.line())
            file.flush()
            os.fsync(file.fileno())
        self.entries.append(entry)


def recipe_of(config: Config) -> str:
    """A fingerprint of all that decides what a network comes to, but for the software's versions.

    It is made of the keys that the table's file gives and of those that differ from their defaults, so that a key which
    the configuration gets later leaves it as it is. A default that changes later is another matter: a file that relies
    on it has to give the key. Which networks there are is not part of it: a space can be widened, and keeps what was
    recorded.
    """
    whole, defaults = (dict(leaves(each.model_dump(mode="json", by_alias=True))) for each in (config, Config()))
    given = {key for key, _ in leaves(config.given())}
    parts = {
        key: value
        for key, value in whole.items()
        if key.startswith(_DECIDING) and key not in _WHICH_NETWORKS and (key in given or value != defaults.get(key))
    }
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def architectures_of(config: Config) -> list[str]:
    """Every architecture of the configured space, in an order that its seed decides."""
    space = NASInterface.from_config(config, tracker=NullTracker()).search_space
    archs = list(space.enumerate())
    rng = np.random.default_rng(derive_seed(seed_of(config), "order of the table"))
    return [archs[i] for i in rng.permutation(len(archs))]


def seed_of(config: Config) -> int:
    """The configuration's seed.

    Raises:
        ConfigError: it is left open.
    """
    if config.seed is None:
        raise ConfigError("seed must be a number for a table that can be recorded again, got null; set one")
    return config.seed


def train_one(config: Config, recipe: str, architecture: str) -> Entry:
    """Trains a network in the process that this is called in, and removes the files that it leaves.

    Args:
        config: with the seed to train with.
        recipe: as it goes into the entry.
        architecture: the encoded network.
    """
    strategy = interface_of(config).eval_strategy
    _warm_up(strategy, architecture, seed_of(config))
    started = time.process_time()
    evaluation = strategy.evaluate(architecture)
    seconds = time.process_time() - started
    for folder in (strategy.results.weights, strategy.results.histories):
        shutil.rmtree(folder, ignore_errors=True)
    failed = evaluation.status == "failed"
    return Entry(
        recipe,
        architecture,
        seed_of(config),
        100.0 * evaluation.fitness,
        evaluation.params,
        evaluation.macs,
        seconds,
        evaluation.reason if failed else "",
        () if failed else tuple(figures.val_accuracy for figures in evaluation.history),
    )


def _training(config: Config, recipe: str, architecture: str) -> Task[Entry]:
    return Task("train", train_one, (config, recipe, architecture), timed=True)


def _warm_up(strategy: NASEval, architecture: str, seed: int) -> None:
    """Trains the first network of a process, or of a seed, once beforehand: that one costs half as much again.

    A file says that it was done: a worker gets these functions with every task anew, so no variable would know.
    """
    done = strategy.results.path / f"warm-{os.getpid()}-{seed}"
    if not done.exists():
        strategy.evaluate(architecture)
        done.parent.mkdir(parents=True, exist_ok=True)  # of one that failed there is nothing yet
        done.touch()


def record(config: Config, part: PartFile, tasks: Sequence[tuple[str, int]], folder: Path) -> None:
    """Trains networks in worker processes and adds each to the part file.

    Args:
        config: its `execution` section says how many workers there are, and when they are replaced.
        part: takes the entries.
        tasks: architectures and the seeds to train them with, in their order.
        folder: for what trainings write meanwhile; removed before and after.
    """
    shutil.rmtree(folder, ignore_errors=True)
    scratch = config.model_copy(update={"results": ResultsConfig(dir=str(folder))})
    recipe, said = recipe_of(config), time.monotonic()
    with WorkerExecutor(config.execution, folder / "workers.log") as executor:
        futures = {
            executor.submit(_training(scratch.model_copy(update={"seed": seed}), recipe, arch)): (arch, seed)
            for arch, seed in tasks
        }
        for count, future in enumerate(as_completed(futures), start=1):
            arch, seed = futures[future]
            try:
                entry = future.result()
            except WorkerDiedError as error:
                entry = Entry(recipe, arch, seed, 0.0, 0, 0, 0.0, str(error))
            part.append(entry)
            if entry.reason:
                click.echo(f"{arch} failed with seed {seed}: {entry.reason}", err=True)
            if time.monotonic() - said > _REPORT_EVERY_S or count == len(tasks):
                said = time.monotonic()
                click.echo(f"{count} of {len(tasks)} trained")
    shutil.rmtree(folder, ignore_errors=True)


def write_table(
    path: Path, architectures: Sequence[str], seeds: Sequence[int], entries: Sequence[Entry], *, epochs: int = 0
) -> None:
    """Writes the table whole; gzip without a date, so that the same figures are the same file.

    Args:
        path: ends in .csv.gz.
        architectures: the lines, in their order.
        seeds: the columns seed_0 and so on.
        entries: at least one for every architecture and seed.
        epochs: the columns acc_0_1 and so on, of every seed; those of a training that failed stay empty.
    """
    found = {(entry.architecture, entry.seed): entry for entry in entries}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"seed_{number}" for number in range(len(seeds))]
    accuracies = [f"acc_{number}_{epoch}" for number in range(len(seeds)) for epoch in range(1, epochs + 1)]
    writer.writerow(["architecture", "fitness", *columns, "params", "macs", "seconds", *accuracies])
    for arch in architectures:
        own = [found[arch, seed] for seed in seeds]
        fitness = [entry.fitness for entry in own]
        params, macs = max(entry.params for entry in own), max(entry.macs for entry in own)
        curves = [entry.curve[epoch] if entry.curve else "" for entry in own for epoch in range(epochs)]
        seconds = fmean(entry.seconds for entry in own)
        writer.writerow([arch, fmean(fitness), *fitness, params, macs, seconds, *curves])
    with written_whole(path) as temporary:
        temporary.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="Space, data and evaluation.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The table, T.csv.gz.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Trainings of every network.")
@click.option("--limit", type=click.IntRange(1), help="So many networks, drawn by the configuration's seed.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes of one thread each.")
@click.option("--curves", is_flag=True, help="With the accuracy of every epoch.")
@click.option("--set", "settings", multiple=True, help="A key of the configuration, as for hivenas search.")
def main(  # the options of a command are many
    file: Path, out: Path, seeds: int, limit: int | None, workers: int, curves: bool, settings: tuple[str, ...]
) -> None:
    """Records a table, or what is missing of it."""
    if not out.name.endswith(TABLE_SUFFIX):
        raise click.BadParameter(f"must end in {TABLE_SUFFIX}, got {out.name}", param_hint="--out")
    stem = out.with_name(out.name.removesuffix(TABLE_SUFFIX))
    try:
        config = load(file, settings)
        execution = config.execution.model_copy(update={"workers": workers, "threads": 1})
        config = config.model_copy(update={"execution": execution})
        chosen = architectures_of(config)[:limit]
        numbers = [seed_of(config) + number for number in range(seeds)]
        part = PartFile(stem.with_name(f"{stem.name}.part.csv"), recipe_of(config))
        done = {(entry.architecture, entry.seed) for entry in part.entries}
        # Seed by seed: where there is no time for the last one, the others make a table.
        tasks = [(arch, seed) for seed in numbers for arch in chosen if (arch, seed) not in done]
        click.echo(f"{len(chosen)} networks, {seeds} seeds; {len(tasks)} trainings to do")
        record(config, part, tasks, stem.with_name(f"{stem.name}.work"))
    except HivenasError as error:
        raise click.ClickException(str(error)) from error
    write_table(out, sorted(chosen), numbers, part.entries, epochs=config.evaluation.epochs if curves else 0)
    click.echo(f"{out}: {len(chosen)} networks")


if __name__ == "__main__":
    main()
