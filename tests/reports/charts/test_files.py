from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hivenas.config.costs import COSTS, Cost
from hivenas.core.front import front
from hivenas.core.history import improvements
from hivenas.core.records import Direction, Trial
from hivenas.reports import draw_plots
from hivenas.reports.charts import charts, role_names, standalone
from hivenas.reports.findings import MOST_DRAWN, pareto_front
from tests.reports.page.test_document import HOSTILE
from tests.trials import changed, trial

SVG = "{http://www.w3.org/2000/svg}"
OPERATIONS = ("sep3x3_32", "dropout", "identity")
BEES = ("scout", "employee", "onlooker")


def search(*, trained: bool = True) -> list[Trial]:
    """A search in which something of everything happens: failures, stops, continuations."""
    rng = np.random.default_rng(4)
    rows = []
    for index in range(18):
        arch = "input|" + "|".join(rng.choice(OPERATIONS, 3)) + "|output"
        status = ("complete", "complete", "stopped", "failed", "complete")[index % 5]
        made = trial(
            index,
            float(rng.uniform(0.2, 0.9)),
            arch,
            iteration=index // 6,
            role=BEES[index % 3],
            status=status,
            phase="momentum" if index == 16 else "evaluate",
            epochs=3,
            params=100 * (1 + index),
        )
        if trained:
            curve = {1: 0.2, 2: 0.5, 3: made.fitness}
            made = changed(made, started=1000.0 + 7 * index, seconds=9.0, worker=f"host-{index % 2}", curve=curve)
        rows.append(made)
    return rows


def drawn(rows: list[Trial], direction: Direction = Direction.MAXIMIZE, *costs: Cost) -> dict[str, ElementTree.Element]:
    """The charts as documents, by their keys."""
    made = charts(rows, direction, costs)
    return {chart.key: ElementTree.fromstring(standalone(chart, role_names(rows))) for chart in made}


def marks(picture: ElementTree.Element, tag: str = "use") -> list[ElementTree.Element]:
    """The marks that stand for evaluations."""
    return [each for each in picture.iter(f"{SVG}{tag}") if "data-i" in each.attrib]


def texts(picture: ElementTree.Element, class_: str) -> list[str]:
    """The texts of a class."""
    found = [each for each in picture.iter(f"{SVG}text") if class_ in each.get("class", "").split()]
    return [each.text or "" for each in found]


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (search(), ["convergence", "operations", "parameters", "learning_curves", "roles", "timeline"]),
        (search(trained=False), ["convergence", "operations", "parameters", "roles"]),
        ([changed(row, candidate="[0.5]", params=0) for row in search(trained=False)], ["convergence", "roles"]),
        ([row for row in search() if row.status == "failed"], []),
        (search()[:1], ["convergence", "operations", "parameters", "learning_curves", "roles", "timeline"]),
    ],
)
@pytest.mark.parametrize("direction", Direction)
def test_the_charts_that_make_sense_are_files(
    tmp_path: Path, rows: list[Trial], names: list[str], direction: Direction
) -> None:
    files = draw_plots(rows, tmp_path, direction)
    assert [file.name for file in files] == [f"{name}.svg" for name in names]
    for file in files:
        picture = ElementTree.parse(file).getroot()
        assert picture.findtext(f"{SVG}title") == texts(picture, "headline")[0]
        assert 480 <= float(picture.attrib["width"]) <= 1200


def test_a_file_needs_nothing_but_itself() -> None:
    for picture in drawn(search()).values():
        style = picture.findtext(f"{SVG}style") or ""
        assert "var(" not in style
        assert ":root" not in style
        assert "url(" not in style
        classes = {name for each in picture.iter() for name in each.get("class", "").split()}
        silent = {
            "c",
            "one",
            "wide",
            "table",
            "tick",
            "title",
            "chart",
            "box",
            "bar",
            "curve",
            "many",
            "note",
            "t",
            "m",
            "f",
        }
        assert all(re.search(rf"\.{name}\b", style) for name in classes - silent)
        ids = {each.attrib["id"] for each in picture.iter() if "id" in each.attrib}
        assert {each.attrib["href"][1:] for each in picture.iter(f"{SVG}use")} <= ids
        ground = picture.find(f"{SVG}rect")
        assert ground is not None
        assert ground.attrib["class"] == "sheet"
        assert ".sheet { fill: #ffffff; }" in style


