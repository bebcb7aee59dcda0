"""Searches replayed over a table with seconds: what is counted until a target is reached, and where it is not."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import real_training
from click.testing import CliRunner
from real_training import Course, reach_of, records_of, replay
from search_quality import Job


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """64 chains; a training takes a second for every unit of its fitness, and one more."""
    path = tmp_path / "small.csv"
    with path.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["architecture", "fitness", "seed_0", "seed_1", "seconds"])
        for codes in itertools.product(range(4), repeat=3):
            worth = float(np.dot(codes, (1, 2, 4)))
            arch = "|".join(("input", *("abcd"[code] for code in codes), "output"))
            writer.writerow([arch, worth, worth - 1.5, worth + 1.5, worth + 1.0])
    return path


def course(*accuracy: float) -> Course:
    return Course(np.array(accuracy), np.cumsum(np.full(len(accuracy), 2.0)))


def test_seconds_are_counted_until_the_target_or_to_the_end() -> None:
    assert course(1.0, 5.0, 7.0).seconds_to(5.0) == (4.0, True)
    assert course(1.0, 5.0, 7.0).seconds_to(8.0) == (6.0, False)


def test_what_does_not_reach_the_target_is_said() -> None:
    most = reach_of([course(1.0, 3.0), course(3.0, 3.0), course(1.0, 2.0)], np.full(3, 3.0))
    assert (most.reached, most.median, most.median_is_bound, most.expected) == (2, 4.0, False, 5.0)
    assert most.mean == pytest.approx(10 / 3)
    one = reach_of([course(1.0, 2.0), course(3.0, 3.0)], np.full(2, 3.0))
    assert (one.reached, one.median, one.median_is_bound, one.expected) == (1, 3.0, True, 6.0)
    assert reach_of([course(1.0)], np.ones(1) * 3.0).expected is None


def test_a_replay_adds_up_the_seconds_of_its_evaluations(file: Path) -> None:
    found = replay(Job(str(file), False, "random", 3, 64))
    assert len(found.accuracy) == len(found.seconds) == 64
    assert found.accuracy[-1] == 21.0
    assert found.seconds[-1] == 64 * (1.0 + 10.5)
    assert found.seconds[0] == found.accuracy[0] + 1.0
    again = replay(Job(str(file), False, "random", 3, 20))
    np.testing.assert_array_equal(again.accuracy, found.accuracy[:20])


def test_random_search_reaches_its_own_end_and_is_the_measure() -> None:
    courses = {"random": [course(1.0, 3.0), course(2.0, 2.0)], "other": [course(3.0, 4.0), course(1.0, 3.0)]}
    random, other = records_of("small", False, courses)
    assert (random.target, random.over_random, random.paired.reached, random.common.reached) == (2.5, 0.0, 2, 1)
    assert (other.over_random, other.over_random_se) == (1.0, 0.0)
    assert (other.paired.reached, other.paired.mean) == (2, 3.0)
    assert "1 of 2" in real_training.shown([random, other])


def test_the_command_writes_records(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    given = [
        "--table",
        str(file),
        "--algorithms",
        "canonical",
        "--evaluations",
        "12",
        "--seeds",
        "3",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(real_training.main, [*given, "--noise"])
    assert result.exit_code == 0, result.output
    records = json.loads(out.read_text(encoding="utf-8"))
    assert [record["algorithm"] for record in records] == ["canonical", "random"]
    assert all((record["evaluations"], record["seeds"], record["noise"]) == (12, 3, True) for record in records)
    assert records[1]["paired"]["reached"] == 3


def test_a_table_without_seconds_is_refused(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8").replace(",seconds", ",hours", 1)
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(real_training.main, ["--table", str(file), "--out", str(tmp_path / "out.json")])
    assert result.exit_code == 2
    assert "no column seconds" in result.output
