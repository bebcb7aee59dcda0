"""Configurations as text: reading YAML safely, overrides, dotted keys, misspelt words."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hivenas.config.choices import Choice, Log
from hivenas.config.other_names import meant
from hivenas.errors import ConfigError

MAX_CHARACTERS = 1_000_000
MAX_NODES = 10_000
MAX_DEPTH = 50
MAX_SCALAR = 4096
MAX_NUMBER = 100
_LONGEST = 300
IMPORT_IT = "import the module that registers it (--import MODULE)"  # a way out
# What stands before a password, and the password; also in a URL that is none, where a slash or two are missing.
PASSWORD = r"^([^:]*(?:://[^:@]*)?):(?!//)(.*)@"

_CORE = "tag:yaml.org,2002:"
_TAGS = {f"{_CORE}{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "python/tuple")}
_NUMBERS = {f"{_CORE}int", f"{_CORE}float"}
_OWN_TAGS = ("!Operation", "!Choice", "!Log")


class _Loader(yaml.SafeLoader):
    """Plain YAML with `!Operation`, `!Choice`, `!Log` and tuples; nothing that could exhaust the machine.

    Every node is measured as soon as it is composed, aliases counted as what they stand for, so that a text is
    refused before anything of it is constructed.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._composed = 0
        self._extents: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Composes a node within the limits."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._level += 1
        self._composed += 1
        if self._level > MAX_DEPTH:
            raise _refusal(f"nested deeper than {MAX_DEPTH} levels", mark)
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._level -= 1
        if node is not None and id(node) not in self._extents:
            if is_alias:
                raise _refusal("recursive: an alias stands inside of what it names", mark)
            _check_node(self, node)
            self._extents[id(node)] = self._extent(node)
        nodes, depth = self._extents.get(id(node), (1, 1))
        if max(nodes, self._composed) > MAX_NODES:
            raise _refusal(f"more than {MAX_NODES:,} entries, aliases counted as what they stand for", mark)
        if depth > MAX_DEPTH:
            raise _refusal(f"nested deeper than {MAX_DEPTH} levels, through aliases", mark)
        return node

    def _extent(self, node: yaml.Node) -> tuple[int, int]:
        """Nodes in a node, itself included, and levels of them."""
        if isinstance(node, yaml.ScalarNode):
            return 1, 1
        inner = itertools.chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        extents = [self._extents[id(child)] for child in inner]
        return 1 + sum(nodes for nodes, _ in extents), 1 + max((depth for _, depth in extents), default=0)


