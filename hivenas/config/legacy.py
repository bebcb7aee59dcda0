"""Configuration files of the ancestor, HiveNAS: their upper-case keys in today's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hivenas.config.text import nearest, put, shown
from hivenas.errors import ConfigError

_OPTIMIZERS: Mapping[str, str] = {"sgd": "SGD", "adam": "Adam", "rmsprop": "RMSprop"}
_LAYOUT = ("search_space", "reference_space")


def _same(value: Any) -> Any:
    return value


def _as_name(value: Any) -> Any:
    """A version may be a number, a name may not."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _seed(value: Any) -> Any:
    return None if isinstance(value, int) and value < 0 else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _optimizer(value: Any) -> Any:
    """A bare name stands for the optimizer with Keras' own arguments."""
    mapping = {"op": value} if isinstance(value, str) else value
    if isinstance(mapping, Mapping) and isinstance(mapping.get("op"), str):
        return {**mapping, "op": _OPTIMIZERS.get(mapping["op"].lower(), mapping["op"])}
    return mapping


# Old key, today's key, and what becomes of the value. Where two old keys mean one thing, the newer stands last.
_MOVED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "CONFIG_VERSION": ("name", _as_name),
    "SEED_VALUE": ("seed", _seed),
    "OPTIMIZATION_OBJECTIVE": ("objective", _lower),
    "ABANDONMENT_LIMIT": ("colony.abandonment_limit", _same),
    "COLONY_SIZE": ("colony.size", _same),
    "EMPLOYEE_ONLOOKER_RATIO": ("colony.employee_ratio", _same),
    "ITERATIONS_COUNT": ("colony.iterations", _same),
    "RESULTS_BASE_PATH": ("results.dir", _same),
    "DEPTH": ("space.depth", _same),
    "RESIDUAL_BLOCKS_RATE": ("space.skip_rate", _same),
    "STOCHASTIC_SC_RATE": ("space.skip_rate", _same),
    "DATASET": ("dataset.name", _lower),
    "INPUT_STEM": ("space.input_stem", _same),
    "OUTPUT_STEM": ("space.output_stem", _same),
    "EPOCHS": ("evaluation.epochs", _same),
    "FULL_TRAIN_EPOCHS": ("full_train.epochs", _same),
    "INITIAL_LR": ("evaluation.initial_lr", _same),
    "FINAL_LR": ("evaluation.final_lr", _same),
    "BATCH_SIZE": ("evaluation.batch_size", _same),
    "OPTIMIZER": ("evaluation.optimizer", _optimizer),
    "AFFINE_TRANSFORMATIONS_ENABLED": ("evaluation.augmentation.affine", _same),
    "CUTOUT_PROB": ("evaluation.augmentation.cutout", _same),
    "SATURATION_AUG_PROB": ("evaluation.augmentation.saturation", _same),
    "CONTRAST_AUG_PROB": ("evaluation.augmentation.contrast", _same),
    "MOMENTUM_EPOCHS": ("evaluation.momentum_epochs", _same),
    "TERMINATION_THRESHOLD_FACTOR": ("evaluation.act.beta", _same),
    "TERMINATION_DIMINISHING_FACTOR": ("evaluation.act.zeta", _same),
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
    "LR": "evaluation.initial_lr: 0 with a learning_rate of evaluation.optimizer is a constant learning rate",
}

_KEYS = (*_MOVED, "OPERATIONS", *_DEAD)


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration in today's keys.

    Args:
        data: nested, with today's keys.
        warnings: a line for every key of the file that no longer has a meaning.
        old_keys: dotted keys of today with what the file calls them, for errors.
    """

    data: dict[str, Any]
    warnings: tuple[str, ...] = ()
    old_keys: Mapping[str, str] = field(default_factory=dict)


def is_ancestral(data: Mapping[str, Any]) -> bool:
    """True where any key of a parsed file is in upper case."""
    return any(key.isupper() for key in data)


def translate(data: Mapping[str, Any], source: str) -> Translation:
    """A parsed file of the ancestor in today's keys.

    Args:
        data: what the file holds.
        source: the file to name in errors and warnings.

    Raises:
        ConfigError: an unknown key, keys of both kinds, or operations in neither of the ancestor's layouts. Whether
            the values are allowed is for the configuration to say.
    """
    _refuse_foreign_keys(data, source)
    # The ancestor knew no other way to end a training early.
    today: dict[str, Any] = {"evaluation": {"stopping": "act"}}
    old_keys = {new: old for old, (new, _) in _MOVED.items()}
    given: dict[str, str] = {}
    for old in filter(_MOVED.__contains__, data):
        new, converted = _MOVED[old]
        if new in given:
            raise ConfigError(f"{given[new]} and {old} are one setting, got both ({source}); remove one of them")
        given[new] = old
        put(today, new.split("."), converted(data[old]), f"{old}, {source}")
    space = today.setdefault("space", {})
    if "OPERATIONS" in data:
        old_keys |= _operations(data["OPERATIONS"], space, source)
    for stem in ("input_stem", "output_stem"):
        old_keys |= _inline_operations(stem, space)
    warnings = [f"{old} is ignored ({source}); {_DEAD[old]}" for old in data if old in _DEAD]
    return Translation(today, tuple(warnings), old_keys | given)


def _refuse_foreign_keys(data: Mapping[str, Any], source: str) -> None:
    lower = [key for key in data if not key.isupper()]
    if lower:
        upper = next(key for key in data if key.isupper())
        moved = f", such as {_MOVED[upper][0]} for {upper}" if upper in _MOVED else ""
        raise ConfigError(
            f"a configuration has either today's lower-case keys or the ancestor's upper-case ones, got {lower[0]} "
            f"and {upper} ({source}); use today's{moved}"
        )
    for key in data:
        if key not in _KEYS:
            raise ConfigError(
                f"unknown key {key} ({source}){nearest(key, _KEYS) or '; hivenas init default writes every key'}"
            )


def _operations(value: Any, space: dict[str, Any], source: str) -> dict[str, str]:
    """Fills in the space's operations from either layout; what the file calls them."""
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(
            f"OPERATIONS must be a mapping {{search_space: […], reference_space: {{…}}}}, got {shown(value)} ({source})"
        )
    if not any(key in _LAYOUT for key in value):
        space |= {"operations": list(value), "reference": dict(value)}
        return {"space.operations": "OPERATIONS", "space.reference": "OPERATIONS"}
    for key in value:
        if key not in _LAYOUT:
            raise ConfigError(
                f"unknown key OPERATIONS.{key} ({source}){nearest(key, _LAYOUT)}; choose among {', '.join(_LAYOUT)}"
            )
    if "search_space" in value:
        space["operations"] = value["search_space"]
    reference = value.get("reference_space")
    if reference is not None:
        space["reference"] = dict(reference) if isinstance(reference, Mapping) else reference
    return {"space.operations": "OPERATIONS.search_space", "space.reference": "OPERATIONS.reference_space"}


def _inline_operations(stem: str, space: dict[str, Any]) -> dict[str, str]:
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
            reference[keys[index]] = dict(entry)
            old_keys[f"space.reference.{keys[index]}"] = f"{stem.upper()}[{index}]"
    space[stem] = keys
    return old_keys
