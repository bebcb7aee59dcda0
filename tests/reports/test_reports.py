from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.image import imread

from hivenas.config import AugmentationConfig
from hivenas.core.nas.training.predictions import TestPredictions as Predictions
from hivenas.core.records import Direction, Evaluation, Proposal, Trial
from hivenas.core.unicode import storable
from hivenas.errors import DiskFullError
from hivenas.reports import (
    Summary,
    as_markdown,
    as_text,
    best_table,
    draw_augmentation,
    draw_predictions,
    figure,
    model_note,
    short,
)
from hivenas.reports.attempts import attempted
from hivenas.reports.page.tables import components_of
from hivenas.reports.text import as_cell, duration, spent_said
from tests.trials import changed

ARCH = "input|sep3x3_32|dropout|output"


def row(index: int, fitness: float, *, candidate: str = ARCH, epochs: int = 5, momentum_epochs: int = 0) -> Trial:
    proposal = Proposal(index, 0, "employee", 0, candidate, momentum_epochs=momentum_epochs)
    return Trial(proposal, Evaluation(candidate, "complete", fitness, epochs, 0.1, momentum_epochs, 1234))


def test_epochs_count_once_where_they_were_trained() -> None:
    failed = changed(row(3, 0.0, epochs=0), status="failed", phase="momentum")
    first, second = row(0, 0.5), changed(row(1, 0.6, momentum_epochs=2), curve={6: 0.5, 7: 0.6})
    third = changed(row(2, 0.7, momentum_epochs=5), curve={8: 0.6, 9: 0.6, 10: 0.7})
    summary = Summary.of([first, second, third, failed], reused=4, seconds=1.0)
    assert summary.metrics() == {"evaluations": 4.0, "reused": 4.0, "failed": 1.0, "epochs": 10.0}


def test_epochs_that_were_trained_twice_from_one_file_count_twice() -> None:
    twice = [changed(row(1, 0.6, momentum_epochs=2), curve={6: 0.5, 7: 0.6}), row(2, 0.7, momentum_epochs=3)]
    assert Summary.of([row(0, 0.5), *twice], reused=0, seconds=1.0).epochs == 10


def test_what_evaluations_took_is_added_up_and_of_memory_the_most_counts() -> None:
    took = [{"cpu_seconds": 90.0, "peak_rss_mb": 612.0}, {"cpu_seconds": 102.4, "peak_rss_mb": 1530.0}, {}]
    rows = [changed(row(index, 0.5), extra={"spent": spent}) for index, spent in enumerate(took)]
    summary = Summary.of(rows, reused=0, seconds=1.0)
    assert summary.metrics().items() >= {"cpu_seconds": 192.4, "peak_rss_mb": 1530.0}.items()
    assert spent_said(summary.spent) == "3 min 12 s of processor time, at most 1,530 MiB of memory in a process"
    assert spent_said({}) == ""


@pytest.mark.parametrize(
    ("candidate", "fitness", "shown"),
    [(ARCH, 0.97561, "0.9756"), ("[0.1]", 3e-7, "3e-07"), ("[0.1]", 8926.123, "8926.12")],
)
def test_figures_are_shown_to_the_places_that_matter(candidate: str, fitness: float, shown: str) -> None:
    assert figure(row(0, fitness, candidate=candidate)) == shown


@pytest.mark.parametrize(("metric", "shown"), [("auc", "0.0123"), ("rmse", "0.0123457"), ("own_metric", "0.0123457")])
def test_a_fitness_has_the_digits_of_its_metric(metric: str, shown: str) -> None:
    assert figure(changed(row(0, 0.012345678), extra={"metric": metric})) == shown


def test_the_table_has_the_best_first_and_renders_as_text_and_markdown() -> None:
    rows = [row(0, 0.5), row(1, 0.9, candidate="input|dropout|output")]
    table = best_table(rows, Direction.MAXIMIZE, count=5)
    assert [line[-1] for line in table] == ["architecture", "dropout", "sep3x3_32|dropout"]
    assert best_table(rows, Direction.MINIMIZE)[1][-1] == "sep3x3_32|dropout"
    assert as_text(table).splitlines()[1].startswith("1  0.9000   1,234       5")
    assert "| 2 | 0.5000 | 1,234 | 5 | 0000-employee | sep3x3_32 → dropout |" in as_markdown(table)


def test_the_table_of_a_function_has_candidates_and_dashes_for_what_they_lack() -> None:
    choices = changed(row(0, 0.5, candidate="w=1|d=2", epochs=0), params=0)
    table = best_table([choices], Direction.MAXIMIZE)
    assert table[0] == ["", "fitness", "parameters", "epochs", "evaluation", "candidate"]
    assert table[1] == ["1", "0.5000", "–", "–", "0000-employee", "w=1|d=2"]


def test_architectures_are_cut_to_a_width() -> None:
    assert short("input|sep3x3_32|dropout|output", 12) == "sep3x3_32|d…"
    assert short(ARCH) == "sep3x3_32|dropout"
    assert short(f"{ARCH};ema=0.9;batch_size=64") == "sep3x3_32|dropout ema=0.9 batch_size=64"
    assert components_of(f"{ARCH};ema=0.9") == ("sep3x3_32", "dropout", "ema=0.9")


