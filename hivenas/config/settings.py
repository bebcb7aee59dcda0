"""Settings that are searched with the architecture: the keys that may vary, and what of them a candidate's string says.

A candidate with settings is its architecture and a suffix, keys in alphabetical order and without `evaluation.`:
`input|…|output;batch_size=64;initial_lr=0.003`.
"""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hivenas.config.choices import Choice, Log, Scalar, Varied, written
from hivenas.config.evaluation import EvaluationConfig
from hivenas.config.schema import as_whole, whole_keys
from hivenas.config.text import parse_yaml, put, shown
from hivenas.errors import ArchitectureError, ConfigError

# Keys of `evaluation` that may vary; one that ends in a dot stands for those of a section. All others decide what
# fitness is, when it is compared, or who is trained on, which must be one for all candidates.
SEARCHABLE = (
    "augmentation.",
    "batch_size",
    "ema",
    "final_lr",
    "initial_lr",
    "label_smoothing",
    "optimizer.",
    "schedule",
    "warmup_epochs",
)
SECTION = "evaluation."
# More combinations are not all tried before a search: then every value beside the first ones of all others, and the
# last ones together.
MOST_COMBINATIONS = 1_000

_END = "|output"
_RATES = {"initial_lr", "final_lr", "schedule", "optimizer.op", "optimizer.learning_rate"}
_KEY, _VALUE = r"[a-z_]\w*(?:\.[a-z_]\w*)*", r"[A-Za-z_]\w*|[-+]?[\d.]+(?:e[-+]?\d+)?"


def without_choices(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Varied]]:
    """Plain data with the first value of everything that varies, and what varies, by its dotted key.

    Args:
        data: nested data; what varies is a Choice, a Log or, under `evaluation`, either as text.

    Raises:
        ConfigError: a key that cannot vary, or not so.
    """
    found: dict[str, Varied] = {}

    def plain(value: Any, key: str) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(each, f"{key}.{name}" if key else str(name)) for name, each in value.items()}
        if isinstance(value, str) and key.startswith(SECTION) and re.match(r"!(Choice|Log)\b", value):
            value = parse_yaml(value, key)
        if isinstance(value, Choice | Log):
            _check_key(key, value)
            found[key] = varied = _as_candidates_have_it(key, value)
            return varied.values[0]
        if isinstance(value, list | tuple) and any(isinstance(each, Choice | Log) for each in value):
            raise ConfigError(f"{key} must be plain values, got {shown(value)}; {_WHAT_VARIES}")
        return value

    made = {name: plain(value, str(name)) for name, value in data.items()}
    _check_first_rates(made, found)
    return made, dict(sorted(found.items()))


_WHAT_VARIES = (
    f"what varies are the keys {', '.join(key.removesuffix('.') + '.…' * key.endswith('.') for key in SEARCHABLE)} of "
    "evaluation"
)


def may_vary(key: str) -> bool:
    """True of a dotted key, without `evaluation.`, that may differ from candidate to candidate."""
    return any(key == each or (each.endswith(".") and key.startswith(each) and key != each) for each in SEARCHABLE)


def _check_key(key: str, value: Varied) -> None:
    section, _, own = key.partition(".")
    if f"{section}." == SECTION and own.partition(".")[0] not in EvaluationConfig.model_fields:
        return  # an unknown key, which is said of its value
    if not key.startswith(SECTION) or not may_vary(key.removeprefix(SECTION)):
        raise ConfigError(f"{key} must be one value for all candidates, got {value}; {_WHAT_VARIES}")


def _check_first_rates(data: Mapping[str, Any], choices: Mapping[str, Varied]) -> None:
    """Refuses an end of the learning rate whose first value is 0 where the other, given, would be off for all then."""
    evaluation = data.get("evaluation")
    ends = ("initial_lr", "final_lr")
    for key, other in (ends, ends[::-1]):
        varied, given = choices.get(SECTION + key), isinstance(evaluation, Mapping) and evaluation.get(other)
        if varied is None or SECTION + other in choices or not given:
            continue
        if varied.values[0] == 0 and len(varied.values) > 1:
            raise ConfigError(
                f"{SECTION}{key} must not have 0 as its first value, which switches {SECTION}{other}={given} off for "
                f"all candidates, got {varied}; put it last"
            )


def _as_candidates_have_it(key: str, varied: Varied) -> Varied:
    """The same, with the numbers of a key whose values are whole ones, such as 1e2 in YAML, as such, and no −0."""
    is_whole = key.removeprefix(SECTION) in whole_keys(EvaluationConfig)
    if isinstance(varied, Choice):
        return Choice([as_whole(value) if is_whole else _unsigned(value) for value in varied.values])
    return Log(as_whole(varied.low), as_whole(varied.high), varied.n) if is_whole else varied


