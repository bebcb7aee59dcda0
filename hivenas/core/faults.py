"""The meaning of stores' errors, one table for all of them: away, refusing, or not what they were taken for."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from hivenas.config.text import PASSWORD, cut
from hivenas.errors import ConfigError, first_line

Kind = Literal["away", "refused", "misconfigured"]
_SAYS: Mapping[Kind, str] = {"refused": "refuses it: {}", "misconfigured": "cannot be used: {}"}


@dataclass(frozen=True, slots=True)
class Store:
    """The words for a store in messages.

    Args:
        name: with its address, without a password.
        address: as it was given, so that what is secret in it is not repeated.
        setting: where its address is set.
        start: the way out while it is away.
        another: the way out that is left in any case.
        login: how a user and a password are given.
        upgrade: how its tables are made those of the installed version.
        away: what is said of it while it is away, around the reason.
    """

    name: str
    address: str
    setting: str
    start: str
    another: str
    login: str
    upgrade: str
    away: str = "does not answer: {}"


@dataclass(frozen=True, slots=True)
class Fault:
    """The sort of an error, and one line for it.

    Args:
        kind: `away`: it may work later; `refused`: only when somebody allows it; `misconfigured`: never in this way.
        text: the rule, what was said, the way out.
    """

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """Errors of one sort, told by any of what they bear; the first rule that holds counts.

    The `reason` takes the place of what was said, where that is longer than a line.
    """

    kind: Kind
    way_out: str
    words: str = "(?!)"
    statuses: frozenset[int] = frozenset()
    errnos: frozenset[int] = frozenset()
    reason: str = ""

    def holds(self, facts: _Facts) -> bool:
        return bool(
            self.statuses & facts.statuses or self.errnos & facts.errnos or re.search(self.words, facts.text, re.I)
        )


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts that an error, and those that led to it, bear: HTTP statuses, numbers of the system, words."""

    statuses: frozenset[int]
    errnos: frozenset[int]
    text: str


_RULES: tuple[_Rule, ...] = (
    _Rule(
        "refused",
        "make space there, then go on; or choose another store in {setting}",
        r"no space left|disk quota|quota.{0,20}exceeded|disk is full|disk full|could not extend file|table .* is full",
        frozenset({507}),
        frozenset({errno.ENOSPC, errno.EDQUOT}),
    ),
    _Rule(
        "refused",
        "give the user and password of somebody who may ({login})",
        r"UNAUTHENTICATED|CUSTOMER_UNAUTHORIZED|authentication failed|access denied for user|no password supplied"
        r"|no pg_hba\.conf entry|role \"[^\"]*\" does not exist|unable to locate credentials|InvalidAccessKeyId"
        r"|SignatureDoesNotMatch|ExpiredToken|login failed for user",
        frozenset({401, 407}),
    ),
    _Rule(
        "refused",
        "have this user allowed to write to that file or folder, or choose another store in {setting}",
        r"readonly database|read-only file ?system",
        errnos=frozenset({errno.EACCES, errno.EPERM, errno.EROFS}),
    ),
    _Rule(
        "refused",
        "have this user allowed to write there ({login}), or choose another store in {setting}",
        r"PERMISSION_DENIED|permission denied|access is denied|AccessDenied|insufficient.?privilege"
        r"|read-only (transaction|mode|option|sql)|command denied to user|must be owner of",
        frozenset({403}),
    ),
    _Rule("away", "{start}", statuses=frozenset({408, 425, 429, 500, 502, 503, 504})),
    _Rule(
        "away",
        "check the name of the host in {setting}, {start}",
        r"name or service not known|nodename nor servname|name resolution|NameResolutionError|getaddrinfo failed"
        r"|could not translate host name|unknown (mysql server )?host|no address associated",
    ),
    _Rule(
        "misconfigured",
        "{upgrade}, or name another store in {setting}",
        r"out-of-date database schema|can't locate revision|compatible with the table schema|multiple head",
    ),
    _Rule(
        "misconfigured",
        "it holds something else: name a new file in {setting}",
        r"file is not a database|file is encrypted|disk image is malformed|unsupported file format",
    ),
    _Rule(
        "misconfigured",
        "make the database first, or correct {setting}",
        r"database \"[^\"]*\" does not exist|unknown database|schema \"[^\"]*\" does not exist",
    ),
    _Rule(
        "misconfigured",
        "what answers there is no such server: correct {setting}",
        r"not in a valid JSON format|<html|<!doctype|\bENDPOINT_NOT_FOUND\b",
        frozenset({404, 405, 410, 501}),
    ),
    _Rule(
        "misconfigured",
        "http and https are two things, and certificates must be trusted: correct {setting}",
        r"certificate.verify.failed|wrong.version.number|record layer failure|SSLError|tlsv1 alert",
    ),
    _Rule(
        "misconfigured",
        "name a database in {setting}, such as sqlite:///mlflow.db, into which mlflow migrate-filestore takes what is "
        "in a folder, or set MLFLOW_ALLOW_FILE_STORE=true",
        "maintenance mode",
        reason="a folder is a store that MLflow takes only where that is set",
    ),
    _Rule(
        "misconfigured",
        "correct {setting}",
        r"unsupported uri|supported uri schemes|invalid url|no connection adapters|no scheme supplied|failed to parse"
        r"|could not parse sqlalchemy url|can't load plugin|label (empty or )?too long",
    ),
    _Rule(
        "misconfigured",
        "name a place in {setting} where a file can be",
        errnos=frozenset({errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}),
    ),
)
_AWAY = _Rule("away", "{start}")
_SHORT = 4
_PACKAGES = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}


