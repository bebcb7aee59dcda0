"""Every example of `examples/`, copied into an empty folder and run as its README says, in a tiny setting."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import nbformat
import pytest
from nbclient import NotebookClient

from tests.processes import ROOT, environment

pytestmark = [pytest.mark.keras, pytest.mark.process, pytest.mark.slow]

TINY = [
    "--set", "evaluation.epochs=1 colony.size=2 colony.iterations=1 dataset.train_limit=200",
    "--set", "full_train.epochs=1 full_train.finalists=1",
]  # fmt: skip
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, template: Path) -> Run:
    """Runs a Python module or script in a copy of an example, with a store of its own, and gives what it printed."""

    def run(example: str, *command: str) -> str:
        folder = tmp_path / "examples" / example
        if not folder.exists():
            shutil.copytree(ROOT / "examples" / example, folder)
            (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
            shutil.copy(template, folder / "mlflow.db")
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_images_of_ones_own_are_searched_and_classified(run: Run, tmp_path: Path) -> None:
    run("own_images", "make_images.py", "images", "--limit", "300")
    said = run("own_images", "-m", "hivenas", "search", "--config", "search.yaml", "-q", *TINY)
    assert re.search(r"own_images: 2 evaluations, 0 failed, .*, models:/own_images@champion\n", said)
    images = sorted((tmp_path / "examples/own_images/images/3").glob("*.png"))[:2]
    said = run("own_images", "-m", "hivenas", "predict", "models:/own_images@champion", *map(str, images))
    assert all(str(image) in said for image in images)


def test_a_cell_and_an_operation_of_ones_own_are_searched(run: Run) -> None:
    arguments = ["--config", "search.yaml", "--import", "my_ops", *TINY]
    architecture = "input|excite|soft|sc_1|excite|output"
    said = run("own_cell", "-m", "hivenas", "arch", architecture, "-q", *arguments)
    assert re.match(rf"{re.escape(architecture)}: test accuracy 0\.\d+", said)


def test_three_objectives_are_compared(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "examples/three_objectives"
    said = run("three_objectives", "compare.py", "--evaluations", "2", "--bees", "2")
    rows = [line.split(" | ") for line in said.splitlines()[2:]]
    assert [row[1] for row in rows] == ["2", "2", "2"]
    assert all(float(row[3]) == float(row[2]) for row in rows)
    assert [bool(row[4].strip()) for row in rows] == [True, True, False]
    assert (folder / "comparison.md").read_text() == said
    assert (folder / "comparison.png").stat().st_size > 10_000


def test_the_notebook_is_kept_without_outputs_and_runs(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook: Any = nbformat.reads((ROOT / "examples/notebook/first_steps.ipynb").read_text(), as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    shutil.copy(template, tmp_path / "mlflow.db")
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert re.fullmatch(r"test accuracy 0\.\d+\n", cells[-1].outputs[0].text)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    phases = [run.data.tags.get("hivenas.phase") for run in client.search_runs(["0", "1"])]
    assert sorted(filter(None, phases)) == ["evaluate", "evaluate", "full_train", "momentum"]


def test_the_readme_says_how_each_is_run() -> None:
    text = (ROOT / "examples/README.md").read_text()
    for folder in (each for each in (ROOT / "examples").iterdir() if each.is_dir()):
        assert f"cd examples/{folder.name}\n" in text
    linked = re.findall(r"\]\(([\w./-]+)\)", text)
    assert [file for file in linked if not (ROOT / "examples" / file).exists()] == []
