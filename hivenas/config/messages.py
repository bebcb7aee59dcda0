"""The messages about a configuration that is wrong: the rule, the value given, the way out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from hivenas.config.text import nearest, shown

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
    "string_pattern_mismatch": "must match {pattern}",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} entry",
}


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
        message = text if text.startswith(key.split(".")[0] + ".") else f"{key} {text}"
        message = message if exact else in_old_words(message, old_keys)
        rule, _, way_out = message.partition("; ")
        message = f"{rule}{where}; {way_out}" if way_out else f"{rule}{where}"
    else:
        rule = _RULES.get(first["type"], first["msg"]).format_map(first.get("ctx") or {})
        name = key if exact else in_old_words(key, old_keys)
        choices = re.findall("'([^']*)'", str((first.get("ctx") or {}).get("expected", "")))
        hint = nearest(first["input"], choices) if isinstance(first["input"], str) else ""
        message = f"{name} {rule}, got {shown(first['input'])}{where}{hint}"
    return message + more


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
    found = difflib.get_close_matches(leaf, siblings, n=1)
    if found:
        return f"; did you mean {f'{parent}.' if parent else ''}{found[0]}?"
    elsewhere = [k for k in known if k.rpartition(".")[2] == leaf.lower()] or difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {elsewhere[0]}?" if elsewhere else ""
