"""A real table of three tiny networks, one of which fails: recorded, killed in the middle of a line, taken up again."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from record_table import main, recipe_of

from hivenas.config import load

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
HEADER = "recipe,architecture,seed,fitness,params,macs,seconds,reason"


def record(folder: Path, *more: str, config: str = CONFIG) -> Result:
    (folder / "tiny.yaml").write_text(config, encoding="utf-8")
    command = ["--config", str(folder / "tiny.yaml"), "--out", str(folder / "tiny.csv.gz"), *more]
    return CliRunner().invoke(main, command)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "tiny.csv.gz", "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_table_is_recorded_killed_and_taken_up(tmp_path: Path) -> None:
    part = tmp_path / "tiny.part.csv"
    said = record(tmp_path, "--limit", "1").output
    assert "1 networks, 1 seeds; 1 trainings to do" in said
    assert len(rows_of(tmp_path)) == 1
    first = part.read_text(encoding="utf-8")
    part.write_text(first + first.splitlines()[1][:-9], encoding="utf-8")  # killed while it wrote the second

    said += record(tmp_path).output
    assert "3 networks, 1 seeds; 2 trainings to do" in said
    assert "input|too_large|output failed with seed 3: ValueError" in said
    assert part.read_text(encoding="utf-8").startswith(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.csv.gz", "tiny.part.csv", "tiny.yaml"]
    rows = rows_of(tmp_path)
    assert list(rows[0]) == ["architecture", "fitness", "seed_0", "params", "macs", "seconds"]
    assert [row["architecture"] for row in rows] == ARCHITECTURES
    for row in rows[:2]:
        assert 0.0 < float(row["fitness"]) == float(row["seed_0"]) <= 100.0
        assert (row["params"], row["macs"]) == ("170", "4688")
        assert float(row["seconds"]) > 0.0
    assert float(rows[2]["fitness"]) == 0.0

    kept = (tmp_path / "tiny.csv.gz").read_bytes()
    assert "0 trainings to do" in record(tmp_path).output
    assert (tmp_path / "tiny.csv.gz").read_bytes() == kept


def test_the_fitness_is_the_mean_over_the_seeds_to_the_last_bit(tmp_path: Path) -> None:
    figures = {("identity", 3): 10.1, ("identity", 4): 0.1 + 0.2, ("max_pool3x3", 3): 1 / 3, ("max_pool3x3", 4): 9.0}
    (tmp_path / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    recipe = recipe_of(load(tmp_path / "tiny.yaml"))
    lines = [f"{recipe},input|{op}|output,{seed},{value!r},170,4688,0.5," for (op, seed), value in figures.items()]
    failed = [f"{recipe},input|too_large|output,{seed},0.0,0,0,0.1,it does not fit" for seed in (3, 4)]
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
    (tmp_path / "tiny.part.csv").write_text(f"{HEADER}\nother,{ARCHITECTURES[0]},3,10.0,170,4688,0.5,\n")
    result = record(tmp_path, config=config)
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "tiny.csv.gz").exists()
