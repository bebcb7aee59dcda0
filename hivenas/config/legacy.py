"""Configuration files of the ancestor, HiveNAS: their upper-case keys in today's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hivenas.config.earlier import ANCESTRAL, completed
from hivenas.config.legacy_operations import Notes, operation, optimizer, plain, simplified
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.registry import DATASETS
from hivenas.config.text import nearest, put, shown
from hivenas.errors import ConfigError

_LAYOUT = ("search_space", "reference_space")
# Values by their names without capitals and signs.
_OBJECTIVES: Mapping[str, str] = {
    "nas": "nas",
    "hivenas": "nas",
    "spheremin": "sphere_min",
    "spheremax": "sphere_max",
    "rosenbrock": "rosenbrock",
}
# From where the ancestor's schedule decays, whatever the optimizer.
_INITIAL_LR = 0.08
_DATASETS: Mapping[str, str] = {"cifar10": "cifar10", "mnist": "mnist", "fashionmnist": "fashion_mnist"}


def _same(value: Any) -> Any:
    return value


def _as_name(value: Any) -> Any:
    """A version may be a number, a name may not."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _seed(value: Any) -> Any:
    value = plain(value)
    return None if isinstance(value, int) and value < 0 else value


def _objective(value: Any) -> Any:
    return _OBJECTIVES.get(simplified(value), value) if isinstance(value, str) else value


def _dataset(value: Any) -> Any:
    if not isinstance(value, str) or value in DATASETS:
        return value
    name = _DATASETS.get(simplified(value), value.lower())
    return name if name in (*_DATASETS.values(), "digits", *DATASETS) else value


# Old key, today's key, and what becomes of the value. Where two old keys mean one thing, the newer stands last.
_MOVED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "CONFIG_VERSION": ("name", _as_name),
    "SEED_VALUE": ("seed", _seed),
    "OPTIMIZATION_OBJECTIVE": ("objective", _objective),
    "ABANDONMENT_LIMIT": ("colony.abandonment_limit", plain),
    "COLONY_SIZE": ("colony.size", plain),
    "EMPLOYEE_ONLOOKER_RATIO": ("colony.employee_ratio", plain),
    "ITERATIONS_COUNT": ("colony.iterations", plain),
    "RESULTS_FILE_PATH": ("results.dir", _same),
    "RESULTS_BASE_PATH": ("results.dir", _same),
    "DEPTH": ("space.depth", plain),
    "RESIDUAL_BLOCKS_RATE": ("space.skip_rate", plain),
    "STOCHASTIC_SC_RATE": ("space.skip_rate", plain),
    "DATASET": ("dataset.name", _dataset),
    "INPUT_STEM": ("space.input_stem", _same),
    "OUTPUT_STEM": ("space.output_stem", _same),
    "EPOCHS": ("evaluation.epochs", plain),
    "FULL_TRAIN_EPOCHS": ("full_train.epochs", plain),
    "INITIAL_LR": ("evaluation.initial_lr", plain),
    "FINAL_LR": ("evaluation.final_lr", plain),
    "BATCH_SIZE": ("evaluation.batch_size", plain),
    "AFFINE_TRANSFORMATIONS_ENABLED": ("evaluation.augmentation.affine", plain),
    "CUTOUT_PROB": ("evaluation.augmentation.cutout", plain),
    "SATURATION_AUG_PROB": ("evaluation.augmentation.saturation", plain),
    "CONTRAST_AUG_PROB": ("evaluation.augmentation.contrast", plain),
    "MOMENTUM_EPOCHS": ("evaluation.momentum_epochs", plain),
    "TERMINATION_THRESHOLD_FACTOR": ("evaluation.act.beta", plain),
    "TERMINATION_DIMINISHING_FACTOR": ("evaluation.act.zeta", plain),
}

_DEAD: Mapping[str, str] = {
    "RESULTS_SAVE_FREQUENCY": "every evaluation is recorded as soon as it has ended",
    "RESULTS_FILE_NAME": "the table is <results.dir>/<name>/<name>.csv",
    "HISTORY_FILES_SUBPATH": "training histories are in <results.dir>/<name>/training_history/",
    "LOG_FILES_SUBPATH": "what workers print is in the results folder, <results.dir>/<name>/",
    "WEIGHT_FILES_SUBPATH": "weights are in <results.dir>/<name>/weights/",
    "ENABLE_WEIGHT_SAVING": "results.keep_weights says whose weights are kept",
    "RESUME_FROM_RESULTS_FILE": "hivenas search --resume goes on with a recorded search",
    "SCOUTS_COUNT": "a scout replaces every food source that has reached colony.abandonment_limit",
    "SE_RATIO": "the ancestor never had squeeze-and-excitation blocks either",
}

