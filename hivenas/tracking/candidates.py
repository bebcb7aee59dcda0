"""Candidates of a search as logged models of their nested runs, to be ranked, compared and registered in MLflow."""

from __future__ import annotations

from collections.abc import Mapping

import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric, Run

from hivenas.core.publication import LoggedCandidate
from hivenas.tracking.data_sets import data_of
from hivenas.tracking.entities import LONGEST_PARAM

HAS_MODEL = "hivenas.logged_model"  # a tag of the run
OF_CANDIDATE = "hivenas.candidate"  # a tag of the logged model, and of the run
ARCHITECTURE = "architecture"  # a parameter of the logged model
# What MLflow's page of a model shows as "Created by", "Logged from" and the description.
_SHOWN = ("mlflow.user", "mlflow.source.", "mlflow.note.content")


def model_params(candidate: LoggedCandidate, run: Run) -> dict[str, str]:
    """The parameters of a candidate's logged model: its own, then those of its run."""
    return {key: value[:LONGEST_PARAM] for key, value in {**candidate.params, **run.data.params}.items()}


def model_tags(run: Run, tags: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a logged model: its own, and those of its run that say who logged it from where, and what it is."""
    shown = {key: text for key, text in run.data.tags.items() if key.startswith(_SHOWN)}
    return {**shown, **(tags or {})}


def latest_metrics(run: Run, model_id: str) -> list[Metric]:
    """The figures of a candidate's run, those of its last epoch included, as figures of its logged model.

    They have the times and steps that they have on the run, so that this has no point twice.
    """
    return [
        Metric(
            *(each.key, each.value, each.timestamp, each.step),
            model_id=model_id,
            run_id=run.info.run_id,
            **data_of(run, each.key),
        )
        for each in run.data.to_proto().metrics
    ]


def log_without_network(client: mlflow.MlflowClient, candidate: LoggedCandidate, run_id: str) -> None:
    """Logs a candidate whose network is not kept, once: its figures and parameters, and no files to load.

    Args:
        client: of the store.
        candidate: what is logged.
        run_id: of its run.
    """
    run = client.get_run(run_id)
    found = [each for each in logged_on(client, run) if each.name == candidate.name]
    model = next((each for each in found if str(each.status) == "READY"), None)
    if model is None:
        for torn in found:  # by a process that was killed: what makes such models cannot go on with one
            client.delete_logged_model(torn.model_id)
        model = mlflow.create_external_model(
            candidate.name,
            source_run_id=run_id,
            tags=model_tags(run, candidate.tags),
            params=model_params(candidate, run),
            experiment_id=run.info.experiment_id,
        )
    link_model(client, run, model.model_id)
    client.log_batch(run_id, metrics=latest_metrics(run, model.model_id))
    client.set_tag(run_id, HAS_MODEL, "true")


def logged_on(client: mlflow.MlflowClient, run: Run) -> list[LoggedModel]:
    """The logged models of a run, whole or not."""
    return list(client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"))


def link_model(client: mlflow.MlflowClient, run: Run, model_id: str) -> None:
    """Makes a logged model an output of its run, unless it is."""
    linked = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    if model_id not in linked:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=0)])