def test_every_evaluation_has_a_mark_of_its_role_and_outcome() -> None:
    rows = search()
    picture = drawn(rows)["convergence"]
    assert [int(mark.attrib["data-i"]) for mark in marks(picture)] == [row.index for row in rows]
    by_number = {int(mark.attrib["data-i"]): mark for mark in marks(picture)}
    assert {row.index for row in rows if row.status == "failed"} == {
        number for number, mark in by_number.items() if mark.attrib["href"] == "#b-x"
    }
    assert by_number[16].attrib["class"] == "e c m"
    assert texts(picture, "value") == ["employees", "onlookers", "scouts", "continued", "failed"]
    assert "Hollow marks are trainings that were continued." in " ".join(texts(picture, "note"))


@pytest.mark.parametrize("direction", Direction)
def test_the_line_of_the_best_so_far_has_a_step_an_improvement(direction: Direction) -> None:
    picture = drawn(search(), direction)["convergence"]
    (line,) = (each.attrib["d"] for each in picture.iter(f"{SVG}path") if each.get("class") == "best")
    heights = [float(y) for y in re.findall(r"V([\d.]+)", line)]
    assert len(heights) == len(improvements(search(), direction)) - 1
    assert heights == sorted(heights, reverse=direction is Direction.MAXIMIZE)


def test_the_pareto_front_is_ringed_and_listed() -> None:
    picture, front = drawn(search())["parameters"], pareto_front(search(), Direction.MAXIMIZE)
    assert sum(each.get("class") == "ring" for each in picture.iter(f"{SVG}circle")) == len(front)
    assert [text[:4] for text in texts(picture, "name")] == [f"{row.index:04d}" for row in front]


@pytest.mark.parametrize("direction", Direction)
def test_the_front_of_a_weighed_cost_takes_the_place_of_the_parameters(direction: Direction) -> None:
    rows = [changed(row, macs=1000 * (1 + 7 * row.index % 18)) for row in search()]
    charts_of_it = drawn(rows, direction, COSTS["macs"])
    assert list(charts_of_it)[2] == "front"
    assert "parameters" not in charts_of_it
    picture, members = charts_of_it["front"], front(rows, direction, COSTS["macs"])
    assert sum(each.get("class") == "ring" for each in picture.iter(f"{SVG}circle")) == len(members) > 1
    assert [text[:4] for text in texts(picture, "name")] == [f"{row.index:04d}" for row in members]
    assert texts(picture, "value")[-2:] == [f"{members[-1].fitness:.4f}", f"{members[-1].macs:,}"]
    assert "macs" in texts(picture, "tick")
    assert {mark.attrib["data-i"] for mark in marks(picture)} >= {str(row.index) for row in members}
    assert "multiply-adds of one image" in texts(picture, "title")
    assert drawn([changed(row, macs=0) for row in rows], direction, COSTS["macs"]).keys() & {"front"} == set()


def test_learning_curves_are_listed_by_rank_with_their_architectures() -> None:
    picture = drawn(search())["learning_curves"]
    curves = list(picture.iter(f"{SVG}polyline"))
    assert len(curves) == len(texts(picture, "name")) == 10
    assert all(len(each.attrib["points"].split()) == 3 for each in curves)


def test_the_map_of_operations_has_a_cell_a_layer_the_best_the_strongest() -> None:
    fitness = {"input|a|a|output": 0.9, "input|b|a|output": 0.5, "input|c|c|output": 0.1}
    rows = [trial(number, value, arch) for number, (arch, value) in enumerate(fitness.items())]
    for direction, strongest in ((Direction.MAXIMIZE, "a in layer 1"), (Direction.MINIMIZE, "c in layer 1")):
        picture = drawn(rows, direction)["operations"]
        assert texts(picture, "name") == ["a", "b", "c"]
        assert texts(picture, "mean") == ["0.90", "0.70", "0.50", "0.10", "0.10"]
        assert sum(each.get("class") == "none" for each in picture.iter(f"{SVG}rect")) == 1
        tips = [each.findtext(f"{SVG}title") or "" for each in picture.iter(f"{SVG}rect") if each.get("class") == "l9"]
        assert tips[0].startswith(strongest)


def test_the_map_of_choices_has_a_line_a_choice_with_the_digits_that_tell_them_apart() -> None:
    fitness = {"w=1|d=1": 0.00124, "w=1|d=2": 0.00126, "w=2|d=2": 123_456.0}
    rows = [trial(number, value, choices) for number, (choices, value) in enumerate(fitness.items())]
    picture = drawn(rows[:2], Direction.MINIMIZE)["operations"]
    assert texts(picture, "name") == ["d=1", "d=2", "w=1"]
    assert texts(picture, "mean") == ["0.00124", "0.00126", "0.00125"]
    assert texts(picture, "tick") == ["choice"]
    assert "d=1: mean fitness 0.00124 of 1 candidate" in [each.text for each in picture.iter(f"{SVG}title")]
    assert texts(drawn(rows[2:])["operations"], "mean") == ["123.46k", "123.46k"]


