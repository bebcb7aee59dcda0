"""Tasks and what comes of them as bytes: the one place that pickles.

Worker processes never import the driver's main module, which may be a script that begins a search as soon as it is
imported. Functions and classes of the main module, and closures, travel by value instead, as cloudpickle writes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, Generic, TypeVar

import cloudpickle

from hivenas.config import Config, ResultsConfig
from hivenas.config.registry import MAIN_MODULES, main_entries, register_entries, registered_modules
from hivenas.core.progress import Progress
from hivenas.errors import ConfigError, HivenasError, RemoteError, first_line, innermost
from hivenas.execution.tasks import ByValue, Task, exit_as_failure

T = TypeVar("T")
_LENGTH = struct.Struct("<Q")
_PROGRESS = b"\x00"  # begins what a task tells on its way; no pickle begins so


@dataclass(frozen=True, slots=True)
class PackedTask(Generic[T]):
    """A task as bytes, which whoever passes it on need not understand.

    Args:
        data: the task, but for what it shares with others.
        values: what it shares with others, pickled, by the digest that stands for it in the task.
        timed: whether `execution.timeout_s` applies.
        continues: file name of the saved state that it goes on with; empty for none.
        search: name of the search that it belongs to, as its results folder is called.
        directory: takes the place of its configuration's `results.dir`; None leaves that as it is.
        told_as: what it tells on its way is told under this; empty for nothing.
    """

    data: bytes
    values: Mapping[str, bytes] = field(default_factory=dict)
    timed: bool = False
    continues: str = ""
    search: str = "none"
    directory: str | None = None
    told_as: str = ""


class Packer:
    """Packs tasks; what they share is pickled once, as it is when the first of them is packed."""

    def __init__(self) -> None:
        self._shared: dict[int, tuple[Any, str, bytes]] = {}  # by identity; the value is kept, so that none takes it
        self._lock = threading.Lock()

    def pack(self, task: Task[T]) -> PackedTask[T]:
        """A task as bytes.

        Raises:
            ConfigError: it cannot be pickled.
        """
        file, used = io.BytesIO(), dict[str, bytes]()
        with self._lock, _refusing(f"a task of workers ({task.kind})"):
            _TaskPickler(file, self._share, used).dump(task)
        config = next((each for each in task.arguments if isinstance(each, Config)), None)
        search = config.name if config else "none"
        return PackedTask(file.getvalue(), used, task.timed, task.continues, search, told_as=task.heard_as)

    def _share(self, value: Any) -> tuple[str, bytes]:
        found = self._shared.get(id(value))
        if found is None:
            with _refusing("an objective that workers evaluate"):
                data = _dumps(value)
            found = self._shared[id(value)] = value, hashlib.sha256(data).hexdigest(), data
        return found[1:]


class Unpacker:
    """Unpacks tasks in the process that carries them out; what they share is unpickled once."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._values: dict[str, ByValue[Any]] = {}

    def unpack(self, packed: PackedTask[T]) -> Task[T]:
        """The task, to be carried out here."""
        self._data.update(packed.values)
        task: Task[T] = _TaskUnpickler(io.BytesIO(packed.data), self._value).load()
        return task if packed.directory is None else _moved(task, packed.directory)

    def _value(self, digest: str) -> ByValue[Any]:
        if digest not in self._values:
            self._values[digest] = ByValue(pickle.loads(self._data[digest]))
            del self._data[digest]
        return self._values[digest]


class _TaskPickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    def __init__(self, file: IO[bytes], share: Callable[[Any], tuple[str, bytes]], used: dict[str, bytes]) -> None:
        _main_by_value()
        super().__init__(file)
        self._share = share
        self._used = used

    def persistent_id(self, obj: object) -> str | None:
        """The digest of what is shared; None for all else, which is pickled here and now."""
        if not isinstance(obj, ByValue):
            return None
        digest, self._used[digest] = self._share(obj.value)
        return digest


class _TaskUnpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], value: Callable[[str], ByValue[Any]]) -> None:
        super().__init__(file)
        self._value = value

    def persistent_load(self, pid: str) -> ByValue[Any]:
        return self._value(pid)


