from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hivenas.cli.invocation import Invocation
from hivenas.cli.results import (
    of_search,
    of_training,
    print_front,
    print_predictions,
    print_search,
    print_trained,
)
from hivenas.cli.tables import answers_fitted, fitted, side_by_side
from hivenas.core.folder import ResultsFolder
from hivenas.core.full_training import Finalist
from hivenas.core.publication import Published
from hivenas.core.records import Direction, Evaluation
from hivenas.reports import as_text, best_table, short
from hivenas.run.prediction import Prediction
from hivenas.run.result import SearchResult, Trained
from hivenas.storage import SearchState
from tests.trials import trial

LONG = "input|sep3x3_64|max_pool3x3|conv3x3_32bnrelu|dropout|identity|output"


@pytest.mark.parametrize("width", [12, 24, 38, 60, 200])
def test_a_table_fits_the_window_and_keeps_what_matters(width: int) -> None:
    table = best_table([trial(7, 0.98765, LONG, role="onlooker", epochs=3, params=12345)], Direction.MAXIMIZE)
    shown = as_text(fitted(table, width)).splitlines()
    assert max(map(len, shown)) <= max(width, 1 + 2 + 7 + 2 + 4)
    assert shown[1].startswith("1  0.9877 ")
    assert ("12,345" in shown[1]) is (width >= 60)
    assert (short(LONG) in shown[1]) is (width == 200)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_two_searches_have_columns_of_one_width(width: int) -> None:
    table = [["what differs", "bees", "wasps"], ["space.operations", "a, b, " * 8, "c, d, " * 8]]
    shown = as_text(side_by_side(table, width)).splitlines()
    assert max(map(len, shown)) <= width
    assert shown[1].count("…") == (0 if width == 200 else 2)
    assert shown[1].startswith("space.operations  a, b, a, b, ")


@pytest.mark.parametrize(
    ("width", "head", "file"),
    [
        (44, ["image", "class", "probability"], "…and/in/it/picture-1.png"),
        (80, ["image", "class", "probability", "next best", "probability"], "…ore/folders/and/in/it/picture-1.png"),
        (200, ["image", "class", "probability", "next best", "probability"], "folders/and/more/"),
    ],
)
def test_answers_that_are_cut_keep_the_class_and_the_end_of_the_files_name(
    width: int, head: list[str], file: str
) -> None:
    answer = Prediction(f"{'folders/and/more/' * 4}folders/and/in/it/picture-1.png", None, "cat", 0.75, "dog", 0.25)
    table = answers_fitted([list(answer.head), answer.cells()], width)
    assert table[0] == head
    assert table[1][0].startswith(file)
    assert table[1][1:3] == ["cat", "0.7500"]
    assert max(map(len, as_text(table).splitlines())) <= width


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat", "cat"),
        ("two\nlines\r", "two lines�"),
        ("\x1b[31mred\x07", "�[31mred�"),
        ("\u202eturned", "�turned"),
        ("caf\udce9", r"caf\xe9"),
        ("nul\0", r"nul\x00"),
        ("[bold]{0}%s 猫", "[bold]{0}%s 猫"),
    ],
)
def test_answers_with_names_of_any_kind_stay_in_their_lines(
    name: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = Prediction(f"{name}.png", None, name, 0.75, next_name="dog", next_probability=0.25)
    print_predictions([answer], as_json=False)
    head, line = capsys.readouterr().out.splitlines()
    assert [line[: head.index("class")].rstrip(), line[head.index("class") : head.index("prob")].rstrip()] == [
        f"{shown}.png",
        shown,
    ]
    print_predictions([answer], as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "file": f"{name}.png",
        "class": name,
        "probability": 0.75,
        "next": "dog",
        "next_probability": 0.25,
    }


def test_a_front_is_printed_with_what_trains_its_members_and_told_as_fields(capsys: pytest.CaptureFixture[str]) -> None:
    trials = [trial(i, 0.5 + 0.1 * i, f"input|{'abcd'[i]}|output", params=1000 * (i + 1)) for i in range(4)]
    folder, given = ResultsFolder("results", "bees"), Invocation("bees.yaml", (), ())
    result = SearchResult.of(folder, SearchState(cost="params"), trials)
    print_front(given, result)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "the front, no candidate is better in both fitness and trainable parameters:"
    assert lines[3].split() == ["fitness", "params", "hivenas", "train", "…", "evaluation", "architecture"]
    assert lines[4].split() == ["0.5000", "1,000", "--at", "'params<=1000'", "0000-scout", "a"]
    assert lines[-1].strip() == "train one of them  hivenas train --config bees.yaml --at 'params<=3000'"
    fields = of_search(result).fields
    assert (fields["cost"], [each["params"] for each in fields["front"]]) == ("params", [1000, 2000, 3000, 4000])
    assert fields["front"][-1] == fields["best"]
    two = [replace(t, evaluation=replace(t.evaluation, macs=9 - t.index % 2)) for t in trials]
    both = SearchResult.of(folder, SearchState(cost="params,macs"), two)
    print_front(given, both)
    lines = capsys.readouterr().out.splitlines()
    said = "fitness, trainable parameters and multiply-adds of one image"
    assert lines[1] == f"the front, no candidate is better in all of {said}:"
    assert lines[4].split() == ["0.5000", "1,000", "9", "--at", "'params<=1000,macs<=9'", "0000-scout", "a"]
    fields = of_search(both).fields
    assert (fields["cost"], fields["costs"]) == ("params", ["params", "macs"])
    assert [(each["params"], each["macs"]) for each in fields["front"]][:2] == [(1000, 9), (2000, 8)]
    print_front(given, SearchResult.of(folder, SearchState(), trials))
    assert capsys.readouterr().out == ""
    without = of_search(SearchResult.of(folder, SearchState(), trials)).fields
    assert (without["cost"], without["front"]) == (None, [])


def test_candidates_that_are_paused_are_counted_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    trials = [trial(0, 0.5, "input|a|output", status="paused"), trial(1, 0.6, "input|b|output", status="paused")]
    climbed = trial(2, 0.7, "input|b|output", phase="momentum")
    result = SearchResult.of(ResultsFolder("results", "bees"), SearchState(), [*trials, climbed])
    print_search(Invocation("bees.yaml", (), ()), result)
    assert "3 evaluations, 0 epochs, 0 failed, 1 paused, 0 reused, " in capsys.readouterr().out
    assert of_search(result).fields["paused"] == 1


def test_a_full_training_says_what_was_looked_for_and_the_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    extra = {"test_accuracy": 0.9, "test_images": 360, "metric": "log_loss", "test_log_loss": 0.31}
    extra |= {"test_log_loss_low": 0.25, "test_log_loss_high": 0.375, "test_metrics": {"log_loss": 0.31}}
    model = Evaluation(LONG, "complete", 0.2875, epochs=3, extra=extra)
    others = {str(fitness): Finalist(candidate=LONG, fitness=fitness) for fitness in (0.5, 0.2875)}
    trained = Trained(model, "", Published(), others, Direction.MINIMIZE)
    print_trained(trained)
    shown = capsys.readouterr().out
    assert "test log loss 0.31 (95 %: 0.25 … 0.375, 360 images), test accuracy 0.9000, validation log " in shown
    assert shown.index("validation log loss") < shown.index("0.2875") < shown.index("0.5 ")
    outcome = of_training(trained)
    assert outcome.line == f"{LONG}: test log loss 0.31, test accuracy 0.9000"
    assert outcome.fields["test_metrics"] == {"log_loss": 0.31}