def _refusal(problem: str, mark: yaml.Mark | None) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _check_node(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    """Refuses tags that are not plain data, and scalars that are not what their tag says or too long to work with."""
    if node.tag == f"{_CORE}merge":
        raise _refusal("merge keys (<<) are not allowed; write the keys out", node.start_mark)
    if node.tag not in _TAGS and node.tag not in _OWN_TAGS:
        tag = node.tag.replace(_CORE, "!!")
        problem = f"the tag {tag} is not allowed; only {', '.join(_OWN_TAGS)} and !!python/tuple are"
        raise _refusal("\\n".join(problem.splitlines()), node.start_mark)
    if not isinstance(node, yaml.ScalarNode):
        return
    longest = MAX_NUMBER if node.tag in _NUMBERS else MAX_SCALAR
    if len(node.value) > longest:
        raise _refusal(f"a value must be at most {longest} characters long, got {len(node.value):,}", node.start_mark)
    if re.search(r"[\x00\ud800-\udfff]", node.value):
        raise _refusal(f"a value must not contain NUL or half a character, got {node.value!r}", node.start_mark)
    plain = loader.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
    whole = plain == f"{_CORE}int" and node.tag == f"{_CORE}float"
    if node.tag in _TAGS - {f"{_CORE}str"} and node.tag != plain and not whole:
        raise _refusal(f"{node.value!r} is not what its tag {node.tag.replace(_CORE, '!!')} says", node.start_mark)


def _construct_mapping(loader: yaml.SafeLoader, node: yaml.Node, deep: bool = True) -> dict[Any, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise _refusal("!Operation stands before a mapping {op: …}", node.start_mark)
    seen: set[str] = set()
    numbers: dict[Any, str] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if type(key) is int and key_node.value == str(key):  # a class, which would be another one as 007 or 0x7
            numbers[key], key = key_node.value, key_node.value
        if not isinstance(key, str) or not key.isprintable():
            raise _refusal(f"a key must be printable text, got {shown(key)}; put it in quotes", key_node.start_mark)
        if key in seen:
            raise _refusal(f"the key {key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return {numbers.get(key, key): value for key, value in loader.construct_mapping(node, deep=deep).items()}


def _construct_tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise _refusal("a tuple is written [a, b]", node.start_mark)
    return tuple(loader.construct_sequence(node, deep=True))


def _construct_varied(loader: yaml.SafeLoader, node: yaml.Node) -> Choice | Log:
    is_log = node.tag == "!Log"
    if not isinstance(node, yaml.SequenceNode) or (is_log and len(node.value) != 3):
        rule = "three numbers; write !Log [low, high, n], such as !Log [0.001, 0.01, 5]"
        rule = rule if is_log else "values; write !Choice [32, 64]"
        raise _refusal(f"{node.tag} stands before a list of {rule}", node.start_mark)
    values = loader.construct_sequence(node, deep=True)
    try:
        return Log(*values) if is_log else Choice(values)
    except ConfigError as error:
        raise _refusal(str(error), node.start_mark) from None


def _construct_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    construct = loader.construct_yaml_int if node.tag == f"{_CORE}int" else loader.construct_yaml_float
    try:
        return construct(node)
    except ValueError:  # YAML's pattern of numbers allows what has no digits, such as 0b_
        raise _refusal(f"{node.value!r} is no number; put it in quotes if it is text", node.start_mark) from None


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back."""


# YAML 1.1 reads 1e-3 as text; everybody who writes it means the number.
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )
# A date is text here: nothing in a configuration means one, and `name: 2024-05-01` is a name.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_CORE}timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("!Operation", _construct_mapping)
for _tag in ("!Choice", "!Log"):
    _Loader.add_constructor(_tag, _construct_varied)
for _tag in _NUMBERS:
    _Loader.add_constructor(_tag, _construct_number)
_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _construct_tuple)


def _represent_varied(dumper: yaml.SafeDumper, value: Choice | Log) -> yaml.Node:
    entries = [value.low, value.high, value.n] if isinstance(value, Log) else list(value.values)
    return dumper.represent_sequence(f"!{type(value).__name__}", entries, flow_style=True)


_Dumper.add_representer(Choice, _represent_varied)
_Dumper.add_representer(Log, _represent_varied)


def parse_yaml(text: str, source: str) -> Any:
    """The data of a YAML text.

    Args:
        text: YAML with plain data, `!Operation` mappings, `!Choice` and `!Log` lists, `!!python/tuple` sequences.
        source: the file to name in errors.

    Raises:
        ConfigError: not YAML, another tag, a key that stands twice, or more than a configuration can hold.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"a configuration must be at most {MAX_CHARACTERS:,} characters, got more ({source}); is it the right file?"
        )
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = cut(str(error.problem or error.context))
        line = f"line {mark.line + 1 if mark else '?'}"
        if not isinstance(error, yaml.constructor.ConstructorError):
            problem = f"not valid YAML: {problem}"
        # A bracket or a quotation mark that is never closed is found out lines later.
        if error.context_mark and mark and error.context_mark.line < mark.line:
            line += f"; look at what begins in line {error.context_mark.line + 1}"
        elif "'\\t'" in problem:
            line += "; indent with spaces"
        raise ConfigError(f"{problem} ({source}, {line})") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]} ({source})") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a configuration file; none where it is empty.

    Raises:
        ConfigError: it cannot be read, is not YAML, or is no mapping.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot read the configuration {path}: {reason}; give an existing YAML file") from error
    data = parse_yaml(_spaced(text), str(path))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"a configuration must be a mapping of keys, got a {type(data).__name__} ({path})")
    return data


