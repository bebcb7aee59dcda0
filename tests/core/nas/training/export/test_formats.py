"""The formats that there are, without anything that writes them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hivenas.core.nas.training.export.formats import FORMATS, formats_named
from hivenas.errors import ConfigError


def test_formats_are_found_by_name_each_once() -> None:
    assert [each.name for each in formats_named(["litert", "keras", "litert"])] == ["litert", "keras"]
    assert all(name == each.name for name, each in FORMATS.items())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["pickle"],
            "--to must be one of keras, saved_model, litert, .*, got pickle; give one of these",
        ),
        ([], "--to must be one of .*, got none"),
    ],
)
def test_what_is_no_format_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        formats_named(names)


def test_a_format_whose_packages_are_not_there_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "own", replace(FORMATS["onnx"], name="own", modules=("json", "no_such_package")))
    with pytest.raises(
        ConfigError, match=r"--to own needs the package no_such_package, got none; pip install 'hivenas\[export\]'"
    ):
        formats_named(["keras", "own"])
