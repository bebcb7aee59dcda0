"""Versions in MLflow's registry."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from hivenas.core.publication import Published, ServableModel
from hivenas.tracking.entities import shortened
from hivenas.tracking.registry import publish, published_on
from hivenas.tracking.store import current_stores


@pytest.fixture
def registered(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A model with a version that an earlier try has registered, and the run of its full training."""
    client, name = mlflow.MlflowClient(), request.node.name
    run_id = client.create_run(client.create_experiment(name)).info.run_id
    client.create_registered_model(name)
    client.create_model_version(name, source=str(tmp_path), run_id=run_id)
    return name, str(run_id)


def servable(name: str, description: str = "", alias: str = "champion") -> ServableModel:
    origin = {"hivenas.search": "x", "hivenas.test_accuracy": "0.900000", "hivenas.test_data": "digits"}
    return ServableModel(Path("m.keras"), Path("m.npy"), name, alias, origin, description)


def test_a_description_is_no_longer_than_every_database_takes(registered: tuple[str, str]) -> None:
    name, run_id = registered
    lines = [f"line {number}" for number in range(1000)]
    publish(servable(name, "\n".join(lines)), run_id, current_stores())
    kept = mlflow.MlflowClient().get_model_version(name, "1").description
    assert 4900 < len(kept) <= 5000
    *whole, last = kept.split("\n")
    assert (whole, last) == (lines[: len(whole)], "…")


def test_a_copy_in_another_registered_model_is_not_taken_for_what_was_published(registered: tuple[str, str]) -> None:
    name, run_id = registered
    expected = publish(servable(name), run_id, current_stores())
    client = mlflow.MlflowClient()
    client.copy_model_version(f"models:/{name}/1", "a-copy")  # before in the alphabet
    assert len(client.search_model_versions(f"run_id = '{run_id}'")) == 2
    assert published_on(run_id) == expected == Published(f"models:/{name}@champion", expected.verdict)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("ab\ncd", "ab\ncd"), ("ab\ncde", "ab\n…"), ("abcdefg", "abcd…"), ("\nabcdef", "\nabc…"), ("", "")],
)
def test_a_long_text_loses_its_last_lines(text: str, kept: str) -> None:
    assert shortened(text, 5) == kept