# Keys that are more than a value in another place.
_OWN = ("OPERATIONS", "OPTIMIZER", "LR")
_KEYS = (*_MOVED, *_OWN, *_DEAD)


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration in today's keys.

    Args:
        data: nested, with today's keys.
        warnings: a line for every key of the file that no longer has a meaning, and for every value that is not clear.
        old_keys: dotted keys of today with what the file calls them, for errors.
    """

    data: dict[str, Any]
    warnings: tuple[str, ...] = ()
    old_keys: Mapping[str, str] = field(default_factory=dict)


def is_ancestral(data: Mapping[str, Any]) -> bool:
    """True where any key of a parsed file is in upper case, or one of the ancestor's in capitals of some kind."""
    return any(_is_old(key) for key in data)


def translate(data: Mapping[str, Any], source: str) -> Translation:
    """A parsed file of the ancestor in today's keys.

    Args:
        data: what the file holds.
        source: the file to name in errors and warnings.

    Raises:
        ConfigError: an unknown key, keys of both kinds, or operations in neither of the ancestor's layouts. Whether
            the values are allowed is for the configuration to say.
    """
    file = _with_known_keys(data, source)
    notes = Notes(source, [f"{old} is ignored ({source}); {_DEAD[old]}" for old in file if old in _DEAD])
    # The ancestor knew no other way to end a training early, and a file that does not name it was trained without.
    stopping = "act" if "TERMINATION_THRESHOLD_FACTOR" in file else "none"
    today: dict[str, Any] = {"evaluation": {"stopping": stopping}}
    old_keys = {new: old for old, (new, _) in _MOVED.items()}
    given: dict[str, str] = {}
    for old in filter(_MOVED.__contains__, file):
        new, converted = _MOVED[old]
        if new in given:
            raise ConfigError(f"{given[new]} and {old} are one setting, got both ({source}); remove one of them")
        given[new] = old
        put(today, new.split("."), converted(file[old]), f"{old}, {source}")
    given |= _learning(file, today["evaluation"], notes)
    space = today.setdefault("space", {})
    if "OPERATIONS" in file:
        old_keys |= _operations(file["OPERATIONS"], space, notes)
    for stem in ("input_stem", "output_stem"):
        old_keys |= _inline_operations(stem, space, notes)
    return Translation(completed(today, ANCESTRAL), tuple(notes.lines), old_keys | given)


def _is_old(key: str) -> bool:
    return key.isupper() or (key != key.lower() and key.upper() in _KEYS)


