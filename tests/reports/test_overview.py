from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hivenas.config.costs import COSTS
from hivenas.core.full_training import Finalist
from hivenas.core.measured import FinalFigure
from hivenas.core.records import Direction, Trial
from hivenas.reports import ReportData, search_note
from hivenas.reports.findings import busy_seconds, common_reasons
from tests.trials import changed, trial

RESUME = "hivenas search --config conf/digits.yaml --resume"


def row(index: int, fitness: float, reason: str = "", *, status: str = "complete", started: float = 0.0) -> Trial:
    arch = f"input|dropout|op{index}|output"
    made = trial(index, fitness, arch, status=status, reason=reason, started=started)
    return changed(made, epochs=5, params=1234, seconds=10.0, worker="host-1")


ROWS = [
    row(0, 0.5, started=100.0),
    row(1, 0.9, started=105.0),
    row(2, 0.0, "ResourceExhaustedError: 12 MB", status="failed", started=300.0),
    row(3, 0.0, "ResourceExhaustedError: 13 MB", status="failed", started=310.0),
    row(4, 0.3, "accuracy 0.3 below 0.4", status="stopped", started=320.0),
]


def search(condition: Any, rows: Sequence[Trial] = ROWS, **more: Any) -> ReportData:
    whole = ReportData(
        name="digits",
        objective="nas",
        condition=condition,
        direction=Direction.MAXIMIZE,
        rows=tuple(rows),
        reused=1,
        planned=24,
        resume=RESUME,
        place="host:/here",
    )
    return replace(whole, **more)


def drawing(candidate: str) -> list[str]:
    return ["image", *candidate.split("|")[1:-1], "softmax"]


def test_a_finished_search_tells_its_story_in_the_first_lines() -> None:
    finished = search("finished", test_accuracy=0.98765, model_uri="models:/digits@champion")
    note = search_note(finished, drawing=drawing, name_of=lambda row: f"[{row.label}](run:uid:{row.index})")
    assert note.splitlines()[:4] == [
        "**Finished**: the best network, trained fully, has **0.9877** test accuracy.  ",
        "**Best**: fitness 0.9000 by [0001-scout](run:uid:1): dropout → op1  ",
        '**Load it**: `mlflow.pyfunc.load_model("models:/digits@champion")`  ',
        "**Spent**: 5 evaluations, 15 epochs, 45.0 s wall time, 50.0 s of workers' time; 2 failed, most often of "
        "`ResourceExhaustedError: 12 MB`",
    ]
    assert "```text\nimage\ndropout\nop1\nsoftmax\n```" in note
    assert "2 ×, such as `ResourceExhaustedError: 12 MB`" in note
    assert "1 of 5 evaluations were stopped early" in note
    assert RESUME in note


def test_no_candidate_is_markup_in_a_description() -> None:
    rows = [changed(trial(0, 0.9, "act=<none>|text=a\nb|glob=**|end=*"), params=7), trial(1, 0.5, '["a", "b"]')]
    weighed = search("finished", rows, costs=(COSTS["params"],), folder="results/own")
    note = search_note(weighed, name_of=lambda row: f"[{row.label}](run:uid:{row.index})")
    shown = r"act=&lt;none> → text=a b → glob=\*\* → end=\*"
    assert f"by [0000-scout](run:uid:0): {shown}  \n" in note
    lines = [line for line in note.replace("\N{NO-BREAK SPACE}", "").splitlines() if line.startswith("|")]
    assert sum(line.endswith(f"| {shown} |") for line in lines) == 2
    assert any(line.endswith('| ["a", "b"] |') for line in lines)


def test_the_front_of_a_weighed_cost_is_a_table_of_links_with_a_command() -> None:
    rows = [changed(each, params=1000 * (1 + each.index), macs=9000 - each.index) for each in ROWS]
    weighed = search("finished", rows, costs=(COSTS["params"],), folder="my results/digits")
    note = search_note(weighed, name_of=lambda row: f"[{row.label}](run:uid:{row.index})")
    table = note.partition("## The front: fitness against trainable parameters")[2].replace("\N{NO-BREAK SPACE}", "")
    assert "| fitness | params | evaluation | architecture |" in table
    assert "| 0.5000 | 1,000 | [0000-scout](run:uid:0) | dropout → op0 |" in table
    assert "| 0.9000 | 2,000 | [0001-scout](run:uid:1) | dropout → op1 |" in table
    assert "better in both; `plots/front.svg` among the artifacts shows all candidates." in table
    assert "```sh\nhivenas train --config 'my results/digits/digits.yaml' --at 'params<=1000'\n```" in table
    both = search_note(replace(weighed, costs=(COSTS["params"], COSTS["macs"])))
    assert "better in all of them; `plots/front.svg` and `plots/front_macs.svg` among the artifacts show all" in both
    assert "--at 'params<=1000,macs<=9000'" in both
    assert "The front" not in search_note(search("finished", rows))


