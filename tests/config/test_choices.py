"""Settings that vary: read, refused, written down, and put in their place for a candidate."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hivenas
from hivenas.config import Choice, Config, Log, from_mapping, from_record, load
from hivenas.config.choices import written
from hivenas.config.schema import as_whole
from hivenas.config.settings import MOST_COMBINATIONS, combinations, joined, settings_of, split_candidate
from hivenas.config.text import parse_yaml
from hivenas.errors import ArchitectureError, ConfigError

ARCH = "input|identity|output"
VARIED = """
evaluation:
  initial_lr: !Log [0.001, 0.01, 3]
  batch_size: !Choice [64, 32]
  optimizer: {op: !Choice [SGD, AdamW], weight_decay: 0.01}
  augmentation: {flip: !Choice [true, false], shift: 0.05}
"""


def of_yaml(text: str) -> Config:
    return from_mapping(parse_yaml(text, "a test"))


@pytest.mark.parametrize(
    ("log", "values"),
    [
        (Log(0.001, 0.1, 3), (0.001, 0.01, 0.1)),
        (Log(0.001, 0.01, 3), (0.001, 0.003162, 0.01)),
        (Log(16, 256, 5), (16, 32, 64, 128, 256)),
        (Log(1e-5, 3e-5, 2), (1e-5, 3e-5)),
        (Log(1, 10.0, 3), (1, 3.162, 10.0)),
    ],
)
def test_a_log_has_values_in_equal_ratios_rounded_to_what_can_be_read(log: Log, values: tuple[float, ...]) -> None:
    assert log.values == values


@given(low=st.floats(1e-6, 1.0), ratio=st.floats(1.5, 1e6), n=st.integers(2, 20))
def test_the_values_of_a_log_rise_from_end_to_end(low: float, ratio: float, n: int) -> None:
    values = Log(low, low * ratio, n).values
    assert (values[0], values[-1], len(values)) == (low, low * ratio, n)
    assert list(values) == sorted(set(values))
    assert all(float(written(value)) == value for value in values)


def test_what_varies_is_read_with_its_first_value_in_place_and_written_back() -> None:
    config = of_yaml(VARIED)
    assert list(config.choices) == [
        "evaluation.augmentation.flip",
        "evaluation.batch_size",
        "evaluation.initial_lr",
        "evaluation.optimizer.op",
    ]
    assert (config.evaluation.batch_size, config.evaluation.initial_lr) == (64, 0.001)
    assert "initial_lr: !Log [0.001, 0.01, 3]\n" in config.to_yaml()
    assert "flip: !Choice [true, false]\n" in config.to_yaml()
    assert config.flat()["evaluation.batch_size"] == "!Choice [64, 32]"
    again = [
        of_yaml(config.to_yaml()),
        from_record(parse_yaml(config.to_yaml(), "a record")),
        from_mapping(json.loads(json.dumps(config.to_mapping()))),
        from_mapping(config.given()),
        pickle.loads(pickle.dumps(config)),
    ]
    for other in again:
        assert (other.choices, other.to_mapping()) == (config.choices, config.to_mapping())
        for suffix in (";batch_size=32;initial_lr=0.01;optimizer.op=AdamW", ";optimizer.op=SGD", ""):
            assert other.of(ARCH + suffix).evaluation == config.of(ARCH + suffix).evaluation


def test_python_has_the_same_as_yaml_and_set_too(tmp_path: Path) -> None:
    rates = {"initial_lr": hivenas.Log(0.001, 0.01, 3), "batch_size": hivenas.Choice([32, 64])}
    assert (
        from_mapping({"evaluation": rates}).choices
        == from_mapping({"evaluation": {k: str(v) for k, v in rates.items()}}).choices
    )
    file = tmp_path / "plain.yaml"
    file.write_text("name: plain\n")
    config = load(file, ["evaluation.initial_lr=!Log [0.001, 0.01, 3] evaluation.batch_size=!Choice [32, 64]"])
    assert config.choices == {f"evaluation.{key}": rates[key] for key in sorted(rates)}
    assert (
        load(file).choices
        == from_mapping(config.given(), ["evaluation.initial_lr=0.1 evaluation.batch_size=8"]).choices
    )


# What a learning rate is where it was left out follows from what the candidate has in place of others.
RATES: list[tuple[dict[str, Any], str, tuple[float, float, float | None]]] = [
    ({"optimizer": {"op": "!Choice [AdamW, SGD]"}}, "optimizer.op=SGD", (0.08, 0.0008, None)),
    ({"optimizer": {"op": "!Choice [AdamW, SGD]"}, "initial_lr": 0}, "optimizer.op=SGD", (0.0, 0.0, 0.01)),
    ({"initial_lr": "!Choice [0.001, 0.1]"}, "initial_lr=0.1", (0.1, 0.001, None)),
    ({"initial_lr": "!Choice [0, 0.1]"}, "initial_lr=0.1", (0.1, 0.001, None)),
    ({"initial_lr": "!Choice [0, 0.1]"}, "initial_lr=0", (0.0, 0.0, 0.001)),
    ({"final_lr": "!Choice [0.001, 0.01]"}, "final_lr=0.01", (0.01, 0.01, None)),
    ({"schedule": "!Choice [cosine, exponential]"}, "schedule=exponential", (0.003, 0.000375, None)),
    (
        {"optimizer": {"op": "AdamW", "learning_rate": 0.002}, "schedule": "!Choice [constant, cosine]"},
        "schedule=cosine",
        (0.002, 2e-5, 0.002),
    ),
    (
        {"optimizer": {"op": "AdamW", "learning_rate": 0.002}, "schedule": "!Choice [constant, cosine]"},
        "schedule=constant",
        (0.0, 0.0, 0.002),
    ),
    (
        {"optimizer": {"op": "SGD", "learning_rate": "!Choice [0.1, 0.2]"}},
        "optimizer.learning_rate=0.2",
        (0.0, 0.0, 0.2),
    ),
    (
        {"optimizer": {"op": "SGD", "learning_rate": "!Choice [0.1, 0.2]"}, "schedule": "cosine"},
        "optimizer.learning_rate=0.2",
        (0.2, 0.002, 0.2),
    ),
    (
        {
            "initial_lr": "!Choice [0.003, 0.0]",
            "final_lr": 0.0001,
            "optimizer": {"op": "AdamW", "learning_rate": 0.003},
        },
        "initial_lr=0.0",
        (0.0, 0.0, 0.003),
    ),
]


@pytest.mark.parametrize(("evaluation", "chosen", "rates"), RATES, ids=[chosen for _, chosen, _ in RATES])
def test_a_rate_that_was_left_out_follows_what_a_candidate_has_and_does_so_when_read_back(
    evaluation: dict[str, Any], chosen: str, rates: tuple[float, float, float | None]
) -> None:
    config = from_mapping({"evaluation": evaluation})
    for each in (config, of_yaml(config.to_yaml()), from_record(config.to_mapping()), from_mapping(config.given())):
        found = each.of(f"{ARCH};{chosen}")
        own = found.evaluation.optimizer.arguments.get("learning_rate")
        assert (found.evaluation.initial_lr, found.evaluation.final_lr, own) == pytest.approx(rates)
        assert not found.choices
        # As a recipe has it, and as that is trained again.
        alone = from_record(found.to_mapping()).settled_on(f"{ARCH};{chosen}")
        assert alone.of(f"{ARCH};{chosen}").evaluation == from_record(found.to_mapping()).evaluation


def test_a_candidate_with_a_rate_of_0_is_settled_on() -> None:
    config = from_mapping({"evaluation": {"initial_lr": 0.01, "final_lr": "!Choice [0.001, 0]"}})
    settled = config.settled_on(f"{ARCH};final_lr=0")
    assert settled.of(f"{ARCH};final_lr=0").evaluation == config.of(f"{ARCH};final_lr=0").evaluation


def test_a_candidate_without_settings_is_trained_as_ever() -> None:
    config = Config()
    assert config.of(ARCH) is config
    assert config.settled_on(ARCH) is config
    assert config.identity == config.model_dump_json(by_alias=True)
    assert config.of("[0.5, 0.1]") is config


def test_any_legal_setting_may_be_trained_whatever_is_searched() -> None:
    found = Config().of(f"{ARCH};ema=0.5;optimizer.momentum=0.9;optimizer.op=SGD").evaluation
    assert (found.optimizer.op, found.optimizer.arguments["momentum"], found.ema) == ("SGD", 0.9, 0.5)


def test_configurations_with_other_choices_or_given_keys_are_told_apart() -> None:
    rates = {"initial_lr": "!Log [0.001, 0.01, 3]"}
    texts = [{}, rates, {"initial_lr": "!Log [0.001, 0.02, 3]"}, {**rates, "final_lr": 1e-05}]
    assert len({from_mapping({"evaluation": each}).identity for each in texts}) == len(texts)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"initial_lr": "!Log [0, 1, 3]"}, "low > 0, got 0"),
    ({"initial_lr": "!Log [-1, 1, 3]"}, "low > 0, got -1"),
    ({"initial_lr": "!Log [0.1, 0.01, 3]"}, "low < high"),
    ({"initial_lr": "!Log [0.1, 1, 1]"}, "from 2 to 100 values, got n=1"),
    ({"initial_lr": "!Log [0.1, 1, 2.5]"}, "got n=2.5"),
    ({"initial_lr": "!Log [0.1, 1]"}, "three numbers"),
    ({"initial_lr": "!Log {low: 1}"}, "three numbers"),
    ({"initial_lr": "!Log [0.1, 0.10001, 9]"}, "different values"),
    ({"batch_size": "!Log [1, 4, 9]"}, "different values"),
    ({"batch_size": "!Choice []"}, "a list of values"),
    ({"batch_size": "!Choice 32"}, "a list of values"),
    ({"batch_size": "!Choice [32, 32]"}, "different values"),
    ({"batch_size": "!Choice [32, null]"}, "got None"),
    ({"batch_size": "!Choice [[32]]"}, "got [32]"),
    ({"schedule": "!Choice [cosine, 'no']"}, "got 'no'"),
    ({"schedule": "!Choice [cosine, 'a b']"}, "got 'a b'"),
    ({"batch_size": f"!Choice {list(range(1, 102))}"}, "at most 100 values"),
    ({"batch_size": "!Choice [32, 0]"}, "evaluation.batch_size must be at least 1, got 0"),
    ({"batch_size": "!Log [16.5, 64, 3]"}, "evaluation.batch_size must be a whole number, got 16.5"),
    ({"ema": "!Choice [0.9, 1.0]"}, "evaluation.ema must be less than 1"),
    ({"schedule": "!Choice [cosine, cosinus]"}, "evaluation.schedule must be one of"),
    ({"optimizer": {"op": "!Choice [SGD, Adan]"}}, "evaluation.optimizer.op must be one of"),
    ({"optimizer": {"op": "!Choice [SGD, AdamW]", "momentum": 0.9}}, "no argument 'momentum' for AdamW"),
    ({"optimizer": "!Choice [SGD, AdamW]"}, "evaluation.optimizer must be one value"),
    ({"augmentation": {"mixup": "!Choice [0, 0.01]"}}, "evaluation.augmentation.mixup must be 0 or at least 0.05"),
    ({"initial_lr": "!Log [0.001, 0.1, 3]", "schedule": "!Choice [cosine, constant]", "final_lr": 0.001}, "final_lr"),
    ({"initial_lr": "!Choice [0, 0.01]", "final_lr": 0.001}, "which switches evaluation.final_lr=0.001 off for all"),
    ({"initial_lr": 0.01, "final_lr": "!Choice [0.0, 0.001]"}, "got !Choice [0.0, 0.001] (a.yaml); put it last"),
    ({"inherit": True, "batch_size": "!Choice [32, 64]"}, "evaluation.inherit must be false where settings vary"),
    ({"batchsize": "!Choice [32, 64]"}, "unknown key evaluation.batchsize"),
    *(
        ({key: "!Choice [2, 3]"}, f"evaluation.{key} must be one value for all candidates")
        for key in ("epochs", "momentum_epochs", "first_look", "inherit_epochs", "stopping", "score", "precision")
    ),
    ({"ladder": {"share": "!Choice [0.2, 0.4]"}}, "evaluation.ladder.share must be one value"),
]


@pytest.mark.parametrize(("evaluation", "says"), REFUSED, ids=[str(e)[:60] for e, _ in REFUSED])
def test_what_cannot_vary_so_is_refused_in_a_line(evaluation: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_mapping({"evaluation": evaluation}, source="a.yaml")
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("space: {depth: !Choice [2, 3]}", "space.depth must be one value for all candidates, got !Choice [2, 3]"),
        ("name: !Choice [a, b]", "name must be one value"),
        ("space: {operations: [!Choice [a, b], c]}", "space.operations must be plain values"),
        ("evaluation: {ema: !Log [0, 1, 2]}", "low > 0, got 0"),
        ("evaluation: {ema: !Logs [0, 1, 2]}", "the tag !Logs is not allowed; only !Operation, !Choice, !Log and"),
        ("objective: rosenbrock\nevaluation: {ema: !Choice [0.0, 0.9]}", "for objective=rosenbrock"),
    ],
)
def test_a_file_with_a_tag_where_none_can_be_is_refused_with_its_name(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert says in str(error.value)
    assert "wrong.yaml" in str(error.value)


def test_all_combinations_are_tried_or_of_very_many_each_value() -> None:
    few = {"a": Choice([1, 2]), "b": Choice([3, 4, 5])}
    assert len(list(combinations(few))) == 6
    many = {key: Choice(list(range(20))) for key in "abcd"}
    tried = list(combinations(many))
    assert len(tried) == 81 < MOST_COMBINATIONS
    assert all({each[key] for each in tried} == set(range(20)) for key in many)
    assert dict.fromkeys(many, 19) in tried


SETTINGS = st.dictionaries(
    st.sampled_from(["batch_size", "initial_lr", "optimizer.op", "optimizer.nesterov", "augmentation.shift"]),
    st.one_of(
        st.integers(0, 10**6), st.floats(1e-12, 1e12), st.booleans(), st.sampled_from(["SGD", "AdamW", "cosine"])
    ),
)


@given(settings=SETTINGS)
def test_settings_are_read_from_a_string_as_they_were_written(settings: dict[str, Any]) -> None:
    settings = {key: as_whole(value) if key == "batch_size" else value for key, value in sorted(settings.items())}
    texts = tuple((key, written(value)) for key, value in settings.items())
    candidate = joined(ARCH, texts)
    assert split_candidate(candidate) == (ARCH, texts)
    found = settings_of(candidate)
    assert {key.removeprefix("evaluation."): value for key, value in found.items()} == settings
    assert [type(value) for value in found.values()] == [type(value) for value in settings.values()]


@pytest.mark.parametrize(
    ("varied", "taken", "refused"),
    [
        ("!Choice [0, 0.5]", "0", "0.0"),
        ("!Choice [0.0, 0.5]", "0.0", "0"),
        ("!Choice [-0.0, 0.5]", "0.0", "-0.0"),
        ("!Choice [0, 0.5]", "0.25", "2.5e-1"),
    ],
)
def test_a_value_has_one_string_which_is_that_of_what_varies(varied: str, taken: str, refused: str) -> None:
    config = from_mapping({"evaluation": {"ema": varied}})
    assert config.of(f"{ARCH};ema={taken}").evaluation.ema == float(taken)
    with pytest.raises(ArchitectureError, match=f"got ema={refused} in .*; write ema={taken}$"):
        config.of(f"{ARCH};ema={refused}")


@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        (";", "must read ;key=value"),
        (";ema", "must read ;key=value"),
        (";ema=", "must read ;key=value"),
        (";ema=0.1;", "must read ;key=value"),
        (";ema=0.1 ", "must read ;key=value"),
        (";ema=0.1;ema=0.1", "must stand once"),
        (";ema=1e-1", "write ema=0.1"),
        (";ema=0.10", "write ema=0.1"),
        (";optimizer.nesterov=True", "write optimizer.nesterov=true"),
        (";ema=-0.0", "write ema=0.0"),
        (";batch_size=64.0", "write batch_size=64"),
        (";batch_size=1e2", "write batch_size=100"),
        (";ema=0.5;batch_size=64", "must stand in alphabetical order"),
        (";optimizer.op=SGD;ema=0.5;batch_size=64", "write ;batch_size=64;ema=0.5;optimizer.op=SGD"),
        (";epochs=3", "must be one that may vary, got epochs"),
        (";optimizer.=3", "must read ;key=value"),
        (";augmentation=1", "must be one that may vary"),
        (";ema=7", "evaluation.ema must be less than 1"),
        (";optimizer.op=Adan", "evaluation.optimizer.op must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_line(suffix: str, says: str) -> None:
    with pytest.raises((ArchitectureError, ConfigError)) as error:
        Config().of(ARCH + suffix)
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1
