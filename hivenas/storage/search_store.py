"""The record of a search on the local disk: its folder, its state, and the right to write to them."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hivenas.config import Config, load
from hivenas.core.records import ResultsFolder, Row, write_atomically
from hivenas.errors import ConfigError, MissingResultsError, ResultsExistError

Stage = Literal["search", "full_train", "done"]

# What may differ between a search and its resumption: it decides what comes after, or where, not what was found.
_FREE = ("full_train.", "registry.", "execution.", "results.", "optuna.", "colony.iterations")
_REPLACED = ".replaced"


@dataclass(frozen=True, slots=True)
class SearchState:
    """All of a search that its table does not hold.

    Args:
        stage: what is still to be done.
        run_id: of the parent run.
        seed: the run's seed, also where the configuration leaves it open.
        colony: the colony's state after its last phase; None before the first.
        trained: whether the best candidate of what was flown has been trained fully.
        data: digest of the images that the search began with; empty for numerical objectives.
    """

    stage: Stage = "search"
    run_id: str = ""
    seed: int = 0
    colony: dict[str, Any] | None = None
    trained: bool = False
    data: str = ""


class SearchStore:
    """The results folder of one search, opened by one process at a time; make it with `open_store`."""

    def __init__(self, folder: ResultsFolder, state: SearchState) -> None:
        self.folder = folder
        self.state = state
        self.rows: list[Row] = folder.rows()

    def append(self, row: Row) -> None:
        """Records an evaluation."""
        self.folder.append(row)
        self.rows.append(row)

    def save(self, **changes: Any) -> None:
        """Changes fields of the state and writes it; from the first time on, a search that it replaces is gone."""
        self.state = replace(self.state, **changes)
        write_atomically(self.folder.state, json.dumps(asdict(self.state)))
        shutil.rmtree(self.folder.path / _REPLACED, ignore_errors=True)


@contextmanager
def open_store(config: Config, seed: int, *, resume: bool = False, overwrite: bool = False) -> Iterator[SearchStore]:
    """Opens the results folder of a configuration for a search.

    Args:
        config: the resolved configuration; it is written beside the results.
        seed: used where no search is resumed.
        resume: go on with the recorded search.
        overwrite: replace the recorded search; it comes back where the new one does not get to its first save.

    Raises:
        ResultsExistError: results exist and neither resume nor overwrite was asked for, or another process is
            writing to them.
        MissingResultsError: nothing to resume.
        ConfigError: the search to resume was started with another configuration.
    """
    folder = ResultsFolder(config.results.dir, config.name)
    if resume and overwrite:
        raise ConfigError("--resume goes on with a search and --overwrite replaces it, got both; choose one")
    if resume and not folder.state.exists():
        raise MissingResultsError(f"nothing to resume in {folder.path}; start the search without --resume")
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"results.dir: cannot make the folder {folder.path}: {error.strerror}; name another"
        ) from None
    with _lock(folder), _replacing(folder, overwrite):
        state = _read_state(folder)
        if resume:
            _refuse_other_search(config, folder)
        elif state is not None or folder.csv.exists():
            raise ResultsExistError(_exists_message(folder, state))
        store = SearchStore(folder, state or SearchState(seed=seed))  # refuses a foreign table before a file is changed
        write_atomically(folder.yaml, config.to_yaml())
        yield store


def read_state(config: Config) -> SearchState | None:
    """The state of the recorded search of a configuration, if there is one."""
    return _read_state(ResultsFolder(config.results.dir, config.name))


def fixed_keys(config: Config) -> dict[str, str]:
    """Dotted keys and values, as text, in which a search and its resumption must agree."""
    return {key: value for key, value in config.flat().items() if key != "name" and not key.startswith(_FREE)}


def difference(before: Config, now: Config) -> str:
    """The first key in which two configurations are not of the same search; empty where they are.

    Args:
        before: the configuration that the search was started with.
        now: the one that it is to be resumed with.

    Returns:
        Such as `evaluation.epochs=5, got evaluation.epochs=6 (and 2 more)`.
    """
    old, new = fixed_keys(before), fixed_keys(now)
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if not changed:
        return ""
    key = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return f"{key}={old.get(key)}, got {key}={new.get(key)}{more}"


def _read_state(folder: ResultsFolder) -> SearchState | None:
    if not folder.state.exists():
        return None
    try:
        return SearchState(**json.loads(folder.state.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ResultsExistError(
            f"{folder.state} cannot be read ({error}); restore it, or start anew (--overwrite, or --set name=…)"
        ) from None


def _exists_message(folder: ResultsFolder, state: SearchState | None) -> str:
    if state is None:
        return (
            f"{folder.path} holds {len(folder.rows())} evaluations that were asked for from Python, which are not "
            "overwritten in silence; choose another name (--set name=…) or delete them (--overwrite)"
        )
    stage = "a finished" if state.stage == "done" else "an unfinished"
    return (
        f"{folder.path} holds {stage} search of {len(folder.rows())} evaluations, which is not overwritten "
        "in silence; go on with it (--resume), choose another name (--set name=…) or delete it (--overwrite)"
    )


def _refuse_other_search(config: Config, folder: ResultsFolder) -> None:
    if not folder.yaml.exists():
        return
    if changed := difference(load(folder.yaml), config):
        raise ConfigError(
            f"the search in {folder.path} was started with {changed}; resume with {folder.yaml}, or start another "
            "search (--set name=…)"
        )


@contextmanager
def _replacing(folder: ResultsFolder, overwrite: bool) -> Iterator[None]:
    """Puts a recorded search aside, and back again where nothing has taken its place; other files stay untouched."""
    aside = folder.path / _REPLACED
    if overwrite and not aside.exists():
        aside.mkdir()
        _move(folder.own, aside)
    try:
        yield
    finally:
        if aside.exists():
            _move([aside / path.name for path in folder.own], folder.path)
            shutil.rmtree(aside)


def _move(paths: Iterable[Path], target: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(target / path.name, ignore_errors=True)
        if path.exists():
            path.replace(target / path.name)


@contextmanager
def _lock(folder: ResultsFolder) -> Iterator[None]:
    """The kernel frees the lock with the process that holds it, however that ends."""
    with (folder.path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResultsExistError(
                f"another process is searching in {folder.path}; wait for it, or choose another name (--set name=…)"
            ) from None
        yield
