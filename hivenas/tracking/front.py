"""The tag of the nested runs that are on the front of a search that weighs a cost against the fitness."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import mlflow
from mlflow.entities import Run

from hivenas.tracking.store import skip_deleted

_ON_FRONT = "hivenas.on_front"
IS_ON_FRONT = f"tags.`{_ON_FRONT}` = 'true'"  # a condition for `search_runs`


def mark_front(client: mlflow.MlflowClient, members: Collection[str], before: Iterable[Run]) -> None:
    """Tags the members of a front, and takes the tag from those that are on it no longer.

    Args:
        client: of the store.
        members: ids of runs; what names none is left out.
        before: the runs that have the tag.
    """
    tagged = {str(run.info.run_id) for run in before}
    for run_id in tagged - set(members):
        client.delete_tag(run_id, _ON_FRONT)
    for run_id in sorted(set(members) - tagged):
        if ":" in run_id:  # the key of a child that was never tracked
            continue
        with skip_deleted():
            client.set_tag(run_id, _ON_FRONT, "true")
