"""The meaning of a store's errors, and addresses that are none."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from hivenas.core.faults import Store, fault_of, refuse_misquoted, refuse_unusable_file, without_secrets
from hivenas.errors import ConfigError
from tests.rights import ordinary_rights

STORE = Store(
    name="the store",
    address="postgresql://me:s3cret@db/x",
    setting="THE_URI",
    start="start it",
    another="name another",
    login="USER and PASSWORD",
    upgrade="upgrade it",
)


class AnswerError(Exception):
    """An error as an HTTP library raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} answered")
        self.response = type("Response", (), {"status_code": status})


class CodedError(Exception):
    """An error with a code in words, as MLflow's have it."""

    def __init__(self, code: str, text: str = "no") -> None:
        super().__init__(text)
        self.error_code = code


def database(text: str, *, parameters: str = "") -> OperationalError:
    return OperationalError("INSERT", {"note": parameters}, sqlite3.OperationalError(text))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def endpoint(status: int, body: str = "") -> Exception:
    return Exception(f"API request to endpoint /api failed with error code {status} != 200. Response body: '{body}'")


AWAY = [
    ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    TimeoutError("timed out"),
    *map(AnswerError, (408, 425, 429, 500, 502, 503, 504)),
    endpoint(503, "<html>backend down</html>"),
    Exception("Max retries exceeded (Caused by ResponseError('too many 502 error responses'))"),
    database("database is locked"),
    database("could not connect", parameters="permission denied, no space left, <html>"),
    Exception("FATAL: the database system is starting up"),
    Exception("FATAL: sorry, too many clients already"),
    FileNotFoundError(errno.ENOENT, "No such file or directory", "/mnt/gone"),
    Exception("could not translate host name"),
    Exception("Failed to resolve 'nowhere' ([Errno -2] Name or service not known)"),
    RuntimeError(""),
]
REFUSED = [
    PermissionError(errno.EACCES, "Permission denied", "/srv"),
    PermissionError(errno.EPERM, "Operation not permitted", "/srv"),
    OSError(errno.EROFS, "Read-only file system", "/srv"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    database("attempt to write a readonly database"),
    database("database or disk is full"),
    caused(RuntimeError("An exception is raised during the commit."), database("attempt to write a readonly database")),
    ProgrammingError("INSERT", {}, Exception("permission denied for table runs")),
    ProgrammingError("INSERT", {}, Exception("cannot execute INSERT in a read-only transaction")),
    Exception('FATAL: password authentication failed for user "me"'),
    Exception("(1045, \"Access denied for user 'me'@'db' (using password: YES)\")"),
    Exception("An error occurred (AccessDenied) when calling the PutObject operation: Access Denied"),
    Exception("Unable to locate credentials"),
    *map(AnswerError, (401, 403, 407, 507)),
    *map(endpoint, (401, 403)),
    CodedError("PERMISSION_DENIED"),
    CodedError("UNAUTHENTICATED"),
    CodedError("CUSTOMER_UNAUTHORIZED"),
    CodedError("TEMPORARILY_UNAVAILABLE", "(sqlite3.OperationalError) attempt to write a readonly database"),
]
MISCONFIGURED = [
    Exception("Detected out-of-date database schema (found version a, but expected b)."),
    Exception("Can't locate revision identified by 'v3.2.0.a'"),
    RuntimeError("The runtime optuna version 5 is no longer compatible with the table schema"),
    database("file is not a database"),
    Exception('FATAL: database "x" does not exist'),
    Exception("(1049, \"Unknown database 'x'\")"),
    *map(endpoint, (404, 405)),
    endpoint(501, "<html>Unsupported method"),
    endpoint(400, "<!DOCTYPE html>The plain HTTP request was sent to HTTPS port"),
    Exception("API request to endpoint was successful but the response body was not in a valid JSON format."),
    Exception("(Caused by SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number')))"),
    Exception("certificate verify failed: self-signed certificate"),
    Exception("got unsupported URI 'foo://x' for model registry data storage"),
    IsADirectoryError(errno.EISDIR, "Is a directory", "/srv"),
    NotADirectoryError(errno.ENOTDIR, "Not a directory", "/srv/x"),
    FileExistsError(errno.EEXIST, "File exists", "/srv"),
    ModuleNotFoundError("No module named 'psycopg'", name="psycopg"),
]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("away", error) for error in AWAY]
    + [("refused", error) for error in REFUSED]
    + [("misconfigured", error) for error in MISCONFIGURED],
    ids=repr,
)
def test_every_error_is_of_one_sort_and_one_line(kind: str, error: Exception) -> None:
    fault = fault_of(error, STORE)
    assert fault.kind == kind
    assert fault.text.startswith("the store ")
    assert "\n" not in fault.text
    assert ("does not answer" in fault.text) == (kind == "away")
    assert any(way in fault.text for way in ("start it", "USER and", "THE_URI", "name another"))


