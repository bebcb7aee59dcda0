"""The ways to open a results folder: for a search, for calls from Python, to tell others of it, or only to look."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from hivenas.config import Config, from_record
from hivenas.config.tasks import CLASSIFY
from hivenas.config.text import parse_yaml
from hivenas.core.folder import ResultsFolder
from hivenas.core.history import ranking
from hivenas.core.lock import BusyError, is_locked, locked
from hivenas.core.records import Direction, Trial
from hivenas.errors import ConfigError, MissingResultsError, ResultsExistError, RunError
from hivenas.storage.database import read_ledger
from hivenas.storage.ledger import Ledger, MessageStatus, open_ledger, remove_ledger
from hivenas.storage.resumption import refuse_other_search
from hivenas.storage.state import SearchState, Stage
from hivenas.wording import number_of

logger = logging.getLogger("hivenas")

Condition = Literal["finished", "running", "interrupted", "adhoc"]

_NOTHING = "nothing to resume in {}; start the search without --resume"


class Mirror(Protocol):
    """A second record of a search, which follows the ledger; see `mirror.OptunaMirror`."""

    def catch_up(self, folder: ResultsFolder, state: SearchState | None, trials: Sequence[Trial]) -> Recovered | None:
        """All of a search that the mirror alone has; None where it has nothing that the ledger lacks."""
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

    def sync(self, ledger: Ledger, state: Mapping[str, Any] | None = None, *, force: bool = False) -> int:
        """Takes over what is new.

        Args:
            ledger: the search's record.
            state: the state to keep, an older one perhaps; None for the present one.
            force: try at once; without it there is a pause after a failure.

        Returns:
            How many trials it lacks, as while its storage does not answer.
        """
        ...


Recovered = tuple[SearchState, list[Trial]]


@contextlib.contextmanager
def open_search(
    config: Config, seed: int, *, resume: bool = False, overwrite: bool = False, mirror: Mirror | None = None
) -> Iterator[Ledger]:
    """Opens the results folder of a configuration for a search.

    Args:
        config: the resolved configuration; it is written beside the results.
        seed: used where no search is resumed.
        resume: go on with the recorded search.
        overwrite: replace the recorded search; it stays as it is where the new one does not get to its first save.
        mirror: the second record of the search; where the ledger lacks what it holds, that is taken from it.

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
    is_first = not folder.ledger.is_file()
    if resume and is_first and not mirror:
        _refuse_older(folder)
        raise MissingResultsError(_NOTHING.format(folder.path))
    _make(folder)
    with held(folder), _opened(folder, overwrite, alone=not resume and not overwrite) as ledger:
        before = ledger.read()
        if resume:
            try:
                _resume(config, ledger, before, mirror)
            except (ConfigError, MissingResultsError, RunError):
                if is_first:  # there must be none where nothing was recorded
                    folder.ledger.unlink(missing_ok=True)
                raise
        else:
            _begin(ledger, before, seed, overwrite)
        if mirror and (other := mirror.open(ledger.state.uid, overwrite=overwrite, replaces=ledger.state.replaces)):
            ledger.state = replace(ledger.state, replaces=other)
        folder.sweep()
        ledger.configure(config.to_yaml())
        try:
            yield ledger
        except BaseException:
            with contextlib.suppress(OSError, RunError):  # the table comes second to what went wrong
                ledger.export_table(force=True)
            raise
        ledger.export_table(force=True)


@contextlib.contextmanager
def open_adhoc(config: Config) -> Iterator[Ledger]:
    """Opens the results folder of a configuration for evaluations that are asked for from Python.

    Raises:
        ResultsExistError: the folder holds a search, whose records are its own, or is in use.
    """
    folder = ResultsFolder(config.results.dir, config.name)
    _make(folder)
    with held(folder), _opened(folder, False) as ledger:
        if ledger.read() is not None:
            raise ResultsExistError(
                f"{folder.path} holds a search, whose records are its own; evaluate under another name "
                f"(eval_config: name={config.name}-by-hand, say) or in another results.dir"
            )
        folder.sweep()
        ledger.note_configuration(config.to_yaml())
        yield ledger
        ledger.export_table(force=True)