def test_roles_have_bars_by_their_shares_and_a_box() -> None:
    rows = search()
    picture = drawn(rows)["roles"]
    assert texts(picture, "title") == ["evaluations", "improvements", "gain", "fitness found"]
    shares = [int(text.rstrip("%")) for text in texts(picture, "tick") if text.endswith("%")]
    assert [round(sum(shares[start : start + 3]) / 100) for start in (0, 3)] == [1, 1]
    boxes = [each for each in picture.iter(f"{SVG}rect") if each.get("class", "").startswith("box")]
    best = max(row.fitness for row in rows if row.role == "employee" and row.status != "failed")
    assert f"best {best:.5g}" in (boxes[0].findtext(f"{SVG}title") or "")


def test_the_timeline_has_a_bar_a_training() -> None:
    rows = search()
    picture = drawn(rows)["timeline"]
    assert {int(bar.attrib["data-i"]) for bar in marks(picture, "rect")} == {row.index for row in rows}
    assert {"0", "1"} <= set(texts(picture, "tick"))


def test_candidates_beyond_an_axis_are_counted_by_one_rule_in_every_chart() -> None:
    rows = [changed(search()[1], index=i, fitness=0.1 if i % 12 == 5 else 0.9 + i / 1000) for i in range(60)]
    rows = [changed(row, candidate=f"input|op{row.index}|output", params=1000 - row.index) for row in rows]
    said = {key: " ".join(texts(picture, "note")) for key, picture in drawn(rows).items()}
    assert "The 5 weakest stand at the picture's edge." in said["convergence"]
    assert "The 5 weakest stand at the picture's edge." in said["parameters"]
    evenly = [changed(row, fitness=row.index / 60) for row in rows]
    assert not any("weakest" in " ".join(texts(picture, "note")) for picture in drawn(evenly).values())


@pytest.mark.slow
def test_of_very_many_evaluations_some_are_drawn() -> None:
    rows = [changed(search(trained=False)[0], index=i, fitness=(i * 7919 % 5003) / 5003) for i in range(2 * MOST_DRAWN)]
    assert len(marks(drawn(rows)["convergence"])) == MOST_DRAWN


def test_names_and_reasons_are_nothing_but_text() -> None:
    rows = [changed(row, worker=f"{HOSTILE}-1", candidate=f"input|{HOSTILE}|output") for row in search()]
    for picture in drawn(rows).values():
        assert not list(picture.iter(f"{SVG}script"))
        assert not list(picture.iter(f"{SVG}img"))


@pytest.mark.parametrize("fitness", [float("inf"), -1e308, 1e308, 0.0, -0.5])
@pytest.mark.parametrize("direction", Direction)
def test_any_fitness_has_a_place(fitness: float, direction: Direction) -> None:
    rows = [changed(row, fitness=fitness if row.index % 4 == 1 else row.fitness) for row in search()]
    for chart in charts(rows, direction):
        text = standalone(chart, role_names(rows))
        coordinates = re.findall(r' (?:x|y|cx|cy|x1|x2|y1|y2|d|width|points)="([^"]*)"', text)
        assert not [each for each in coordinates if "nan" in each or "inf" in each]


def test_labels_of_the_axis_of_fitness_stay_within_the_picture() -> None:
    for low, step, are_long in ((0.7, 0.01, False), (123_456.01, 0.01, True)):
        rows = [changed(row, fitness=low + step * (row.index % 5)) for row in search()]
        labels = [
            text for text in drawn(rows)["convergence"].iter(f"{SVG}text") if text.attrib.get("text-anchor") == "end"
        ]
        assert len({text.text for text in labels}) == len(labels) > 3
        assert [text.text for text in labels if "textLength" in text.attrib] == [
            text.text for text in labels if text.text and len(text.text) > 7
        ]
        assert any("textLength" in text.attrib for text in labels) == are_long


def test_roles_of_other_strategies_are_named_and_counted() -> None:
    roles = ("sample", "child")
    rows = [
        replace(row, proposal=replace(row.proposal, role=roles[row.index % 2], momentum_epochs=0)) for row in search()
    ]
    pictures = drawn(rows)
    assert {"samples", "children"} <= {text.text for text in pictures["roles"].iter(f"{SVG}text")}
    assert {"samples", "children"} <= {text.text for text in pictures["convergence"].iter(f"{SVG}text")}