def test_of_a_long_front_some_are_told_with_both_ends() -> None:
    rows = [changed(row(index, 0.01 * index), params=100 + index) for index in range(60)]
    note = search_note(search("running", rows, costs=(COSTS["params"],)), longest=20_000)
    table = note.partition("## The front")[2].partition("\n\nNo candidate")[0].replace("\N{NO-BREAK SPACE}", "")
    lines = table.splitlines()[4:]
    assert [len(lines), *(line.split(" | ")[1] for line in (lines[0], lines[-1]))] == [12, "100", "159"]
    assert "12 of these 60 are listed" in note


def test_what_was_looked_for_is_told_before_the_accuracy() -> None:
    tested = FinalFigure("auc", 0.81234, 0.75, 0.875)
    first = search_note(search("finished", test_accuracy=0.95, tested=tested), drawing=drawing).splitlines()[0]
    assert first.rstrip() == (
        "**Finished**: the best network, trained fully, has **0.8123** test AUC (95 % confidence: 0.7500 … 0.8750), "
        "**0.9500** test accuracy."
    )


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([1], "the best network"),
        ([0], "number 2 of the search, dropout → op0"),
        ([1, 0], "the average of 2 networks"),
    ],
)
def test_the_network_that_was_tested_is_named_where_it_is_not_the_best_of_the_search(
    chosen: Sequence[int], said: str
) -> None:
    made = [
        Finalist(candidate=ROWS[number].encoded, status="complete", fitness=0.9, epochs=9, chosen=number in chosen)
        for number in (0, 1)
    ]
    first = search_note(search("finished", test_accuracy=0.95, finalists=tuple(made))).splitlines()[0]
    assert first.startswith(f"**Finished**: {said}, trained fully, has **0.9500** test accuracy.")


def test_classes_that_the_model_never_names_are_told_with_its_accuracy() -> None:
    named = search("finished", test_accuracy=0.95, never_named=tuple(f"c{number}" for number in range(12)))
    first = search_note(named, drawing=drawing).splitlines()[0]
    assert first.startswith(
        "**Finished**: the best network, trained fully, has **0.9500** test accuracy; it never answers `c0, c1"
    )
    assert "c9 and 2 more`." in first


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("running", "**Running**: 5 of at most 24 evaluations so far"),
        ("failed", "**Failed** after 5 of at most 24 evaluations: `no space`"),
        ("interrupted", "**Ended early** after 5 of at most 24 evaluations: `no space`"),
    ],
)
def test_a_search_that_is_not_finished_says_how_it_goes_on(condition: str, said: str) -> None:
    note = search_note(search(condition, reason="no space"))
    assert note.startswith(said)
    assert f"`{RESUME}`" in note.partition("\n\n")[0]


def test_a_search_that_has_just_begun_has_a_page_too() -> None:
    note = search_note(search("running", []), drawing=drawing)
    assert note.startswith("**Running**: 0 of at most 24 evaluations so far")
    assert "none failed" in note
    assert "best" not in note.casefold()


@pytest.mark.parametrize("longest", [500, 900, 1200])
def test_what_matters_least_is_left_out_where_there_is_no_room(longest: int) -> None:
    whole = search_note(search("running"), drawing=drawing)
    note = search_note(search("running"), drawing=drawing, longest=longest)
    assert len(note) <= longest < len(whole)
    assert note.count("```") % 2 == 0
    assert note.startswith("**Running**")


def test_momentum_and_inheritance_stand_in_the_table_where_there_are_any() -> None:
    rows = [changed(ROWS[0], momentum_epochs=2, momentum=0.25, phase="momentum"), changed(ROWS[1], inherited=0.5)]
    table = search_note(search("running", rows)).partition("## The five best")[2].replace("\N{NO-BREAK SPACE}", "")
    assert "| momentum | inherited |" in table
    assert "| 5+2 | 0.250 | 0% | 0000-momentum |" in table
    assert "momentum" not in search_note(search("running"))


def test_breaks_and_what_ran_at_the_same_time_are_no_wall_time() -> None:
    assert busy_seconds(ROWS) == 45.0
    assert busy_seconds([changed(each, started=0.0) for each in ROWS]) == 0.0


def test_reasons_that_differ_in_figures_are_one() -> None:
    assert common_reasons(ROWS, "failed") == [("ResourceExhaustedError: 12 MB", 2)]