def _spaced(text: str) -> str:
    """A text with spaces for the tabs that PyYAML refuses although they part words only; those that indent stay."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        words = line.lstrip()
        if "\t" in line and not re.search("[\"']", words.partition("#")[0]):
            indent = line[: len(line) - len(words)] if words and not words.startswith("#") else ""
            lines[number] = indent + line[len(indent) :].replace("\t", " ")
    return "".join(lines)


def dump_yaml(data: dict[str, Any]) -> str:
    """Nested plain data, and what is to be chosen from, as YAML, keys in their order; `parse_yaml` reads it back."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def split_overrides(overrides: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Every key and value, of one text or of several; what starts no new `key=` belongs to the value before it."""
    for text in [overrides] if isinstance(overrides, str) else overrides:
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
    if isinstance(value, Mapping):
        return shown(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def in_flow(value: Any) -> str:
    """A value as a person would write it between brackets in YAML: text in quotes only where it needs them."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w./:~-]+", value) else shown(value)


def nearest(word: object, known: Iterable[str]) -> str:
    """`; did you mean …?` for what is called so elsewhere, or misspelt, in whatever case; empty where nothing is near.

    Where something has several names here, all of them are named.
    """
    names = {name.lower(): name for name in known}
    text = word.lower() if isinstance(word, str) else shown(word)
    found = meant(text, names) or difflib.get_close_matches(text, names, n=1)
    return f"; did you mean {' or '.join(repr(names[name]) for name in found)}?" if found else ""


def choose_among(word: object, known: Collection[str], rest: str) -> str:
    """The way out for a name that is none of those that there are, in a length that a terminal shows.

    Args:
        word: as it was given.
        known: those that there are; all are named where that takes a few lines, else those that are like the word.
        rest: where the others are found, in words.
    """
    hint, names = nearest(word, known), ", ".join(known)
    if len(names) <= _LONGEST:
        return f"{hint}; choose among {names}"
    others = [name for name in difflib.get_close_matches(str(word), known, n=4) if repr(name) not in hint]
    near = f"; near it are {', '.join(others)}" if others else ""
    return f"{hint}{near}; {rest}"


def one_of(name: object, names: Collection[str], beside: str = "") -> str:
    """Refuses what is none of the names that there are.

    Args:
        name: as it was given.
        names: those that there are.
        beside: what else may be given, in words; `registered` where users add names.

    Raises:
        ValueError: the names that there are, and the nearest, and how a name of one's own is made known.
    """
    if isinstance(name, str) and name in names:
        return name
    also, hint = f" or {beside}" if beside else "", nearest(name, names)
    if beside == "registered" and isinstance(name, str):
        hint = f"{hint} If not, {IMPORT_IT}" if hint else f"; {IMPORT_IT}"
    raise ValueError(f"must be one of {', '.join(names)}{also}, got {shown(name)}{hint}")


def shown(value: object) -> str:
    """A value as errors show it: as YAML has it, text in quotes, on one line, cut where it is long."""
    try:
        return cut(_in_yaml(value))
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"


def _in_yaml(value: object, inside: tuple[int, ...] = ()) -> str:
    if isinstance(value, bool | None):
        return as_text(value)
    if isinstance(value, float):
        return re.sub("inf|nan", r".\g<0>", repr(value))
    if not isinstance(value, list | tuple | Mapping):
        return repr(value)
    if id(value) in inside:  # it holds itself
        return "…"
    inside = (*inside, id(value))
    if isinstance(value, Mapping):
        named = ((str(key) if str(key).isidentifier() else repr(key), each) for key, each in value.items())
        return f"{{{', '.join(f'{name}: {_in_yaml(each, inside)}' for name, each in named)}}}"
    return f"[{', '.join(_in_yaml(each, inside) for each in value)}]"


def cut(text: str) -> str:
    """A text, or its beginning where it is too long for a line that a person reads."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names for a line or a tag: the first ten, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def without_login(address: str) -> str:
    """A server's address as a browser is given it: without user and password."""
    # A password may have a / in it; an @ behind a host and its port is part of a path.
    return re.sub(r"//(?:[^/@]*@|[^/@:]*:(?!\d*/)[^@]*@)", "//", address)


def masked(address: str) -> str:
    """An address for people and records: without its password, and without arguments, which may hold another."""
    if address.startswith("journal:"):
        return address
    shown = re.sub(PASSWORD, r"\1:***@", address)
    # A second @ may stand in the password or in an argument: where one ends and the host begins, nobody can tell.
    return f"{shown.partition('@')[0]}@…" if address.count("@") > 1 else shown.partition("?")[0]
