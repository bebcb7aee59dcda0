"""The comparison of ladders by fitness and by the front: a small network that only one of them trains to its end."""

from __future__ import annotations

import json
from pathlib import Path

import front_ladder
import numpy as np
import pytest
from click.testing import CliRunner
from front_ladder import Networks, Setting, main, replay

from tests.colonies import write_table

# The larger, the better at every epoch; rungs of ten epochs are 2, 3, 5 and 10.
COUNT, EPOCHS = 40, 10
CURVES = np.array([[0.2 + 0.015 * n + 0.01 * epoch for epoch in range(EPOCHS)] for n in range(COUNT)])


def test_by_the_front_small_networks_are_trained_to_their_ends_with_as_many_epochs() -> None:
    networks = Networks(CURVES, {"params": np.arange(1.0, COUNT + 1), "macs": np.arange(1.0, COUNT + 1)})
    for cost in ("params", "params,macs"):
        alone, weighed = replay(networks, Setting(cost, EPOCHS), range(COUNT))
        assert weighed.volume > alone.volume > 0
        assert weighed.volume <= 1
        assert weighed.spent == pytest.approx(alone.spent, abs=0.05)
        assert alone.loss == pytest.approx(0)


def test_it_prints_a_line_a_cost_and_number_of_epochs_of_the_networks_in_the_table(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", costs=True)
    names = [line.partition(",")[0] for line in table.read_text().splitlines()[1 : COUNT + 1]]
    curves = tmp_path / "curves.jsonl"
    lines = [{"arch": name, "curve": curve.tolist()} for name, curve in zip(names, CURVES, strict=True)]
    curves.write_text("\n".join(map(json.dumps, [*lines, lines[0], {"arch": "none", "curve": [0.1]}])))
    given = ["--table", str(table), "--cost", "params", "--epochs", "10", "--replays", "2", "--networks", "9"]
    result = CliRunner().invoke(main, [str(curves), *given], catch_exceptions=False)
    assert result.exit_code == 0
    head, _, _, _, line = result.stdout.strip().splitlines()
    assert head == "40 networks, 9 a replay, 2 replays"
    assert line.startswith("| params, 10 epochs | 0.")
    for more, said in ((["--networks", "41"], "40 networks over 10 epochs"), (["--cost", "flops"], "must be among")):
        refused = CliRunner().invoke(front_ladder.main, [str(curves), *given, *more])
        assert refused.exit_code == 2
        assert said in refused.output
