"""The weight of a class, by its name, its number or its share; what does not suit the classes is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from hivenas.config import EvaluationConfig, from_mapping
from hivenas.core.nas.data.class_weights import check_classes, class_weights, needs_classes
from hivenas.errors import ConfigError
from hivenas.run.plan import check

NAMES = ("sound", "defect", "dirty")
LABELS = np.array([0] * 17 + [1] * 2 + [2] * 5, np.int32)


def settings(**keys: Any) -> EvaluationConfig:
    return from_mapping({"evaluation": keys}).evaluation


def test_balanced_weights_are_scikit_learns() -> None:
    found = class_weights(settings(class_weight="balanced"), LABELS, NAMES)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    assert found == pytest.approx(expected)
    assert found is not None
    assert found[LABELS].mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), ({"defect": 5}, [1, 5, 1]), ({"1": 2, "dirty": 0.5}, [1, 2, 0.5]), ({"0": 3, "2": 4}, [3, 1, 4])],
)
def test_weights_are_by_name_or_number(given: Any, expected: Any) -> None:
    found = class_weights(settings(class_weight=given), LABELS, NAMES)
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"class_weight": {"defekt": 5}},
            "must name classes of the data, sound, defect, dirty, or their numbers from 0",
        ),
        ({"class_weight": {"defekt": 5}}, "got 'defekt'; did you mean 'defect'?"),
        ({"class_weight": {"3": 5}}, "got '3'; correct it"),
        ({"class_weight": {"defect": 5, "1": 3}}, "must name a class once, got '1' beside its name or number"),
        ({"fitness": "top_5"}, "evaluation.fitness must not be top_5 with fewer than 6 classes"),
    ],
)
def test_what_does_not_suit_the_classes_is_refused(keys: dict[str, Any], said: str) -> None:
    config = settings(**keys)
    assert needs_classes(config)
    with pytest.raises(ConfigError) as error:
        check_classes(config, NAMES)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_is_a_number_is_the_name() -> None:
    assert class_weights(settings(class_weight={"1": 2}), LABELS, ("1", "0", "7")) == pytest.approx([2, 1, 1])


def test_a_check_looks_at_the_classes_before_anything_is_trained() -> None:
    config = {"dataset": {"name": "fashion_mnist"}, "evaluation": {"class_weight": {"Shirt": 2, "9": 3}}}
    check(from_mapping(config))
    with pytest.raises(ConfigError, match="must name classes of the data, T-shirt"):
        check(from_mapping({**config, "evaluation": {"class_weight": {"Hat": 2}}}))
