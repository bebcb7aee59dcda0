"""The report of a search: from its configuration and its results folder to the page."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hivenas.config import Config, load
from hivenas.config.text import without_login
from hivenas.core.folder import ResultsFolder
from hivenas.core.history import ranking
from hivenas.core.records import Row
from hivenas.core.seeds import arch_hash
from hivenas.errors import MissingResultsError
from hivenas.objectives.factory import minimizes
from hivenas.reports.page import ComparedSearch, Comparison, Condition, ReportData, write_comparison, write_report
from hivenas.storage import SearchState, condition_of, fixed_keys, read_state


@dataclass(frozen=True, slots=True)
class Ending:
    """How a search ends, as the process that runs it knows it.

    Args:
        store: URI of the MLflow store.
        run_id: the search's run there.
        test_accuracy: of the fully trained best; None without.
        test_interval: its confidence interval; None without.
        model_uri: where the fully trained best is loaded from; empty while it is not published.
        reason: why it ends early; empty where it is finished.
    """

    store: str
    run_id: str
    test_accuracy: float | None = None
    test_interval: tuple[float, float] | None = None
    model_uri: str = ""
    reason: str = ""


def report_ending(config: Config, state: SearchState, rows: Sequence[Row], ending: Ending) -> Path:
    """Writes the page of a search that ends, `results/<name>/report.html`.

    Raises:
        DiskFullError: there is no space for it.
    """
    condition: Condition = "ended" if ending.reason else "finished"
    return write_report(_report_data(config, state, rows, condition, ending), _folder(config).report)


def report_recorded(config: Config, rows: Sequence[Row]) -> Path:
    """Writes the page of a recorded search, whatever its condition, `results/<name>/report.html`.

    Raises:
        DiskFullError: there is no space for it.
        ResultsExistError: its state cannot be read.
    """
    return write_report(report_data_of(config, rows), _folder(config).report)


def report_data_of(config: Config, rows: Sequence[Row]) -> ReportData:
    """What is to be told of a recorded search, from its folder alone.

    Raises:
        ResultsExistError: its state cannot be read.
    """
    state = read_state(config)
    condition = condition_of(_folder(config), state)
    state = state or SearchState()
    accuracy, interval = _test_figures(_folder(config), rows, minimizes(config)) if state.trained else (None, None)
    uri = state.model if state.trained else ""
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    return _report_data(config, state, rows, condition, Ending(store, state.run_id, accuracy, interval, uri))


def compare(one: str, other: str, file: str | None = None) -> tuple[Comparison, Path]:
    """Puts two recorded searches side by side, also as a page.

    Args:
        one: a results folder or a configuration file.
        other: likewise.
        file: where the page goes; None for `<A>-and-<B>.html` beside the first results folder.

    Raises:
        ConfigError: a configuration that cannot be read.
        MissingResultsError: one of them has no records.
    """
    configs = [_recorded_config(Path(text)) for text in (one, other)]
    names = [config.name for config in configs]
    labels = names if names[0] != names[1] else [str(_folder(config).path) for config in configs]
    searches = [_compared(config, label) for config, label in zip(configs, labels, strict=True)]
    comparison = Comparison(*searches)
    path = Path(file) if file else Path(configs[0].results.dir) / f"{names[0]}-and-{names[1]}.html"
    return comparison, write_comparison(comparison, path)


def _recorded_config(path: Path) -> Config:
    """The configuration of a search that is named by its results folder, wherever that was moved, or by a file."""
    folder = path if path.is_dir() else path.parent
    own = folder / f"{folder.resolve().name}.yaml"
    if path.is_dir() and not own.is_file():
        raise MissingResultsError(
            f"a results folder holds the configuration of its search, got {path} without {own.name}; give the folder "
            "of one search, such as results/digits, or a configuration file"
        )
    if not path.is_dir() and path.resolve() != own.resolve():
        return load(path)
    config = load(own)
    results = config.results.model_copy(update={"dir": str(folder.parent)})
    return config.model_copy(update={"results": results, "name": folder.resolve().name})


def _compared(config: Config, label: str) -> ComparedSearch:
    rows = _folder(config).rows()
    if not rows:
        _folder(config).best()  # says what is missing
    keys = fixed_keys(config) | {"colony.iterations": str(config.colony.iterations)}
    return ComparedSearch(label, report_data_of(config, rows), keys)


def _report_data(
    config: Config, state: SearchState, rows: Sequence[Row], condition: Condition, ending: Ending
) -> ReportData:
    folder = _folder(config)
    return ReportData(
        name=config.name,
        objective=config.objective,
        condition=condition,
        minimize=minimizes(config),
        rows=tuple(rows),
        reused=state.reused,
        planned=0 if condition == "loose" else config.colony.size * config.colony.iterations,
        config_yaml=config.to_yaml(),
        folder=str(folder.path),
        data=state.data,
        reason=ending.reason,
        written=time.time(),
        store=_address(ending.store),
        run_id=ending.run_id,
        test_accuracy=ending.test_accuracy,
        test_interval=ending.test_interval,
        model_uri=ending.model_uri,
    )


def _folder(config: Config) -> ResultsFolder:
    return ResultsFolder(config.results.dir, config.name)


def _address(store: str) -> str:
    """Where a browser finds the store, without a password; empty for one that is no server."""
    return without_login(store).rstrip("/") if store.startswith(("http://", "https://")) else ""


def _test_figures(
    folder: ResultsFolder, rows: Sequence[Row], minimize: bool
) -> tuple[float | None, tuple[float, float] | None]:
    """Test accuracy of the fully trained best and its interval; None where they are not on this machine."""
    ranked = ranking(rows, minimize)
    if not ranked:
        return None, None
    file = folder.histories / f"{arch_hash(ranked[0].candidate)}-full.json"
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))["extra"]
        accuracy = float(figures["test_accuracy"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    interval = figures.get("test_accuracy_low"), figures.get("test_accuracy_high")
    return accuracy, interval if None not in interval else None
