"""All of Fashion-MNIST within one budget of CPU time, search and final training together: hivenas and others.

    python benchmarks/real_size.py run --out real_size.jsonl --autokeras-python PATH    # hours; goes on where it was
    python benchmarks/real_size.py table real_size.jsonl --picture docs/images/real_size.png

What a user would write for each contender lies in benchmarks/contenders/ and is what runs. A run is a process of its
own with all its workers. Their CPU seconds count from the start, imports included; when the budget is spent they are
killed, and what counts is the network that had the best validation accuracy by then. So that there is a curve,
contenders/observing tests every network that is the best so far by validation on the 10,000 test images. The
contender does not see that and it costs nothing of its budget. Each process has one thread of TensorFlow, which is the
cheapest in CPU time.

hivenas and random search run conf/fashion_mnist_full.yaml, whose costs are planned beforehand: nothing in it knows of
the budget. The others are given as much as they can use: KerasTuner searches as many candidates of the same space on
the same part of the images, and the learning rate of its final training follows the clock to the end of the budget.
KerasTuner: pip install keras-tuner tensorboard, beside hivenas. AutoKeras needs older packages, so an environment of
its own: python3.11 -m venv E; E/bin/pip install autokeras==3.0.0 keras==3.5.0 tensorflow-cpu==2.18.1 "numpy<2"
setuptools; then --autokeras-python E/bin/python.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from anytime import Run, code_lines, draw, table
from measuring import add_line, read_lines
from within_budget import read_events, run_within

HERE = Path(__file__).resolve().parent
SNIPPETS = HERE / "contenders"
CONFIG = HERE.parent / "conf/fashion_mnist_full.yaml"
ALL_IMAGES = 60_000
ONE_THREAD = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")
VERSIONS = """
import json, sys
from importlib.metadata import distributions
known = ("autokeras", "hivenas", "keras", "keras-tuner", "tensorflow", "tensorflow-cpu", "numpy")
found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}
print(json.dumps({"python": sys.version.split()[0]} | {name: found[name] for name in known if name in found}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a run, the same for all contenders.

    Args:
        seed: of the run.
        budget: CPU seconds.
        images: for training and validation.
        part: of these, so many for the search.
        candidates: of a search by KerasTuner; that of hivenas is in its configuration.
        settings: keys of hivenas' configuration with other values, `KEY=VALUE`.
        python: the interpreter.
    """

    seed: int
    budget: float
    images: int
    part: int
    candidates: int
    settings: tuple[str, ...] = ()
    python: str = sys.executable

    def hivenas(self, *settings: str) -> dict[str, str]:
        """The environment of contenders/with_hivenas.sh."""
        own = (f"seed={self.seed}", f"evaluation.train_limit={self.part}", *settings, *self.settings)
        limit = (f"dataset.train_limit={self.images}",) if self.images < ALL_IMAGES else ()
        store = "sqlite:///mlflow.db"
        return {
            "CONFIG": str(CONFIG),
            "SETTINGS": " ".join((*own, *limit)),
            "PATH": f"{Path(self.python).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "MLFLOW_TRACKING_URI": store,
            "MLFLOW_REGISTRY_URI": store,
        }


@dataclass(frozen=True, slots=True)
class Contender:
    """A way from images to a network.

    Args:
        snippets: the files that a user would write; the first one is run.
        arguments: of it, as the terms say.
        environment: likewise.
        needs: what its lines of code leave out.
    """

    snippets: tuple[Path, ...]
    arguments: Callable[[Terms], Sequence[str]] = lambda terms: (str(terms.seed), str(terms.images))
    environment: Callable[[Terms], dict[str, str]] = lambda _: ONE_THREAD
    needs: str = ""

    def command(self, terms: Terms) -> list[str]:
        """The program that is run."""
        program = self.snippets[0]
        return [*(["sh", "-e"] if program.suffix == ".sh" else [terms.python]), str(program), *self.arguments(terms)]

    @property
    def lines(self) -> str:
        """The lines of code that it needs."""
        return f"{sum(map(code_lines, self.snippets))}{self.needs and ' + ' + self.needs}"


def _with_keras_tuner(name: str) -> Contender:
    def arguments(terms: Terms) -> list[str]:
        each = (terms.seed, terms.images, terms.part, terms.candidates, round(terms.budget))
        return [name, *map(str, each)]

    return Contender((SNIPPETS / "with_keras_tuner.py",), arguments, needs="the space")


def _with_hivenas(*settings: str) -> Contender:
    files = (SNIPPETS / "with_hivenas.sh", CONFIG)
    return Contender(files, lambda _: (), lambda terms: terms.hivenas(*settings))


AUTOKERAS = "AutoKeras"
CONTENDERS = {
    "hivenas": _with_hivenas(),
    "random": _with_hivenas("colony.kind=random"),
    "Hyperband": _with_keras_tuner("Hyperband"),
    "BayesianOptimization": _with_keras_tuner("BayesianOptimization"),
    AUTOKERAS: Contender((SNIPPETS / "with_autokeras.py",)),
    "by hand": Contender((SNIPPETS / "by_hand.py",)),
}


@click.group()
def main() -> None:
    """All of Fashion-MNIST within one budget of CPU time."""


def _names(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in CONTENDERS:
            raise click.BadParameter(f"must be among {', '.join(CONTENDERS)}, got {name!r}")
    return names


@main.command(name="run")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Gets a line of JSON a run."
)
@click.option("--contenders", default=",".join(CONTENDERS), callback=_names, show_default=True)
@click.option("--seeds", default="1,2", show_default=True)
@click.option("--budget", default=40.0, show_default=True, help="CPU minutes of a run, on all cores together.")
@click.option("--images", default=ALL_IMAGES, show_default=True)
@click.option("--part", default=6000, show_default=True, help="Of the images, so many for the search.")
@click.option("--candidates", default=8, show_default=True, help="Of a search by KerasTuner.")
@click.option("--set", "settings", multiple=True, help="A key of hivenas' configuration, as for hivenas search.")
@click.option("--autokeras-python", default="", help="The interpreter of AutoKeras' environment.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path("real_size_work"))
@click.option("--jobs", default=1, show_default=True, help="Runs at a time; they disturb each other a little.")
def run_all(  # the options of a command are many
    out: Path, contenders: list[str], seeds: str, autokeras_python: str, work: Path, jobs: int, **terms: Any
) -> None:
    """Runs the contenders in turn, seed by seed; those that the file has a whole run of are left out."""
    if AUTOKERAS in contenders and not autokeras_python:
        click.echo("AutoKeras is left out: --autokeras-python names its environment", err=True)
        contenders = [name for name in contenders if name != AUTOKERAS]
    budget = 60 * terms.pop("budget")
    known = {(each["contender"], each["seed"], each["budget"]) for each in read_lines(out) if not each["error"]}

    def run_one(task: tuple[int, str]) -> None:
        seed, name = task
        python = os.path.abspath(autokeras_python) if name == AUTOKERAS else sys.executable
        given = Terms(seed=seed, budget=budget, python=python, **terms)
        folder = _fresh(work / f"{name.replace(' ', '_')}-{seed}-{budget:g}")
        command = [sys.executable, __file__, "one", name, json.dumps(asdict(given)), str(folder.resolve())]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        record = json.loads(done.stdout.splitlines()[-1]) | {"terms": asdict(given)} | _environment(python)
        add_line(out, record)
        click.echo(_said(record))

    tasks = itertools.product([int(seed) for seed in seeds.split(",")], contenders)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run_one, [(seed, name) for seed, name in tasks if (name, seed, budget) not in known]))


@main.command(hidden=True)
@click.argument("name")
@click.argument("terms")
@click.argument("folder", type=click.Path(path_type=Path))
def one(name: str, terms: str, folder: Path) -> None:
    """Runs one contender with one seed; prints its record. It is a process of its own: CPU time is that of its tree."""
    given = json.loads(terms)
    settled = Terms(**{**given, "settings": tuple(given["settings"])})
    events = folder / "events.jsonl"
    contender = CONTENDERS[name]
    own = os.environ.get("PYTHONPATH") if settled.python == sys.executable else None  # not for other environments
    path = os.pathsep.join(filter(None, (str(SNIPPETS / "observing"), own)))
    environment = contender.environment(settled) | {"PYTHONPATH": path}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": str(settled.seed)}
    command = contender.command(settled)
    spent = run_within(command, settled.budget, events, folder=folder, environment=environment)
    seen = read_events(events)
    ended = spent.code == 0
    record = {
        "contender": name,
        "seed": settled.seed,
        "budget": settled.budget,
        "curve": [[each["cpu"], each["val"], each["test"]] for each in seen if each["event"] == "ends"],
        "epochs": [[each["cpu"], each["val"]] for each in seen if each["event"] in ("ends", "epoch")],
        "handed_out": _handed_out(folder) if ended else None,
        "cpu": round(spent.cpu, 1),
        "measuring": round(spent.measuring, 1),
        "wall": round(spent.wall, 1),
        "stopped": spent.code is None,
        "error": "" if ended or spent.code is None else _last_line(folder, spent.code),
    }
    click.echo(json.dumps(record))


@main.command(name="table")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--minutes", default="10,20,40", show_default=True, help="CPU minutes after which accuracies are read.")
@click.option("--budget", type=float, help="Of the runs, in CPU minutes; by default the largest there is.")
@click.option("--picture", type=click.Path(path_type=Path), help="A PNG of test accuracy against CPU minutes.")
def print_table(files: tuple[Path, ...], minutes: str, budget: float | None, picture: Path | None) -> None:
    """Prints a table in Markdown of what the contenders came to."""
    records = read_lines(*files)
    wanted = 60 * budget if budget else max(record["budget"] for record in records)
    order = list(CONTENDERS)
    records.sort(key=lambda record: order.index(record["contender"]))  # of one run the later record stays the later
    runs = [Run.of(record) for record in records if record["budget"] == wanted]
    lines = {name: contender.lines for name, contender in CONTENDERS.items()}
    click.echo(table(runs, [float(mark) for mark in minutes.split(",")], lines))
    if picture:
        draw(runs, picture)


def _fresh(folder: Path) -> Path:
    """A folder of a run's own; what an earlier attempt has left is put aside."""
    if folder.exists():
        number = next(n for n in itertools.count(1) if not folder.with_name(f"{folder.name}.{n}").exists())
        folder.rename(folder.with_name(f"{folder.name}.{number}"))
    folder.mkdir(parents=True)
    return folder


def _environment(python: str) -> dict[str, Any]:
    done = subprocess.run([python, "-c", VERSIONS], stdout=subprocess.PIPE, text=True, check=True)
    return {"versions": json.loads(done.stdout), "machine": platform.node(), "cores": os.cpu_count()}


def _handed_out(folder: Path) -> float | None:
    """The test accuracy of the model with which a contender ended, where it says so by itself in a line of JSON."""
    for line in reversed((folder / "stdout.txt").read_text(encoding="utf-8", errors="replace").splitlines()):
        if line.startswith("{") and '"test_accuracy"' in line:
            accuracy = json.loads(line)["test_accuracy"]
            return None if accuracy is None else float(accuracy)
    return None


def _last_line(folder: Path, code: int) -> str:
    said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return said[-1] if said else f"exit code {code}"


def _said(record: dict[str, Any]) -> str:
    run = Run.of(record)
    end = f"{run.curve[-1][1]:.4f}" if run.curve else "nothing"
    state = run.error or ("stopped" if run.stopped else "ended")
    return f"{run.contender}, seed {run.seed}: {end} after {run.cpu:.0f} CPU s, {state}"


if __name__ == "__main__":
    main()
