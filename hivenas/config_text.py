"""Configurations as text: reading YAML safely, overrides, dotted keys, misspelt words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from hivenas.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """YAML with `!Operation` mappings and tuples, without anything that could build an object."""


def _construct_mapping(loader: yaml.SafeLoader, node: yaml.Node, deep: bool = True) -> dict[Any, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(
            None, None, "!Operation stands before a mapping {op: …}", node.start_mark
        )
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str) and key in seen and key != "<<":
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        seen.add(key if isinstance(key, str) else repr(key))
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=deep)


def _construct_tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(None, None, "a tuple is written [a, b]", node.start_mark)
    return tuple(loader.construct_sequence(node, deep=True))


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back."""


# YAML 1.1 reads 1e-3 as text; everybody who writes it means the number.
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("!Operation", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _construct_tuple)


def parse_yaml(text: str, source: str) -> Any:
    """The data of a YAML text.

    Args:
        text: YAML with plain data, `!Operation` mappings and `!!python/tuple` sequences.
        source: the file to name in errors.

    Raises:
        ConfigError: not YAML, another tag, or a key that stands twice.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.constructor.ConstructorError as error:
        mark = error.problem_mark
        problem = str(error.problem)
        if "could not determine a constructor" in problem:
            tag = problem.split("'")[1].replace("tag:yaml.org,2002:", "!!")
            problem = f"the tag {tag} is not allowed; only !Operation and !!python/tuple are"
        raise ConfigError(f"{problem} ({source}, line {mark.line + 1 if mark else '?'})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"not valid YAML: {error.problem or error.context} ({source}, line {mark.line + 1 if mark else '?'})"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]} ({source})") from None


def dump_yaml(data: dict[str, Any]) -> str:
    """Nested plain data as YAML, keys in their order; `parse_yaml` reads it back."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def split_overrides(overrides: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Every key and value; a text that starts no new `key=` belongs to the value before it."""
    for text in overrides:
        for part in re.split(r"\s+(?=[A-Za-z_][\w.]*=)", text.strip()):
            if not part:
                continue
            key, equals, value = part.partition("=")
            if not equals or not re.fullmatch(r"[A-Za-z_][\w.]*", key):
                raise ConfigError(f"--set takes key=value, got {part!r}; write --set evaluation.epochs=2")
            yield key, parse_yaml(value, f"--set {part}")


def put(data: dict[str, Any], keys: list[str], value: Any, origin: str) -> None:
    """Sets a value in nested data, making the mappings on the way.

    Raises:
        ConfigError: a single value stands where a mapping is needed; names `origin`.
    """
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if inner is None:
            inner = data[key] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"{key} is a single value and has no key {keys[-1]} ({origin})")
        data = inner
    data[keys[-1]] = value


def leaves(data: Mapping[str, Any], prefix: str = "", *, sections: bool = False) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested data; with `sections` those of the mappings on the way too."""
    for key, value in data.items():
        if isinstance(value, dict) and value:
            if sections:
                yield f"{prefix}{key}", value
            yield from leaves(value, f"{prefix}{key}.", sections=sections)
        else:
            yield f"{prefix}{key}", value


def as_text(value: Any) -> str:
    """A value as a person would write it in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def nearest(word: object, known: Iterable[str]) -> str:
    """`; did you mean …?` for a misspelt word, empty where nothing is near."""
    found = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
