"""The record of a search on the local disk: its folder, its state, and the right to write to them."""

from __future__ import annotations

import fcntl
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from hivenas.config import Config, load
from hivenas.core.files import cut_torn_line
from hivenas.core.folder import ResultsFolder, write_atomically
from hivenas.core.records import Row
from hivenas.errors import ConfigError, MissingResultsError, ResultsExistError

Stage = Literal["search", "full_train", "done"]

# What may differ between a search and its resumption: it decides what comes after, or where, not what was found.
_FREE = ("full_train.", "registry.", "execution.", "results.", "optuna.", "colony.iterations")
_REPLACED = ".replaced"
_SUCCESSOR = "successor"  # in it: the name of the search that replaces the one there
_NOTHING = "nothing to resume in {}; start the search without --resume"


class Mirror(Protocol):
    """A second record of a search, which follows the results folder; see `following.OptunaMirror`."""

    def catch_up(self, folder: ResultsFolder, state: SearchState | None) -> SearchState | None:
        """Writes into a folder what only the second record has of the search; returns the state to go on from."""
        ...

    def open(self, uid: str, *, overwrite: bool, replaces: str) -> str:
        """Makes ready to follow a search.

        Args:
            uid: the search's name.
            overwrite: whether the record of another search may be replaced.
            replaces: name of the one search whose record may be replaced in any case; empty for none.

        Returns:
            The name of the search whose record is replaced when this one is followed for the first time; empty without.
        """
        ...

    def follow(self, uid: str, rows: Sequence[Row], state: Mapping[str, Any], *, force: bool) -> int:
        """Takes over what is new; returns how many evaluations it lacks, as while its storage does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class SearchState:
    """All of a search that its table does not hold.

    Args:
        stage: what is still to be done.
        run_id: of the parent run.
        seed: the run's seed, also where the configuration leaves it open.
        colony: the colony's state after its last phase; None before the first.
        trained: whether the best candidate of what was flown has been trained fully.
        model: where the best candidate's model is loaded from, once it has been trained fully and published.
        data: digest of the images or the table that the search began with; empty for numerical objectives.
        uid: names the search wherever it is recorded.
        abandoned: names of searches in this folder that were given up for this one, or ids of their parent runs; those
            that a kill has left running are still to be closed.
        replaces: name of the search whose second record this one's replaces; empty for none.
        thinned: whether saved states that further iterations may start from are gone, see `results.keep_weights`.
    """

    stage: Stage = "search"
    run_id: str = ""
    seed: int = 0
    colony: dict[str, Any] | None = None
    trained: bool = False
    model: str = ""
    data: str = ""
    uid: str = ""
    abandoned: tuple[str, ...] = ()
    replaces: str = ""
    thinned: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "abandoned", tuple(self.abandoned))  # JSON has lists

    @property
    def progress(self) -> tuple[int, int, int]:
        """Grows as the search goes on: what was evaluated, what was told, and what is done after that."""
        colony = self.colony or {}
        stages = ("search", "full_train", "done")
        return colony.get("evaluations", -1), colony.get("iteration", -1), stages.index(self.stage)

    @property
    def reused(self) -> int:
        """How often a bee came back to a candidate whose record was used again."""
        return self.colony["reused"] if self.colony else 0

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to go on with; a process that was killed before its first phase leaves nothing."""
        return self.colony is not None or self.stage != "search"


class SearchStore:
    """The results folder of one search, opened by one process at a time; make it with `open_store`.

    Args:
        folder: where the search is recorded.
        state: all of it that the table does not hold.
        mirror: the second record, which follows; None for none.
    """

    def __init__(self, folder: ResultsFolder, state: SearchState, mirror: Mirror | None = None) -> None:
        self.folder = folder
        self.state = state
        self.rows: list[Row] = folder.rows()
        self._mirror = mirror

    def claim(self, run_id: str) -> None:
        """Writes down how the parent run is found before there is one; a search that this one replaces comes back yet.

        Args:
            run_id: of a parent run that exists already; empty for one that will be made under the search's name.
        """
        aside = self.folder.path / _REPLACED
        if aside.exists():
            write_atomically(aside / _SUCCESSOR, run_id or self.state.uid)
        else:
            self.save(run_id=run_id)

    def key(self, index: int) -> str:
        """Names an evaluation of this search wherever it is tracked."""
        return f"{self.state.uid}:{index:04d}"

    def append(self, row: Row) -> None:
        """Records an evaluation."""
        self.folder.append(row)
        self.rows.append(row)
        self._sync_mirror()

    def read_again(self) -> None:
        """Takes the table as it is on the disk."""
        cut_torn_line(self.folder.csv)
        self.rows = self.folder.rows()

    def fill_run_ids(self, run_ids: Mapping[int, str]) -> None:
        """Writes down the runs of evaluations, by index, that were recorded before they could be tracked."""
        new = {index: run_id for index, run_id in run_ids.items() if self.rows[index].run_id != run_id}
        if new:
            self.rows = [replace(row, run_id=new.get(row.index, row.run_id)) for row in self.rows]
            self.folder.rewrite(self.rows)

    def save(self, **changes: Any) -> None:
        """Changes fields of the state and writes it; from the first time on, a search that it replaces is gone."""
        self.state = replace(self.state, **changes)
        write_atomically(self.folder.state, json.dumps(asdict(self.state)))
        shutil.rmtree(self.folder.path / _REPLACED, ignore_errors=True)
        self._sync_mirror()

    def sync_mirror(self) -> int:
        """Has the second record follow at once; returns how many evaluations it still lacks."""
        return self._sync_mirror(force=True)

    def _sync_mirror(self, *, force: bool = False) -> int:
        return self._mirror.follow(self.state.uid, self.rows, asdict(self.state), force=force) if self._mirror else 0


