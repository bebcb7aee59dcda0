"""Whole searches with strategies other than the colony, and with one of somebody's own."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hivenas.cli.commands import main
from hivenas.config import registry

pytestmark = [pytest.mark.slow]

FALL = '''
from hivenas import register_strategy
from hivenas.core.strategies.phased import PhasedStrategy



@register_strategy("fall")
class Fall(PhasedStrategy):
    """From the best so far, wherever that is, one step at a time."""

    kind = "fall"
    phases = ("steps",)
    continues_as = "step"

    def _plan(self):
        if self.best is None:
            return [self._seek([], "start", self._objective.sample)]
        return [self._seek([], "step", lambda: self._objective.get_neighbor(self.best.candidate), origin=self.best)]
'''


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.STRATEGIES, "_entries", {})
    monkeypatch.setattr(registry, "_imported", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "fall", raising=False)
    (tmp_path / "fall.py").write_text(FALL)


def _search(folder: Path, name: str, kind: str, iterations: int, *more: str) -> list[dict[str, str]]:
    """Runs a search over a function, and reads its table."""
    text = f"{{name: {name}, objective: sphere_min, colony: {{kind: {kind}, size: 4, iterations: {iterations}}}}}"
    (folder / "own.yaml").write_text(text)
    result = CliRunner().invoke(main, ["search", "--config", str(folder / "own.yaml"), *more])
    assert result.exit_code == 0, result.output
    with (folder / "results" / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("kind", "roles", "budget", "more"),
    [
        ("random", {"sample"}, 4, ()),
        ("evolution", {"sample", "child"}, 4, ()),
        ("fall", {"start", "step"}, 1, ("--import", "fall")),
    ],
)
def test_a_search_runs_is_resumed_and_is_the_one_that_was_not_interrupted(
    kind: str, roles: set[str], budget: int, more: tuple[str, ...], tmp_path: Path, store: str
) -> None:
    whole = _search(tmp_path, f"{kind}_whole", kind, 8, *more)
    assert {row["bee"] for row in whole} == roles
    assert len(whole) == 8 * budget
    _search(tmp_path, f"{kind}_parts", kind, 5, *more)
    parts = _search(tmp_path, f"{kind}_parts", kind, 8, "--resume", *more)
    columns = ("index", "iteration", "bee", "bee_id", "candidate", "fitness")
    assert [[row[c] for c in columns] for row in parts] == [[row[c] for c in columns] for row in whole]


def test_without_the_module_that_registers_it_a_strategy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("colony: {kind: fall}")
    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "own.yaml")])
    assert result.exit_code == 2
    assert "colony.kind must be one of guided, canonical, random, evolution or registered, got 'fall'" in result.output
