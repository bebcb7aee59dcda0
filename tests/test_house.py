"""The figures of the house, counted on a small one whose figures are known."""

from __future__ import annotations

import subprocess
from pathlib import Path

import house
import pytest

FILES = {
    "pyproject.toml": """
[tool.importlinter]
root_package = "hut"
[[tool.importlinter.contracts]]
type = "layers"
layers = ["hut.cli", "hut.run", "hut.core | hut.work"]
""",
    "hut/__init__.py": '''
"""A hut."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from hut.core.objective import ObjectiveInterface as ObjectiveInterface
__all__ = ["ObjectiveInterface", "load"]
''',
    "hut/cli.py": '''
"""Whether it is asked."""
import fcntl
from hut.run import Search
from hut.work import Remote

def main(a, b, c, *, d=1, e=2, f=3, **rest):
    """Which search is begun.

    And of that, more.
    """
    # a comment

    return Search(a, b, *c, evaluate=max) if isinstance(a, Remote) else None
''',
    "hut/run.py": """
from __future__ import annotations
from collections.abc import Callable
from . import core

Evaluate = Callable[[int], int]

class Search:
    def __init__(self, colony: int, store: str, more: str = "", *, evaluate: Evaluate, page=lambda: ""):
        from .core.objective import Sphere
        self.best = min if self.minimize else max
        self.worst = 1 if self.minimize != page else 0

    @staticmethod
    def lower(one, two):
        return one < two
""",
    "hut/work.py": '''
from concurrent.futures import Executor
class Local(Executor):
    """How it is done."""
class Remote(Local): ...
''',
    "hut/core/__init__.py": "",
    "hut/core/objective.py": """
import hut.core.sphere
class ObjectiveInterface: ...
class Trial: ...
""",
    "hut/core/sphere.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from hut.core.objective import ObjectiveInterface
def known(it): return isinstance(it, (int, ObjectiveInterface))
""",
}


@pytest.fixture
def hut(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip("\n"), encoding="utf-8")
    return tmp_path


def test_every_figure_of_a_small_house(hut: Path) -> None:
    assert house.figures(hut) == {
        "modules at the root": "4",
        "files": "7",
        "lines of code": "31",
        "floors of the house, file by file": "3",  # cli, run, the circle in core
        "floors of the import contract": "3",
        "arrows between rooms at the root": "4",  # the package's own to core; cli to run and work; run to core
        "arrows between files": "7",
        "circles": "1: hut.core.objective ↔ hut.core.sphere",
        "parameters of Search": "5, 2 of them callables, 1 of those lambdas by default",
        "most arguments by position": "3: Search 3 (hut/cli.py:13)",
        "functions of more than 6 parameters": "1: main 7",
        "isinstance on objectives or executors from outside": "1: hut/cli.py:13",
        "shapes of a candidate, of a list": "1: Trial",
        "of these, with figures of their own": "0",
        "… if minimize else …": "1",
        "docstrings that begin with a question word": "3 of 4",
        "public names that are typed": "1 of 2",
        "modules that import fcntl": "1",
        "lines of a function, 90th percentile and most": "3, 3",
        "files of more than 400 lines": "0",
    }


@pytest.mark.process
def test_two_checkouts_stand_side_by_side(hut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ["git", "-C", str(hut), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "A hut"]):
        subprocess.run([*git, *command], check=True)
    (hut / "hut/attic.py").write_text("", encoding="utf-8")
    house.main([str(hut), "--against", "HEAD"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["| | at HEAD | now |", "|---|---|---|", "| modules at the root | 4 | 5 |"]
    assert len(lines) == 2 + len(house.figures(hut))


def test_this_house_has_no_circles_no_long_files_and_no_docstrings_that_ask() -> None:
    figures = house.figures(house.ROOT)
    assert figures["circles"] == figures["files of more than 400 lines"] == "0"
    assert figures["docstrings that begin with a question word"].startswith("0 of ")