def with_values(data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested data with other values for some dotted keys."""
    changed = copy.deepcopy(dict(data))
    for key, value in values.items():
        put(changed, key.split("."), value, key)
    return changed


def combinations(choices: Mapping[str, Varied]) -> Iterator[dict[str, Scalar]]:
    """The values to try before a search, by their dotted keys: all combinations, or of very many some.

    Then each value beside the first ones of all other keys, and the last ones of all together.
    """
    if math.prod(len(each.values) for each in choices.values()) <= MOST_COMBINATIONS:
        for values in itertools.product(*(each.values for each in choices.values())):
            yield dict(zip(choices, values, strict=True))
        return
    first = {key: each.values[0] for key, each in choices.items()}
    for key, each in choices.items():
        yield from ({**first, key: value} for value in each.values)
    yield {key: each.values[-1] for key, each in choices.items()}


def following(choices: Mapping[str, Varied], evaluation: EvaluationConfig) -> list[str]:
    """The dotted keys that were left out and follow from keys that vary, so that a record must leave them out too.

    A learning rate that is left out is the optimizer's usual one, and the end of a decay follows its beginning.
    """
    if not {key.removeprefix(SECTION) for key in choices} & _RATES:
        return []
    ends = ("initial_lr", "final_lr")
    given = [key for key in ends if key in evaluation.model_fields_set]
    # With neither given, both are 0 where the optimizer's own rate is that of every epoch: for every candidate then,
    # unless another schedule lets it decay.
    decays = evaluation.initial_lr or f"{SECTION}schedule" in choices
    left = [key for key in ends if key not in given] if given or decays else []
    own = [] if "learning_rate" in evaluation.optimizer.model_fields_set else ["optimizer.learning_rate"]
    return [f"{SECTION}{key}" for key in (*left, *own)]


def split_candidate(candidate: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The architecture of a candidate's string, and its settings as they are written.

    Raises:
        ArchitectureError: settings that are not key=value, or a key that stands twice.

    Examples:
        >>> split_candidate("input|identity|output;batch_size=64;initial_lr=0.003")
        ('input|identity|output', (('batch_size', '64'), ('initial_lr', '0.003')))
    """
    architecture, end, suffix = candidate.partition(f"{_END};")
    if not end:
        return candidate, ()
    settings: dict[str, str] = {}
    for part in suffix.split(";"):
        key, _, value = part.partition("=")
        if not re.fullmatch(_KEY, key) or not re.fullmatch(_VALUE, value):
            raise ArchitectureError(
                f"the settings of a candidate must read ;key=value;…, got {part!r} in {candidate!r}; write "
                ";initial_lr=0.003, say"
            )
        if key in settings:
            raise ArchitectureError(f"a setting must stand once, got {key} twice in {candidate!r}; leave one out")
        settings[key] = value
    return f"{architecture}{_END}", tuple(settings.items())


def joined(architecture: str, settings: Sequence[tuple[str, str]]) -> str:
    """A candidate's string, the inverse of `split_candidate`."""
    return ";".join([architecture, *(f"{key}={value}" for key, value in settings)])


def settings_of(candidate: str, choices: Mapping[str, Varied] | None = None) -> dict[str, Scalar]:
    """The settings of a candidate's string as values, by dotted keys.

    Args:
        candidate: an architecture, with or without settings.
        choices: what a search varies, by its dotted key: values that are among those are written as these are.

    Raises:
        ArchitectureError: a key that cannot vary, keys that are not in alphabetical order, or a value that is written
            otherwise than candidates have it.
    """
    found: dict[str, Scalar] = {}
    _, settings = split_candidate(candidate)
    if settings != (in_order := tuple(sorted(settings))):
        raise ArchitectureError(
            f"the settings of a candidate must stand in alphabetical order, got {candidate!r}; write "
            f"{joined('', in_order)}"
        )
    for key, text in settings:
        if not may_vary(key):
            raise ArchitectureError(
                f"a setting of a candidate must be one that may vary, got {key} in {candidate!r}; {_WHAT_VARIES}"
            )
        value = parse_yaml(text, candidate)
        right = _as_written(key, value, choices or {}) if isinstance(value, bool | int | float | str) else "…"
        if right != text:
            raise ArchitectureError(
                f"a setting must be a number, a word, true or false as Python writes it, got {key}={text} in "
                f"{candidate!r}; write {key}={right}"
            )
        found[f"{SECTION}{key}"] = value
    return found


def _as_written(key: str, value: Scalar, choices: Mapping[str, Varied]) -> str:
    """A value as candidates have it: as it is among what varies, or else whole numbers without a point, 0 unsigned."""
    varied = choices.get(f"{SECTION}{key}")
    for each in varied.values if varied else ():
        if each == value:
            return written(each)
    return written(_unsigned(as_whole(value) if key in whole_keys(EvaluationConfig) else value))


def _unsigned(value: Scalar) -> Scalar:
    """The same, and 0 for −0, which trains alike."""
    return 0.0 if isinstance(value, float) and value == 0 else value
