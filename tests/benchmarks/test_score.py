from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from score import kendall, main, read_curves, spearman


def test_networks_that_tie_share_their_rank() -> None:
    one, other = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(one, other) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert kendall(one, other) == pytest.approx(5 / np.sqrt(5 * 6))
    assert spearman(one, -one) == kendall(one, -one) == pytest.approx(-1)


def test_the_table_has_a_row_for_every_file_and_number_of_epochs(tmp_path: Path) -> None:
    lines, table = tmp_path / "curves.jsonl", tmp_path / "table.csv.gz"
    curves = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5], [0.2, 0.1, 0.0], [0.5]]
    lines.write_text("".join(json.dumps({"curve": curve}) + "\n" for curve in curves))
    with gzip.open(table, "wt") as file:
        file.write("net,acc_1,acc_2,acc_3\n" + "".join(f"n,{','.join(map(str, curve))}\n" for curve in curves[:3]))
    assert read_curves(lines).tolist() == read_curves(table).tolist() == curves[:3]
    done = CliRunner().invoke(main, [str(lines), str(table), "--epochs", "2", "--score", "last", "--score", "best"])
    assert done.exit_code == 0, done.output
    figures = "3 | 2 | 1.000 / 1.000 | 0.866 / 0.816 |"
    assert done.output.splitlines()[2:] == [f"| curves | {figures}", f"| table | {figures}"]
