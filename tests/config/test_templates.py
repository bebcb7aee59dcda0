from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hivenas.cli.commands import main
from hivenas.config import Config, from_mapping, load
from hivenas.config.presets import PRESETS
from hivenas.config.templates import shipped, start
from hivenas.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf"


def test_what_is_shipped_is_the_folder_of_configurations() -> None:
    assert shipped() == {file.stem: file.read_text() for file in CONF.glob("*.yaml")}


def test_a_name_may_be_that_of_the_file(tmp_path: Path) -> None:
    assert start("mine.yaml", tmp_path) == tmp_path / "mine.yaml"
    assert load(tmp_path / "mine.yaml").name == "mine"


@pytest.mark.parametrize("name", sorted(file.stem for file in CONF.glob("*.yaml")))
def test_a_shipped_configuration_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    assert start(name, tmp_path) == tmp_path / f"{name}.yaml"
    assert (tmp_path / f"{name}.yaml").read_text() == (CONF / f"{name}.yaml").read_text()


def test_any_other_name_gets_every_key_with_its_default_under_that_name(tmp_path: Path) -> None:
    file = start("my-search.2", tmp_path)
    assert load(file).to_mapping() == Config().to_mapping() | {"name": "my-search.2"}
    theirs, default = file.read_text().splitlines(), (CONF / "default.yaml").read_text().splitlines()
    other = [line for line in theirs if line not in default]
    assert [line for line in other if not line.lstrip().startswith("#")] == [
        line for line in theirs if line.startswith("name:")
    ]
    uncommented = [re.sub(r"^  # (\w+:)", r"  \1", line).replace(" ", "") for line in other if line.startswith("  # ")]
    assert set(uncommented) <= {line.replace(" ", "") for line in default}
    assert len(uncommented) == 9


@pytest.mark.parametrize("preset", PRESETS)
def test_whoever_changes_the_preset_in_a_file_with_every_key_gets_the_whole_preset(tmp_path: Path, preset: str) -> None:
    file = start("mine", tmp_path)
    file.write_text(file.read_text().replace("preset: residual ", f"preset: {preset} "))
    assert load(file).space == from_mapping({"space": {"preset": preset}}).space
    # The file of the repository has them all: who copies that is told.
    copied = (CONF / "default.yaml").read_text().replace("preset: residual ", f"preset: {preset} ")
    (tmp_path / "copied.yaml").write_text(copied)
    said = "".join(load(tmp_path / "copied.yaml").warnings)
    assert ("of residual, which are given beside it" in said) is (preset in ("layerwise", "cells"))


def test_whoever_changes_the_optimizer_or_the_task_gets_what_follows_from_them(tmp_path: Path) -> None:
    file = start("mine", tmp_path)
    text = file.read_text()
    file.write_text(text.replace("{op: AdamW, weight_decay: 0.01}", "{op: SGD}"))
    assert load(file).evaluation.initial_lr == 0.08
    file.write_text(text.replace("task: classify", "task: regress"))
    given = ["dataset.name=npz", "dataset.path=x.npz"]
    assert load(file, given).evaluation.fitness == "rmse"


@pytest.mark.parametrize("name", ["2024", "1.5", "1e5", "0x1F", "1_000", "on", "yes", "true", "null", "2024-11-29"])
def test_a_name_that_yaml_would_read_as_something_else_stays_a_name(tmp_path: Path, name: str) -> None:
    assert load(start(name, tmp_path)).name == name


@pytest.mark.parametrize("name", ["a/b", "../up", "", ".hidden", "two words", "a" * 201])
def test_a_name_that_no_search_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="or one of cifar10, default, digits"):
        start(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    Path("digits.yaml").write_text("mine")
    result = CliRunner().invoke(main, ["init"])
    assert result.exit_code == 2
    assert result.output == "hivenas: digits.yaml must not be there yet, got a file; remove it or choose another name\n"
    assert Path("digits.yaml").read_text() == "mine"


def test_a_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        start("digits", tmp_path / "none")