def fault_of(error: BaseException, store: Store) -> Fault:
    """The sort of an error that a store raised, and one line for the user; no password is in it.

    Args:
        error: what was raised; what led to it counts too.
        store: which raised it.
    """
    if isinstance(error, ImportError):
        return _missing_driver(error, store)
    facts = _facts_of(error)
    rule = next((rule for rule in _RULES if rule.holds(facts)), _AWAY)
    way_out = rule.way_out.format(setting=store.setting, start=store.start, login=store.login, upgrade=store.upgrade)
    said = rule.reason or _cause(error)
    reason = cut(without_secrets(said, store.address))  # in this order: half a URL is not known as one
    said = _SAYS.get(rule.kind, store.away).format(reason)
    return Fault(rule.kind, f"{store.name} {said}; {way_out}")


def without_secrets(text: str, *addresses: str) -> str:
    """A text without the user and password of any URL in it, and without the passwords of these addresses."""
    text = re.sub(r"://\S*@", "://…@", text)
    for address in addresses:
        if secret := re.match(PASSWORD, address, re.DOTALL):
            quoted = {secret[2], secret[2].partition("@")[0]}
            words = sorted(quoted | set(map(unquote, quoted)), key=len, reverse=True)
            for word in filter(None, words):
                # A short one is found in other words too.
                edges = (r"(?<!\w)", r"(?!\w)") if len(word) < _SHORT else ("", "")
                text = re.sub(re.escape(word).join(edges), "***", text)
    return text


def refuse_misquoted(address: str, setting: str) -> None:
    """Refuses the URL of a store in which a user or password is not quoted, so that host and port are misread.

    Args:
        address: the URL, as it was given.
        setting: where it is set.

    Raises:
        ConfigError: names the characters and how they are written, and nothing of the password.
    """
    scheme, _, rest = address.partition("://")
    if scheme.partition("+")[0] in {"sqlite", "file"}:
        return
    if _is_misread_http(rest) if scheme in {"http", "https"} else _is_misread_database(rest):
        raise ConfigError(
            f"{setting} must have the characters @ : / ? # % of a user or password quoted, got them as they are in "
            f"{scheme}://…; write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, %25 for %"
        )


def refuse_unusable_file(file: Path) -> None:
    """Fails at once where a file that is to be written cannot be: libraries try for minutes, or name another reason.

    Args:
        file: which need not exist, nor its folder.

    Raises:
        OSError: a folder in its place, a file in the place of a folder, or no right to write.
    """
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    place = file
    while not place.exists() and place != place.parent:
        place = place.parent
    folder = file.absolute().parent if place == file else place
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    for each in (folder, file) if place == file else (folder,):
        if not _may_write(each):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(each))


def _may_write(path: Path) -> bool:
    # As the process acts, not as who started it: the two differ where rights were given up.
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_misread_database(rest: str) -> bool:
    """Tell if the first @, where drivers take the password to end, is one of the password's own."""
    place, _, arguments = rest.partition("@")[2].partition("?")
    return "@" in place or "@" in arguments.partition("=")[0]


def _is_misread_http(rest: str) -> bool:
    """Tell if a / ? or # of the password ends what is taken for the host."""
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    behind = rest[len(host) :]
    is_place = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:\d{0,5})?", host.rpartition("@")[2])
    return "@" in behind and (not is_place or ("@" not in host and "@" in "".join(re.split("[?#]", behind)[1:])))


def _missing_driver(error: ImportError, store: Store) -> Fault:
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    module = cause.name or "a database driver"
    return Fault(
        "misconfigured",
        f"{store.name} needs the module {module}, which is not installed; pip install "
        f"{_PACKAGES.get(module, module)}, or {store.another}",
    )


def _facts_of(error: BaseException) -> _Facts:
    statuses: set[int] = set()
    errnos: set[int] = set()
    texts: list[str] = []
    for each in _family(error):
        # Behind [SQL: stands what was to be written, which may hold any words.
        said = str(each).partition("\n[SQL:")[0]
        texts.append(f"{getattr(each, 'error_code', '')} {type(each).__name__}: {said}")
        number = getattr(each, "errno", None)
        errnos |= {number} if isinstance(each, OSError) and isinstance(number, int) else set()
        status = getattr(getattr(each, "response", None), "status_code", None)
        statuses |= {status} if isinstance(status, int) else set()
    text = "\n".join(texts)
    statuses |= {int(found) for found in re.findall(r"failed with error code (\d{3})\b", text)}
    statuses |= {int(found) for found in re.findall(r"too many (\d{3}) error responses", text)}
    return _Facts(frozenset(statuses), frozenset(errnos), text)


def _family(error: BaseException) -> Iterator[BaseException]:
    """An exception, those that it names as its cause, and those that it wraps."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        wrapped = [each.__cause__, getattr(each, "orig", None), getattr(each, "reason", None), *each.args]
        waiting += [other for other in wrapped if isinstance(other, BaseException)]


def _cause(error: BaseException) -> str:
    """The innermost cause in a line, also of what the network's libraries wrap in each other's words."""
    while error.__cause__ is not None:
        error = error.__cause__
    error = getattr(error, "orig", None) or error
    line = first_line(error)
    found = re.search(r"Caused by \w+\((.*)\)\)", line)
    return re.sub(r"^\[Errno -?\d+\] ", "", found[1].strip("\"'").rpartition(": ")[2]) if found else line
