from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hivenas.core.records import Direction
from hivenas.reports.page import ComparedSearch, Comparison, comparison_page, write_comparison
from tests.reports.page.markup import read
from tests.reports.page.test_document import HOSTILE, data, row

SLOW = tuple(row(i, fitness) for i, fitness in enumerate((0.1, 0.3, 0.5, 0.6)))
FAST = (row(0, 0.0, status="failed", reason="boom"), row(1, 0.5), row(2, 0.4))


def side(label: str, rows: Any = SLOW, keys: dict[str, str] | None = None, **changes: Any) -> ComparedSearch:
    return ComparedSearch(label, data(rows, name=label, **changes), {"seed": "1"} | (keys or {}))


def figures(comparison: Comparison) -> dict[str, list[str]]:
    return {line[0]: line[1:] for line in comparison.table()}


def test_it_says_when_each_was_as_good_as_the_other() -> None:
    comparison = Comparison(side("slow"), side("fast", FAST))
    assert figures(comparison) | {} == {
        "": ["slow", "fast"],
        "condition": ["finished", "finished"],
        "objective": ["nas", "nas"],
        "best fitness": ["0.6000", "0.5000"],
        "parameters of the best": ["130", "110"],
        "evaluations": ["4", "3"],
        "failed": ["0", "1"],
        "epochs": ["12", "6"],
        "time of evaluation": ["8.0 s", "6.0 s"],
        "evaluations until the other's best": ["3", "never"],
        "time of evaluation until then": ["6.0 s", "–"],
    }


def test_a_training_that_is_paused_is_not_taken_for_as_good_as_one_that_is_over() -> None:
    looks = tuple(row(i, 0.7 + i / 100, status="paused") for i in range(3))
    climbed = (*looks, row(3, 0.6, looks[0].encoded, phase="momentum"))
    comparison = Comparison(side("slow"), side("climbed", climbed))
    assert figures(comparison)["evaluations until the other's best"] == ["4", "4"]
    assert figures(Comparison(side("slow"), side("looks", looks)))["evaluations until the other's best"][1] == "never"
    both = Comparison(side("looks", looks), side("fewer", looks[:2]))
    assert figures(both)["evaluations until the other's best"] == ["2", "never"]


def test_less_is_better_where_it_is_minimized() -> None:
    less: dict[str, Any] = {"direction": Direction.MINIMIZE, "objective": "sphere_min"}
    one, other = side("a", SLOW, **less), side("b", FAST, **less)
    assert figures(Comparison(one, other))["evaluations until the other's best"] == ["1", "never"]


@pytest.mark.parametrize(
    ("one", "other", "warning", "comparable"),
    [
        (side("a"), side("b"), None, True),
        (side("a"), side("b", keys={"seed": "2", "colony.size": "4"}), None, True),
        (side("a", data="1f"), side("b", data="2e"), "The data differ", False),
        (side("a", data="1f"), side("b"), None, True),
        (side("a", data="1f"), side("b", data="1f", keys={"dataset.path": "elsewhere"}), None, True),
        (side("a", data="1f"), side("b", data="2e", keys={"seed": "2"}), "other images are held out", True),
        (
            side("a", data="1f"),
            side("b", data="2e", keys={"seed": "2", "dataset.scale": "5"}),
            "The data differ",
            False,
        ),
        (side("a"), side("b", keys={"dataset.train_limit": "5"}), "The data differ", False),
        (side("a"), side("b", keys={"evaluation.epochs": "5"}), "not measured alike (evaluation.epochs)", True),
        (side("a"), side("b", objective="table"), "The objectives differ, nas and table", False),
        (
            side("a"),
            side("b", metric="validation log loss", direction=Direction.MINIMIZE),
            "What is looked for differs, validation accuracy and validation log loss",
            False,
        ),
        (
            side("a", metric="fitness"),
            side("b", metric="fitness", direction=Direction.MINIMIZE),
            "What is looked for differs, a large fitness and a small fitness: the figures are not comparable.",
            False,
        ),
    ],
)
def test_what_is_not_comparable_is_said(
    one: ComparedSearch, other: ComparedSearch, warning: str | None, comparable: bool
) -> None:
    comparison = Comparison(one, other)
    said = " ".join(comparison.warnings())
    assert (warning or "") in said
    assert bool(said) == bool(warning)
    assert ("evaluations until the other's best" in figures(comparison)) == comparable
    assert comparison.as_text().startswith(said)
    page = read(comparison_page(comparison))
    assert [p.text for p in page.all("p", role="note")] == comparison.warnings()


def test_the_page_has_both_on_one_axis_what_differs_and_the_best_of_both() -> None:
    comparison = Comparison(side("slow", keys={"colony.size": "4"}), side("fast", FAST, keys={"colony.size": "8"}))
    page = read(comparison_page(comparison))
    pictures = page.all("svg", role="img")
    assert len(pictures) == 2
    assert all({p.attributes["class"] for p in each.all("path")} == {"course a", "course b"} for each in pictures)
    assert page.one("section", id="differs").one("tbody").text == "colony.size 4 8"
    best = [[line.children[1].text for line in t.one("tbody").children] for t in page.all("table", class_="ranks")]
    assert best == [["0.6000", "0.5000", "0.3000", "0.1000"], ["0.5000", "0.4000"]]


def test_the_same_search_differs_in_nothing() -> None:
    comparison = Comparison(side("a"), side("a"))
    assert "Every key that decides what is found is the same." in comparison.as_text()
    assert "Every key that decides what is found is the same." in read(comparison_page(comparison)).one("main").text


def test_nothing_breaks_out_of_the_page() -> None:
    hostile = replace(side(HOSTILE, (row(0, 0.5, f"input|{HOSTILE}|output"),), {HOSTILE: HOSTILE}, objective=HOSTILE))
    for other in (side("b"), side("b", objective=HOSTILE)):
        page = read(comparison_page(Comparison(hostile, other)))
        assert len(page.all("script")) == 1
        assert not page.all("img")


def test_a_search_of_failures_alone_has_no_course(tmp_path: Path) -> None:
    failed = side("failed", (row(0, 0.0, status="failed", reason="boom"),))
    file = write_comparison(Comparison(failed, side("good")), tmp_path / "x.html")
    page = read(file.read_text(encoding="utf-8"))
    assert [p.attributes["class"] for p in page.all("svg", role="img")[0].all("path")] == ["course b"]
    assert not read(comparison_page(Comparison(failed, failed))).all("svg", role="img")


def test_where_no_time_is_known_there_is_no_race_by_time() -> None:
    timeless = tuple(replace(each, evaluation=replace(each.evaluation, seconds=0.0)) for each in SLOW)
    page = read(comparison_page(Comparison(side("a", timeless), side("b", timeless))))
    assert [svg.attributes["aria-label"].rpartition("by ")[2] for svg in page.all("svg", role="img")] == ["evaluations"]
