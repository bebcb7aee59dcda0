from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hivenas.config.costs import COSTS
from hivenas.core.measured import FinalFigure
from hivenas.core.records import Direction, Trial
from hivenas.reports.findings import MOST_DRAWN
from hivenas.reports.page import ReportData, report_page, write_report
from tests.reports.page.markup import Element, read
from tests.trials import changed, trial

BEES = ("scout", "employee", "onlooker")
HOSTILE = "</script><script>alert(1)</script>\x1b[31m\u202e\x00 '\"><img src=x onerror=alert(1)> {{ 7*7 }}"


def row(index: int, fitness: float = 0.5, candidate: str = "", **changes: Any) -> Trial:
    text = candidate or f"input|sc_1|conv{index % 3}|pool{index % 2}|output"
    made = trial(index, fitness, text, iteration=index // 4, role=BEES[index % 3])
    return changed(made, **{"epochs": 3, "params": 100 + 10 * index, "seconds": 2.0} | changes)


NETWORKS = (
    row(0, 0.5, curve={1: 0.3, 2: 0.4, 3: 0.5}, started=100.0, worker="host-1"),
    row(1, 0.0, status="failed", reason="out of memory", params=0),
    row(2, 0.7, status="stopped", curve={1: 0.7}, started=101.0, worker="host-2", run_id="abc"),
    row(3, 0.6, curve={1: 0.2, 2: 0.5, 3: 0.6}, started=104.0, worker="host-1"),
    row(4, 0.0, status="failed", reason="out of memory", params=0),
    row(5, 0.8, row(3).encoded, phase="momentum", momentum_epochs=2, curve={4: 0.7, 5: 0.8}),
)


def data(rows: tuple[Trial, ...] = NETWORKS, **changes: Any) -> ReportData:
    whole = ReportData(
        name="bees",
        objective="nas",
        condition="finished",
        direction=Direction.MAXIMIZE,
        rows=rows,
        folder="results/bees",
    )
    return replace(whole, **changes)


def table(page: Element) -> list[list[str]]:
    return [[cell.text for cell in line.children] for line in page.one("table", id="table").one("tbody").children]


def test_every_evaluation_has_a_line_best_first_and_failures_last() -> None:
    page = read(report_page(data()))
    lines = table(page)
    assert [line[0] for line in lines] == ["5", "2", "3", "0", "1", "4"]
    assert lines[0] == ["5", "0.8000", "sc_1|conv0|pool1", "onlooker, continued", "complete", "150", "3+2", "2", "2"]
    assert lines[-1][1:5] == ["–", "sc_1|conv1|pool0 out of memory", "employee", "failed"]
    assert [h.text for h in page.all("th") if h.attributes.get("aria-sort") == "descending"] == ["fitness"]


@pytest.mark.parametrize(("seconds", "shown"), [(0.01234, "0.0123"), (7.0, "7"), (83.21, "83.2"), (1234.5, "1,234.5")])
def test_seconds_are_shown_as_people_write_them(seconds: float, shown: str) -> None:
    (line,) = table(read(report_page(data((row(0, seconds=seconds),)))))
    assert line[-2:] == [shown, "1"]


def test_paused_trainings_stand_below_those_that_are_over_the_longer_ones_first() -> None:
    rows = (
        row(0, 0.5, status="paused"),
        row(1, 0.93, status="paused"),
        row(2, 0.4, status="paused"),
        row(3, 0.6, row(2).encoded, phase="momentum", momentum_epochs=2, status="paused"),
        row(4, 0.9, row(0).encoded, phase="momentum", momentum_epochs=9),
        row(5, 0.0, status="failed"),
    )
    page = read(report_page(data(rows)))
    assert [line[0] for line in table(page)] == ["4", "3", "1", "0", "2", "5"]
    assert not [h for h in page.all("th") if "aria-sort" in h.attributes]
    shares = [line.children[1].attributes["style"] for line in page.one("table", id="table").one("tbody").children]
    assert shares == ["--w:94%", "--w:38%", "--w:100%", "--w:19%", "--w:0%", "--w:0%"]


def test_every_picture_is_there_and_every_mark_has_its_line() -> None:
    page = read(report_page(data()))
    sections = {section.attributes.get("id") for section in page.all("section")}
    assert {"convergence", "operations", "parameters", "learning_curves", "roles", "timeline"} <= sections
    numbers = {use.attributes["data-i"] for use in page.all("use") if "data-i" in use.attributes}
    assert numbers == {"0", "1", "2", "3", "4", "5"}
    symbols = {symbol.attributes["id"] for symbol in page.one("defs").children}
    assert {use.attributes["href"][1:] for use in page.all("use")} <= symbols
    pictures = [svg for svg in page.all("svg") if "chart" in svg.attributes.get("class", "")]
    assert len(pictures) == 9  # three of them twice, for wide and for narrow screens
    assert all(svg.attributes["aria-label"] for svg in pictures)
    with_marks = [svg for svg in pictures if any("data-i" in use.attributes for use in svg.all("use"))]
    assert all(svg.attributes["tabindex"] == "0" for svg in with_marks)


def test_the_head_tells_what_was_found_spent_and_failed() -> None:
    page = read(report_page(data(planned=8, reused=3, test_accuracy=0.91, model_uri="models:/bees@champion")))
    head = page.one("header").text
    assert "finished" in head
    assert "5 of at most 8 evaluations and 1 continuation " in head
    found = page.one("section", id="found").text
    for said in (
        "best fitness 0.8000 evaluation 5, onlooker, continued",
        "test accuracy 0.9100",
        "failed 2 1 stopped early",
        "3 reused",
    ):
        assert said in found
    assert [li.text for li in page.one("ol", class_="chain").children] == [
        "input",
        "skip over 1",
        "conv0",
        "pool1",
        "output",
    ]
    assert 'load_model("models:/bees@champion")' in page.one("section", id="next").text
    failed = page.one("section", id="failed").text
    assert "2 × out of memory evaluations 1, 4" in failed


@pytest.mark.parametrize(
    ("condition", "said", "way"),
    [
        ("finished", "✓ finished", "hivenas train --config 'my results/bees/bees.yaml'"),
        ("running", "● running", "hivenas report --config 'my results/bees/bees.yaml'"),
        ("failed", "■ failed", "hivenas search --config 'my results/bees/bees.yaml' --resume"),
        ("interrupted", "■ ended early", "hivenas search --config 'my results/bees/bees.yaml' --resume"),
        ("adhoc", "◇ asked for from Python", "hivenas train --config 'my results/bees/bees.yaml'"),
    ],
)
def test_each_condition_is_said_in_words_with_the_way_on(condition: Any, said: str, way: str) -> None:
    page = read(report_page(data(condition=condition, reason="no space", folder="my results/bees")))
    assert said in page.one("h1").text
    assert way in page.one("section", id="next").text
    assert ("no space" in page.one("main").text) == (condition in ("failed", "interrupted"))


def test_the_front_is_a_chart_and_a_table_that_lead_to_the_candidates() -> None:
    page = read(report_page(data(NETWORKS[:5], costs=(COSTS["params"],))))
    section = page.one("section", id="front")
    assert [[cell.text for cell in line.children] for line in section.one("tbody").children] == [
        ["0.5000", "100", "sc_1|conv0|pool0", "--at 'params<=100'"],
        ["0.6000", "130", "sc_1|conv0|pool1", "--at 'params<=130'"],
    ]
    assert [link.attributes["href"] for link in section.all("a")] == ["#r0", "#r3"]
    assert "trainable parameters" in section.one("h2").text
    assert "hivenas train --config results/bees/bees.yaml --at 'params<=100'" in section.text
    assert {"0", "3"} <= {use.attributes["data-i"] for use in section.one("svg").all("use")}
    assert [link.text for link in page.one("nav").all("a")][1] == "The front"


def test_the_front_of_two_costs_is_a_chart_of_each_and_one_table() -> None:
    rows = tuple(replace(r, evaluation=replace(r.evaluation, macs=9 - r.index % 4)) for r in NETWORKS[:5])
    page = read(report_page(data(rows, costs=(COSTS["params"], COSTS["macs"]))))
    section = page.one("section", id="front")
    assert [head.text for head in section.one("thead").all("th")][:4] == ["fitness", "params", "macs", "architecture"]
    assert section.one("tbody").children[0].children[-1].text == "--at 'params<=100,macs<=9'"
    drawn = section.all("svg")
    assert ["trainable parameters" in drawn[0].text, "multiply-adds" in drawn[1].text] == [True, True]
    assert "is better in all of fitness, trainable parameters and multiply-adds of one image" in section.text
    table = page.one("table", id="table")
    heads = [(head.text.strip(), head.attributes.get("data-unit")) for head in table.one("thead").all("th")]
    assert heads[5:7] == [("parameters", "parameters"), ("macs", "macs")]
    assert [line.children[6].text for line in table.one("tbody").children if line.attributes["id"] == "r0"] == ["9"]
    assert {len(line.children) for line in table.one("tbody").children} == {len(heads)}
    members = len(section.one("tbody").children)
    assert [sum(c.attributes.get("class") == "ring" for c in svg.all("circle")) for svg in drawn] == [members] * 2


def test_the_figure_that_was_looked_for_and_searched_settings_are_told() -> None:
    best = row(9, 0.9, candidate="input|conv0|output;batch_size=64;initial_lr=0.003")
    tested = FinalFigure("log_loss", 0.31, 0.25, 0.375)
    page = read(report_page(data((best,), test_accuracy=0.91, tested=tested)))
    found = page.one("section", id="found").text
    assert "test log loss 0.31 0.25 … 0.375 (95 %) test accuracy 0.9100" in found
    assert "Trained with batch_size 64, initial_lr 0.003" in found
    assert [li.text for li in page.one("ol", class_="chain").children] == ["input", "conv0", "output"]


def test_without_a_cost_there_is_no_front() -> None:
    page = read(report_page(data()))
    assert "front" not in {section.attributes.get("id") for section in page.all("section")}
    assert "The front" not in page.one("nav").text


def test_nothing_breaks_out_of_the_page() -> None:
    hostile = (
        row(0, 0.5, f"input|{HOSTILE}|output", curve={1: 0.5}, started=1.0, worker=f"{HOSTILE}-1"),
        row(1, 0.0, status="failed", reason=HOSTILE),
        row(2, 0.4, run_id=HOSTILE),
    )
    page = read(
        report_page(
            data(
                hostile,
                name=HOSTILE,
                condition="interrupted",
                reason=HOSTILE,
                config_yaml=f"key: {HOSTILE}\n",
                folder=HOSTILE,
                store="http://host",
                run_id=HOSTILE,
                model_uri=HOSTILE,
                data=HOSTILE,
                objective=HOSTILE,
            )
        )
    )
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert "49" not in page.one("h1").text
    assert "alert(1)" in page.one("section", id="failed").text
    assert "alert(1)" not in page.one("script").text


def test_only_the_page_s_own_script_may_run_and_nothing_may_be_loaded() -> None:
    page = read(report_page(data()))
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    digest = base64.b64encode(hashlib.sha256("".join(page.one("script").texts).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_candidates_lead_to_their_runs_where_the_store_is_a_server() -> None:
    assert not read(report_page(data())).one("table", id="table").all("a")
    linked = read(report_page(data(store="https://host/mlflow"))).one("table", id="table").all("a")
    assert [(a.text, a.attributes["href"]) for a in linked] == [("2", "https://host/mlflow/#/runs/abc")]


def test_points_have_neither_layers_nor_sizes() -> None:
    rows = tuple(row(i, 10.0**-i, f"[{i}.25, -1.5, 2.0, 3.0, 4.0, 5.0]", params=0, epochs=0) for i in range(5))
    page = read(report_page(data(rows, objective="sphere_min", direction=Direction.MINIMIZE)))
    sections = {section.attributes.get("id") for section in page.all("section")}
    assert not sections & {"operations", "parameters", "learning_curves", "timeline"}
    assert "Best candidate x = (4.25, -1.5, 2, 3, … 6 in all) best fitness" in page.one("section", id="found").text
    assert [line[2] for line in table(page)][-1] == "(0.25, -1.5, 2, 3, … 6 in all)"
    assert [line[1] for line in table(page)] == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert [h.text for h in page.all("th") if h.attributes.get("aria-sort") == "ascending"] == ["fitness"]


@pytest.mark.parametrize(
    ("candidates", "best", "title"),
    [
        (["w=1|d=a=b", "w=2|d=c"], "w = 1, d = a=b", "Choices"),
        (["up|down", "up|up"], "up|down", "Choices by place"),
    ],
)
def test_what_is_no_network_has_neither_ends_nor_layers(candidates: list[str], best: str, title: str) -> None:
    rows = tuple(row(i, 0.5 - 0.1 * i, each, params=0, epochs=0) for i, each in enumerate(candidates))
    page = read(report_page(data(rows, objective="custom")))
    assert f"Best candidate {best} best fitness" in page.one("section", id="found").text
    assert page.one("section", id="operations").one("h3").text == title
    assert [line[2] for line in table(page)] == candidates
    text = page.one("main").text
    assert not [word for word in ("architecture", "layer", "operation", "input", "output") if word in text]


def test_a_search_of_failures_alone_says_why() -> None:
    page = read(report_page(data((row(0, 0.0, status="failed", reason="boom"),), condition="interrupted")))
    assert "No candidate was evaluated without failing." in page.one("main").text
    assert "1 × boom" in page.one("section", id="failed").text


def test_reasons_that_differ_in_figures_alone_are_one_and_what_is_left_out_is_counted() -> None:
    words = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=2)][:53]
    reasons = [*(f"loss {number}.5 in layer {number}" for number in range(3)), *words]
    rows = tuple(row(index, 0.0, status="failed", reason=reason) for index, reason in enumerate(reasons))
    lines = [item.text for item in read(report_page(data(rows))).one("section", id="failed").all("li")]
    assert lines[:2] == ["3 ×, such as loss 0.5 in layer 0 evaluations 0, 1, 2", "1 × aa evaluation 3"]
    assert lines[49:] == ["1 × ga evaluation 51", "… and 4 more reasons"]


@pytest.mark.parametrize("fitness", [float("nan"), float("inf"), -1e308, 1e308])
def test_a_fitness_that_has_no_place_is_listed_all_the_same(fitness: float) -> None:
    rows = (row(0, 0.5), row(1, fitness), row(2, 1e-300))
    page = report_page(data(rows))
    assert len(table(read(page))) == 3
    coordinates = re.findall(r' (?:x|y|cx|cy|d|points)="([^"]*)"', page)
    assert not [each for each in coordinates if "nan" in each or "inf" in each]


def test_of_very_many_evaluations_the_best_and_some_others_are_shown() -> None:
    rows = tuple(row(i, (i * 7919 % 5003) / 5003) for i in range(MOST_DRAWN * 2))
    page = read(report_page(data(rows)))
    lines = table(page)
    assert len(lines) == MOST_DRAWN
    assert lines[0][1] == f"{max(each.fitness for each in rows):.4f}"
    assert "2,000 of 4,000 evaluations are listed" in page.one("section", id="candidates").text


def test_few_weak_candidates_do_not_take_most_of_a_picture() -> None:
    rows = tuple(row(i, 0.1 if i % 12 == 5 else 0.9 + i / 1000) for i in range(60))
    page = read(report_page(data(rows)))
    picture = next(svg for svg in page.one("section", id="convergence").all("svg"))
    ticks = [float(text.text) for text in picture.all("text", class_="tick", text_anchor="end")]
    assert min(ticks) > 0.85
    assert "The 5 weakest stand at the picture's edge." in page.one("section", id="convergence").text
    evenly = tuple(row(i, i / 60) for i in range(60))
    assert "weakest" not in read(report_page(data(evenly))).one("section", id="convergence").text


def test_the_same_records_give_the_same_page(tmp_path: Path) -> None:
    file = write_report(data(), tmp_path / "deep" / "report.html")
    assert file.read_text(encoding="utf-8") == report_page(data())
    dated = report_page(data(written=9.0))
    assert dated.replace(" · as of <time>1970-01-01 00:00 UTC</time>", "") == report_page(data())


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(scheme: int) -> None:
    style = "".join(read(report_page(data())).one("style").texts)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]))
    for text in ("ink", "soft", "honey", "link", "bad", "good", "o"):  # as text, the last one of a state
        assert _contrast(colours[text], colours["card"]) >= 4.5, text
    for text in ("ink", "soft", "link"):
        assert _contrast(colours[text], colours["ground"]) >= 4.5, text
    assert _contrast(colours["ink"], colours["honey-soft"]) >= 4.5
    for mark in "eos":
        assert _contrast(colours[mark], colours["card"]) >= 3, mark
        assert _contrast(colours[mark], colours["band"]) >= 3, mark
    for level in range(10):
        text = colours["card" if level >= 6 else "ink"]
        assert _contrast(colours[f"l{level}"], text) >= 4.5, level
