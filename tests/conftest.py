"""Fixtures: one MLflow store a session (making one takes seconds), tiny searches."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def store_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real sqlite store, made once."""
    import mlflow

    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
    mlflow.MlflowClient(uri).search_experiments(max_results=1)
    return uri


@pytest.fixture
def store(store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The session's store as this process's and its children's, artifacts in the test's own folder."""
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", store_uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    mlflow.set_tracking_uri(store_uri)
    mlflow.set_registry_uri(store_uri)
    yield store_uri
    while mlflow.active_run():
        mlflow.end_run()
    # Later tests of this process name their stores themselves.
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, Any]:
    """The smallest useful `eval_config`: 200 digits, one epoch, nothing stops early."""
    return {
        "epochs": 1,
        "batch_size": 64,
        "stopping": "none",
        "dataset": {"name": "digits", "train_limit": 200},
        "full_train": {"epochs": 1},
        "results": {"dir": str(tmp_path / "results")},
        "name": "tiny",
        "seed": 7,
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
