"""Hostile texts: every one is refused in one line or read as plain data; nothing is built, imported or exhausted."""

from __future__ import annotations

import re
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.config import from_mapping, load
from hivenas.config.text import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES, parse_yaml, without_login
from hivenas.errors import ConfigError


def bomb(levels: int, width: int, joined: str) -> str:
    """Lists of lists that are written once and named often."""
    lines = ["a0: &a0 {x: 1}" if joined == "<<" else "a0: &a0 [x, x]"]
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {{<<: [{inner}]}}" if joined == "<<" else f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)


REFUSED = {
    "object": ("a: !!python/object:pathlib.Path {}", "the tag !!python/object:pathlib.Path is not allowed"),
    "object/apply": ("a: !!python/object/apply:os.mkdir [MARK]", "the tag !!python/object/apply:os.mkdir"),
    "object/new": ("a: !!python/object/new:os.mkdir [MARK]", "the tag !!python/object/new:os.mkdir"),
    "object in a key": ("? !!python/object/apply:os.mkdir [MARK]\n: 1", "the tag !!python/object/apply:os.mkdir"),
    "object in an alias": ("a: &a !!python/object/apply:os.mkdir [MARK]\nb: *a", "the tag !!python/object/apply"),
    "name": ("a: !!python/name:os.system", "the tag !!python/name:os.system is not allowed"),
    "module": ("a: !!python/module:this", "the tag !!python/module:this is not allowed"),
    "verbatim tag": ("a: !<tag:yaml.org,2002:python/module:this> ''", "the tag !!python/module:this"),
    "tag handle": ("%TAG !p! tag:yaml.org,2002:python/\n--- \na: !p!module:this ''", "the tag !!python/module:this"),
    "complex": ("a: !!python/complex 1j", "the tag !!python/complex is not allowed"),
    "tag of two lines": ("a: !<x%0Ay> 1", r"the tag x\ny is not allowed"),
    "tag without end": ("a: !" + "x" * 900_000 + " 1", "the tag !xxx"),
    "tag that is no text": ("a: !<%ff> 1", "not valid YAML: 'utf-8' codec"),
    "tuple of a mapping": ("a: !!python/tuple {b: c}", "a tuple is written [a, b]"),
    "tuple of a text": ("a: !!python/tuple b", "'b' is not what its tag !!python/tuple says"),
    "operation of a text": ("a: !Operation b", "!Operation stands before a mapping"),
    "set": ("a: !!set {b}", "the tag !!set is not allowed"),
    "ordered mapping": ("a: !!omap [b: c]", "the tag !!omap is not allowed"),
    "binary": ("a: !!binary aGk=", "the tag !!binary is not allowed"),
    "timestamp": ("a: !!timestamp soon", "the tag !!timestamp is not allowed"),
    "no whole number": ("a: !!int ''", "'' is not what its tag !!int says"),
    "no number": ("a: !!float ''", "'' is not what its tag !!float says"),
    "no switch": ("a: !!bool maybe", "'maybe' is not what its tag !!bool says"),
    "mapping that is a text": ("a: !!map b", "'b' is not what its tag !!map says"),
    "list that is a mapping": ("a: !!seq {b: c}", "expected a sequence node"),
    "10,000 lists": ("[" * 10_000, f"nested deeper than {MAX_DEPTH} levels"),
    "10,000 closed lists": ("a: " + "[" * 10_000 + "]" * 10_000, f"nested deeper than {MAX_DEPTH} levels"),
    "10,000 mappings": ("{a: " * 10_000, f"nested deeper than {MAX_DEPTH} levels"),
    "10,000 empty keys": ("{" * 10_000, f"nested deeper than {MAX_DEPTH} levels"),
    "10,000 dashes": ("- " * 10_000, f"nested deeper than {MAX_DEPTH} levels"),
    "10,000 question marks": ("? " * 10_000, f"nested deeper than {MAX_DEPTH} levels"),
    "deep aliases": (bomb(1000, 1, "list"), f"nested deeper than {MAX_DEPTH} levels, through aliases"),
    "billion laughs": (bomb(20, 10, "list"), f"more than {MAX_NODES:,} entries"),
    "billion merges": (bomb(20, 10, "<<"), "merge keys (<<) are not allowed"),
    "merge": ("a: &a {b: 1}\nc: {<<: *a}", "merge keys (<<) are not allowed; write the keys out"),
    "450,000 entries": ("a: [" + "1," * 450_000 + "]", f"more than {MAX_NODES:,} entries"),
    "80,000 keys": ("".join(f"k{i}: 1\n" for i in range(80_000)), f"more than {MAX_NODES:,} entries"),
    "recursive list": ("a: &a [*a]", "recursive: an alias stands inside of what it names"),
    "recursive mapping": ("a: &a {b: {c: *a}}", "recursive: an alias stands inside of what it names"),
    "recursive key": ("&a {*a : b}", "recursive: an alias stands inside of what it names"),
    "10,000 digits": ("a: " + "1" * 10_000, "at most 100 characters long, got 10,000"),
    "10,000 hexadecimal digits": ("a: 0x" + "f" * 10_000, "at most 100 characters long, got 10,002"),
    "10,000 sexagesimal digits": ("a: 1" + ":10" * 10_000, "at most 100 characters long, got 30,001"),
    "10,000 decimals": ("a: 0." + "1" * 10_000, "at most 100 characters long"),
    "no digits": ("a: 0b_", "'0b_' is no number; put it in quotes"),
    "endless text": ("a: " + "x" * 900_000, "at most 4096 characters long, got 900,000"),
    "bracket that stays open": ("a: {b: 2\nc: [\n", "(FILE, line 2; look at what begins in line 1)"),
    "tab": ("a: 1\n\tb: 2", "(FILE, line 2; indent with spaces)"),
    "NUL byte": ("a: \0", "not valid YAML: unacceptable character #x0000"),
    "escaped NUL": (r'a: "\0"', r"a value must not contain NUL or half a character, got '\x00'"),
    "half a character": (r'a: "\ud800"', r"a value must not contain NUL or half a character, got '\ud800'"),
    "no character": (r'a: "\UFFFFFFFF"', "not valid YAML: Python int too large"),
    "switch as key": ("on: 1", "a key must be printable text, got true"),
    "fraction as key": ("1.5: 1", "a key must be printable text, got 1.5"),
    "octal number as key": ("007: 1", "a key must be printable text, got 7; put it in quotes"),
    "number as key twice": ("1: 1\n'1': 2", "the key '1' stands twice"),
    "null as key": ("~: 1", "a key must be printable text, got null"),
    "list as key": ("? [a]\n: 1", "a key must be printable text, got ['a']"),
    "mapping as key": ("? {a: b}\n: 1", "a key must be printable text, got {a: 'b'}"),
    "tuple as key": ("? !!python/tuple [a]\n: 1", "a key must be printable text, got ['a']"),
    "two lines as key": ('"a\\nb": 1', r"a key must be printable text, got 'a\nb'"),
    "key twice": ("a: 1\nb: 2\na: 3", "the key 'a' stands twice (FILE, line 3)"),
    "nested key twice": ("a: {b: 1, b: 2}", "the key 'b' stands twice"),
    "two documents": ("a: 1\n---\nb: 1", "not valid YAML: but found another document"),
    "unknown alias": ("a: *" + "b" * 900_000, "not valid YAML: found undefined alias"),
    "too long": ("#" * (MAX_CHARACTERS + 1), f"at most {MAX_CHARACTERS:,} characters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_text_is_refused_in_one_short_line(name: str, tmp_path: Path) -> None:
    text, says = REFUSED[name]
    modules = set(sys.modules)
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text.replace("MARK", str(tmp_path / "mark")), "FILE")
    message = str(caught.value)
    assert says in message
    assert "FILE" in message
    assert message.isprintable()
    assert len(message) < 500
    assert not (tmp_path / "mark").exists()
    assert "this" not in set(sys.modules) - modules


HARMLESS: list[tuple[str, Any]] = [
    ("2024-05-01", "2024-05-01"),
    ("2024-05-01 10:00:00", "2024-05-01 10:00:00"),
    ("1:30", 90),
    ("1e999", float("inf")),
    ("-.inf", float("-inf")),
    ("!!float 3", 3.0),
    ("!!str 3", "3"),
    ("!!python/tuple [1, [2]]", (1, [2])),
    ("'<<'", "<<"),
    ("{0: a, -1: b}", {"0": "a", "-1": "b"}),  # classes
    ("&a [*b]".replace("*b", "b"), ["b"]),
    ("[&a [1, 2], *a]", [[1, 2], [1, 2]]),
]


@pytest.mark.parametrize(("text", "value"), HARMLESS, ids=[text for text, _ in HARMLESS])
def test_unusual_texts_are_plain_data(text: str, value: Any) -> None:
    assert parse_yaml(f"a: {text}", "FILE") == {"a": value}


def test_limits_are_exact() -> None:
    row = ["[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), f"[{'x, ' * (MAX_NODES - 3)}]"]
    assert all(parse_yaml(f"a: {text}", "FILE") for text in row)
    for text in ("[" * MAX_DEPTH + "]" * MAX_DEPTH, f"[{'x, ' * (MAX_NODES - 2)}]"):
        with pytest.raises(ConfigError):
            parse_yaml(f"a: {text}", "FILE")


def test_a_file_of_50_megabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(50_000_000)
    tracemalloc.start()
    with pytest.raises(ConfigError, match=f"at most {MAX_CHARACTERS:,} characters, got more") as caught:
        load(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(file) in str(caught.value)
    assert peak < 20_000_000


SILLY = [
    ("space: {depth: 1000000000}", "space.depth must be at most 100, got 1000000000"),
    (f"colony: {{size: {10**18}}}", "colony.size must be at most 100000"),
    (f"colony: {{iterations: {10**18}}}", "colony.iterations must be at most 1000000"),
    (f"colony: {{abandonment_limit: {10**18}}}", "colony.abandonment_limit must be at most 1000000"),
    (f"evaluation: {{epochs: {10**9}}}", "evaluation.epochs must be at most 100000"),
    (f"evaluation: {{momentum_epochs: {10**9}}}", "evaluation.momentum_epochs must be at most 100000"),
    (f"evaluation: {{batch_size: {10**9}}}", "evaluation.batch_size must be at most 1000000"),
    (f"full_train: {{epochs: {10**9}}}", "full_train.epochs must be at most 100000"),
    (f"execution: {{workers: {10**9}}}", "execution.workers must be at most 1024"),
    (f"execution: {{threads: {10**9}}}", "execution.threads must be at most 1024"),
    ("execution: {timeout_s: 1e300}", "execution.timeout_s must be at most 1000000000.0, got 1e+300"),
    (f"dataset: {{name: image_folder, path: x, image_size: [{10**9}, 8]}}", "image_size.0 must be at most 4096"),
    (f"space: {{max_macs: {10**90}}}", "space.max_macs must be at most"),
    (f"seed: {10**90}", "seed must be less than 4294967296"),
    ("seed: 1e999", "seed must be a whole number, got .inf"),
    ("name: 1:30", "name must be text, got 90"),
    ("name: " + "x" * 300, "name must have at most 200 characters"),
    ("evaluation: {epochs: [" + "1, " * 9000 + "]}", "evaluation.epochs must be a whole number, got [1, 1, 1"),
    ("space: {reference: {a: {op: Conv2D, filters: 1000000000}}}", "space.reference.a.filters must be at most 65536"),
    ("space: {reference: {a: {op: Conv2D, kernel_size: [3, 9999]}}}", "space.reference.a.kernel_size must be at most"),
    ("space: {reference: {a: {op: ConvBnReLU, block_count: 101}}}", "space.reference.a.block_count must be at most"),
    (f"space: {{reference: {{a: {{op: Mine, size: {10**90}}}}}}}", "space.reference.a.size must be at most"),
    ("space: {reference: {a: {op: Dropout, rate: .nan}}}", "a finite number or a list of numbers, got .nan"),
    ("space: {reference: {a: {op: Dropout, rate: 1e999}}}", "a finite number or a list of numbers, got .inf"),
    ("space: {reference: {a: {op: Conv2D, kernel_size: [[3]]}}}", "a list of numbers, got [[3]]"),
    ("space: {reference: {a: {op: Conv2D, kernel_size: [.inf]}}}", "a list of numbers, got [.inf]"),
    ("space: {reference: {a: {op: Conv2D, kernel_regularizer: {class_name: L2}}}}", "got {class_name: 'L2'}"),
]


@pytest.mark.parametrize(("text", "says"), SILLY, ids=[text[:60] for text, _ in SILLY])
def test_a_value_that_would_exhaust_the_machine_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(parse_yaml(text, "FILE"), source="FILE")
    message = str(caught.value)
    assert says in message
    assert "(FILE)" in message
    assert len(message) < 500


def test_a_number_that_python_does_not_write_is_refused_all_the_same() -> None:
    for data in (
        {"seed": 10**5000},
        {"name": 10**5000},
        {"task": 10**5000},
        {"full_train": 10**5000},
        {"results": {"keep_weights": 10**5000}},
        {"evaluation": {"score": 10**5000, "optimizer": 10**5000}},
    ):
        with pytest.raises(ConfigError, match="got a number of thousands of digits"):
            from_mapping(data)


def test_a_list_that_holds_itself_is_shown() -> None:
    endless: list[Any] = [1]
    endless += [endless, endless]
    with pytest.raises(ConfigError, match=r"got \[1, …, …\]"):
        from_mapping({"seed": endless})


@settings(deadline=None, max_examples=300)
@given(st.text("a1:-?[]{}&*!<'\"|#%, \n\t.0xe_~=\\", max_size=40))
def test_no_text_raises_anything_but_a_configuration_error(text: str) -> None:
    message = ""
    try:
        data = parse_yaml(text, "FILE")
        from_mapping(data if isinstance(data, dict) else {}, source="FILE")
    except ConfigError as error:
        message = str(error)
    assert not message or message.isprintable()


@pytest.mark.parametrize("number", ["0b_", "0x_", "-0b__", "+0x_"])
def test_a_number_without_digits_is_refused_with_its_line(number: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{re.escape(number)}' is no number; .* \(FILE, line 2\)$"):
        parse_yaml(f"a: 1\nb: [{number}]\n", "FILE")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:s3cret@host:5000/x", "http://host:5000/x"),
        ("http://me@host/x", "http://host/x"),
        ("postgresql://me:s3/cr?et#@host/x", "postgresql://host/x"),
        ("http://host:5000/teams/@me", "http://host:5000/teams/@me"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_login(address: str, shown: str) -> None:
    assert without_login(address) == shown
