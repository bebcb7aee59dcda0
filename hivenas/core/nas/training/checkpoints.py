"""Saved states of networks, and those that are kept in the middle of a training so that a killed one goes on."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import h5py
import keras

from hivenas.config import Config
from hivenas.core.files import written_whole
from hivenas.core.folder import WEIGHTS_SUFFIX
from hivenas.core.nas.training.network import copy_matching_weights
from hivenas.core.nas.training.stretches import Inside, PartialEpoch
from hivenas.core.records import EpochFigures, plain
from hivenas.errors import MissingResultsError

logger = logging.getLogger("hivenas")

_OPTIMIZER, _SLOTS = "hivenas.optimizer", "hivenas.optimizer_slots"  # attributes of h5 files: of whose state they are
_SHARE = 25  # keeping a state inside an epoch takes no larger part of the time than this one's reciprocal


# Keys of `evaluation` that no weight of a continuation depends on.
_OF_FIRST = frozenset(
    ("act", "first_look", "inherit", "inherit_epochs", "ladder", "median", "momentum_epochs", "score", "stopping")
)


@dataclass(frozen=True, slots=True)
class Saved:
    """An h5 file's word on itself, beside weights and optimizer state.

    `history` is that of the weights, `costs` what was measured of the network after its first training, `partial` the
    epoch after the history, where the weights are from the middle of one, `mark` the fingerprint of what all epochs
    depend on, empty in files of earlier versions.
    """

    candidate: str
    epochs: int
    momentum_epochs: int
    history: tuple[EpochFigures, ...]
    inherited: float = 0.0
    inherited_epochs: int = 0
    costs: Mapping[str, float] = field(default_factory=dict)
    partial: PartialEpoch | None = None
    mark: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `plain`, from JSON."""
        history = tuple(EpochFigures(**figures) for figures in data["history"])
        partial = data.get("partial")
        return cls(**{**data, "history": history, "partial": partial and PartialEpoch(**partial)})

    def plain(self) -> dict[str, Any]:
        """As plain nested data, without costs, an epoch's part and a mark where there are none."""
        return {key: value for key, value in plain(self).items() if value or key not in ("costs", "partial", "mark")}


def save_state(network: keras.Model, path: Path, saved: Saved) -> None:
    """Saves weights and optimizer state whole or not at all.

    Raises:
        DiskFullError: there is no space for them.
    """
    _write(network, path, lambda file: saved.plain(), sync=True)


def start_from(network: keras.Model, path: Path) -> None:
    """Gives a network the weights of an h5 file, and its optimizer the state where that is of one of its kind.

    Keras assigns the variables of any optimizer by their number, a momentum as a mean of squares, say.

    Args:
        network: compiled.
        path: the file; of one that earlier versions have written the optimizer is taken for the same.
    """
    with h5py.File(path) as file:
        kind, slots = _kind_of(network.optimizer), _slots_of(network.optimizer)
        is_other = file.attrs.get(_OPTIMIZER, kind) != kind or file.attrs.get(_SLOTS, slots) != slots
    network.load_weights(path, objects_to_skip=[network.optimizer] if is_other else None)


def find_saved(folder: Path, name: str, keep_weights: str) -> Path:
    """The h5 file of a name, or of the sha1 with which that starts, and then the one of the longest training.

    Args:
        folder: where h5 files are.
        name: of the file, or its sha1.
        keep_weights: `results.keep_weights`, which may be why there is none.

    Raises:
        MissingResultsError: it does not exist (a FileNotFoundError).
    """
    exact = folder / name
    if name and exact.is_file():
        return exact
    stem = Path(name).name.removesuffix(WEIGHTS_SUFFIX)
    found = list(folder.glob(f"{stem}-[0-9]*{WEIGHTS_SUFFIX}")) if stem else []
    if not found:
        dropped = f" (results.keep_weights: {keep_weights} deletes those of others)" if keep_weights != "all" else ""
        raise MissingResultsError(
            f"no weights {name!r} in {folder}{dropped}; evaluate the candidate first, or give the results.dir and name "
            "that it was evaluated under"
        )
    return max(found, key=lambda file: int(file.name.removesuffix(WEIGHTS_SUFFIX).rpartition("-")[2]))  # the age


