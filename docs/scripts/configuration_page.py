"""A hook of mkdocs: writes reference/configuration.md from the schema and from the comments of conf/default.yaml.

So no key can be missing there, and no default or bound can be wrong.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hivenas.config import Config
from hivenas.config.text import as_text

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[2]
PAGE = "reference/configuration.md"
INTRODUCTION = """# Configuration

A YAML file needs only the keys that differ from their defaults. `--set section.key=value` overrides one on the command
line, `hivenas check --config FILE` prints the resolved whole, and whatever is wrong is refused in one line before
anything is trained. Written from the schema and from `conf/default.yaml` when these pages are built.

"""
HEAD = "| key | default | may be | |\n| --- | --- | --- | --- |\n"
_KEY = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*)(?:#\s*(?P<comment>.*))?$")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The whole page, as markdown."""
    schema = Config.model_json_schema()
    comments = explained((ROOT / "conf/default.yaml").read_text(encoding="utf-8"))
    defaults = Config().to_mapping()
    tables: dict[str, list[str]] = {}
    for key, field in keys(schema, schema):
        section, _, name = key.rpartition(".")
        may_be = allowed(field, schema)
        cells = [f"`{name}`", default_of(key, defaults), may_be, html.escape(comments.get(key, ""), quote=False)]
        tables.setdefault(section, []).append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    text = INTRODUCTION
    for section, lines in tables.items():
        heading = f"## `{section}`" if section else "## The search"
        note = comments.get(section, "") if section else ""
        text += f"{heading}\n\n{note + chr(10) * 2 if note else ''}{HEAD}{''.join(lines)}\n"
    return text


def keys(part: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key with its dotted name and its schema; sections are gone into, open mappings are not."""
    for name, field in part["properties"].items():
        inner = resolved(field, schema)
        if inner.get("additionalProperties") is False:
            yield from keys(inner, schema, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def resolved(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The definition that a reference stands for."""
    reference = field.get("$ref")
    found: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]] if reference else field
    return found


def allowed(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The values that a key may have, in words."""
    inner = resolved(field, schema)
    for fixed in ("enum", "const"):
        if fixed in inner:
            values = inner[fixed] if isinstance(inner[fixed], list) else [inner[fixed]]
            return ", ".join(f"`{as_text(value)}`" for value in values)
    if "anyOf" in inner:
        return " or ".join(dict.fromkeys(allowed(each, schema) for each in inner["anyOf"]))
    kinds = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    kinds |= {"array": "list", "object": "mapping", "null": "`null`"}
    return kinds.get(inner.get("type", ""), "mapping") + bounds(inner)


def bounds(field: Mapping[str, Any]) -> str:
    """The smallest and the largest value; a largest one beyond 32 bits only catches slips."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    given = ((sign, field[name]) for name, sign in signs.items() if name in field)
    said = [f"{sign} {int(value) if value == int(value) else value:,}" for sign, value in given if value <= 2**32]
    return f" {', '.join(said)}" if said else ""


def default_of(key: str, defaults: Mapping[str, Any]) -> str:
    """A default as one would write it."""
    value: Any = defaults
    for part in key.split("."):
        value = value[part]
    return f"`{yaml.safe_dump([value], default_flow_style=True, sort_keys=False, width=1000).strip()[1:-1]}`"


def explained(text: str) -> dict[str, str]:
    """The comment of every dotted key of a YAML file, lines that go on with it included."""
    comments: dict[str, str] = {}
    path: list[str] = []
    key = ""
    for line in text.splitlines():
        if key and re.match(r"^\s+#", line):
            comments[key] = f"{comments[key]} {line.strip(' #')}".strip()
        elif found := _KEY.match(line):
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            key = ".".join(path)
            comments[key] = (found["comment"] or "").strip()
        else:
            key = ""
    return comments
