from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from hivenas.config.metrics import figure_recorded
from hivenas.config.promotion import PromotionThreshold
from hivenas.core.publication import Published, ServableModel
from hivenas.tracking.promotion import promote

Register = Callable[..., str]


@pytest.fixture
def name(store: str, request: pytest.FixtureRequest) -> str:
    """A registered model of the test's own."""
    unique = re.sub(r"\W+", "-", request.node.name)
    mlflow.MlflowClient().create_registered_model(unique)
    return unique


@pytest.fixture
def register(name: str, tmp_path: Path) -> Register:
    """Makes a version with the tags of a test accuracy and of the test images that it was measured on."""

    def make(figure: str | None, images: str | None = "digits", metric: str = "accuracy") -> str:
        version = mlflow.MlflowClient().create_model_version(name, source=str(tmp_path)).version
        for key, value in ((f"hivenas.test_{metric}", figure), ("hivenas.test_data", images)):
            if value is not None:
                mlflow.MlflowClient().set_model_version_tag(name, version, key, value)
        return str(version)

    return make


def model(name: str, when: str = "better", alias: str = "champion") -> ServableModel:
    return ServableModel(Path("m.keras"), Path("m.npy"), name, alias, {}, "", when)


def aliases(name: str) -> dict[str, str]:
    registered = mlflow.MlflowClient().get_registered_model(name)
    return {alias: str(version) for alias, version in registered.aliases.items()}


def tags(name: str, number: str) -> tuple[str, str]:
    found = mlflow.MlflowClient().get_model_version(name, number).tags
    return found["hivenas.promoted"], found["hivenas.promotion"]


def test_the_first_version_is_the_champion(name: str, register: Register) -> None:
    number = register("0.500000")
    assert promote(model(name), number) == Published(
        f"models:/{name}@champion", f"version 1 of {name} is the champion: there was none before"
    )
    assert aliases(name) == {"champion": "1"}
    assert tags(name, "1") == ("true", "the champion: there was none before")


def test_a_second_alias_moves_in_any_case_and_without_a_contest(name: str, register: Register) -> None:
    champion, first, second = register("0.900000"), register("0.500000"), register("0.400000")
    both = replace(model(name), second_alias="a-small")
    assert promote(both, champion).uri == f"models:/{name}@champion"
    assert aliases(name) == {"champion": champion, "a-small": champion}
    for number in (first, second):
        small = replace(model(name, alias=""), second_alias="small")
        for _ in range(2):  # as after a kill
            said = f"version {number} of {name} is the small: the smallest about as good as the best"
            assert promote(small, number) == Published(f"models:/{name}@small", said)
        assert aliases(name) == {"champion": champion, "a-small": champion, "small": number}


BETTER = (
    "the champion: the test accuracy {} is not below the 0.9000 of version 1 on the same test images; version 1 is "
)


@pytest.mark.parametrize(
    ("when", "accuracy", "images", "promoted", "reason"),
    [
        ("better", "0.950000", "digits", True, BETTER.format("0.9500") + "kept as previous"),
        ("better", "0.900000", "digits", True, BETTER.format("0.9000") + "kept as previous"),
        ("better", "0.899999", "digits", False, "not the champion: the test accuracy 0.899999 is below the 0.900000"),
        ("better", "0.990000", "others", False, "version 1, which is, was tested on other images, so the two cannot"),
        ("always", "0.100000", "digits", True, "registry.promote is always; version 1 is kept as previous"),
        ("always", "0.100000", "others", True, "registry.promote is always; version 1 is kept as previous"),
        ("never", "0.990000", "digits", False, "not the champion: registry.promote is never"),
    ],
)
def test_a_challenger(
    name: str, register: Register, when: str, accuracy: str, images: str, promoted: bool, reason: str
) -> None:
    promote(model(name), register("0.900000"))
    outcome = promote(model(name, when), register(accuracy, images))
    assert reason in outcome.verdict
    assert outcome.verdict.startswith(f"version 2 of {name} is {'the' if promoted else 'not the'} champion: ")
    if promoted:
        assert outcome.uri == f"models:/{name}@champion"
        assert aliases(name) == {"champion": "2", "previous": "1"}
    else:
        assert outcome.uri == f"models:/{name}/2"
        assert aliases(name) == {"champion": "1"}
    flag, said = tags(name, "2")
    assert flag == str(promoted).lower()
    assert outcome.verdict.endswith(said)


