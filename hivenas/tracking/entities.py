"""The things that are tracked, in MLflow's terms."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from hivenas.core.children import Child

NOTE = "mlflow.note.content"
KEY, UID = "hivenas.key", "hivenas.uid"  # tags by which the runs of children and of searches are found
LONGEST_TAG, LONGEST_PARAM = 8000, 6000  # characters that MLflow keeps
LONGEST_DESCRIPTION = 5000  # likewise of a version; Postgres and MySQL refuse a longer one, sqlite does not
_LONGEST_KEY = 250
_NO_KEY = re.compile(r"[^\w.\- :/]")


def linked(note: str, runs: Mapping[str, str], experiment: str) -> str:
    """A description with its links to other runs filled in, no longer than MLflow keeps.

    Args:
        note: in markdown, with links as `children.link_to` makes them.
        runs: ids of runs by the keys of their children; a link to another key becomes plain text.
        experiment: id of the experiment that they are in.
    """

    def fill(link: re.Match[str]) -> str:
        text, run = link.groups()
        run_id = runs.get(run, "" if ":" in run else run)
        return f"[{text}](#/experiments/{experiment}/runs/{run_id})" if run_id else text

    whole = re.sub(r"\[([^\[\]]*)\]\(run:([^()\s]*)\)", fill, note)
    return shortened(whole, LONGEST_TAG)


def shortened(text: str, most: int) -> str:
    """A text of several lines that is too long without its last lines, with … in their place; one line is cut."""
    if len(text) <= most:
        return text
    lines, newline, _ = text[: most - 1].rpartition("\n")
    return f"{lines}{newline}…" if lines else f"{text[: most - 1]}…"


def key_of(name: str) -> str:
    """A name as MLflow takes it for a parameter or a metric, whose keys are like paths: all else becomes `_`."""
    key = _NO_KEY.sub("_", name)[:_LONGEST_KEY] or "_"
    is_path = posixpath.normpath(key) == key and not key.startswith(("/", ".."))
    return key if is_path and key != "." else f"_{re.sub('[./]', '_', key)[1:]}"


def params_of(params: Mapping[str, str]) -> list[Param]:
    """Parameters under keys that MLflow takes, each under its own, and no longer than it keeps."""
    return [Param(key, value[:LONGEST_PARAM]) for key, value in zip(keys_of(params), params.values(), strict=True)]


def keys_of(names: Iterable[str]) -> list[str]:
    """Names as MLflow takes them, in their order; of those that it would take for one each has a key of its own."""
    made: dict[str, None] = {}
    for name in names:
        key, more = key_of(name), ""
        while (own := f"{key[: _LONGEST_KEY - len(more)]}{more}") in made:
            more += "_"
        made[own] = None
    return list(made)


def metrics_of(child: Child) -> list[Metric]:
    """The figures of a child, those of its epochs at their numbers; what is not finite is left out."""
    keys, values = keys_of(map(_in_one_folder, child.metrics)), child.metrics.values()
    metrics = [Metric(key, float(value), child.end_ms, 0) for key, value in zip(keys, values, strict=True)]
    for figures in child.history:
        for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
            name = key.replace("accuracy", child.share)
            metrics.append(Metric(name, float(getattr(figures, key)), child.end_ms, figures.epoch))
        if child.metric not in ("", child.share) and figures.metric is not None:
            metrics.append(Metric(key_of(f"val_{child.metric}"), figures.metric, child.end_ms, figures.epoch))
    return [metric for metric in metrics if math.isfinite(metric.value)]


def _in_one_folder(name: str) -> str:
    """The name of a metric, such as `test_recall/CLASS`, without a further / in that of a class.

    A store of files keeps `test_recall/a` in a file and `test_recall/a/b` in a folder of that name.
    """
    group, slash, rest = name.partition("/")
    return f"{group}{slash}{rest.replace('/', '_')}"


def make_experiment(client: MlflowClient, name: str) -> str:
    """Makes an experiment, unless another search of this name has been quicker; returns its id."""
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        made = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or made is None:
            raise
        return str(made.experiment_id)
