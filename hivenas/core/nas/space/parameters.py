"""Candidates as named parameters: an operation a layer, the skip connections that start there, and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hivenas.config import SpaceConfig
from hivenas.config.choices import Varied
from hivenas.config.settings import SECTION
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.settings import SettingChoices
from hivenas.core.parameters import Parameters


def space_parameters(space: SpaceConfig, settings: Mapping[str, Varied] | None = None) -> Parameters:
    """An operation a layer, `op_00`, …, with skip connections the one that starts there, `skip_00`, …, and settings.

    Args:
        space: the `space` section of a configuration; limits to the size of networks change no choice.
        settings: that are searched with the architectures, as `Config.choices` has them; each has its dotted key.
    """
    choices = {f"op_{layer:02d}": space.choices for layer in range(space.depth)}
    for layer in range(space.depth) if space.skip_rate else ():
        spans = range(1, space.depth - layer + 1)
        choices[f"skip_{layer:02d}"] = ("none", *(f"sc_{span}" for span in spans))
    return _parameters(choices | SettingChoices.of(settings or {}).parameters())


def position_parameters(operations: Sequence[Sequence[str]], skips: Sequence[Sequence[str]] = ()) -> Parameters:
    """The same names for the strings of a table; "" reads `none`, for layers that not every string has too.

    Args:
        operations: what occurs at every layer.
        skips: which skip connections start at every layer; nothing where the table has none.
    """
    choices = {f"op_{layer:02d}": tuple(each or "none" for each in seen) for layer, seen in enumerate(operations)}
    choices |= {f"skip_{layer:02d}": tuple(each or "none" for each in seen) for layer, seen in enumerate(skips)}
    return _parameters(choices)


def run_parameters(
    operations: Sequence[str], skips: Sequence[int], depth: int, settings: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """A candidate as parameters `op_00`, … that every run of a search has, so that runs can be compared.

    Layers beyond the architecture read `none`; `skip_00`, … are there where it has a skip connection, and dotted keys
    such as `evaluation.initial_lr` where settings are searched.
    """
    layers = max(depth, len(operations))
    padded = [*operations, *["none"] * (layers - len(operations))]
    params = {"depth": str(len(operations))} | {f"op_{i:02d}": operation for i, operation in enumerate(padded)}
    params |= {f"skip_{i:02d}": f"sc_{span}" for i, span in enumerate(skips) if span}
    return params | {f"{SECTION}{key}": value for key, value in settings}


def _parameters(choices: Mapping[str, tuple[str, ...]]) -> Parameters:
    known = tuple(dict.fromkeys(each for name, every in choices.items() if name.startswith("op_") for each in every))

    def read(candidate: str) -> dict[str, str | float]:
        chain = decode(candidate, known)
        values: dict[str, str | float] = {f"op_{i:02d}": operation for i, operation in enumerate(chain.operations)}
        values |= {f"skip_{i:02d}": f"sc_{span}" if span else "none" for i, span in enumerate(chain.skips)}
        return values | {f"{SECTION}{key}": value for key, value in chain.settings}

    return Parameters(read, choices)
