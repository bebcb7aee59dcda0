"""The benchmark of whole searches: curves, what processes spend, a budget that ends them, what is seen of trainings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import process_tree
import pytest
from anytime import Run, chosen, code_lines, table
from click.testing import CliRunner
from real_size import CONTENDERS, main

RECORD: dict[str, Any] = {
    "contender": "hivenas",
    "seed": 1,
    "budget": 1200.0,
    "curve": [[60.0, 0.8, 0.79], [300.0, 0.9, 0.88], [420.0, 0.85, 0.95], [1300.0, 0.99, 0.97]],
    "handed_out": None,
    "cpu": 1201.0,
    "stopped": True,
    "error": "",
}
BURN = "import time\nwhile time.process_time() < {}: pass\n"


def test_networks_are_chosen_by_validation_alone() -> None:
    measured = [(60.0, 0.8, 0.79), (420.0, 0.85, 0.95), (300.0, 0.9, 0.88), (1300.0, 0.99, 0.97)]
    assert chosen(measured, budget=1200.0) == [(60.0, 0.79), (300.0, 0.88)]


def test_a_curve_holds_until_the_next_choice_and_ends_with_the_budget() -> None:
    run = Run.of(RECORD)
    assert [run.at(seconds) for seconds in (59, 60, 299, 300, 1200, 1202)] == [None, 0.79, 0.79, 0.88, 0.88, None]
    ended = Run.of(RECORD | {"stopped": False, "handed_out": 0.91, "cpu": 900.0})
    assert [ended.at(seconds) for seconds in (899, 900, 2400)] == [0.88, 0.91, 0.91]


def test_the_table_has_the_mean_and_each_seed_of_the_largest_budget(tmp_path: Path) -> None:
    other = RECORD | {"seed": 2, "curve": [[200.0, 0.9, 0.9]], "cpu": 1200.5}
    failed = RECORD | {"contender": "by hand", "curve": [], "stopped": False, "error": "no memory"}
    shorter = RECORD | {"seed": 3, "budget": 60.0}
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(each) + "\n" for each in (RECORD, other, failed, shorter)))
    picture = tmp_path / "picture.png"
    command = ["table", str(results), "--minutes", "2,10,40", "--picture", str(picture)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    lines = CONTENDERS["hivenas"].lines
    own = f"| hivenas | 2 | – (0.7900 –) | 0.8900 (0.8800 0.9000) | – | 20.0 20.0 | {lines} |"
    assert own in done.output.splitlines()
    assert "by hand, seed 1, failed after 1201 CPU s: no memory" in done.output
    assert picture.stat().st_size > 1000


def test_of_equal_runs_the_last_counts() -> None:
    runs = [Run("a", 1, ((1.0, 0.5),), 9.0, stopped=True), Run("a", 1, ((1.0, 0.7),), 9.0, stopped=True)]
    assert "0.7000 (0.7000)" in table(runs, [0.1], {})
    failed = Run("a", 1, (), 5.0, stopped=False, error="no memory")
    assert "no memory" not in table([failed, *runs], [0.1], {})
    assert "no memory" in table([*runs, failed], [0.1], {})


def test_a_contender_that_fails_late_has_what_it_had_by_then() -> None:
    run = Run.of(RECORD | {"stopped": False, "error": "no memory"})
    assert "| hivenas | 1 | 0.8800 (0.8800) |" in table([run], [20], {})


def test_lines_of_code_are_those_that_do_something(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        '"""Some.\n\nThing.\n"""\n\n# why\nx = """a\nb"""\n\n\ndef f():\n    """Why."""\n    return x  # so\n'
    )
    assert code_lines(file) == 4
    file = tmp_path / "some.yaml"
    file.write_text("# why\na: 1\n\nb: {c: 2}  # so\n")
    assert code_lines(file) == 2


def test_every_contender_has_its_snippets() -> None:
    assert all(file.is_file() for contender in CONTENDERS.values() for file in contender.snippets)


@pytest.mark.process
def test_what_a_tree_of_processes_spends_is_counted_alive_and_ended(tmp_path: Path) -> None:
    """A process, its ended child and one that it has left alone: 0.8 CPU seconds, which the clock rounds down."""
    done = tmp_path / "done"
    child = BURN.format(0.3)
    orphan = f"{child}open({str(done)!r}, 'w').close(); time.sleep(60)"
    program = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {child!r}])\n"
        f"subprocess.Popen([sys.executable, '-S', '-c', 'import subprocess, sys; '"
        f" 'subprocess.Popen([sys.executable, \"-S\", \"-c\", ' + repr({orphan!r}) + '])'])\n"
        f"{BURN.format(0.2)}\nsys.stdin.read()"
    )
    root = f"""