@pytest.mark.parametrize(("accuracy", "images"), [(None, "digits"), ("0.1", None), (None, None)])
def test_a_champion_that_does_not_say_what_it_was_tested_on_is_kept(
    name: str, register: Register, accuracy: str | None, images: str | None
) -> None:
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", register(accuracy, images))
    outcome = promote(model(name), register("0.990000"))
    assert "version 1, which is, has no tag hivenas.test_" in outcome.verdict
    assert "registry.promote=always" in outcome.verdict
    assert aliases(name) == {"champion": "1"}
    assert promote(model(name, "always"), register("0.990000")).uri == f"models:/{name}@champion"


@pytest.mark.parametrize("figure", ["95 %", "nan", "good"])
def test_a_champion_whose_figure_a_person_has_written_otherwise_is_kept(
    name: str, register: Register, figure: str
) -> None:
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", register(figure))
    said = f"version 1, which is, has the tag hivenas.test_accuracy '{figure}', no number, so "
    better = PromotionThreshold("accuracy", None, 0.01, False, "accuracy")
    for challenger in (model(name), replace(model(name), promote="always", promote_if=(better,))):
        verdict = promote(challenger, register("0.990000")).verdict
        assert said in verdict
    assert aliases(name) == {"champion": "1"}
    assert promote(model(name, "always"), register("0.990000")).uri == f"models:/{name}@champion"


def test_without_a_champion_never_means_never(name: str, register: Register) -> None:
    assert promote(model(name, "never"), register("0.9")).uri == f"models:/{name}/1"
    assert aliases(name) == {}


def test_another_alias_is_compared_with_its_own_bearer(name: str, register: Register) -> None:
    promote(model(name), register("0.900000"))
    outcome = promote(model(name, alias="staging"), register("0.500000"))
    assert outcome.verdict == f"version 2 of {name} is the staging: there was none before"
    assert outcome.uri == f"models:/{name}@staging"
    assert aliases(name) == {"champion": "1", "staging": "2"}


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("accuracy", ["0.950000", "0.850000"])
def test_a_promotion_that_was_killed_is_finished_with_the_same_result(
    name: str, register: Register, steps: int, accuracy: str
) -> None:
    promote(model(name), register("0.800000"))
    promote(model(name), register("0.900000"))
    number, client = register(accuracy), mlflow.MlflowClient()
    promoted = accuracy > "0.9"
    said = BETTER.format("0.9500").replace("version 1", "version 2") + "kept as previous"
    if not promoted:
        said = "not the champion: the test accuracy 0.8500 is below the 0.9000 of version 2 on the same test images"
    moves: list[Callable[[], object]] = [
        lambda: client.set_model_version_tag(name, number, "hivenas.promotion", said),
        lambda: client.set_registered_model_alias(name, "previous", "2"),
        lambda: client.set_registered_model_alias(name, "champion", number),
    ]
    for move in moves[: steps if promoted else min(steps, 1)]:
        move()
    outcome = promote(model(name), number)
    assert outcome.verdict == f"version 3 of {name} is {said}"
    assert tags(name, number) == (str(promoted).lower(), said)
    expected = {"champion": "3", "previous": "2"} if promoted else {"champion": "2", "previous": "1"}
    assert aliases(name) == expected
    assert promote(model(name), number) == outcome


def test_what_was_decided_is_not_decided_again_whoever_moves_the_alias_afterwards(
    name: str, register: Register
) -> None:
    first, second = register("0.900000"), register("0.950000")
    promote(model(name), first)
    assert promote(model(name), second).uri == f"models:/{name}@champion"
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", first)
    assert promote(model(name), second).uri == f"models:/{name}/2"
    assert aliases(name) == {"champion": "1", "previous": "1"}


