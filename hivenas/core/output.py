"""Standard streams that work outlives: their reader may go, the terminal be closed, the disk be full."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TextIO, cast


class LastingStream:
    """A text stream that is written to as long as that can be done; from then on what is written is dropped.

    What its encoding does not have is written as escapes. All else is as it is with the stream itself.

    Args:
        stream: the stream; None where the process has none, as under pythonw or with `>&-`.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream: TextIO = stream if stream is not None else cast(TextIO, _Nowhere())
        self._tell: Callable[[str], None] | None = None
        self.lost: OSError | ValueError | None = None
        self.is_said = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def on_loss(self, tell: Callable[[str], None] | None) -> None:
        """Has somebody told, once, why nothing is written any more; None for nobody from now on."""
        self._tell = tell

    @property
    def buffer(self) -> _LastingBuffer:
        """The stream of bytes below, to which click and others write: it lasts as well."""
        return _LastingBuffer(self._stream.buffer, self.attempt)

    @property
    def is_unread(self) -> bool:
        """True where it is lost because its reader went, as `head` does when it has enough."""
        return isinstance(self.lost, BrokenPipeError)

    def write(self, text: str) -> int:
        """Writes as the stream does, if that can still be done."""
        try:
            self.attempt(lambda: self._stream.write(text))
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            shown = text.encode(encoding, "backslashreplace").decode(encoding)
            self.attempt(lambda: self._stream.write(shown))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Writes one after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flushes as the stream does, if that can still be done."""
        self.attempt(self._stream.flush)

    def isatty(self) -> bool:
        """Tells if somebody looks at it, in a terminal that is still there."""
        try:
            return self.lost is None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def attempt(self, act: Callable[[], object]) -> None:
        """Writes, or whatever it is, if that can still be done."""
        if self.lost is not None:
            return
        try:
            act()
        except UnicodeEncodeError:
            raise
        except BlockingIOError:
            pass  # a full pipe that somebody has set so: this much is lost, what follows may not be
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) and not self._stream.closed:
                raise
            self._lose(error)

    def _lose(self, error: OSError | ValueError) -> None:
        self.lost = error
        # What is buffered goes nowhere, and so does what native code writes, or Python when it ends.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            descriptor, nowhere = self._stream.fileno(), os.open(os.devnull, os.O_WRONLY)
            if nowhere != descriptor:  # which had been closed, and was free
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            self._stream.flush()
        if self._tell:
            self.is_said = True
            self._tell(getattr(error, "strerror", None) or str(error))


class _LastingBuffer:
    """The bytes of a stream.

    Args:
        buffer: the stream's own.
        attempt: see `LastingStream.attempt`.
    """

    def __init__(self, buffer: BinaryIO, attempt: Callable[[Callable[[], object]], None]) -> None:
        self._buffer = buffer
        self._attempt = attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._buffer, name)

    def write(self, data: bytes) -> int:
        self._attempt(lambda: self._buffer.write(data))
        return len(data)

    def flush(self) -> None:
        self._attempt(self._buffer.flush)


class _Nowhere:
    """A stream where there is none."""

    encoding = "utf-8"
    closed = False

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError("there is no stream")


@contextlib.contextmanager
def lasting_output() -> Iterator[LastingStream]:
    """Has the standard output and the standard error of this process last; gives the former."""
    _occupy_descriptors()
    before = sys.stdout, sys.stderr
    out, error = (each if isinstance(each, LastingStream) else LastingStream(each) for each in before)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, error)
    try:
        yield out
    finally:
        out.flush()
        error.flush()
        sys.stdout, sys.stderr = before


def _occupy_descriptors() -> None:
    """Opens nothing in the places of standard streams that are closed: the next file, perhaps a database, got one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
