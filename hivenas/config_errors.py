"""What is said of a configuration that is wrong: the rule, the value given, the way out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from hivenas.config_text import shown

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


def explain(error: ValidationError, source: str, origins: Mapping[str, str], known: Sequence[str]) -> str:
    """One line for the first thing that is wrong, and how many more there are.

    Args:
        error: what pydantic found.
        source: the file to name.
        origins: dotted keys that did not come from the file, with what to name instead.
        known: every dotted key that there is, those of the sections included.
    """
    problems = [p for p in error.errors(include_url=False) if p["type"] != "none_required"]
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"])
    exact = [text for o, text in origins.items() if key == o or key.startswith(f"{o}.")]
    inside = [text for o, text in origins.items() if o.startswith(f"{key}.")]
    place = ", ".join(exact or [p for p in (source, *inside) if p])
    where = f" ({place})" if place else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] in ("extra_forbidden", "invalid_key"):
        message = f"unknown key {key}{where}{_nearest_key(key, known) or '; conf/default.yaml lists every key'}"
    elif first["type"] == "value_error":
        text = str(first["ctx"]["error"])
        message = text if text.startswith(key.split(".")[0] + ".") else f"{key} {text}"
        rule, _, way_out = message.partition("; ")
        message = f"{rule}{where}; {way_out}" if way_out else f"{rule}{where}"
    else:
        rule = _RULES.get(first["type"], first["msg"]).format_map(first.get("ctx") or {})
        message = f"{key} {rule}, got {shown(first['input'])}{where}"
    return message + more


def _nearest_key(key: str, known: Sequence[str]) -> str:
    parent, _, leaf = key.rpartition(".")
    siblings = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    found = difflib.get_close_matches(leaf, siblings, n=1)
    if found:
        return f"; did you mean {f'{parent}.' if parent else ''}{found[0]}?"
    elsewhere = [k for k in known if k.rpartition(".")[2] == leaf] or difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {elsewhere[0]}?" if elsewhere else ""
