"""Layers, cells and optimizers as files of the ancestor, HiveNAS, write them, in today's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.registry import CELLS, OPERATIONS
from hivenas.config.text import parse_yaml, shown
from hivenas.errors import ConfigError

_NAMES = (
    "Activation",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv2D",
    "ConvBnReLU",
    "ConvBnReLUAvgPool",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "MaxPooling2D",
    "ReLU",
    "ResidualConvBnReLU",
    "SeparableConv2D",
)
# Keras' other names for some of them.
_ALIASES: Mapping[str, str] = {
    "avgpool2d": "AveragePooling2D",
    "convolution2d": "Conv2D",
    "globalavgpool2d": "GlobalAveragePooling2D",
    "maxpool2d": "MaxPooling2D",
    "separableconvolution2d": "SeparableConv2D",
}
# What a file may name, by the name without capitals and signs.
LAYERS: Mapping[str, str] = MappingProxyType({name.lower(): name for name in _NAMES} | dict(_ALIASES))
_OPTIMIZERS: Mapping[str, str] = MappingProxyType({name.lower(): name for name in OPTIMIZERS})

# The cells' arguments and their defaults in the ancestor; what a file leaves out had these values.
_CONVOLUTION: Mapping[str, Any] = {"conv_kern": 3, "conv_filt": 32, "conv_stride": 1}
_CELLS: Mapping[str, Mapping[str, Any]] = {
    "ConvBnReLU": _CONVOLUTION,
    "ConvBnReLUAvgPool": {**_CONVOLUTION, "pool_size": 2, "pool_stride": 2},
    "ResidualConvBnReLU": {**_CONVOLUTION, "reg_identity": True, "reg_filters": 32, "block_count": 2},
}
# Its documentation calls one of them otherwise than its code, and a file may have today's names beside the old ones.
_SPELLINGS: Mapping[str, str] = {
    "conv_filter": "conv_filt",
    "conv_filters": "conv_filt",
    "conv_kernel": "conv_kern",
    "filters": "conv_filt",
    "kernel_size": "conv_kern",
}
# What no cell of today has: where one stands, what is left out has the ancestor's default.
_OLD = {
    "conv_filter",
    "conv_filters",
    "conv_kernel",
    "conv_kern",
    "conv_filt",
    "conv_stride",
    "pool_stride",
    "reg_identity",
}
# The rate of the built-in `dropout`.
_RATE = 0.15
_TUPLE = re.compile(r"\(\s*[-+.\deE]+(\s*,\s*[-+.\deE]+)*\s*,?\s*\)")


@dataclass(slots=True)
class Notes:
    """The things that a person should know about a file, collected while it is read.

    Args:
        source: the file.
        lines: a line for each.
    """

    source: str
    lines: list[str] = field(default_factory=list)

    def add(self, key: str, what: str, instead: str) -> None:
        """Notes what becomes of a key, in one line with the file and what does its job."""
        self.lines.append(f"{key} {what} ({self.source}); {instead}")


def simplified(name: str) -> str:
    """A name without capitals and signs, by which its spellings are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def plain(value: Any) -> Any:
    """The number, the switch or the pair that a text says, as `"9"`, `"True"` or `"(3, 3)"`; anything else as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _TUPLE.fullmatch(text):
        text = f"[{text.strip('()').rstrip().rstrip(',')}]"
    elif text == "None":
        return None
    try:
        meant = parse_yaml(text, "")
    except ConfigError:
        return value
    return meant if isinstance(meant, int | float | list) else value


def operation(key: str, value: Any, notes: Notes) -> Any:
    """A layer or cell with its arguments; what is none is left to the configuration to refuse.

    Args:
        key: what the file calls it, for warnings and errors.
        value: `op` and its arguments.
        notes: takes what a person should know.

    Raises:
        ConfigError: one argument under two names, or a residual cell without filters.
    """
    if not isinstance(value, Mapping):
        return value
    arguments = {name: plain(given) for name, given in value.items()}
    op = arguments.get("op")
    if not isinstance(op, str):
        return arguments
    if op not in OPERATIONS and op not in CELLS:
        arguments["op"] = op = LAYERS.get(simplified(op), op)
    if op in _CELLS:
        return _cell(key, op, arguments, notes)
    # The ancestor wrote its files without what it had called a layer with by position.
    if op == "Activation" and arguments.get("activation") is None:
        arguments["activation"] = "linear"
    if op == "AveragePooling2D":
        arguments.setdefault("pool_size", (2, 2))
    if op == "Dropout" and "rate" not in arguments:
        arguments["rate"] = _RATE
        notes.add(f"{key}.rate", f"is not given and taken to be {_RATE}", "write the rate that is meant")
    return arguments


def _cell(key: str, op: str, arguments: dict[str, Any], notes: Notes) -> dict[str, Any]:
    if {"filters", "kernel_size"} & arguments.keys() and not _OLD & arguments.keys():
        return arguments  # in today's terms already, whose defaults are others
    for spelt, name in _SPELLINGS.items():
        if spelt in arguments:
            _put_once(f"{key}.", arguments, spelt, name, notes)
    given = {**_CELLS[op], **arguments}
    kernel, stride = given.pop("conv_kern"), given.pop("conv_stride")
    given |= {"filters": given.pop("conv_filt"), "kernel_size": (kernel, kernel) if isinstance(kernel, int) else kernel}
    if stride not in (1, [1, 1], (1, 1)):
        notes.add(f"{key}.conv_stride", "is ignored", "the ancestor's cells never used it and had a stride of 1")
    if op == "ConvBnReLUAvgPool":
        given["pool_strides"] = given.pop("pool_stride")
        return {name: value for name, value in given.items() if not (name.startswith("pool_") and value == 2)}
    if op == "ResidualConvBnReLU":
        _residual(key, given, notes)
    return given


def _residual(key: str, given: dict[str, Any], notes: Notes) -> None:
    """Filters before the blocks stand for `reg_identity` today, and there is a first block whatever the count."""
    if not given.pop("reg_identity"):
        del given["reg_filters"]
    elif given["reg_filters"] in (0, None):
        raise ConfigError(
            f"{key}.reg_filters must be at least 1 with reg_identity, got {shown(given['reg_filters'])} "
            f"({notes.source}); raise it or set reg_identity: false"
        )
    if isinstance(given["block_count"], int):
        given["block_count"] = max(1, given["block_count"])


def _put_once(prefix: str, arguments: dict[str, Any], name: str, other: str, notes: Notes) -> None:
    if other in arguments:
        raise ConfigError(
            f"{prefix}{name} and {prefix}{other} are one setting, got both ({notes.source}); remove one of them"
        )
    arguments[other] = arguments.pop(name)


def optimizer(key: str, value: Any, notes: Notes) -> Any:
    """An optimizer with its arguments; a bare name stands for one with Keras' own.

    Args:
        key: what the file calls it, for warnings and errors.
        value: a name, or `op` and its arguments.
        notes: takes what a person should know.

    Raises:
        ConfigError: the learning rate under two names.
    """
    given = {"op": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        return value
    arguments = {name: plain(argument) for name, argument in given.items()}
    if isinstance(op := arguments.get("op"), str):
        arguments["op"] = _OPTIMIZERS.get(simplified(op), op)
    if "lr" in arguments:
        _put_once(f"{key}.", arguments, "lr", "learning_rate", notes)
    if arguments.pop("decay", None):
        notes.add(f"{key}.decay", "is ignored", "evaluation.initial_lr and final_lr let the learning rate fall")
    return arguments
