"""The configured tracker, and those that users register."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hivenas
from hivenas import NullTracker, register_tracker
from hivenas.config import TRACKER_KINDS, Config, from_mapping, registry
from hivenas.core.children import Child
from hivenas.core.search_run import Closing
from hivenas.errors import ConfigError
from hivenas.tracking import make_tracker


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.TRACKERS, "_entries", {})


class Diary(NullTracker):
    """A tracker of somebody's own."""

    kept: tuple[str, ...] = ()

    def log_child(self, child: Child, *, again: bool = False) -> str:
        Diary.kept += (child.name,)
        return f"run of {child.name}"

    def close_search(self, closing: Closing) -> None:
        Diary.kept += (closing.status,)


def test_each_kind_is_made_for_a_search() -> None:
    made = {kind: type(make_tracker(Config(tracking=kind))).__name__ for kind in TRACKER_KINDS}
    assert made == {"mlflow": "MlflowTracker", "none": "NullTracker"}


def test_a_registered_tracker_is_told_of_a_search(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tracking must be one of mlflow, none or registered, got 'diary'"):
        from_mapping({"tracking": "diary"})
    assert register_tracker("diary")(Diary) is Diary
    config = {"name": "own", "objective": "sphere_min", "tracking": "diary", "results": {"dir": str(tmp_path)}}
    result = hivenas.search(config, "colony.size=2", "colony.iterations=2", progress=False)
    assert Diary.kept == (*(trial.label for trial in result.trials), "FINISHED")
    assert [trial.run_id for trial in hivenas.load_results(tmp_path / "own").trials] == [
        f"run of {trial.label}" for trial in result.trials
    ]


class Half:
    def __init__(self, name: str, *, home: str, command: str, publisher: Any) -> None: ...
    def log_child(self, child: Child, *, again: bool = False) -> str:
        return ""


class Narrow(NullTracker):
    def __init__(self, name: str) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (print, "the tracker 'mine' must be a class, got <built-in function print>; pass the class itself"),
        (Half, "must have the methods limit_waiting, prepare, .* got Half without limit_waiting, .* or derive from"),
        (Narrow, r"the tracker 'mine' must take \(name, \*, home, command, publisher\), got \(name: "),
    ],
)
def test_what_is_no_tracker_is_refused_when_it_is_registered(wrong: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        register_tracker("mine", wrong)
    assert "mine" not in registry.TRACKERS


def test_a_tracker_is_registered_by_a_name_that_is_free() -> None:
    with pytest.raises(ConfigError, match=r"registered by name, got .*Diary.*; write @register_tracker\('my_name'\)"):
        register_tracker(Diary)  # type: ignore[call-overload]
    for name in TRACKER_KINDS:
        with pytest.raises(ConfigError, match=f"'{name}' is built in, so a tracker cannot take the name"):
            register_tracker(name, Diary)
