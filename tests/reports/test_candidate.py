from __future__ import annotations

from dataclasses import replace

import pytest

from hivenas.config import Config
from hivenas.core.children import link_to
from hivenas.core.records import Evaluation, Proposal
from hivenas.reports.candidate import CandidatePages, as_code

PAGES = CandidatePages.of_space(Config(), {"shape": [8, 8, 1], "classes": 10})
PARENT, ARCH = "input|sep3x3_32|dropout|output", "input|sc_1|sep3x3_32|max_pool3x3|output"
NEIGHBOUR = Proposal(17, 2, "onlooker", 0, ARCH, 0.9, parent=PARENT)
TRAINED = Evaluation(ARCH, "complete", 0.95, epochs=5, params=1234)
ORIGIN = link_to("uid:0004", "0004-employee")


def test_a_neighbour_says_what_it_changed_and_links_to_where_it_comes_from() -> None:
    page = PAGES.of(NEIGHBOUR, TRAINED, origin=ORIGIN)
    assert page.changed == "layer 2: dropout → max_pool3x3; skip connection from layer 1: none → sc_1"
    assert page.note.startswith(
        "**0.9500** validation accuracy after 5 epochs, 1,234 parameters.  \n"
        "A neighbour of [0004-employee](run:uid:0004) (there 0.9000, so +0.0500), visited by an onlooker. Changed: "
        "layer 2: `dropout` → `max_pool3x3`; skip connection from layer 1: `none` → `sc_1`.\n\n```text\nimage"
    )
    assert "0017-onlooker" in page.diagram
    assert "differs from its parent 0004-employee" in page.diagram


@pytest.mark.parametrize(
    ("proposal", "evaluation", "said"),
    [
        (replace(NEIGHBOUR, parent="", role="scout"), TRAINED, "A new food source."),
        (NEIGHBOUR, replace(TRAINED, inherited=0.7, inherited_epochs=3), "70% of its weights were inherited"),
        (
            replace(NEIGHBOUR, momentum_epochs=2, parent=""),
            TRAINED,
            "Trained on for 2 epochs, from the weights of [00",
        ),
        (NEIGHBOUR, replace(TRAINED, status="stopped", reason="below it"), "Stopped early: below it."),
        (NEIGHBOUR, Evaluation.failure(ARCH, "E: a`b", traceback="…"), "**Failed**: `E: a'b`; the artifact"),
        (None, replace(TRAINED, extra={"test_accuracy": 0.97}), "**0.9700** test accuracy, **0.9500** validation"),
        (None, replace(TRAINED, candidate=f"{ARCH};ema=0.9;batch_size=64"), "Trained with `ema=0.9`, `batch_size=64`."),
        (NEIGHBOUR, replace(TRAINED, candidate=f"{ARCH};ema=0.9"), "; ema: `none` → `0.9`. Trained with `ema=0.9`."),
        (
            None,
            replace(TRAINED, extra={"test_accuracy": 0.97, "metric": "f1_macro", "test_f1_macro": 0.81}),
            "**0.8100** test macro F1, **0.9500** validation",
        ),
        (
            replace(NEIGHBOUR, center_fitness=4.4e-7),
            replace(TRAINED, fitness=1.2e-7, extra={"metric": "rmse"}),
            "(there 4.4e-07, so −3.2e-07), visited",
        ),
        (NEIGHBOUR, replace(TRAINED, status="paused"), "[0004-employee](run:uid:0004) (there 0.9000), visited by an"),
        (None, replace(TRAINED, extra={"never_named": ["torn", "dirty"]}), ". It never answers `torn, dirty`."),
    ],
)
def test_what_came_of_a_candidate_is_said(proposal: Proposal | None, evaluation: Evaluation, said: str) -> None:
    assert said in PAGES.of(proposal, evaluation, origin=ORIGIN).note


def test_a_description_of_a_very_deep_network_leaves_the_drawing_to_the_picture() -> None:
    deep = "input|" + "sep3x3_128|" * 200 + "output"
    page = PAGES.of(None, replace(TRAINED, candidate=deep))
    assert "```" not in page.note
    assert page.diagram.count("sep3x3_128") == 200


def test_any_text_is_code_on_one_line() -> None:
    assert as_code("a `b`\n  c") == "`a 'b' c`"
