"""A real table of three tiny networks, one of which fails: recorded, killed in the middle of a line, taken up again."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from record_table import architectures_of, main, recipe_of

from hivenas.config import Config, load

CONFIG = """
name: tiny
seed: 3
dataset: {name: digits, train_limit: 100, validation_split: 0.5}
space:
  operations: [identity, max_pool3x3, too_large]
  reference: {too_large: !Operation {op: MaxPooling2D, pool_size: [9, 9]}}
  depth: 1
  input_stem: [conv3x3_8]
evaluation: {epochs: 1, batch_size: 50, stopping: none}
"""
ARCHITECTURES = [f"input|{operation}|output" for operation in ("identity", "max_pool3x3", "too_large")]
HEADER = "recipe,architecture,seed,fitness,params,macs,seconds,reason,curve"


def record(folder: Path, *more: str, config: str = CONFIG) -> Result:
    (folder / "tiny.yaml").write_text(config, encoding="utf-8")
    command = ["--config", str(folder / "tiny.yaml"), "--out", str(folder / "tiny.csv.gz"), *more]
    return CliRunner().invoke(main, command)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "tiny.csv.gz", "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def load_config(folder: Path) -> Config:
    (folder / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    return load(folder / "tiny.yaml")


def recipe(folder: Path) -> str:
    return recipe_of(load_config(folder))


def test_the_recipe_is_that_of_the_figures_and_outlives_keys_that_are_added(tmp_path: Path) -> None:
    """The figure stands here: a key that the configuration gets later, at its default, must leave it as it is."""
    config = load_config(tmp_path)
    assert recipe_of(config) == "b90b4b6b79cb"
    wider = ["space.depth=2 space.operations=[identity] execution.workers=2"]
    assert recipe_of(load(tmp_path / "tiny.yaml", wider)) == recipe_of(config)
    others = ["seed=4", "evaluation.batch_size=10", "evaluation.ema=0.9", "dataset.train_limit=120", "space.width=8"]
    changed = {recipe_of(load(tmp_path / "tiny.yaml", [other])) for other in others}
    assert len(changed | {recipe_of(config)}) == len(others) + 1


@pytest.mark.slow
def test_a_table_whose_recording_was_killed_is_taken_up(tmp_path: Path) -> None:
    part = tmp_path / "tiny.part.csv"
    whole = f"{HEADER}\n{recipe(tmp_path)},{ARCHITECTURES[0]},3,12.5,170,4688,0.25,,0.125\n"
    part.write_text(f"{whole}{recipe(tmp_path)},{ARCHITECTURES[1]},3,12.", encoding="utf-8")
    said = record(tmp_path).output
    assert "3 networks, 1 seeds; 2 trainings to do" in said
    assert "input|too_large|output failed with seed 3: ValueError" in said
    assert part.read_text(encoding="utf-8").startswith(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.csv.gz", "tiny.part.csv", "tiny.yaml"]
    rows = rows_of(tmp_path)
    assert [row["architecture"] for row in rows] == ARCHITECTURES
    kept, trained, failed = (list(row.values())[1:] for row in rows)
    assert list(rows[0])[1:] == ["fitness", "seed_0", "params", "macs", "seconds"]
    assert kept == ["12.5", "12.5", "170", "4688", "0.25"]
    assert 0.0 < float(trained[0]) == float(trained[1]) <= 100.0
    assert trained[2:4] == ["170", "4688"]
    assert float(trained[4]) > 0.0
    assert failed[:4] == ["0.0", "0.0", "0", "0"]


def test_so_many_networks_are_drawn_by_the_seed(tmp_path: Path) -> None:
    config = load_config(tmp_path)
    drawn = architectures_of(config)
    assert sorted(drawn) == ARCHITECTURES
    assert architectures_of(config) == drawn
    line = f"{recipe(tmp_path)},{drawn[0]},3,12.5,170,4688,0.25,,0.125\n"
    (tmp_path / "tiny.part.csv").write_text(f"{HEADER}\n{line}", encoding="utf-8")
    assert "1 networks, 1 seeds; 0 trainings to do" in record(tmp_path, "--limit", "1").output
    assert [row["architecture"] for row in rows_of(tmp_path)] == drawn[:1]


def test_the_fitness_is_the_mean_over_the_seeds_to_the_last_bit(tmp_path: Path) -> None:
    figures = {("identity", 3): 10.1, ("identity", 4): 0.1 + 0.2, ("max_pool3x3", 3): 1 / 3, ("max_pool3x3", 4): 9.0}
    lines = [
        f"{recipe(tmp_path)},input|{op}|output,{seed},{value!r},170,4688,0.5,," for (op, seed), value in figures.items()
    ]
    failed = [f"{recipe(tmp_path)},input|too_large|output,{seed},0.0,0,0,0.1,it does not fit," for seed in (3, 4)]
    (tmp_path / "tiny.part.csv").write_text("\n".join([HEADER, *lines, *failed, ""]), encoding="utf-8")
    result = record(tmp_path, "--seeds", "2")
    assert "3 networks, 2 seeds; 0 trainings to do" in result.output, result.output
    rows = rows_of(tmp_path)
    assert [float(row["seed_1"]) for row in rows] == [0.1 + 0.2, 9.0, 0.0]
    assert [float(row["fitness"]) for row in rows] == [(10.1 + (0.1 + 0.2)) / 2, (1 / 3 + 9.0) / 2, 0.0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG.replace("epochs: 1", "epochs: 2"), "must hold trainings by the configuration that is given"),
        (CONFIG.replace("seed: 3", "seed: null"), "seed must be a number for a table"),
    ],
)
def test_a_table_is_of_one_configuration_with_a_seed(tmp_path: Path, config: str, message: str) -> None:
    (tmp_path / "tiny.part.csv").write_text(f"{HEADER}\nother,{ARCHITECTURES[0]},3,10.0,170,4688,0.5,,\n")
    result = record(tmp_path, config=config)
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "tiny.csv.gz").exists()
