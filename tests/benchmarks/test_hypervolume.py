"""The comparison of searches for a front: shares of an area that only grow, the same again, in a table."""

from __future__ import annotations

from pathlib import Path

import hypervolume
import numpy as np
import pytest
from click.testing import CliRunner
from hypervolume import ALGORITHMS, Job, run

from tests.colonies import write_table

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(write_table(tmp_path / "small.csv", costs=True))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_is_deterministic_and_dominates_ever_more_up_to_all_of_it(file: str, algorithm: str) -> None:
    job = Job(file, "params", algorithm, 1, (5, 15, 81))
    shares = run(job)
    assert (np.diff(shares) >= 0).all()
    assert 0 <= shares[0] < 1
    assert shares[-1] == pytest.approx(1)
    assert shares.tolist() == run(job).tolist()


def test_it_prints_a_line_a_table_cost_and_algorithm(file: str) -> None:
    given = ["--table", file, "--algorithms", "guided; random", "--budgets", "5,10", "--seeds", "2"]
    result = CliRunner().invoke(hypervolume.main, given, catch_exceptions=False)
    assert result.exit_code == 0
    head, _, guided, random = result.stdout.strip().splitlines()
    assert head == "| table, cost | algorithm | seeds | at 5 | at 10 |"
    assert guided.startswith("| small, params | guided | 2 | 0.")
    assert random.startswith("| small, params | random | 2 | 0.")
    refused = CliRunner().invoke(hypervolume.main, ["--table", file, "--algorithms", "walk"])
    assert "must be among guided; guided, fitness alone;" in refused.output