@pytest.mark.parametrize(("quicker", "promoted"), [("0.970000", False), ("0.920000", True)])
def test_of_two_that_are_promoted_at_the_same_time_the_better_one_is_the_champion(
    name: str, register: Register, monkeypatch: pytest.MonkeyPatch, quicker: str, promoted: bool
) -> None:
    """The quicker one is promoted when the slower one has decided, against the one before, and not moved it yet."""
    promote(model(name), register("0.900000"))
    slow, quick = register("0.950000"), register(quicker)
    set_tag = mlflow.MlflowClient.set_model_version_tag
    waiting = [quick]

    def decide(client: mlflow.MlflowClient, of: str, version: object, key: str, value: str) -> None:
        set_tag(client, of, str(version), key, value)
        if str(version) == slow and waiting:
            promote(model(name), waiting.pop())

    monkeypatch.setattr(mlflow.MlflowClient, "set_model_version_tag", decide)
    outcome = promote(model(name), slow)
    assert tags(name, slow)[0] == str(promoted).lower()
    assert f"of version {quick}" in outcome.verdict
    assert aliases(name) == (
        {"champion": slow, "previous": quick} if promoted else {"champion": quick, "previous": "1"}
    )


@pytest.mark.parametrize(
    ("figure", "promoted", "reason"),
    [
        ("0.310000", True, "the champion: the test log loss 0.31 is not above the 0.35 of version 1 on the same"),
        ("0.350000", True, "the champion: the test log loss 0.35 is not above the 0.35 of version 1 on the same"),
        ("0.400000", False, "not the champion: the test log loss 0.4 is above the 0.35 of version 1 on the same"),
    ],
)
def test_where_less_is_better_a_version_must_not_have_more(
    name: str, register: Register, figure: str, promoted: bool, reason: str
) -> None:
    looks = replace(model(name), metric="log_loss", minimize=True)
    promote(looks, register("0.350000", metric="log_loss"))
    promote(looks, number := register(figure, metric="log_loss"))
    assert tags(name, number)[0] == str(promoted).lower()
    assert tags(name, number)[1].startswith(reason)
    assert aliases(name)["champion"] == ("2" if promoted else "1")


@pytest.mark.parametrize(
    ("champion", "challenger", "promoted", "told"),
    [
        (1.2e-7, 4.4e-7, False, "4.4e-07 is above the 1.2e-07"),
        (4.4e-7, 1.2e-7, True, "1.2e-07 is not above the 4.4e-07"),
        (0.12345678, 0.12345679, False, "0.12345679 is above the 0.12345678"),
    ],
)
def test_figures_in_a_small_unit_are_compared_as_they_are(
    name: str, register: Register, champion: float, challenger: float, promoted: bool, told: str
) -> None:
    looks = replace(model(name), metric="rmse", minimize=True)
    promote(looks, register(figure_recorded(champion, "rmse"), metric="rmse"))
    promote(looks, number := register(figure_recorded(challenger, "rmse"), metric="rmse"))
    assert (tags(name, number)[0], told in tags(name, number)[1]) == (str(promoted).lower(), True)


@pytest.mark.parametrize(
    ("champion", "challenger", "promoted"),
    [
        ("0.310000", 0.3100004, True),
        ("0.310000", 0.3100006, False),
        ("0.000000", 1.2e-7, True),
        ("0.000000", 1.2e-6, False),
    ],
)
def test_a_champion_whose_figure_was_cut_at_six_places_is_compared_at_so_many(
    name: str, register: Register, champion: str, challenger: float, promoted: bool
) -> None:
    looks = replace(model(name), metric="rmse", minimize=True)
    promote(looks, register(champion, metric="rmse"))
    promote(looks, number := register(figure_recorded(challenger, "rmse"), metric="rmse"))
    assert tags(name, number)[0] == str(promoted).lower()


