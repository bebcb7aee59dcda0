from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from score import read_seeds
from stopping import drawn, main, replay
from stopping_rules import RULES, Climb, Rule, planned

# The last one is the best, and nobody sees it before its end. Rungs are 2, 3 and 5.
CURVES = np.array(
    [
        [0.10, 0.20, 0.30, 0.40, 0.50],
        [0.30, 0.40, 0.40, 0.40, 0.40],
        [0.20, 0.30, 0.35, 0.60, 0.70],
        [0.05, 0.10, 0.10, 0.10, 0.90],
    ]
)


@pytest.mark.parametrize(
    ("rule", "ages", "best"),
    [
        (RULES["none"], [5, 5, 5, 5], 3),
        (RULES["ACT"], [1, 1, 1, 1], 1),  # its threshold begins at .325
        (RULES["median"], [5, 5, 5, 5], 3),  # which needs five
        (RULES["median, of 3"], [5, 5, 5, 3], 2),
        (RULES["successive halving at the end"], [2, 5, 3, 2], 1),
        (RULES["ASHA"], [2, 5, 3, 2], 1),
        (RULES["Hyperband"], [2, 5, 3, 2], 1),  # a single bracket
        (RULES["ladder, share .55"], [2, 5, 2, 2], 1),  # 11 epochs, of which first looks take 8
        (Climb({"share": 0.9}), [5, 5, 5, 3], 2),
    ],
)
def test_a_rule_trains_each_network_so_long_and_hands_one_out(rule: Rule, ages: list[int], best: int) -> None:
    played = rule.play(CURVES, planned(4))
    assert (played.ages.tolist(), played.best) == (ages, best)


def test_networks_come_in_iterations_of_two_phases() -> None:
    assert planned(9) == [[range(3), range(3, 7)], [range(7, 9)]]
    assert planned(7) == [[range(3), range(3, 7)]]


def test_of_what_a_search_is_told_that_counts_by_which_it_proposes_its_last_networks() -> None:
    curves = np.concatenate([CURVES, CURVES + 0.01])
    told = {name: rule.play(curves, planned(8)).told.tolist() for name, rule in RULES.items()}
    assert told["none"] == curves[:7, -1].tolist()
    assert told["successive halving at the end"] == curves[:7, 1].tolist()
    assert told["Hyperband"] == [0.20, 0.40, 0.35, 0.10, *curves[4:7, 2].tolist()]  # three of its second bracket
    seen = np.array([2, 3, 2, 2, 2, 5, 3])  # b at once; with three more b' and c', of these b' to the end
    assert told["ASHA"] == curves[range(7), seen - 1].tolist()
    assert told["ladder, share .55"] == curves[:7, 1].tolist()  # too little is left for climbs, and so no gain is known


def test_a_replay_is_judged_by_last_accuracies() -> None:
    found = replay(CURVES, RULES["successive halving at the end"], CURVES)
    assert (found.spent, found.kept) == (12 / 20, False)
    assert found.loss == pytest.approx(50)
    curves = np.concatenate([CURVES, CURVES + 0.01])
    assert replay(curves, RULES["none"], curves).rank == pytest.approx(1)


def test_a_replay_may_be_judged_by_another_training() -> None:
    again = CURVES[:, ::-1]  # networks end with .10, .30, .20 and .05
    assert replay(CURVES, RULES["successive halving at the end"], again).loss == pytest.approx(100 * (0.05 - 0.30))
    assert replay(CURVES, RULES["none"], again).loss == 0


def test_no_network_is_drawn_twice_and_later_ones_are_better() -> None:
    final, rng = np.linspace(0.1, 0.9, 60)[::-1], np.random.default_rng(1)
    draws = np.array([drawn(final, 20, 4.0, rng) for _ in range(50)])
    assert all(len({*draw}) == 20 for draw in draws.tolist())
    assert final[draws[:, 10:]].mean() > final[draws[:, :10]].mean() + 0.05
    assert sorted(drawn(final, 60, 4.0, rng)) == list(range(60))
    plain = np.array([drawn(final, 20, 0.0, rng) for _ in range(50)])
    assert abs(final[plain[:, 10:]].mean() - final[plain[:, :10]].mean()) < 0.05


def test_files_that_are_parts_of_one_give_a_table_for_every_order(tmp_path: Path) -> None:
    files = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    for shift, file in enumerate(files):
        curves = np.concatenate([CURVES + 0.01 * shift, CURVES - 0.02])
        file.write_text("".join(json.dumps({"curve": curve}) + "\n" for curve in curves.tolist()))
    arguments = [*map(str, files), "--replays", "2", "--networks", "9"]
    done = CliRunner().invoke(main, [*arguments, "--join"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines.count("| rule | 5 epochs |") == 2
    assert lines.count("| none | 1.00 / 0.000 ± 0.000 / 1.00 / 1.00 |") == 2
    assert [line.split(" | ")[0] for line in lines if " ± " in line] == [f"| {name}" for name in (*RULES, *RULES)]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "first must have the curves of at least 9 networks over 5 epochs, got 8 over 5" in refused.output


def test_of_a_table_with_two_seeds_each_is_judged_by_the_other(tmp_path: Path) -> None:
    file, seeds = tmp_path / "two.csv.gz", (CURVES, CURVES[:, ::-1])
    names = [f"acc_{seed}_{epoch}" for seed in range(2) for epoch in range(1, 6)]
    rows = np.concatenate([np.concatenate(seeds, axis=1)] * 2).tolist()
    lines = [",".join(map(str, row)) for row in rows]
    file.write_bytes(gzip.compress("\n".join([",".join(names), *lines, "," * 9]).encode()))
    assert read_seeds(file).tolist() == [np.concatenate([curves] * 2).tolist() for curves in seeds]
    arguments = [str(file), "--replays", "2", "--networks", "8", "--epochs", "5", "--once-more"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines().count("| none | 1.00 / 0.000 ± 0.000 / 1.00 / 1.00 |") == 2
    (tmp_path / "one.csv.gz").write_bytes(
        gzip.compress("\n".join([",".join(names[:5]), "," * 4, "0,0,0,0,0"]).encode())
    )
    refused = CliRunner().invoke(main, [str(tmp_path / "one.csv.gz"), *arguments[1:]])
    assert "one.csv.gz must have two seeds, got 1" in refused.output
