"""Addresses of Optuna's storages: which are none, and what is said of one that cannot be reached."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from hivenas.core.faults import _PACKAGES
from hivenas.core.lock import locked
from hivenas.errors import ConfigError, StorageConfigError, StorageDeniedError, StorageError
from hivenas.storage.optuna_storage import open_storage, translate_storage_errors
from hivenas.storage.optuna_study import MirrorStudy
from tests.interruptions import ctrl_c_in_a_transaction
from tests.rights import ordinary_rights
from tests.storage.studies import STATE, columns, config_of, info_of, opened, rows_of_a_search, study_of, write

BAD_ADDRESSES = [
    ("journal:", "a journal needs a file"),
    ("journal:  ", "a journal needs a file"),
    ("books.db", "must be sqlite:///books.db, journal:books.log or the URL"),
    ("sqlite://", "sqlite needs a file"),
    ("sqlite:///:memory:", "sqlite needs a file"),
    ("postgresql://me:s3cret@localhost:port/db", "must be sqlite"),
    ("postgresql:me:s3cret@localhost/db", "must be sqlite"),
    ("postgresql://me:s3cret?@localhost:port/db?password=s3cret@1", "must be sqlite"),
    ("nosuch://me:s3cret@localhost/db?password=s3cret", "must be sqlite"),
]


@pytest.mark.parametrize(("address", "says"), BAD_ADDRESSES)
def test_an_address_that_is_none_is_refused(address: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        open_storage(address)
    assert "optuna.storage" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("postgresql+psycopg2", "psycopg2", "psycopg2-binary"),
        ("postgresql+psycopg", "psycopg", r"psycopg[binary]"),
        ("mysql", "MySQLdb", "mysqlclient"),
        ("mysql+pymysql", "pymysql", "pymysql"),
    ],
)
@pytest.mark.parametrize("password", ["s3cret", "s3cret:/?1", "s3cret@1"])
def test_a_driver_that_is_missing_is_named_and_the_password_is_not(
    scheme: str, module: str, package: str, password: str
) -> None:
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(StorageError) as caught:
        open_storage(f"{scheme}://me:{password}@127.0.0.1:9/mirror?password=s3cret")
    message = str(caught.value)
    assert f"{scheme}://me:***@" in message
    assert f"needs the module {module}, which is not installed; pip install {package}, or set" in message
    assert "s3cret" not in message
    assert "\n" not in message


def test_a_password_stays_out_of_what_a_database_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """No database server is at hand here, so its answer is put into sqlalchemy's mouth."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("connection refused for me:s3cret at 127.0.0.1\nIs the server running?")

    monkeypatch.setattr("sqlalchemy.create_engine", refuse)
    with pytest.raises(StorageError) as caught:
        open_storage("postgresql://me:s3cret@127.0.0.1:9/mirror")
    assert str(caught.value) == (
        "Optuna's storage postgresql://me:***@127.0.0.1:9/mirror failed (OSError: connection refused for me:*** at "
        "127.0.0.1); start it, correct optuna.storage, or set it to null"
    )


def test_the_kept_configuration_has_no_password(tmp_path: Path) -> None:
    config = config_of("postgresql://me:s3cret@localhost/mirror")
    storage = open_storage(f"sqlite:///{tmp_path}/books.db")
    mirror = MirrorStudy(config, info_of(config), storage)
    mirror.begin("u1", overwrite=False)
    recorded = mirror.recorded()
    assert recorded is not None
    assert "storage: postgresql://me:***@localhost/mirror" in recorded.config_yaml
    assert "s3cret" not in json.dumps(study_of(f"sqlite:///{tmp_path}/books.db").user_attrs)


@pytest.mark.parametrize("address", ["sqlite:///{}/books.db", "journal:{}/books.log"])
def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(StorageError, match=f"the folder {tmp_path / 'nowhere'}, which does not exist"):
        open_storage(address.format(tmp_path / "nowhere"))


def test_mlflows_own_file_is_refused(store_uri: str) -> None:
    path = Path(store_uri.removeprefix("sqlite:///"))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"MLflow's own database.*name another"):
        open_storage(store_uri)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "books.db"
    file.write_text("years of work " * 100)
    with pytest.raises(StorageError, match="not a database"):
        open_storage(f"sqlite:///{file}")
    assert file.read_text() == "years of work " * 100