def inherited(network: keras.Model, candidate: str, donor: Path | None, build: Callable[[str], keras.Model]) -> Saved:
    """Starts a network from another one's matching weights, where there are any; says what is behind it.

    Args:
        network: new, of the candidate.
        candidate: the architecture.
        donor: the h5 file of the other one; None, or one that is not there, for none.
        build: builds the network of an architecture.
    """
    scratch = Saved(candidate, 0, 0, ())
    if donor is None or not donor.is_file():
        return scratch
    saved = read_saved(donor)
    parent = build(saved.candidate)
    parent.load_weights(donor)
    share = copy_matching_weights(parent, network)
    if not share:
        return scratch
    return replace(scratch, history=saved.history, inherited=share, inherited_epochs=len(saved.history))


def read_saved(path: Path) -> Saved:
    """Read the description that an h5 file holds of itself."""
    with h5py.File(path, "r") as file:
        return Saved.of(json.loads(file.attrs["hivenas"]))


def warn_of_another_mark(path: Path, saved: Saved, *marks: str) -> None:
    """Says that a training does not go on as if it had not been interrupted, where what it depends on has changed.

    Args:
        path: the h5 file that it goes on from.
        saved: what that says of itself.
        marks: that it may have: of all that further epochs depend on, and as earlier versions made them.
    """
    if saved.mark not in ("", *marks):
        logger.warning(
            "%s was trained with another seed, other settings, other data or another version of Keras than those with "
            "which it goes on, so not as if it had not been interrupted",
            path,
        )


class Checkpoint:
    """The state of one unfinished training: kept now and then while it goes on, taken up by the next attempt.

    What comes of a training does not depend on whether, or when, its state was kept.

    Args:
        path: the file that holds it.
        fingerprint: of all that decides what the training comes to; asked for when it is first needed. A file with
            another one is not taken up.
        every_s: seconds that must have passed since the training began, or the state was last kept; with 0 it is kept
            after every epoch, and never inside one.
    """

    def __init__(self, path: Path, fingerprint: Callable[[], str], every_s: float) -> None:
        self._path = path
        self._fingerprint = fingerprint
        self._every_s = every_s
        self._last = time.monotonic()
        self._took_s = 0.0  # to keep it last

    def keep(self, network: keras.Model, saved: Saved) -> None:
        """Keeps the state after an epoch or inside one, if it is time.

        Raises:
            DiskFullError: there is no space for it.
        """
        began = time.monotonic()
        least = self._every_s if saved.partial is None else max(self._every_s, _SHARE * self._took_s)
        if began - self._last < least:
            return
        own = {"fingerprint": self._fingerprint()}
        _write(network, self._path, lambda file: saved.plain() | own | {"digest": _digest(file)})
        self._last = time.monotonic()
        self._took_s = self._last - began

    def inside(
        self,
        network: keras.Model,
        so_far: Callable[[Sequence[EpochFigures]], Saved],
        kept: Saved | None,
        tell: Callable[[Sequence[EpochFigures], float], None] | None = None,
    ) -> Inside:
        """The work inside epochs: the state is kept there too, unless that is done after every epoch.

        Args:
            network: that is trained.
            so_far: the description of its state after the epochs that it is given.
            kept: what was taken up.
            tell: see `Inside`.
        """

        def keep(own: Sequence[EpochFigures], partial: PartialEpoch) -> None:
            self.keep(network, replace(so_far(own), partial=partial))

        return Inside(kept.partial if kept else None, keep if self._every_s else None, tell)

    def take_up(self, network: keras.Model) -> Saved | None:
        """Gives a network the state that an earlier attempt kept.

        Args:
            network: compiled, its optimizer built; unchanged where nothing is taken up.

        Returns:
            What the file says of the state; None where there is none of this training, or none that can be read.
        """
        saved = self._read()
        if saved is None:
            return None
        before = [(variable, variable.numpy()) for variable in (*network.variables, *network.optimizer.variables)]
        try:
            network.load_weights(self._path)
        except Exception:  # a user's layers may have changed their shapes since
            for variable, value in before:
                variable.assign(value)
            return None
        return saved

    def _read(self) -> Saved | None:
        try:
            with h5py.File(self._path, "r") as file:
                data = json.loads(file.attrs["hivenas"])
                if data.pop("fingerprint") != self._fingerprint() or data.pop("digest") != _digest(file):
                    return None
            return Saved.of(data)
        except (
            OSError,
            RuntimeError,
            AttributeError,
            KeyError,
            ValueError,
            TypeError,
        ):  # none, torn, of another version
            return None


