"""The arguments that operations, optimizers and images may have: plain data of a size that a machine can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationInfo

from hivenas.config.text import as_text, nearest, shown

# Sizes beyond which a network could not be built, whatever it is for.
_LARGEST: Mapping[str, int] = {
    "filters": 65_536,
    "reg_filters": 65_536,
    "units": 65_536,
    "block_count": 100,
    "convolutions": 100,
    "expansion": 64,
    "largest": 4096,
    "depth_multiplier": 1024,
    "kernel_size": 1024,
    "pool_size": 1024,
    "pool_strides": 1024,
    "strides": 1024,
    "dilation_rate": 1024,
}
_LARGEST_NUMBER = 2**63 - 1
_SMALLEST_ALPHA = 0.05  # below it the two gamma draws that the ratio is made of become too small, and the ratio 1/2

# Arguments of which Keras takes any number, though only some make sense: lowest, highest, whether the highest is one.
_RANGES: Mapping[str, tuple[float, float, bool]] = {
    "momentum": (0.0, 1.0, True),
    "renorm_momentum": (0.0, 1.0, True),
    "rho": (0.0, 1.0, True),
    "beta_1": (0.0, 1.0, False),
    "beta_2": (0.0, 1.0, False),
    "adam_beta_1": (0.0, 1.0, False),
    "adam_beta_2": (0.0, 1.0, False),
    "epsilon": (0.0, 1.0, True),
    "weight_decay": (0.0, math.inf, True),
    "adam_weight_decay": (0.0, math.inf, True),
    "adam_lr_ratio": (0.0, math.inf, True),
    "rms_rate": (0.0, math.inf, True),
    "initial_accumulator_value": (0.0, math.inf, True),
    "ratio": (0.0, 64.0, True),
    "l2": (0.0, 1.0, True),
}
_SWITCHES = frozenset(
    ("nesterov", "amsgrad", "centered", "use_bias", "center", "scale", "keepdims", "renorm", "trainable", "squeeze")
)


def check_alpha(alpha: float) -> float:
    """Refuses an α of a beta distribution so small that single precision cannot draw from it.

    Raises:
        ValueError: it is neither 0, which is off, nor large enough.
    """
    if 0 < alpha < _SMALLEST_ALPHA:
        raise ValueError(f"must be 0 or at least {_SMALLEST_ALPHA}, got {alpha:g}; 0 switches it off")
    return alpha


def one_precision(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The section `evaluation` with `precision` in the place of `mixed_precision`, its name in earlier versions.

    Args:
        evaluation: the section, with `mixed_precision`: true for float16, false for float32.

    Raises:
        ValueError: it is neither, or `precision` says something else.
    """
    section = dict(evaluation)
    mixed = section.pop("mixed_precision")
    if not isinstance(mixed, bool):
        raise ValueError(
            f"evaluation.mixed_precision must be true or false, got {shown(mixed)}; leave it out and set "
            "evaluation.precision to float32, bfloat16 or float16"
        )
    meant = "float16" if mixed else "float32"
    if section.setdefault("precision", meant) != meant:
        raise ValueError(
            f"evaluation.precision must be {meant} beside mixed_precision: {as_text(mixed)}, its earlier name, got "
            f"{shown(section['precision'])}; leave mixed_precision out"
        )
    return section


def check_value(where: str, name: str, value: object) -> None:
    """Refuses a value of a well-known argument of a layer or an optimizer that Keras would take in silence.

    Args:
        where: what it is an argument of, such as `space.reference.norm`.
        name: of the argument.
        value: as it was given.

    Raises:
        ValueError: the rule, the value and the way out.
    """
    if name in _SWITCHES and not (isinstance(value, bool) or value in (0, 1)):
        raise ValueError(f"{where}.{name} must be true or false, got {shown(value)}; choose one of them")
    if name in _RANGES:
        low, high, included = _RANGES[name]
        below = "" if included else "less than "
        rule = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {below}{high:g}"
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not (low <= number < high or (included and number == high)):
            raise ValueError(f"{where}.{name} must be a number {rule}, got {shown(value)}; correct it")