def _moved(task: Task[T], directory: str) -> Task[T]:
    """A task with another folder for its results."""
    place = {"results": ResultsConfig(dir=directory)}
    return replace(
        task,
        arguments=tuple(each.model_copy(update=place) if isinstance(each, Config) else each for each in task.arguments),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a task: its result, or what it raised and where.

    Args:
        began: the exception with which a failure began, in a line.
        cpu_s: seconds that its process has used of processors.
        alive: names of the saved states whose trainings the process now has alive; None where it does not say.
    """

    result: Any = None
    error: BaseException | None = None
    traceback: str = ""
    began: str = ""
    cpu_s: float = 0.0
    alive: Sequence[str] | None = None

    @classmethod
    def of(cls, call: Callable[[], Any]) -> Outcome:
        """Calls, and keeps whatever comes of it."""
        try:
            with exit_as_failure(of_anyone=True):
                return cls(call(), cpu_s=_cpu_s())
        except BaseException as error:
            return cls(error=error, traceback=traceback.format_exc(), began=innermost(error), cpu_s=_cpu_s())

    def to_bytes(self) -> bytes:
        """Itself as bytes; what cannot be pickled is told in words."""
        try:
            data = _dumps(self)
            if self.error is not None:
                pickle.loads(data)  # many an exception pickles that cannot be made again
        except Exception as refusal:
            began = self.began or innermost(refusal)
            said = self.traceback or traceback.format_exc()
            return _dumps(Outcome(error=RuntimeError(began), traceback=said, began=began, cpu_s=self.cpu_s))
        return data

    def get(self) -> Any:
        """The result.

        Raises:
            BaseException: what the task raised.
        """
        if self.error is None:
            return self.result
        if self.traceback:  # what cannot be read here has none
            self.error.__cause__ = RemoteError(self.traceback, self.began)
        raise self.error


@dataclass(frozen=True, slots=True)
class Registrations:
    """All that has been registered here, for a process that is to know it too.

    Args:
        modules: to be imported.
        entries: what the main module has registered, pickled by value; empty where that is nothing.
    """

    modules: tuple[str, ...] = ()
    entries: bytes = b""

    @classmethod
    def of_this_process(cls) -> Registrations:
        """Everything registered by now.

        Raises:
            ConfigError: something of the main module that cannot be pickled.
        """
        entries, layers = main_entries(), _main_layers()
        if not entries and not layers:
            return cls(registered_modules())
        with _refusing("what the main module registers"):
            return cls(registered_modules(), _dumps((entries, layers)))

    def register_main(self) -> None:
        """Registers in this process what the main module of another one has registered there.

        Raises:
            ConfigError: it needs a module that cannot be imported here.
        """
        if not self.entries:
            return
        try:
            entries, layers = pickle.loads(self.entries)
        except Exception as error:
            raise ConfigError(
                f"what the main module registers cannot be made in a worker, got {first_line(error)}; what it is made "
                "of must be installed there too"
            ) from error
        register_entries(entries)
        if layers:
            from hivenas.core.nas.training.network import register_layers

            register_layers(layers)


def _cpu_s() -> float:
    """Processor time of this process, and of children that have ended, in seconds."""
    return sum(os.times()[:4])


def _main_layers() -> dict[str, type]:
    """Classes of the main module that Keras has been told of, without which it could load no model that has them."""
    keras = sys.modules.get("keras")
    known = keras.saving.get_custom_objects() if keras else {}
    return {name: each for name, each in known.items() if getattr(each, "__module__", "") in MAIN_MODULES}


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turns whatever is raised where something cannot be pickled into a ConfigError."""
    try:
        yield
    except HivenasError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{what} must be made of what can be pickled, got {first_line(error)}; keep open files, locks and "
            "connections out of it, or choose execution.kind=serial"
        ) from error


def _dumps(value: Any) -> bytes:
    _main_by_value()
    data: bytes = cloudpickle.dumps(value)
    return data


def _main_by_value() -> None:
    """Has cloudpickle treat the main module of a child of `multiprocessing` as it treats any other's."""
    if child := sys.modules.get("__mp_main__"):
        cloudpickle.register_pickle_by_value(child)


def progress_as_bytes(progress: Progress) -> bytes:
    """The message of what a task tells on its way."""
    return _PROGRESS + pickle.dumps(progress)


def progress_in(message: bytes) -> Progress | None:
    """The progress that a task tells of in a message; None where the message is another one."""
    if not message.startswith(_PROGRESS):
        return None
    progress: Progress = pickle.loads(message[len(_PROGRESS) :])
    return progress


def send(stream: IO[bytes], data: bytes) -> None:
    """Writes a message.

    Raises:
        OSError: nobody reads any more.
    """
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Reads a message.

    Raises:
        EOFError: there are no more.
    """
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    return _read(stream, length)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
