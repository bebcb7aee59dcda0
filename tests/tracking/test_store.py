"""Stores that are away, refuse, or are no MLflow stores: told apart before anything is trained, and at once."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from hivenas.core.clock import now_ms
from hivenas.core.search_run import Closing, SearchCard
from hivenas.errors import ConfigError, TrackingConfigError, TrackingDeniedError, TrackingError, TrackingRefusedError
from hivenas.storage.optuna_storage import open_storage
from hivenas.tracking.entities import make_experiment
from hivenas.tracking.mlflow_tracker import MlflowTracker
from hivenas.tracking.store import prepare_store, refuse_shared
from tests.rights import ordinary_rights
from tests.servers import answering

Use = Callable[[str], None]


@pytest.fixture
def use(store: str, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Has this process use another store, which is asked once, as a search has it asked."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")

    def to(uri: str) -> None:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)

    return to


PAGE = "<html><body>Welcome</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "raised", "says"),
    [
        (401, "You are not authenticated", TrackingDeniedError, "MLFLOW_TRACKING_USERNAME"),
        (403, "Permission denied", TrackingDeniedError, "MLFLOW_TRACKING_TOKEN"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', TrackingDeniedError, "MLFLOW_TRACKING_USERNAME"),
        (407, PAGE, TrackingDeniedError, "MLFLOW_TRACKING_USERNAME"),
        (404, PAGE, TrackingConfigError, "no such server: correct MLFLOW_TRACKING_URI"),
        (200, PAGE, TrackingConfigError, "no such server: correct MLFLOW_TRACKING_URI"),
        (405, PAGE, TrackingConfigError, "no such server"),
        (501, PAGE, TrackingConfigError, "no such server"),
        (400, PAGE, TrackingConfigError, "no such server"),
        (502, PAGE, TrackingError, "does not answer"),
        (503, "", TrackingError, "does not answer"),
        (429, "", TrackingError, "does not answer"),
    ],
)
def test_what_a_server_answers_is_sorted(
    use: Use, status: int, body: str, raised: type[TrackingError], says: str
) -> None:
    with answering(status, body) as uri:
        use(uri.replace("://", "://me:s3cret@"))
        with pytest.raises(TrackingError, match=says) as caught:
            prepare_store()
    assert type(caught.value) is raised
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://bees:p@ss:w/r%d@127.0.0.1:5432/x",
        "http://bees:p/w@127.0.0.1:5000",
        "foo://127.0.0.1/x",
        "postgres://bees:secret@127.0.0.1:9/x",
        "oracle://x/y",
        "http://127.0.0.1:99999",
        "mysql+nosuch://127.0.0.1/x",
        "postgresql://bees:secret@127.0.0.1:port/x",
        "{folder}/mlruns",
        "sqlite:///{folder}",
        "sqlite:///{folder}/text.txt",
        "sqlite:///{folder}/text.txt/mlflow.db",
    ],
)
def test_what_is_no_store_is_refused_at_once(use: Use, tmp_path: Path, uri: str) -> None:
    (tmp_path / "text.txt").write_text("years of work " * 100)
    use(uri.format(folder=tmp_path))
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI") as caught:
        prepare_store()
    assert "\n" not in str(caught.value)
    assert not any(word in str(caught.value) for word in ("p@ss", "w/r", "p/w", "secret"))
    assert (tmp_path / "text.txt").read_text() == "years of work " * 100


def test_a_folder_is_refused_with_all_that_helps(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.cli import cli

    use(f"{tmp_path}/mlruns")
    with pytest.raises(TrackingConfigError) as caught:
        prepare_store()
    said = str(caught.value)
    assert "/mlruns cannot be used: a folder is a store that MLflow takes only where that is set; name a" in said
    assert "…" not in said
    assert "MLFLOW_TRACKING_URI, such as sqlite:///mlflow.db, into which mlflow migrate-filestore" in said
    assert "migrate-filestore" in cli.commands
    (way_out,) = re.findall(r"or set (\w+)=true$", said)
    monkeypatch.setenv(way_out, "true")
    prepare_store()


@pytest.mark.parametrize(("scheme", "module"), [("postgresql", "psycopg"), ("mysql+pymysql", "pymysql")])
def test_a_driver_that_is_missing_is_named(use: Use, scheme: str, module: str) -> None:
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    use(f"{scheme}://bees:s3cret@127.0.0.1:9/x")
    with pytest.raises(TrackingConfigError, match=rf"needs the module {module}, .*; pip install {module}") as caught:
        prepare_store()
    assert "s3cret" not in str(caught.value)


def test_a_store_that_may_not_be_written_is_refused_at_once(use: Use, store: str, tmp_path: Path) -> None:
    closed, file = tmp_path / "closed", tmp_path / "open" / "mlflow.db"
    made = store.removeprefix("sqlite:///")
    closed.mkdir()
    file.parent.mkdir()
    shutil.copy(made, closed / "made.db")
    shutil.copy(made, file)
    closed.chmod(0o555)
    file.chmod(0o444)
    for each in (closed / "new.db", closed / "deep" / "new.db", closed / "made.db", file):
        use(f"sqlite:///{each}")
        with (
            ordinary_rights(),
            pytest.raises(TrackingDeniedError, match=r"refuses it: PermissionError.*have this user"),
        ):
            prepare_store()
    assert [each.name for each in closed.iterdir()] == ["made.db"]


def test_where_artifacts_cannot_be_written_the_run_is_closed_nevertheless(store: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o555)
    mlflow.MlflowClient().create_experiment("closed root", artifact_location=str(root))
    tracker = MlflowTracker("closed root")
    with ordinary_rights(), pytest.raises(TrackingDeniedError, match=r"PermissionError.*have this user allowed"):
        tracker.open_search(SearchCard("closed root", {}, "name: x\n", {}, []))
    page = tmp_path / "report.html"
    page.write_text("a report")
    closing = Closing(tracker.opened, "FAILED", {}, "", artifacts=((page, ""),), end_ms=now_ms())
    with ordinary_rights(), pytest.raises(TrackingDeniedError):
        tracker.close_search(closing)
    assert mlflow.MlflowClient().get_run(tracker.opened).info.status == "FAILED"


@pytest.mark.parametrize(
    "pair",
    [
        ("sqlite:///{0}/one.db", "sqlite:///{0}/one.db"),
        ("sqlite:///{0}/one.db", "sqlite:///one.db"),
        ("sqlite:///{0}/one.db", "sqlite:///{0}/link/one.db"),
        ("sqlite:///{0}/one.db", "journal:{0}/one.db"),
        ("postgresql://me:a@localhost/x", "postgresql+psycopg2://me:b@127.0.0.1:5432/x"),
        ("mysql://me@host/x", "mysql+pymysql://me@host:3306/x"),
    ],
)
def test_one_database_for_mlflow_and_optuna_is_refused(use: Use, tmp_path: Path, pair: tuple[str, str]) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    use(pair[0].format(tmp_path))
    with pytest.raises(ConfigError, match=r"must be another database than MLflow's.*sqlite:///books\.db"):
        refuse_shared(pair[1].format(tmp_path))
    assert not (tmp_path / "one.db").exists()


@pytest.mark.parametrize(
    "pair",
    [
        ("sqlite:///{0}/one.db", "sqlite:///{0}/two.db"),
        ("http://localhost:5000", "sqlite:///{0}/one.db"),
        ("postgresql://me@host/x", "postgresql://me@host/y"),
        ("postgresql://me@host/x", "postgresql://me@host/x?options=-csearch_path=books"),
        ("postgresql://me@host/x", "postgresql://books@host/x"),
        ("databricks", "journal:{0}/books.log"),
    ],
)
def test_two_databases_or_schemas_are_two(use: Use, tmp_path: Path, pair: tuple[str, str]) -> None:
    use(pair[0].format(tmp_path))
    refuse_shared(pair[1].format(tmp_path))


def test_a_database_of_another_program_is_left_alone(use: Use, tmp_path: Path) -> None:
    books, ledger = tmp_path / "books.db", tmp_path / "ledger.db"
    open_storage(f"sqlite:///{books}")
    with sqlite3.connect(ledger) as db:
        db.executescript("CREATE TABLE trials (a); CREATE TABLE messages (a); CREATE TABLE search (a);")
    db.close()
    for file, owner in ((books, "Optuna's tables"), (ledger, "a search's ledger")):
        before = file.read_bytes()
        use(f"sqlite:///{file}")
        with pytest.raises(ConfigError, match=rf"for MLflow alone, got .* with {owner}.*name another"):
            prepare_store()
        assert file.read_bytes() == before


def test_a_store_of_another_version_says_how_it_is_upgraded(use: Use, store: str, tmp_path: Path) -> None:
    for revision in ("v3.2.0.a", "0000deadbeef"):
        file = tmp_path / f"{revision}.db"
        shutil.copy(store.removeprefix("sqlite:///"), file)
        with sqlite3.connect(file) as db:
            db.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        db.close()
        use(f"sqlite:///{file}")
        with pytest.raises(TrackingConfigError, match=r"cannot be used: .*mlflow db upgrade"):
            prepare_store()


def test_of_two_that_make_an_experiment_the_slower_takes_the_others(store: str) -> None:
    made = mlflow.MlflowClient().create_experiment("both at once")
    assert make_experiment(mlflow.MlflowClient(), "both at once") == made
    mlflow.MlflowClient().delete_experiment(made)
    with pytest.raises(TrackingRefusedError, match="deleted"):
        MlflowTracker("both at once").open_search(SearchCard("both at once", {}, "", {}, []))


FOUND = {"experiments": [{"experiment_id": "0", "name": "Default", "artifact_location": "/nowhere"}]}


def test_a_server_of_mlflow_2_is_refused_before_anything_is_trained(use: Use) -> None:
    """It knows runs, and not the models of MLflow 3."""
    with answering(200, json.dumps(FOUND), others={"/logged-models": (404, PAGE)}) as uri:
        use(uri)
        with pytest.raises(TrackingConfigError, match=r"a server of MLflow 3 or later, got http://127.*upgrade"):
            prepare_store()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}'),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no experiment"}'),
        (501, '{"error_code": "NOT_IMPLEMENTED", "message": "no"}'),
        (200, "{}"),
    ],
)
def test_who_may_not_see_models_may_have_a_search_told_of(use: Use, status: int, body: str) -> None:
    with answering(200, json.dumps(FOUND), others={"/logged-models": (status, body)}) as uri:
        use(uri)
        prepare_store()