class _Memory(io.BytesIO):
    """An h5 file in memory, with a name by which Keras takes it for one of weights.

    HDF5 writes nothing to the disk itself: where that is full, closing the file ends the process (HDF5 1.14).
    """

    def __str__(self) -> str:
        return f"memory{WEIGHTS_SUFFIX}"


def _write(
    network: keras.Model, path: Path, describe: Callable[[h5py.File], dict[str, Any]], *, sync: bool = False
) -> None:
    memory = _Memory()
    network.save_weights(memory)
    with h5py.File(memory, "a") as file:
        file.attrs["hivenas"] = json.dumps(describe(file))
        file.attrs[_OPTIMIZER] = _kind_of(network.optimizer)
        file.attrs[_SLOTS] = _slots_of(network.optimizer)
    with written_whole(path, sync=sync) as temporary:
        temporary.write_bytes(memory.getbuffer())


def _kind_of(optimizer: Any) -> str:
    """The names of an optimizer and, for one that scales another's gradients, of that one.

    They do not tell which of its variables it has: see `_slots_of`.
    """
    inner = getattr(optimizer, "inner_optimizer", None)
    return type(optimizer).__name__ + (f" of {_kind_of(inner)}" if inner else "")


def _slots_of(optimizer: Any) -> str:
    """The arguments of an optimizer that add to its state, a variable for every weight each."""
    given = getattr(optimizer, "inner_optimizer", optimizer).get_config()
    return " ".join(key for key in ("amsgrad", "centered", "momentum", "use_ema") if given.get(key))


def deciding(config: Config) -> dict[str, Any]:
    """The part of a configuration that decides the figures of a training, as plain data.

    Threads are left out: another machine goes on with the same state, if not with the same last bits.
    """
    searched = {"preset", "operations", "depth", "skip_rate", "max_params", "max_macs"}
    # Earlier versions, whose states are read, had no such key.
    added = {"train_limit"} if config.evaluation.train_limit is None else set()
    return {
        "dataset": config.dataset.figures,
        "evaluation": config.evaluation.model_dump(mode="json", exclude=added),
        "space": config.space.model_dump(mode="json", exclude=searched),
    }


def continuing(config: Config) -> dict[str, Any]:
    """The part of `deciding` on which the epochs of a continuation depend.

    It is without what may end or pause a first training, what that began from, and what is made of its figures.
    """
    parts = deciding(config)
    return parts | {"evaluation": {key: each for key, each in parts["evaluation"].items() if key not in _OF_FIRST}}


def fingerprint(parts: Mapping[str, Any]) -> str:
    """A hash of plain data, and of the version of Keras that reads and writes the states."""
    text = json.dumps({**parts, "keras": keras.__version__}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(file: h5py.File) -> str:
    """A hash of every array: after a power failure a file may be whole in size and empty inside."""
    digest = hashlib.sha256()

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name}{item.dtype}{item.shape}".encode())
            digest.update(item[()].tobytes())

    file.visititems(add)
    return digest.hexdigest()
