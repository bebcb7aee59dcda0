"""The lanes of the tests, tried on some that import a TensorFlow of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import conftest

pytestmark = pytest.mark.process

FAST = "not keras and not process and not slow"
FILES = {
    "pytest.ini": "[pytest]\nmarkers =\n    keras\n    process\n    slow\n",
    "tensorflow.py": "",
    "test_networks.py": "import pytest\nimport absent\n\npytestmark = [pytest.mark.keras, pytest.mark.slow]\n",
    "test_some.py": """
import pytest

def test_light(): pass

def test_unmarked(): import tensorflow

def test_after(): import tensorflow

@pytest.mark.keras
def test_marked(): import tensorflow
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    shutil.copy(conftest.ROOT / "conftest.py", tmp_path)
    return tmp_path


def outcome_of(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_who_imports_tensorflow_first_in_the_fast_lane_is_named(folder: Path, workers: str) -> None:
    output = outcome_of(folder, "-m", FAST, "-n", workers, "--dist", "loadfile")
    assert f"test_some.py::test_unmarked {conftest.UNASKED}" in output
    assert "1 failed, 2 passed" in output


def test_a_file_that_imports_tensorflow_is_named(folder: Path) -> None:
    (folder / "test_more.py").write_text("import tensorflow\n")
    assert f"test_more.py {conftest.UNASKED}" in outcome_of(folder, "-m", "not keras", "-n", "0", "test_more.py")


def test_any_other_choice_runs_what_it_chooses(folder: Path) -> None:
    (folder / "test_networks.py").write_text(FILES["test_networks.py"].replace("import absent", "def test_it(): pass"))
    assert "5 passed" in outcome_of(folder, "-n", "0")
    assert "2 passed, 3 deselected" in outcome_of(folder, "-n", "0", "-m", "keras or slow")
    assert "1 passed, 4 deselected" in outcome_of(folder, "-n", "0", "-m", "keras and not slow")