def test_no_password_is_repeated() -> None:
    said = "connection to http://me:s3cret@db failed for me:s3cret and s3cret"
    assert fault_of(Exception(said), STORE).text.count("s3cret") == 0
    assert "s3c" not in fault_of(Exception("x" * 280 + " http://you:s3crets-of-others@db"), STORE).text
    assert without_secrets("privilege for p@ss/w and r", "x://me:r@h", "x://me:p%40ss%2Fw@h") == (
        "privilege for *** and ***"
    )
    for address in ("http://me:p@s/w:d@host/x", "postgresql://me:p@s/w:d@host/x"):
        assert "w:d" not in without_secrets(f"Failed to parse: {address}", address)


DATABASE = ["postgresql", "postgresql+psycopg", "mysql+pymysql"]


@pytest.mark.parametrize("password", ["p@ss", "p@ss:w/r%d", "@", "a@b@c", "p@?x"])
@pytest.mark.parametrize("scheme", DATABASE)
def test_a_password_that_splits_the_url_of_a_database_is_refused(scheme: str, password: str) -> None:
    with pytest.raises(ConfigError, match=r"THE_URI must have the characters .* quoted.*%40") as caught:
        refuse_misquoted(f"{scheme}://bees:{password}@127.0.0.1:5432/x", "THE_URI")
    assert "ss" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("password", ["pa/ss", "pa#ss", "pa?ss", "p@ss:w/r%d", "12#ss", "12?ss"])
def test_a_password_that_splits_the_url_of_a_server_is_refused(password: str) -> None:
    with pytest.raises(ConfigError, match="quoted"):
        refuse_misquoted(f"https://bees:{password}@127.0.0.1:5000", "THE_URI")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "databricks",
        "mlruns",
        "/srv/me@home/mlruns",
        "file:///srv/me@home/mlruns",
        "sqlite:///me@home.db",
        "http://127.0.0.1:5000",
        "http://me:s3cret@[::1]:5000/prefix",
        "http://me:p%40ss@host",
        "http://me:p@ss@host:5000",
        "http://host:5000/teams/@me",
        "postgresql://host/db",
        "postgresql://me:pa/s:s#w?d%@host:5432/db?options=-csearch_path=a@b",
        "postgresql://me:p%40ss@host/db",
        "mssql+pyodbc://me:s3cret@host/db?driver=ODBC+Driver+18",
    ],
)
def test_an_address_that_reads_as_it_is_meant_is_taken(address: str) -> None:
    refuse_misquoted(address, "THE_URI")


def test_a_file_that_cannot_be_written_fails_at_once(tmp_path: Path) -> None:
    closed, left = tmp_path / "closed", tmp_path / "left.db"
    closed.mkdir(mode=0o555)
    left.touch(mode=0o444)
    refuse_unusable_file(tmp_path / "new" / "deep" / "x.db")
    with pytest.raises(IsADirectoryError):
        refuse_unusable_file(tmp_path)
    with pytest.raises(NotADirectoryError):
        refuse_unusable_file(left / "x.db")
    with ordinary_rights():
        for file in (closed / "x.db", closed / "deep" / "x.db", left):
            with pytest.raises(PermissionError):
                refuse_unusable_file(file)
