"""The messages about a configuration that is wrong: the rule, the value given, the way out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hivenas.config.other_names import meant
from hivenas.config.patterns import PATTERNS
from hivenas.config.text import in_flow, nearest, shown

_RULES: Mapping[str, str] = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be one of {expected}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} entry",
}
_NEAR = 0.8  # likeness of a key of another section, where one of the same needs 0.6


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that breaks a rule.

    Args:
        key: dotted.
        given: the value.
        ctx: what pydantic says of the rule.
        is_override: whether it was given by --set.
    """

    key: str
    given: Any
    ctx: Mapping[str, Any]
    is_override: bool


def explain(
    error: ValidationError,
    source: str,
    origins: Mapping[str, str],
    known: Sequence[str],
    old_keys: Mapping[str, str],
) -> str:
    """One line for the first thing that is wrong, and how many more there are.

    Args:
        error: what pydantic found.
        source: the file to name.
        origins: dotted keys that did not come from the file, with what to name instead.
        known: every dotted key that there is, those of the sections included.
        old_keys: dotted keys that the file calls by another name, with that name.
    """
    problems = [p for p in error.errors(include_url=False) if p["type"] != "none_required"]
    first = problems[0]
    # A rule over several sections stands at no key; what it says begins with the one to change.
    key = ".".join(str(part) for part in first["loc"]) or str(first.get("ctx", {}).get("error", "")).partition(" ")[0]
    exact = [text for o, text in origins.items() if key == o or key.startswith(f"{o}.")]
    inside = [text for o, text in origins.items() if o.startswith(f"{key}.")]
    place = ", ".join(exact or [p for p in (source, *inside) if p])
    where = f" ({place})" if place else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] in ("extra_forbidden", "invalid_key"):
        message = f"unknown key {key}{where}{_nearest_key(key, known) or '; hivenas init default writes every key'}"
    elif first["type"] == "value_error":
        text = str(first["ctx"]["error"])
        message = text if re.match(rf"{re.escape(key.partition('.')[0])}[. ]", text) else f"{key} {text}"
        message = message if exact else in_old_words(message, old_keys)
        rule, _, way_out = message.partition("; ")
        message = f"{rule}{where}; {way_out}" if way_out else f"{rule}{where}"
    else:
        problem = Problem(key, first["input"], first.get("ctx") or {}, bool(exact))
        rule = _rule_of(first["type"], first["msg"], problem)
        name = key if exact else in_old_words(key, old_keys)
        way = _WAYS[first["type"]](problem) if first["type"] in _WAYS else ""
        if problem.given is None and key in known:
            way = way or "; leave it out for its default"
        message = f"{name} {rule}, got {shown(problem.given)}{where}{way}"
    return message + more


def _rule_of(kind: str, otherwise: str, problem: Problem) -> str:
    """The rule that a value breaks, in words."""
    if kind == "string_pattern_mismatch":
        return PATTERNS[problem.ctx["pattern"]].rule
    return _RULES.get(kind, otherwise).format_map(problem.ctx)


def in_old_words(text: str, old_keys: Mapping[str, str]) -> str:
    """A message with its keys named as an old file names them.

    Dotted keys are replaced wherever they stand, a key of one word only where the message begins with it (a message
    may well ask to `name` something), and a bare last part only where the old key is the same word in upper case.
    """
    for new in sorted(old_keys, key=len, reverse=True):
        place = rf"(?<![\w./]){re.escape(new)}(?!\w)" if "." in new else rf"\A{new}(?!\w)"
        text = re.sub(place, old_keys[new], text)
    for new, old in old_keys.items():
        leaf = new.rpartition(".")[2]
        if "." in new and leaf == old.lower():
            text = re.sub(rf"(?<![\w./'-]){leaf}(?![\w./'-])", old, text)
    return text


def _nearest_key(key: str, known: Sequence[str]) -> str:
    parent, _, leaf = key.rpartition(".")
    siblings = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    found = meant(leaf, siblings) or difflib.get_close_matches(leaf, siblings, n=1)
    if found:
        return f"; did you mean {' or '.join(f'{parent}.{each}' if parent else each for each in found)}?"
    elsewhere = _elsewhere(parent, leaf.lower(), known)
    return f"; did you mean {elsewhere}?" if elsewhere else ""


def _elsewhere(parent: str, leaf: str, known: Sequence[str]) -> str:
    """The key of another section that is called so, or, of one outside of all sections, is meant; empty without."""
    named: dict[str, list[str]] = {}
    for key in known:
        named.setdefault(key.rpartition(".")[2], []).append(key)
    other = [] if parent else [name for name in meant(leaf, named)[:1] if len(named[name]) == 1]
    near = [leaf] if leaf in named else other or difflib.get_close_matches(leaf, named, n=1, cutoff=_NEAR)
    return named[near[0]][0] if near else ""


def _choices_near(problem: Problem) -> str:
    choices = re.findall("'([^']*)'", problem.ctx["expected"])
    return nearest(problem.given, choices) if isinstance(problem.given, str | bool | None) else ""


def _in_quotes(problem: Problem) -> str:
    """YAML reads 123 as a number, and yes as true."""
    if isinstance(problem.given, bool):
        return "; put it in quotes"
    # A shell takes the outer quotes of an override away.
    quoted = f"'{shown(problem.given)}'"
    quoted = f'--set {problem.key}="{quoted}"' if problem.is_override else quoted
    return f"; write {quoted}" if isinstance(problem.given, int | float) else ""


def _like_it(problem: Problem) -> str:
    name = PATTERNS[problem.ctx["pattern"]].made_of(problem.given)
    return f"; {name}, say" if name else ""


def _as_list(problem: Problem) -> str:
    return f"; write [{in_flow(problem.given)}]" if isinstance(problem.given, str) else ""


# The ways out of what pydantic finds, by its kinds.
_WAYS: Mapping[str, Callable[[Problem], str]] = {
    "literal_error": _choices_near,
    "string_type": _in_quotes,
    "string_pattern_mismatch": _like_it,
    "tuple_type": _as_list,
}
