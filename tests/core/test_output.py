"""Standard streams whose reader goes, whose disk is full, whose terminal is closed, or that were never there."""

from __future__ import annotations

import errno
import io
import os
import pty
import sys
from collections.abc import Callable
from typing import TextIO

import pytest

from hivenas.core.output import LastingStream, lasting_output


def unread_pipe() -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full_disk() -> TextIO:
    return open("/dev/full", "w")


def closed_terminal() -> TextIO:
    ours, its = pty.openpty()
    os.close(ours)
    return os.fdopen(its, "w")


def closed_file() -> TextIO:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stream.close()
    return stream


def closed_descriptor() -> TextIO:
    stream = open(os.devnull, "w")  # noqa: SIM115
    os.close(stream.fileno())
    return stream


GONE = {
    "unread pipe": (unread_pipe, errno.EPIPE),
    "full disk": (full_disk, errno.ENOSPC),
    "closed terminal": (closed_terminal, errno.EIO),
    "closed descriptor": (closed_descriptor, errno.EBADF),
    "closed file": (closed_file, None),
}


@pytest.mark.parametrize(("opened", "number"), GONE.values(), ids=GONE)
def test_what_cannot_be_written_is_said_once_and_dropped(opened: Callable[[], TextIO], number: int | None) -> None:
    inner = opened()
    stream, said = LastingStream(inner), list[str]()
    stream.on_loss(said.append)
    for _ in range(3):
        print("a line", file=stream, flush=True)
    assert getattr(stream.lost, "errno", None) == number
    assert stream.is_unread == (number == errno.EPIPE)
    assert len(said) == 1
    assert said[0]
    assert not stream.isatty()
    if not inner.closed:
        inner.write("as native code does, and Python when it ends")
        inner.close()


@pytest.mark.parametrize("opened", [unread_pipe, full_disk, closed_terminal])
def test_bytes_last_too(opened: Callable[[], TextIO]) -> None:
    inner = opened()
    stream = LastingStream(inner)
    above = io.TextIOWrapper(stream.buffer, write_through=True)
    above.write("a line\n")
    above.flush()
    above.write("a line\n")
    above.detach()
    assert stream.lost is not None
    inner.close()


def test_where_there_is_no_stream_nothing_is_written() -> None:
    stream = LastingStream(None)
    print("a line", file=stream, flush=True)
    assert (stream.lost, stream.isatty()) == (None, False)


def test_a_pipe_that_is_full_for_a_moment_is_not_lost() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb") as read, os.fdopen(writer, "w") as inner:
        stream = LastingStream(inner)
        print("x" * 1_000_000, file=stream, flush=True)
        assert stream.lost is None
        os.set_blocking(writer, True)
        os.read(read.fileno(), 1_000_000)
        inner.flush()


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("utf-8", "caf\udce9 ✓", "caf\\udce9 ✓"),
        ("ascii", "café ✓", "caf\\xe9 \\u2713"),
        ("latin-1", "café 😀", "café \\U0001f600"),
        ("utf-8", "plain", "plain"),
    ],
)
def test_what_an_encoding_does_not_have_is_escaped(encoding: str, text: str, written: str) -> None:
    raw = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(raw, encoding=encoding))
    stream.writelines(iter([text]))
    stream.flush()
    assert raw.getvalue().decode(encoding) == written


def test_a_mistake_of_the_caller_is_no_loss() -> None:
    stream = LastingStream(io.StringIO())
    with pytest.raises(TypeError):
        stream.write(b"bytes")  # type: ignore[arg-type]
    assert stream.lost is None
    assert stream.writable()  # all else is the stream's own


def test_both_streams_last_while_work_goes_on_and_are_then_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    before = full_disk(), None
    monkeypatch.setattr(sys, "stdout", before[0])
    monkeypatch.setattr(sys, "stderr", before[1])
    with lasting_output() as out, lasting_output() as inner:
        print("a line", flush=True)
        print("another", file=sys.stderr, flush=True)
        assert out is inner is sys.stdout
        assert out.lost is not None
    assert [sys.stdout, sys.stderr] == list(before)
    before[0].close()