@contextlib.contextmanager
def open_folder(config: Config, mirror: Mirror | None = None, *, make: bool = False) -> Iterator[Ledger]:
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
        _make(folder)
    if not folder.path.is_dir():
        raise MissingResultsError(f"no results in {folder.path}; give the results.dir and name of a search")
    if not make and not folder.ledger.is_file():
        _refuse_older(folder)
        raise MissingResultsError(f"nothing was recorded in {folder.path}; give the results.dir and name of a search")
    with held(folder), _opened(folder, False) as ledger:
        state = ledger.read()
        if not make and state is None and not ledger.trials and not ledger.numbers():
            raise MissingResultsError(
                f"nothing was recorded in {folder.path}; give the results.dir and name of a search"
            )
        if mirror and state:
            mirror.open(state.uid, overwrite=False, replaces=state.replaces)
        folder.sweep()
        yield ledger
        ledger.export_table(force=True)


def recorded(folder: ResultsFolder) -> tuple[SearchState | None, list[Trial]]:
    """The state and the trials in a results folder; no state for evaluations that were asked for from Python.

    Raises:
        MissingResultsError: nothing was recorded.
        ResultsExistError: it is of another version.
    """
    _refuse_older(folder)
    state, trials = read_ledger(folder)
    if not trials:
        raise MissingResultsError(
            f"no results at {folder.path}; run `hivenas search` first, or give the results.dir and name of one"
        )
    return state, trials


def best_recorded(folder: ResultsFolder, direction: Direction = Direction.MAXIMIZE) -> Trial:
    """The best recorded candidate, as it stands after its latest evaluation.

    Args:
        folder: the results folder.
        direction: where a better fitness lies, for evaluations that were asked for from Python; a search has its own.

    Raises:
        MissingResultsError: no records, or nothing in them that did not fail.
    """
    state, trials = recorded(folder)
    ranked = ranking(trials, state.direction if state else direction)
    if not ranked:
        raise MissingResultsError(
            f"no candidate in {folder.csv} was evaluated without failing; look at its column reason"
        )
    return ranked[0]


def recorded_digest(ledger: Ledger, config: Config) -> str:
    """The digest of the data that a folder's search began with.

    Returns:
        Empty where that is not known, or where the configuration, with the run's seed, asks for other data.
    """
    if not ledger.state.data or not ledger.config_yaml or ledger.state.seed != config.seed:
        return ""
    before = parse_yaml(ledger.config_yaml, str(ledger.folder.ledger)) or {}
    same = from_record({"dataset": before.get("dataset", {})}).dataset.figures == config.dataset.figures
    same = same and before.get("task", CLASSIFY) == config.task
    return ledger.state.data if same else ""


def condition_of(folder: ResultsFolder, state: SearchState | None) -> Condition:
    """The condition of what is recorded: `finished`, `running`, `interrupted` in whatever way, or no search at all.

    Args:
        folder: the results folder.
        state: what was read of it; None for evaluations that were asked for from Python, which are `adhoc`.
    """
    if state is None:
        return "adhoc"
    if state.stage == Stage.DONE:
        return "finished"
    return "running" if is_locked(folder.lock) else "interrupted"


def _resume(config: Config, ledger: Ledger, state: SearchState | None, mirror: Mirror | None) -> None:
    """Makes the ledger ready to go on with its search, or with what the mirror has of it."""
    folder = ledger.folder
    if state is not None:
        refuse_other_search(config, ledger)
    recovered = mirror.catch_up(folder, state, ledger.trials) if mirror else None
    if recovered:
        ledger.take(*recovered)
        if not ledger.config_yaml:
            ledger.note_configuration(config.to_yaml())
        state = recovered[0]
    if state is None:
        raise MissingResultsError(_NOTHING.format(folder.path))
    if state.pruned and state.strategy and not state.has_run(config):
        raise ConfigError(
            f"the search in {folder.path} is finished and has given up weights that further iterations would start "
            "from (evaluation.momentum_epochs, inherit or stopping: ladder), got "
            f"colony.iterations={config.colony.iterations} for {state.strategy['iteration']}; search anew with "
            "results.keep_weights: all (--overwrite, or --set name=…)"
        )
    ledger.clear_old()