def _with_known_keys(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The file with its keys in upper case; keys of other kinds, unknown ones and doubles are refused."""
    lower = [key for key in data if not _is_old(key)]
    if lower:
        upper = next(key for key in data if _is_old(key))
        moved = f", such as {_MOVED[upper.upper()][0]} for {upper}" if upper.upper() in _MOVED else ""
        raise ConfigError(
            f"a configuration has either today's lower-case keys or the ancestor's upper-case ones, got {lower[0]} "
            f"and {upper} ({source}); use today's{moved}"
        )
    file: dict[str, Any] = {}
    for key, value in data.items():
        if key.upper() not in _KEYS:
            raise ConfigError(
                f"unknown key {key} ({source}){nearest(key, _KEYS) or '; hivenas init default writes every key'}"
            )
        if key.upper() in file:
            raise ConfigError(f"{key.upper()} and {key} are one setting, got both ({source}); remove one of them")
        file[key.upper()] = value
    return file


def _learning(file: Mapping[str, Any], evaluation: dict[str, Any], notes: Notes) -> dict[str, str]:
    """Fills in the optimizer and its learning rate; what the file calls them.

    A schedule overrules the rates of LR and of the optimizer, and LR that of the optimizer; what is 0 is off.
    """
    given = {"evaluation.optimizer": "OPTIMIZER"}
    if "OPTIMIZER" in file:
        evaluation["optimizer"] = optimizer("OPTIMIZER", file["OPTIMIZER"], notes)
    chosen = evaluation.get("optimizer", dict(ANCESTRAL["evaluation"]["optimizer"]))
    rate = plain(file.get("LR", 0))
    schedule = [evaluation[key] for key in ("initial_lr", "final_lr") if key in evaluation]
    if schedule and 0 not in schedule:
        if rate:
            notes.add("LR", "is ignored", "the schedule from INITIAL_LR to FINAL_LR overrules it")
        overruled = chosen.pop("learning_rate", None) if isinstance(chosen, dict) else None
        if overruled is not None and overruled != evaluation.get("initial_lr"):
            notes.add("OPTIMIZER.learning_rate", "is ignored", "the schedule from INITIAL_LR to FINAL_LR overrules it")
    elif rate and isinstance(chosen, dict):
        evaluation["optimizer"] = {**chosen, "learning_rate": rate}
        given["evaluation.optimizer.learning_rate"] = "LR"
    if not schedule and ("LR" in file or (isinstance(chosen, dict) and "learning_rate" in chosen)):
        evaluation["initial_lr"] = 0.0
    own = OPTIMIZERS.get(str(chosen.get("op"))) if isinstance(chosen, dict) else None
    if own and own.initial_rate != _INITIAL_LR and "initial_lr" not in evaluation:
        final = evaluation.get("final_lr")
        evaluation["initial_lr"] = max(_INITIAL_LR, final) if isinstance(final, int | float) else _INITIAL_LR
    return given


def _operations(value: Any, space: dict[str, Any], notes: Notes) -> dict[str, str]:
    """Fills in the space's operations from either layout; what the file calls them."""
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(
            f"OPERATIONS must be a mapping {{search_space: […], reference_space: {{…}}}}, got {shown(value)} "
            f"({notes.source})"
        )
    if not any(key in _LAYOUT for key in value):
        space |= {"operations": list(value), "reference": _defined("OPERATIONS", value, notes)}
        return {"space.operations": "OPERATIONS", "space.reference": "OPERATIONS"}
    for key in value:
        if key not in _LAYOUT:
            raise ConfigError(
                f"unknown key OPERATIONS.{key} ({notes.source}){nearest(key, _LAYOUT)}; choose among "
                f"{', '.join(_LAYOUT)}"
            )
    old_keys = {"space.operations": "OPERATIONS.search_space", "space.reference": "OPERATIONS.reference_space"}
    searched, reference = value.get("search_space"), value.get("reference_space")
    if isinstance(reference, Mapping):
        reference = _defined("OPERATIONS.reference_space", reference, notes)
    if isinstance(searched, Mapping):
        own = _defined("OPERATIONS.search_space", searched, Notes(notes.source))
        reference, named = _united(own, {} if reference is None else reference, notes)
        old_keys |= named
        searched = list(searched)
    if "search_space" in value:
        space["operations"] = searched
    if reference is not None:
        space["reference"] = reference
    return old_keys


def _defined(key: str, operations: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The operations that are defined, not only named, under a key."""
    return {name: operation(f"{key}.{name}", given, notes) for name, given in operations.items() if given is not None}


def _united(own: dict[str, Any], reference: Any, notes: Notes) -> tuple[Any, dict[str, str]]:
    """The reference with what the search space alone defines, and what the file calls that.

    Where both define an operation, the ancestor sampled its name from the search space and built what the reference
    has under it.
    """
    if not isinstance(reference, dict):
        return reference, {}
    for name, value in own.items():
        if value != reference.get(name, value):
            notes.add(
                f"OPERATIONS.search_space.{name}",
                "is ignored",
                f"OPERATIONS.reference_space.{name} differs and is what is built",
            )
    named = {f"space.reference.{name}": f"OPERATIONS.search_space.{name}" for name in own if name not in reference}
    return {**own, **reference}, named


def _inline_operations(stem: str, space: dict[str, Any], notes: Notes) -> dict[str, str]:
    """Gives the operations that stand in a stem itself a key of the reference; what the file calls them."""
    entries = space.get(stem)
    if not isinstance(entries, list | tuple) or not any(isinstance(entry, Mapping) for entry in entries):
        return {}
    reference = space.setdefault("reference", {})
    keys, old_keys = list(entries), {}
    for index, entry in enumerate(entries):
        if isinstance(entry, Mapping) and isinstance(reference, dict):
            keys[index] = f"{stem}_{index + 1}"
            while keys[index] in reference:
                keys[index] += "_"
            place = f"{stem.upper()}[{index}]"
            reference[keys[index]] = operation(place, entry, notes)
            old_keys[f"space.reference.{keys[index]}"] = place
    space[stem] = keys
    return old_keys
