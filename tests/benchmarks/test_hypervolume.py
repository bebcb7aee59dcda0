"""The comparison of searches for a front: shares of an area that only grow, the same again, in a table."""

from __future__ import annotations

from pathlib import Path

import hypervolume
import numpy as np
import pytest
from click.testing import CliRunner
from hypervolume import ALGORITHMS, Job, _Untold, run

from hivenas.config.costs import COSTS
from hivenas.core.records import Proposal
from hivenas.objectives.table_file import Table
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


def test_two_costs_are_weighed_together(tmp_path: Path) -> None:
    head, *lines = write_table(tmp_path / "t.csv", costs=True).read_text().splitlines()
    both = tmp_path / "both.csv"
    both.write_text(
        "\n".join([f"{head},macs", *(f"{line},{number * 7 % 11 + 1}" for number, line in enumerate(lines))])
    )
    shares = {name: run(Job(str(both), "params,macs", name, 1, (15, 40))) for name in ("guided", "NSGA-II", "random")}
    assert all(0 < low <= high <= 1 for low, high in shares.values())
    assert shares["guided"][1] > shares["random"][1]


def test_what_is_measured_is_off_otherwise_in_every_search_and_alike_in_one_of_the_same_seed(file: str) -> None:
    table = Table.read(file)

    def told(seed: int, draws: int = 0) -> list[int]:
        rng = np.random.default_rng(seed)
        objective = _Untold(table, [COSTS["params"]], rng=rng, noise=0.5)
        rng.random(draws)  # as a search does meanwhile
        return [objective.run(Proposal(index, 0, "scout", 0, table.architectures[-1])).params for index in range(9)]

    assert told(1) == told(1, draws=5)
    assert told(1) != told(2)
    assert len(set(told(1))) > 1


def test_it_prints_a_line_a_table_cost_and_algorithm(file: str) -> None:
    given = ["--table", file, "--algorithms", "guided; random", "--budgets", "5,10", "--seeds", "2"]
    result = CliRunner().invoke(hypervolume.main, given, catch_exceptions=False)
    assert result.exit_code == 0
    head, _, guided, random = result.stdout.strip().splitlines()
    assert head == "| table, cost | algorithm | seeds | at 5 | at 10 |"
    assert guided.startswith("| small, params | guided | 2 | 0.")
    assert random.startswith("| small, params | random | 2 | 0.")
    of_both = CliRunner().invoke(hypervolume.main, ["--table", file, "--cost", "params,watts"])
    assert "must be among params, macs, latency_ms, memory_mb, got 'watts'" in of_both.output
    refused = CliRunner().invoke(hypervolume.main, ["--table", file, "--algorithms", "walk"])
    assert "must be among guided; guided, told no sizes;" in refused.output
