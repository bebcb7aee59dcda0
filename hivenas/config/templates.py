"""The configurations that come with hivenas, and files of one's own that start from them."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from hivenas.config.patterns import NAME
from hivenas.config.presets import OF_PRESET
from hivenas.config.text import dump_yaml
from hivenas.errors import ConfigError

_EVERY_KEY = "default"
# Keys that others decide where they are left out: of space.preset, of the optimizer and the schedule, and of the task.
_FOLLOWING = {"space": OF_PRESET, "evaluation": ("initial_lr", "final_lr", "loss", "fitness")}
_FOLLOW = "# Keys that are commented out follow from space.preset, the optimizer, the schedule or the task.\n"


def shipped() -> dict[str, str]:
    """The texts of the configurations in `conf/`, by name."""
    entries = sorted((files("hivenas") / "conf").iterdir(), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in entries}


def start(name: str, folder: Path = Path()) -> Path:
    """Writes a configuration to begin with, `<name>.yaml`.

    Args:
        name: of a configuration that comes with hivenas, which is written as it is; any other name gets a file with
            every key, its default and what it means, those commented out that follow from others. It may be that of
            the file, too.
        folder: where the file is written.

    Returns:
        The file.

    Raises:
        ConfigError: not a name, a file that is there already, or a folder that cannot be written to.
    """
    name = re.sub(r"\.ya?ml$", "", name)
    if not NAME.fits(name):
        raise ConfigError(
            f"a search's name {NAME.rule}, at most {NAME.most} in all, got {name!r}; choose another, or one of "
            f"{', '.join(shipped())}"
        )
    known = shipped()
    own = dump_yaml({"name": name}).strip()  # 2024 and yes are names too
    every = known[_EVERY_KEY]
    text = known[name] if name in known else re.sub(r"^name: \w+", own, _of_ones_own(every), flags=re.M)
    file = folder / f"{name}.yaml"
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise ConfigError(f"{file} must not be there yet, got a file; remove it or choose another name") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({error.strerror}); go to a folder of your own") from error
    return file


def _of_ones_own(text: str) -> str:
    """The file with every key, those commented out that follow from others: who changes these shall get theirs."""
    lines, section = text.splitlines(keepends=True), ""
    for place, line in enumerate(lines):
        section = found[1] if (found := re.match(r"(\w+):", line)) else section
        key = found[1] if (found := re.match(r"  (\w+):", line)) else ""
        if key in _FOLLOWING.get(section, ()):
            lines[place] = re.sub(r"^  (.*?)(?:  (?= *# ))?( *# )", r"  # \1\2", line, count=1)
    start = next(place for place, line in enumerate(lines) if not line.startswith("#"))
    return "".join([*lines[:start], _FOLLOW, *lines[start:]])