@pytest.mark.parametrize("mistakes", [True, False])
def test_answers_are_drawn_with_their_counts(tmp_path: Path, mistakes: bool) -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(30, dtype=np.int32) % 3
    answered = np.roll(labels, 1) if mistakes else labels
    images = rng.integers(0, 256, (30, 6, 6, 3), dtype=np.uint8)
    answers = Predictions.of(np.eye(3, dtype=np.float32)[answered], labels, images, ("cat", "dog", "owl"))
    files = draw_predictions(answers, tmp_path / "plots")
    names = ["confusion_matrix.png", "confusion_matrix.csv", *(["worst_mistakes.png"] if mistakes else [])]
    assert [file.name for file in files] == names
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files if file.suffix == ".png")
    table = (tmp_path / "plots/confusion_matrix.csv").read_text().splitlines()
    assert table[:2] == ["true class,cat,dog,owl", "cat,0,0,10" if mistakes else "cat,10,0,0"]


# Names as people give them: formulas, markup, bytes that are no Unicode, what has no glyph, what is very long.
NAMES = (
    "under $10_$20",
    "$50 & $_more",
    r"$\frac$",
    r"\alpha{}^_%#",
    "caf\udce9",
    "half \ud83d",
    "two\nlines\tand\r\x07\x1b[1m\x7f",
    "\u202eturned",
    "😀 猫",
    "<script>&amp;",
    "[bold]x[/bold]",
    "a|b `c` {0} %s",
    "=HYPERLINK(1)",
    "n" * 500,
    "nul\0",
    "",
)


@pytest.mark.parametrize("settings", [{}, {"text.usetex": True, "text.parse_math": True}], ids=["usual", "tex"])
def test_any_names_of_classes_are_drawn_and_tabulated(
    settings: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    labels = np.arange(len(NAMES), dtype=np.int32)
    images = np.zeros((len(NAMES), 2, 2, 1), np.uint8)
    answers = Predictions.of(np.eye(len(NAMES), dtype=np.float32)[np.roll(labels, 1)], labels, images, NAMES)
    with rc_context(settings):  # type: ignore[arg-type]  # of literal keys
        files = draw_predictions(answers, tmp_path)
    assert [file.name for file in files] == ["confusion_matrix.png", "confusion_matrix.csv", "worst_mistakes.png"]
    assert not caplog.messages
    assert not recwarn.list
    with (tmp_path / "confusion_matrix.csv").open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert head[1:] == [line[0] for line in lines] == [storable(name) for name in NAMES]


@pytest.mark.parametrize("name", ["confusion_matrix.png", "confusion_matrix.csv", "worst_mistakes.png"])
def test_a_picture_that_cannot_be_made_is_a_warning_and_the_others_are_made(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name / "in the way").mkdir(parents=True)
    labels = np.arange(2, dtype=np.int32)
    images = np.zeros((2, 2, 2, 1), np.uint8)
    answers = Predictions.of(np.eye(2, dtype=np.float32)[1 - labels], labels, images, ("cat", "dog"))
    made = {file.name for file in draw_predictions(answers, tmp_path)}
    assert made | {name} == {"confusion_matrix.png", "confusion_matrix.csv", "worst_mistakes.png"}
    assert name not in made
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / name} could not be made (IsADirectoryError")


def test_what_fails_for_lack_of_space_is_not_passed_over() -> None:
    def full() -> None:
        raise DiskFullError

    with pytest.raises(DiskFullError):
        attempted("a page", full, None)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('["0", "cat_1", "2"]', '["0", "cat_1", "2"]'),
        ("a|b", r"a\|b"),
        ("`x` *y* _z_ ~w~", r"\`x\` \*y\* \_z\_ \~w\~"),
        ("<script>&lt; a & b", "&lt;script>&amp;lt; a & b"),
        ("[x](http://y) [z][w]", r"[x\](http://y) [z\][w]"),
        ("two\nlines\x07", "two lines�"),
        ("back\\slash caf\udce9", r"back\\slash caf\\xe9"),
    ],
)
def test_no_text_is_markup_in_a_table(text: str, cell: str) -> None:
    assert as_cell(text) == cell


def test_a_configuration_stays_within_its_block_whatever_is_in_it() -> None:
    origin = {"hivenas.architecture": "input|a|output", "hivenas.classes": '["cat"]', "hivenas.labels": '["cat"]'}
    note = model_note(origin, "name: x  # ``` and ````\n", "a number")
    assert note.endswith("`````yaml\nname: x  # ``` and ````\n`````\n")
    assert "| architecture | input → a → output |" in note
    assert "standardisation is inside. Returns a number.\n" in note
    assert "cat" not in note


@pytest.mark.parametrize(("channels", "colours"), [(1, False), (2, False), (3, True)])
def test_augmented_images_are_drawn_in_their_own_range(tmp_path: Path, channels: int, colours: bool) -> None:
    examples = np.random.default_rng(0).uniform(-3, 16, (2, 4, 6, 9, channels)).astype(np.float32)
    file = draw_augmentation(
        examples, AugmentationConfig(shift=0.0, affine=True, cutout=0.5, mixup=0.2), tmp_path / "plots"
    )
    picture = imread(file)[..., :3]
    assert file == tmp_path / "plots" / "augmentation.png"
    assert picture.shape[1] == 4 * 120
    assert (np.ptp(picture, axis=-1).max() > 0.5) == colours
    assert picture.min() < 0.05


def test_a_page_of_one_value_is_drawn(tmp_path: Path) -> None:
    assert draw_augmentation(np.full((1, 2, 4, 4, 1), 7.0), AugmentationConfig(shift=0.0), tmp_path).is_file()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(3.21, "3.2 s"), (192.4, "3 min 12 s"), (7260, "2 h 1 min"), (59.7, "1 min 0 s")]
)
def test_spans_of_time_are_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