def _begin(ledger: Ledger, before: SearchState | None, seed: int, overwrite: bool) -> None:
    """Makes the ledger ready for a new search."""
    folder = ledger.folder
    is_recorded = bool(ledger.trials) or (before is not None and before.has_begun)
    if is_recorded and not overwrite:
        raise ResultsExistError(_exists_message(folder, before, len(ledger.trials)))
    if overwrite and is_recorded and (lost := len(ledger.messages(MessageStatus.PENDING))):
        logger.warning("lost with the search that is replaced: %s never sent to MLflow", number_of(lost, "record"))
    abandoned = (*before.abandoned, *filter(None, [before.run_id or before.uid])) if before else ()
    state = SearchState(seed=seed, uid=uuid.uuid4().hex, abandoned=(*abandoned, *ledger.shown))
    clears = overwrite or is_recorded or ledger.is_clearing
    ledger.begin(state, replaces=before if is_recorded else None, clears=clears)


def _make(folder: ResultsFolder) -> None:
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"results.dir: cannot make the folder {folder.path}: {error.strerror}; name another"
        ) from None


@contextlib.contextmanager
def _opened(folder: ResultsFolder, overwrite: bool, *, alone: bool = False) -> Iterator[Ledger]:
    if not overwrite:
        _refuse_older(folder)
    if alone:
        _refuse_files_of_others(folder)
    try:
        ledger = open_ledger(folder)
        ledger.read()
    except ResultsExistError:
        if not overwrite:
            raise
        remove_ledger(folder)
        ledger = open_ledger(folder)
    with contextlib.closing(ledger):
        yield ledger


def _refuse_files_of_others(folder: ResultsFolder) -> None:
    """Refuses a folder without a search in which files lie where a search has its own: it would delete them."""
    folder.sweep()  # what a killed process has left half written is nobody's
    if not folder.ledger.exists() and (found := folder.files()):
        raise ResultsExistError(
            f"{folder.path} holds {found[0].relative_to(folder.path)}, which no search here has left and a new one "
            "would replace; move it away, choose another name (--set name=…) or delete what is there (--overwrite)"
        )


def _refuse_older(folder: ResultsFolder) -> None:
    """Searches of versions before the ledger had a table and a state alone."""
    if not folder.ledger.exists() and (folder.csv.exists() or folder.state.exists()):
        raise ResultsExistError(
            f"{folder.path} holds a search of an earlier version, which had no {folder.ledger.name}; finish it "
            "with the version that began it, choose another name (--set name=…) or delete it (--overwrite)"
        )


def _exists_message(folder: ResultsFolder, state: SearchState | None, trials: int) -> str:
    if state is None:
        return (
            f"{folder.path} holds {number_of(trials, 'evaluation')} asked for from Python, not overwritten in "
            "silence; choose another name (--set name=…) or delete what is there (--overwrite)"
        )
    stage = "a finished" if state.stage == Stage.DONE else "an unfinished"
    return (
        f"{folder.path} holds {stage} search of {number_of(trials, 'evaluation')}, which is not overwritten "
        "in silence; go on with it (--resume), choose another name (--set name=…) or delete it (--overwrite)"
    )


@contextlib.contextmanager
def held(folder: ResultsFolder) -> Iterator[None]:
    """The right to write to a folder; the kernel frees it with the process that holds it, however that ends.

    Raises:
        ResultsExistError: another process has it.
        ConfigError: nobody may write there.
    """
    try:
        lock = locked(folder.lock)
        lock.__enter__()
    except BusyError:
        raise ResultsExistError(
            f"another process is at work in {folder.path}; wait for it, or choose another name (--set name=…)"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"results.dir: {folder.path} must be a folder that can be written to, got {error.strerror or error}; "
            "change its rights, or name another"
        ) from None
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