def check_operation(key: str, arguments: Mapping[str, Any]) -> None:
    """Refuses arguments of an operation that are not plain, or larger than any network.

    Args:
        key: of the operation under `space.reference`.
        arguments: `op` and what it is called with.

    Raises:
        ValueError: the rule, the value and the way out.
    """
    for name, value in arguments.items():
        numbers = value if isinstance(value, list | tuple) else () if isinstance(value, str | None) else (value,)
        if not all(is_finite(number) for number in numbers):
            raise ValueError(
                f"space.reference.{key}.{name} must be text, true, false, null, a finite number or a list of numbers, "
                f"got {shown(value)}"
            )
        largest = _LARGEST.get(name, _LARGEST_NUMBER)
        if any(isinstance(number, int) and abs(number) > largest for number in numbers):
            raise ValueError(f"space.reference.{key}.{name} must be at most {largest}, got {shown(value)}")


def check_size(value: object) -> object:
    """Refuses one number, and a list of any other length than two; numbers in it are left to their type.

    Raises:
        ValueError: the rule and the value.
    """
    if isinstance(value, list | tuple) and len(value) != 2:
        raise ValueError(f"must be [height, width], got {shown(value)}")
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"must be [height, width], got {shown(value)}; [{shown(value)}, {shown(value)}], say")
    return value


def check_colour(value: object) -> object:
    """Refuses what is no colour: a name, #rrggbb or [red, green, blue]; numbers are left to their type.

    Raises:
        ValueError: the rule and the value.
    """
    if isinstance(value, str):
        rgb_of(value)
        return value
    if value is None:
        raise ValueError("must be a colour, got null; a # begins a comment, so write '#rrggbb' in quotes")
    is_byte = [type(part) is int and 0 <= part <= 255 for part in value] if isinstance(value, list | tuple) else []
    if is_byte != [True] * 3:
        raise ValueError(f"must be the name of a colour, '#rrggbb' or [red, green, blue] of 0…255, got {shown(value)}")
    assert isinstance(value, list | tuple)
    return tuple(value)


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour that is given by its name or as #rrggbb.

    Raises:
        ValueError: no such colour.
    """
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(colour)[:3]
    except ValueError:
        raise ValueError(
            f"must be the name of a colour, '#rrggbb' or [red, green, blue] of 0…255, got {shown(colour)}"
            f"{nearest(colour.lower(), tuple(ImageColor.colormap))}"
        ) from None


def check_scale(value: object) -> object:
    """Refuses what are not two finite numbers, the second the greater; other types are left to their type.

    Raises:
        ValueError: the rule and the value.
    """
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(is_finite(each) for each in value):
        raise ValueError(
            f"must be [lowest, highest], the values that stand for the bytes 0 and 255, got {shown(value)}"
        )
    if value[0] >= value[1]:
        raise ValueError(f"must be [lowest, highest] with lowest < highest, got {shown(value)}")
    return value


def check_address(value: str | None, info: ValidationInfo) -> str | None:
    """Refuses what is no scheduler's address, and one where candidates are not trained on a dask cluster.

    Raises:
        ValueError: the rule and the values.
    """
    kind = info.data.get("kind")
    if value is not None and kind in {"serial", "process"}:
        raise ValueError(f"must be null for execution.kind={kind}, got {value!r}; leave it null or set kind: dask")
    if value is not None and not re.fullmatch(r"(tcp|tls|wss?)://\S+", value):
        raise ValueError(f"must be a scheduler's address, such as tcp://hub:8786, got {value!r}")
    return value


def check_time_limit(value: float | None, info: ValidationInfo) -> float | None:
    """Refuses a time limit where candidates are trained in the driver's process, which cannot be ended for it.

    Raises:
        ValueError: the rule and the values.
    """
    if value is not None and info.data.get("kind") == "serial":
        raise ValueError(f"must be null for execution.kind=serial, got {value:g}; leave it null or set kind: process")
    return value


def check_gpus(value: object) -> object:
    """Refuses what names no GPUs.

    Raises:
        ValueError: the rule and the value.
    """
    if value is None or value == "all":
        return value
    named = value if isinstance(value, list | tuple) else ()
    legal = all(
        (isinstance(gpu, int) and not isinstance(gpu, bool) and 0 <= gpu < 1024)
        or (isinstance(gpu, str) and re.fullmatch(r"[A-Za-z0-9/_-]+", gpu))
        for gpu in named
    )
    if not named or not legal or len({str(gpu) for gpu in named}) < len(named):
        raise ValueError(f"must be null, all or a list of different device ids such as [0, 1], got {shown(value)}")
    return tuple(named)


def is_finite(value: object) -> bool:
    """True for a switch and for a number that is neither NaN nor infinite."""
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