import os, subprocess, sys, time
import process_tree
process_tree.adopt()
held = subprocess.Popen([sys.executable, "-S", "-c", {program!r}], stdin=subprocess.PIPE)
while not os.path.exists({str(done)!r}) or process_tree.cpu_below(os.getpid()) < 0.7: time.sleep(0.02)
alive = process_tree.cpu_below(os.getpid())
held.communicate()
ended = process_tree.cpu_below(os.getpid())
process_tree.kill_below(os.getpid())
left = [each for each in process_tree.descendants(os.getpid()) if not each.is_over]
print(alive, ended, process_tree.cpu_below(os.getpid()), len(left))
"""
    alive, ended, killed, left = _said(root)
    assert alive >= 0.7
    assert alive - 0.02 <= ended <= killed + 0.02
    assert left == 0


@pytest.mark.process
def test_a_program_is_stopped_with_its_workers_when_its_budget_is_spent(tmp_path: Path) -> None:
    worker = f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {BURN.format(60)!r}])"
    code = f"""
import sys
from pathlib import Path
from within_budget import run_within
folder = Path({str(tmp_path)!r})
spent = run_within([sys.executable, "-c", {worker!r}], 0.5, folder / "events", folder=folder, environment={{}})
print(spent.cpu, -1 if spent.code is None else spent.code)
"""
    cpu, code_of = _said(code)
    assert code_of == -1
    assert 0.5 <= cpu < 60


@pytest.mark.process
def test_measuring_is_not_charged(tmp_path: Path) -> None:
    event = json.dumps({"event": "ends", "cost": 0.25})
    program = f"{BURN.format(0.3)}\nprint({event!r}, file=open('events', 'w'))"
    code = f"""
import os, sys
from pathlib import Path
import process_tree
from within_budget import run_within
folder = Path({str(tmp_path)!r})
spent = run_within([sys.executable, "-c", {program!r}], 50, folder / "events", folder=folder, environment={{}})
print(spent.cpu, spent.measuring, spent.code, process_tree.cpu_below(os.getpid()))
"""
    cpu, measuring, code_of, everything = _said(code)
    assert code_of == 0
    assert measuring == 0.25
    assert cpu == everything - measuring


@pytest.mark.keras
def test_epochs_are_written_down_and_the_best_so_far_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.syspath_prepend(str(Path(process_tree.__file__).parent / "contenders/observing"))
    from observing import Observer

    events = tmp_path / "events.jsonl"
    observer = Observer(str(events), 1)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 28, 28)).astype(np.uint8), np.arange(60) % 10
    observer._test = x[:20], y[:20]
    watched = SimpleNamespace(Model=SimpleNamespace(fit=keras.Model.fit), callbacks=keras.callbacks)
    observer.watch_keras(watched)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    # What the observer counts lies between what the clock shows before and after it is asked.
    earliest, before, latest = time.process_time(), observer.process_time(), time.process_time()
    data = {"x": x[..., None], "y": y, "validation_split": 0.5, "verbose": 0}
    history = watched.Model.fit(model, epochs=1, **data).history["val_accuracy"]
    answers = np.argmax(model.predict(x[:20, ..., None].astype("float32"), verbose=0), axis=-1)
    begins, first = (json.loads(line) for line in events.read_text().splitlines())
    assert begins["event"] == "begins"
    assert first["test"] == pytest.approx(float((answers == y[:20]).mean()))
    history += watched.Model.fit(model, epochs=4, **data).history["val_accuracy"]
    written = [json.loads(line) for line in events.read_text().splitlines()]
    epochs = [each for each in written if each["event"] != "begins"]
    assert [each["val"] for each in epochs] == pytest.approx(history)
    improves = [value > max(history[:n], default=-1.0) for n, value in enumerate(history)]
    assert [each["event"] == "ends" for each in epochs] == improves
    cost = sum(each.get("cost", 0.0) for each in written)
    first_end, after, last_end = time.process_time(), observer.process_time(), time.process_time()
    least, most = first_end - latest - cost, last_end - earliest - cost
    rounded = 0.005 * improves.count(True) + 1e-6  # costs are written down in hundredths
    assert least - rounded <= after - before <= most + rounded


def _said(code: str) -> list[float]:
    """The numbers that a program prints, which may import what lies beside the benchmarks."""
    folder = str(Path(process_tree.__file__).parent)
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {folder!r})\n{code}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return [float(part) for part in done.stdout.split()]