@contextmanager
def open_store(
    config: Config,
    seed: int,
    *,
    resume: bool = False,
    overwrite: bool = False,
    mirror: Mirror | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[SearchStore]:
    """Opens the results folder of a configuration for a search.

    Args:
        config: the resolved configuration; it is written beside the results.
        seed: used where no search is resumed.
        resume: go on with the recorded search.
        overwrite: replace the recorded search; it comes back where the new one does not get to its first save.
        mirror: the second record of the search; where the folder lacks what it holds, that is taken from it.
        say: is told in a line what was mended.

    Raises:
        ResultsExistError: results exist and neither resume nor overwrite was asked for, or another process is
            writing to them.
        MissingResultsError: nothing to resume.
        ConfigError: the search to resume was started with another configuration.
        StorageError: the second record cannot be reached.
    """
    folder = ResultsFolder(config.results.dir, config.name)
    if resume and overwrite:
        raise ConfigError("--resume goes on with a search and --overwrite replaces it, got both; choose one")
    if resume and not folder.path.is_dir() and not mirror:
        raise MissingResultsError(_NOTHING.format(folder.path))
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"results.dir: cannot make the folder {folder.path}: {error.strerror}; name another"
        ) from None
    with _lock(folder), _replacing(folder, overwrite, say) as replaced:
        if cut_torn_line(folder.csv):
            say(f"a crash has torn the last line of {folder.csv}; it is cut, and written again")
        state = _resumed(config, folder, mirror) if resume else _new(folder, seed, replaced)
        store = SearchStore(folder, state, mirror)  # refuses a foreign table before anything changes
        if mirror and (other := mirror.open(state.uid, overwrite=overwrite, replaces=state.replaces)):
            store.state = replace(state, replaces=other)
        folder.sweep()
        write_atomically(folder.yaml, config.to_yaml())
        yield store


def _resumed(config: Config, folder: ResultsFolder, mirror: Mirror | None) -> SearchState:
    """The state of the search to go on with."""
    state = _read_state(folder)
    if state is not None:
        _refuse_other_search(config, folder)
    state = mirror.catch_up(folder, state) if mirror else state
    if state is None:
        raise MissingResultsError(_NOTHING.format(folder.path))
    if state.thinned and state.colony and state.colony["iteration"] < config.colony.iterations:
        raise ConfigError(
            f"the search in {folder.path} is finished and has given up weights that further iterations would start "
            f"from (evaluation.momentum_epochs or inherit), got colony.iterations={config.colony.iterations} for "
            f"{state.colony['iteration']}; search anew with results.keep_weights: all (--overwrite, or --set name=…)"
        )
    return state if state.uid else replace(state, uid=uuid.uuid4().hex)


def _new(folder: ResultsFolder, seed: int, replaced: SearchState | None) -> SearchState:
    """The state of a new search."""
    before = _read_state(folder)
    if folder.csv.exists() or (before is not None and before.has_begun):
        raise ResultsExistError(_exists_message(folder, before))
    given_up = before or replaced
    abandoned = (*given_up.abandoned, *filter(None, [given_up.run_id or given_up.uid])) if given_up else ()
    return SearchState(seed=seed, uid=uuid.uuid4().hex, abandoned=abandoned)


@contextmanager
def open_folder(config: Config, mirror: Mirror | None = None, *, make: bool = False) -> Iterator[SearchStore]:
    """Opens the results folder of a configuration as it is, to tell others of what lies there.

    Args:
        config: the configuration.
        mirror: the second record, to be told too.
        make: make the folder where there is none.

    Raises:
        MissingResultsError: there is none.
        ResultsExistError: another process is writing to it.
    """
    folder = ResultsFolder(config.results.dir, config.name)
    if make:
        folder.path.mkdir(parents=True, exist_ok=True)
    if not folder.path.is_dir():
        raise MissingResultsError(f"no results in {folder.path}; give the results.dir and name of a search")
    with _lock(folder):
        cut_torn_line(folder.csv)
        state = _read_state(folder)
        if mirror and state:
            mirror.open(state.uid, overwrite=False, replaces=state.replaces)
        yield SearchStore(folder, state or SearchState(), mirror if state else None)


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
def _replacing(folder: ResultsFolder, overwrite: bool, say: Callable[[str], None]) -> Iterator[SearchState | None]:
    """Puts a recorded search aside, and back again where nothing has taken its place; other files stay untouched.

    Gives the state of what is put aside, where it can be read.
    """
    aside = folder.path / _REPLACED
    if aside.exists():
        _settle(folder, aside)
    replaced = None
    if overwrite:
        with suppress(ResultsExistError):
            replaced = _read_state(folder)
        if lost := len(list(folder.outbox.glob("*.json"))):
            say(f"{lost} records of the search that is replaced were never delivered to MLflow, and go with it")
        aside.mkdir()
        _move(folder.own, aside)
    try:
        yield replaced
    finally:
        if aside.exists():
            _settle(folder, aside)


def _settle(folder: ResultsFolder, aside: Path) -> None:
    """Puts back what was put aside, unless a search that got to its first save, before it was killed, replaced it."""
    if not folder.state.exists():
        # The state is put aside first and back last: while it is not there, the rest may be in either place.
        _move([aside / path.name for path in reversed(folder.own)], folder.path)
        state, successor = _read_state(folder), aside / _SUCCESSOR
        if state and successor.exists():
            state = replace(state, abandoned=(*state.abandoned, successor.read_text(encoding="utf-8")))
            write_atomically(folder.state, json.dumps(asdict(state)))
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
                f"another process is at work in {folder.path}; wait for it, or choose another name (--set name=…)"
            ) from None
        yield