@pytest.mark.parametrize("text", ['{"results": 1}', "index,iteration\n0,0\n", "x"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "books.log"
    file.write_text(text)
    with pytest.raises(ConfigError, match="must be a journal of Optuna, got another file"):
        open_storage(f"journal:{file}")
    assert file.read_text() == text


@pytest.mark.parametrize("address", ["sqlite:///{}", "journal:{}"])
def test_a_place_that_may_not_be_written_is_refused_at_once(tmp_path: Path, address: str) -> None:
    closed, file = tmp_path / "closed", tmp_path / "left"
    closed.mkdir(mode=0o555)
    file.touch(mode=0o444)
    with ordinary_rights():
        for each in (closed / "books", file):
            with pytest.raises(StorageDeniedError, match=r"refuses it: PermissionError.*optuna\.storage"):
                open_storage(address.format(each))
    with pytest.raises(StorageConfigError, match=r"cannot be used: IsADirectoryError.*optuna\.storage"):
        open_storage(address.format(closed))


def test_tables_of_another_version_are_no_outage(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/books.db"
    open_storage(address)
    with sqlite3.connect(tmp_path / "books.db") as db:
        db.execute("UPDATE alembic_version SET version_num = 'v1.3.0.a'")
    db.close()
    with pytest.raises(StorageConfigError, match=r"cannot be used: .*optuna storage upgrade.*optuna\.storage"):
        open_storage(address)


@pytest.mark.parametrize("password", ["s3cret@1", "s3cret@1:x/y%d"])
def test_a_password_that_splits_the_address_is_refused(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlalchemy.dialects.postgresql.psycopg.PGDialect_psycopg.import_dbapi", lambda: None)
    with pytest.raises(ConfigError, match=r"optuna\.storage must have the characters .* quoted") as caught:
        open_storage(f"postgresql+psycopg://me:{password}@127.0.0.1:9/mirror")
    assert "s3cret" not in str(caught.value)


def test_two_that_make_the_tables_at_the_same_time_both_get_them(tmp_path: Path) -> None:
    verbosity = optuna.logging.get_verbosity()  # of the whole process
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ThreadPoolExecutor(2) as both:
        made = list(both.map(open_storage, [f"sqlite:///{tmp_path}/books.db"] * 2))
    optuna.logging.set_verbosity(verbosity)
    assert [each.get_all_studies() for each in made] == [[], []]


def test_who_finds_tables_that_are_being_made_waits_until_they_are_there(tmp_path: Path) -> None:
    file = tmp_path / "books.db"
    with sqlite3.connect(file) as begun:  # as another process leaves it for a moment: not all tables, and its lock held
        begun.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    verbosity = optuna.logging.get_verbosity()  # of the whole process
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ThreadPoolExecutor(1) as other:
        with locked(tmp_path / ".books.db.lock"):
            waiting = other.submit(open_storage, f"sqlite:///{file}")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            file.unlink()
        assert waiting.result().get_all_studies() == []
    optuna.logging.set_verbosity(verbosity)


def test_the_lock_of_a_journal_leads_to_it_from_wherever_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna gives up waiting for a process that died with the lock only where the link leads somewhere."""
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    links: list[Path] = []
    fsync = os.fsync

    def look(descriptor: int) -> None:
        links.extend(path.resolve(strict=True) for path in (tmp_path / "deep").glob("*.lock"))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", look)
    write(config_of("journal:deep/books.log"), rows_of_a_search()[:1])
    assert set(links) == {tmp_path / "deep" / "books.log"}


def test_ctrl_c_waits_until_an_evaluation_is_recorded_and_leaves_no_lock(tmp_path: Path) -> None:
    config = config_of(f"sqlite:///{tmp_path}/books.db")
    with opened(config) as mirror, opened(config) as other:
        mirror.begin("u1", overwrite=False)
        with pytest.raises(KeyboardInterrupt) as kept, ctrl_c_in_a_transaction():
            mirror.sync(rows_of_a_search(), STATE)
        assert kept.value.__traceback__
        recorded = other.recorded()
        assert recorded is not None
        assert columns(recorded.trials) == columns(rows_of_a_search())
        other.begin("u1", overwrite=False)
        assert other.sync(rows_of_a_search(), STATE | {"stage": "done"}) == 0


def test_the_documentation_names_the_driver_that_the_pinned_sqlalchemy_chooses() -> None:
    root = Path(__file__).parents[2]
    (pinned,) = re.findall(r"^SQLAlchemy==(\d+\.\d+)", (root / "constraints.txt").read_text(), re.MULTILINE)
    if not sqlalchemy.__version__.startswith(f"{pinned}."):
        pytest.skip(f"SQLAlchemy {pinned} is pinned, {sqlalchemy.__version__} is installed")
    driver = sqlalchemy.make_url("postgresql://bees@db.example/books").get_dialect().driver
    (command,) = re.findall(r"^pip install (.*)$", (root / "docs/how-to/stores.md").read_text(), re.MULTILINE)
    assert _PACKAGES[driver] in command


def test_of_threads_the_last_that_leaves_puts_optunas_verbosity_back() -> None:
    before = optuna.logging.get_verbosity()
    inside, left = threading.Event(), threading.Event()

    def stays() -> None:
        with translate_storage_errors("sqlite:///books.db"):
            inside.set()
            left.wait(60)

    other = threading.Thread(target=stays)
    with translate_storage_errors("sqlite:///books.db"):
        other.start()
        assert inside.wait(60)
    assert optuna.logging.get_verbosity() == max(before, optuna.logging.WARNING)
    left.set()
    other.join()
    assert optuna.logging.get_verbosity() == before
