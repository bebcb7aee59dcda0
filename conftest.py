"""The lanes of the tests: what is left out by `-m`, what begins first, and that the marks say the truth.

`pytest -m "not keras and not process and not slow"` is the fast one: the logic, in less than a minute on one core.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from hivenas.core.cores import usable_cores

ROOT = Path(__file__).parent
MEMORY = Path("/dev/shm")  # a file system without a disk to wait for
# The files that take longest, longest first: begun last, one of them would be waited for alone.
LONGEST = (
    "test_crash.py",
    "test_parallel.py",
    "test_outages.py",
    "test_end_to_end.py",
    "test_examples.py",
    "test_docs.py",
    "test_package.py",  # mypy reads all of hivenas for the first time
    "test_evaluation_strategy.py",
    "test_scripts.py",
    "test_finalists.py",
    "test_checkpoints.py",
    "test_reproduction.py",
    "test_registry.py",
    "test_recipe.py",
    "test_serving.py",
)
UNASKED = "imports TensorFlow: mark it keras, or import what does inside the tests that are"
HAD_KERAS = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Puts the temporary folders where no store waits for a disk: it waits for as long as the tests compute."""
    is_fast = {"process", "slow"} <= _left_out(config)
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > (2**28 if is_fast else 2**31):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_xdist_auto_num_workers() -> int | None:
    """One process of tests more than cores: some of them wait, for servers, pauses and ends of processes."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    return usable_cores() + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out, unimported, files marked as a whole as what is not to run, and modules without an example."""
    if collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    if collection_path.is_relative_to(ROOT / "hivenas") and ">>>" not in text:
        return True
    marks = set(re.findall(r"mark\.(\w+)", " ".join(re.findall(r"^pytestmark = .*", text, re.MULTILINE))))
    return True if marks & _left_out(config) else None


def _left_out(config: pytest.Config) -> set[str]:
    """The markers that `-m` names after not; none where it says anything else."""
    expression = config.option.markexpr.strip()
    only = re.fullmatch(r"not \w+( and not \w+)*", expression)
    return set(re.findall(r"not (\w+)", expression)) if only else set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest; all else stays in its order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fails the file that imports TensorFlow where no test that needs it is to run."""
    report = yield
    if _brings_keras(collector.config):
        report.outcome, report.longrepr = "failed", f"{collector.nodeid} {UNASKED}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails the test that imports TensorFlow without being marked keras."""
    report = yield
    if _brings_keras(item.config):
        report.outcome, report.longrepr = "failed", f"{item.nodeid} {UNASKED}"
    return report


def _brings_keras(config: pytest.Config) -> bool:
    """True where keras is left out and TensorFlow has come since this was asked last."""
    had, has = config.stash.get(HAD_KERAS, False), "tensorflow" in sys.modules
    config.stash[HAD_KERAS] = has
    return has and not had and "keras" in _left_out(config)
