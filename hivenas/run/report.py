"""The report of a search: from its configuration and its results folder to the page."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from urllib.request import pathname2url

from hivenas.config import Config, from_record, load
from hivenas.config.registry import import_options
from hivenas.config.tasks import TASKS
from hivenas.config.text import parse_yaml, without_login
from hivenas.core.folder import LEDGER, ResultsFolder
from hivenas.core.history import ranking
from hivenas.core.records import Direction
from hivenas.errors import ConfigError, MissingResultsError
from hivenas.reports.attempts import attempted
from hivenas.reports.page import ComparedSearch, Comparison, Condition, ReportData, write_comparison, write_report
from hivenas.run.final_training import recorded_full_training
from hivenas.run.repeated_failure import failure_told
from hivenas.run.result import SearchResult
from hivenas.storage import SearchState, condition_of, fixed_keys, read_configuration, read_state, recorded

# Beside what a search and its resumption must agree in: how long it goes on, and what becomes of its best.
_COMPARED = ("budget.", "colony.iterations", "colony.patience", "full_train.")


def load_results(folder: ResultsFolder, adhoc: SearchState | None = None) -> SearchResult:
    """The record in a results folder, of a search in any condition or of evaluations from Python.

    `SearchResult` says which of its fields are not known from there, and have their defaults.

    Args:
        folder: the results folder.
        adhoc: what is to be known of evaluations from Python, which have no state: where a better fitness lies, say;
            None for what the configuration says that the last of them was made with.

    Raises:
        MissingResultsError: nothing was recorded.
        ResultsExistError: it is of another version.
    """
    state, trials = recorded(folder)
    state = state or adhoc or _recorded_adhoc(folder)
    ranked = ranking(trials, state.direction)
    full_training = recorded_full_training(folder, state, ranked) if state.trained else None
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    return SearchResult.of(folder, state, trials, full_training=full_training, store=store)


def write_report_of(config: Config, result: SearchResult, condition: Condition, digest: str) -> Path:
    """Writes the page of a search that ends, `results/<name>/report.html`.

    Args:
        config: the configuration.
        result: what came of it.
        condition: in which it ends.
        digest: of its data; empty without.

    Raises:
        DiskFullError: there is no space for it.
    """
    return write_report(report_data(config, result, condition, digest), _folder(config).report)


def report_recorded(config: Config) -> tuple[SearchResult, Path | None]:
    """Writes the page of a recorded search, whatever its condition, `results/<name>/report.html`.

    Returns:
        The result, and the page; None, with a warning, where it cannot be made.

    Raises:
        DiskFullError: there is no space for it.
        MissingResultsError: nothing was recorded.
        ResultsExistError: its state cannot be read.
    """
    result = load_results(_folder(config), _adhoc(config))
    file = _folder(config).report
    data = report_data_of(config, result)
    return result, attempted(str(file), lambda: write_report(data, file), None)


def report_data_of(config: Config, result: SearchResult) -> ReportData:
    """All that a page tells of a recorded search."""
    folder = _folder(config)
    state = read_state(folder)
    return report_data(config, result, condition_of(folder, state), state.data if state else "")


def compare(one: str, other: str, file: str | None = None) -> tuple[Comparison, Path]:
    """Puts two recorded searches side by side, also as a page.

    Args:
        one: a results folder or a configuration file.
        other: likewise.
        file: where the page goes; None for `<A>-and-<B>.html` beside the first results folder.

    Raises:
        ConfigError: a configuration that cannot be read.
        MissingResultsError: one of them is not there, or has no records.
    """
    configs = [_recorded_config(Path(text)) for text in (one, other)]
    names = [config.name for config in configs]
    labels = names if names[0] != names[1] else [str(_folder(config).path) for config in configs]
    searches = [_compared(config, label) for config, label in zip(configs, labels, strict=True)]
    comparison = Comparison(*searches)
    path = Path(file) if file else Path(configs[0].results.dir) / f"{names[0]}-and-{names[1]}.html"
    try:
        return comparison, write_comparison(comparison, path)
    except OSError as error:
        raise ConfigError(
            f"--out must be a file that can be written, got {path} ({error.strerror}); give another one"
        ) from error


def _recorded_config(path: Path) -> Config:
    """The configuration of a search that is named by its results folder, wherever that was moved, or by a file."""
    if not path.exists():
        raise MissingResultsError(
            f"a search is named by its results folder or its configuration file, got {path}, where there is nothing; "
            "give a folder such as results/digits, or an existing YAML file"
        )
    folder = path if path.is_dir() else path.parent
    if folder.name != folder.resolve().name:  # a link, or where one stands
        folder = folder.resolve()
    own = folder / f"{folder.name}.yaml"
    if path.is_dir() and not own.is_file():
        raise MissingResultsError(
            f"a results folder holds the configuration of its search, got {path} without {own.name}; give the folder "
            "of one search, such as results/digits, or a configuration file"
        )
    is_recorded = path.is_dir() or (path.resolve() == own.resolve() and (folder / LEDGER).is_file())
    if not is_recorded:
        return load(path)
    config = load(own)
    results = config.results.model_copy(update={"dir": str(folder.parent)})
    return config.model_copy(update={"results": results, "name": folder.name})


def _compared(config: Config, label: str) -> ComparedSearch:
    keys = fixed_keys(config) | {key: value for key, value in config.flat().items() if key.startswith(_COMPARED)}
    return ComparedSearch(label, report_data_of(config, load_results(_folder(config), _adhoc(config))), keys)


def report_data(config: Config, result: SearchResult, condition: Condition, digest: str = "") -> ReportData:
    """All that is told of a search, by its page and by its run's description.

    Args:
        config: the configuration.
        result: what came of it.
        condition: of the search.
        digest: of its data; empty without.
    """
    failure = failure_told(config, result.failure)
    data = ReportData(
        name=config.name,
        objective=config.objective,
        condition=condition,
        direction=result.direction,
        rows=result.trials,
        reused=result.summary.reused,
        planned=0 if condition == "adhoc" else result.planned,
        config_yaml=config.to_yaml(),
        folder=str(result.folder),
        data=digest,
        reason=result.reason,
        written=time.time(),
        store=_address(result.store),
        run_id=result.run_id,
        metric=result.metric,
        tested=result.tested,
        test_accuracy=result.test_accuracy,
        test_interval=result.test_interval,
        never_named=result.never_named,
        model_uri=result.model_uri,
        use=TASKS[config.task].use,
        obstacle=str(failure or ""),
        finalists=result.finalists,
        ended=result.ended,
        budget=result.budget,
        costs=result.costs,
        imports=import_options(),
        ui=ui_command(result.store),
    )
    return replace(data, resume=failure.way_on(data.command("search", "--resume"))) if failure else data


def ui_command(store: str) -> str:
    """The command that shows a store which is no server.

    Args:
        store: its URI; empty for the one that MLflow uses here.
    """
    # MLflow writes the folder where one stands as addresses have it, a space as %20; a person writes it as it is.
    here = {f"sqlite:///{folder}/mlflow.db" for folder in (os.getcwd(), pathname2url(os.getcwd()))}
    if store in {"", "sqlite:///mlflow.db", *here}:
        return "mlflow ui"
    # A store elsewhere may have a password in its URI, which belongs neither on a screen nor on a page.
    return 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'


def _folder(config: Config) -> ResultsFolder:
    return ResultsFolder(config.results.dir, config.name)


def _address(store: str) -> str:
    """The address at which a browser finds the store, without a password; empty for one that is no server."""
    return without_login(store).rstrip("/") if store.startswith(("http://", "https://")) else ""


def _recorded_adhoc(folder: ResultsFolder) -> SearchState:
    text = read_configuration(folder)
    try:
        return _adhoc(from_record(parse_yaml(text, str(folder.ledger)) or {})) if text else SearchState()
    except ConfigError:  # of parts that nobody has registered in this process
        return SearchState()


def _adhoc(config: Config) -> SearchState:
    """The state that evaluations from Python would have."""
    metric = config.evaluation.metric
    return SearchState(direction=Direction.of(metric.minimize), metric=f"validation {metric.label}")