def test_what_is_asked_for_in_a_small_unit_is_compared_up_to_rounding(name: str, register: Register) -> None:
    rmse = PromotionThreshold("rmse", threshold=2e-7, min_improvement=1e-8, minimize=True, label="RMSE")
    asked = replace(model(name, "always"), promote_if=(rmse,))
    for figure, promoted in ((2.00000001e-7, True), (1.95e-7, False), (1.9e-7, True), (3e-7, False)):
        promote(asked, number := register(figure_recorded(figure, "rmse"), metric="rmse"))
        assert tags(name, number)[0] == str(promoted).lower()


def test_a_champion_without_the_figure_that_is_looked_for_cannot_be_compared(name: str, register: Register) -> None:
    promote(model(name), register("0.900000"))
    promote(replace(model(name), metric="auc"), number := register("0.990000", metric="auc"))
    assert "version 1, which is, has no tag hivenas.test_auc" in tags(name, number)[1]


def wanted(threshold: float, min_improvement: float | None = None) -> tuple[PromotionThreshold, ...]:
    return (PromotionThreshold("accuracy", threshold, min_improvement, label="accuracy"),)


@pytest.mark.parametrize(
    ("when", "threshold", "accuracy", "reason"),
    [
        ("better", 0.9, "0.900000", ""),
        (
            "better",
            0.9,
            "0.899900",
            "not the champion: the test accuracy 0.8999 is below the 0.9 of registry.promote_if",
        ),
        (
            "always",
            0.9,
            "0.100000",
            "not the champion: the test accuracy 0.1000 is below the 0.9 of registry.promote_if",
        ),
        ("better", 0.9, None, "the test accuracy, which registry.promote_if asks for, was not measured"),
        ("never", 0.9, "0.100000", "not the champion: registry.promote is never"),
    ],
)
def test_a_first_version_that_misses_a_threshold_is_not_the_champion(
    name: str, register: Register, when: str, threshold: float, accuracy: str | None, reason: str
) -> None:
    asked = replace(model(name, when), promote_if=wanted(threshold=threshold))
    outcome = promote(asked, register(accuracy))
    assert reason in outcome.verdict
    assert aliases(name) == ({} if reason else {"champion": "1"})
    flag, said = tags(name, "1")
    assert flag == str(not reason).lower()
    assert outcome.verdict.endswith(said)
    assert promote(asked, "1") == outcome  # as after a kill


@pytest.mark.parametrize(
    ("when", "accuracy", "images", "reason"),
    [
        ("better", "0.910000", "digits", ""),
        ("always", "0.910000", "digits", ""),
        (
            "better",
            "0.909000",
            "digits",
            "0.9090 is not better by 0.01 (registry.promote_if) than the 0.9000 of version 1",
        ),
        ("always", "0.910000", "others", "was tested on other images, so its improvement on it cannot be told"),
    ],
)
def test_a_challenger_must_improve_on_the_champion_by_as_much_as_is_asked_for(
    name: str, register: Register, when: str, accuracy: str, images: str, reason: str
) -> None:
    asked = replace(model(name, when), promote_if=wanted(threshold=0.5, min_improvement=0.01))
    promote(asked, register("0.900000"))  # which has nothing to improve on
    outcome = promote(asked, register(accuracy, images))
    assert reason in outcome.verdict
    assert aliases(name)["champion"] == ("1" if reason else "2")


def test_of_a_loss_less_is_better_and_every_miss_is_said(name: str, register: Register) -> None:
    log_loss = PromotionThreshold("log_loss", threshold=0.3, minimize=True, label="log loss")
    asked = replace(model(name), promote_if=(*wanted(threshold=0.9), log_loss))
    number = register("0.800000")
    mlflow.MlflowClient().set_model_version_tag(name, number, "hivenas.test_log_loss", "0.300001")
    assert promote(asked, number).verdict.endswith(
        "not the champion: the test accuracy 0.8000 is below the 0.9 of registry.promote_if and the test log loss "
        "0.300001 is above the 0.3 of registry.promote_if"
    )
