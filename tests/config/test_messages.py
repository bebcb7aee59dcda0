"""The ways out of a wrong configuration: what is called otherwise elsewhere, and how to write what is meant."""

from __future__ import annotations

from typing import Any

import pytest

from hivenas.config import Config, from_mapping
from hivenas.config.losses import LOSSES
from hivenas.config.metrics import BUILT_IN_METRICS
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.other_names import OTHER_NAMES
from hivenas.config.patterns import PATTERNS
from hivenas.config.schedules import SCHEDULES
from hivenas.config.schema import Section, as_whole, whole_keys
from hivenas.config.strategies import STRATEGY_KINDS
from hivenas.config.text import leaves, parse_yaml, shown, split_overrides
from hivenas.errors import ConfigError


def _refusal(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping(parse_yaml(text, "FILE"), overrides, source="FILE")
    return str(caught.value)


MODEL = "must have none of / : ? # @, no space at its ends and no . first"
IMPORT = "If not, import the module that registers it (--import MODULE)"
# What is called so elsewhere, and the end of the message.
OTHERWISE = [
    ("evaluation: {learning_rate: 0.1}", "evaluation.learning_rate (FILE); did you mean evaluation.initial_lr?"),
    ("evaluation: {lr: 0.1}", "evaluation.lr (FILE); did you mean evaluation.initial_lr?"),
    ("lr: 0.1", "unknown key lr (FILE); did you mean evaluation.initial_lr?"),
    ("evaluation: {batch: 32}", "did you mean evaluation.batch_size?"),
    ("colony: {Population-Size: 9}", "did you mean colony.size?"),
    ("space: {layers: 4}", "did you mean space.depth?"),
    ("dataset: {dir: images}", "did you mean dataset.path?"),
    ("registry: {name: mine}", "did you mean registry.model?"),
    ("objectives: {flops: min}", "did you mean objectives.macs?"),
    ("type: x", "unknown key type (FILE); hivenas init default writes every key"),  # of what
    ("budget: {limit: 3}", "unknown key budget.limit (FILE); hivenas init default writes every key"),
    ("epohcs: 3", "unknown key epohcs (FILE); did you mean evaluation.epochs?"),
    ("evaluation: {xyzzy: 1}", "unknown key evaluation.xyzzy (FILE); hivenas init default writes every key"),
    ("registry: {promote_if: {acc: 0.9}}", "got 'acc' (FILE); did you mean 'accuracy'?"),
    ("registry: {promote: off}", "got false (FILE); did you mean 'never'?"),
    ("colony: {kind: abc}", f"got 'abc' (FILE); did you mean 'guided' or 'canonical'? {IMPORT}"),
    ("colony: {kind: bees}", f"got 'bees' (FILE); did you mean 'guided' or 'canonical'? {IMPORT}"),
    ("colony: {kind: Bayesian}", f"got 'Bayesian' (FILE); did you mean 'guided'? {IMPORT}"),
    ("evaluation: {fitness: f1}", f"got 'f1' (FILE); did you mean 'f1_macro' or 'f1_labels'? {IMPORT}"),
    ("evaluation: {loss: mse}", "got 'mse' (FILE); did you mean 'mean_squared_error'?"),
    ("evaluation: {schedule: null}", "got null (FILE); did you mean 'constant'?"),
    ("evaluation: {stopping: off}", "got false (FILE); did you mean 'none'?"),
    ("tracking: off", "tracking must be one of mlflow, none or registered, got false (FILE); did you mean 'none'?"),
]


@pytest.mark.parametrize(("text", "end"), OTHERWISE, ids=[text for text, _ in OTHERWISE])
def test_what_is_called_otherwise_elsewhere_is_told_its_name_here(text: str, end: str) -> None:
    assert _refusal(text).endswith(end)


@pytest.mark.parametrize(
    ("given", "near"), [("lr: 0.1", "'learning_rate'"), ("name: Adam", "'op'"), ("type: a", "'op'")]
)
def test_an_argument_of_an_optimizer_is_told_its_name_here(given: str, near: str) -> None:
    assert f"(FILE); did you mean {near}?; choose among" in _refusal(f"evaluation: {{optimizer: {{{given}}}}}")


def test_every_name_that_is_told_is_one_of_this_configuration() -> None:
    known = {key.rpartition(".")[2] for key, _ in leaves(Config().to_mapping())}
    known |= {argument for kind in OPTIMIZERS.values() for argument in kind.arguments}
    known |= {*LOSSES, *BUILT_IN_METRICS, *SCHEDULES, *STRATEGY_KINDS, "float16", "bfloat16", "float32", "never", "all"}
    assert {name for names in OTHER_NAMES.values() for name in names} - {"none"} <= known


# A value in place of a section or of text, and the rule, the value and the way out.
MEANT = [
    ("full_train: false", "full_train must be a mapping of keys, got false (FILE); write {enabled: false}"),
    ("full_train: 20", "got 20 (FILE); write {epochs: 20}"),
    ("evaluation: {augmentation: true}", "got true (FILE); write {flip: true}, say"),
    ("evaluation: {augmentation: off}", "got false (FILE); write {shift: 0}, which alone is on by default"),
    ("evaluation: {ladder: true}", "got true (FILE); set evaluation.stopping: ladder"),
    ("evaluation: {act: 0.5}", "got 0.5 (FILE); write {beta: 0.5}"),
    ("dataset: fashion_mnist", "got 'fashion_mnist' (FILE); write {name: fashion_mnist}"),
    ("dataset: a/b", "got 'a/b' (FILE); write {name: …}"),
    ("space: residual", "got 'residual' (FILE); write {preset: residual}"),
    ("space: [identity]", "got ['identity'] (FILE); write {operations: ['identity']}"),
    ("colony: random", "got 'random' (FILE); write {kind: random}"),
    ("registry: false", "got false (FILE); write {register: false}"),
    ("budget: 2", "got 2 (FILE); write {hours: 2}"),
    ("objectives: macs", "got 'macs' (FILE); write {macs: min}"),
    ("results: my results", "got 'my results' (FILE); write {dir: 'my results'}"),
    ("execution: 4", "got 4 (FILE); write {workers: 4}"),
    ("optuna: sqlite:///books.db", "got 'sqlite:///books.db' (FILE); write {storage: sqlite:///books.db}"),
    ("table: t.csv.gz", "got 't.csv.gz' (FILE); write {path: t.csv.gz}"),
    ("evaluation: {optimizer: sgd}", "must be a mapping with its op, got 'sgd' (FILE); write {op: SGD}"),
    ("evaluation: {optimizer: 5}", "must be a mapping with its op, got 5 (FILE); write {op: …}"),
    (
        "space: {reference: {mine: Conv2D}}",
        "space.reference.mine must be a mapping of keys, got 'Conv2D' (FILE); write {op",
    ),
    ("space: {reference: Conv2D}", "got 'Conv2D' (FILE); write {mine: {op: Conv2D, filters: 32}}, say"),
    ("space: {operations: identity}", "must be a list, got 'identity' (FILE); write [identity]"),
    ("dataset: {image_size: 64}", "must be [height, width], got 64 (FILE); [64, 64], say"),
    ("results: {keep_weights: 10}", "≥ 1, got 10 (FILE); best:10, say"),
    ("results: {keep_weights: 7}", "≥ 1, got 7 (FILE); best:7, say"),
    ("results: {keep_weights: off}", "≥ 1, got false (FILE); did you mean 'none'?"),
    ("evaluation: {score: 3}", "of epochs, got 3 (FILE); mean:3, say"),
    (
        "name: my search",
        "name must have letters, digits, _ . and - only, a letter or a digit first, got 'my search' (FILE); my_search, "
        "say",
    ),
    ("name: 123", "name must be text, got 123 (FILE); write '123'"),
    ("name: yes", "name must be text, got true (FILE); put it in quotes"),
    ("name: ", "name must be text, got null (FILE); leave it out for its default"),
    ("evaluation: {epochs: null}", "must be a whole number, got null (FILE); leave it out for its default"),
    ("registry: {alias: 2nd}", "must have letters, digits, _ and - only, a letter first, got '2nd' (FILE)"),
    ("registry: {model: a/b}", f"{MODEL}, got 'a/b' (FILE); a_b, say"),
    ("registry: {model: 'a?b@c'}", f"{MODEL}, got 'a?b@c' (FILE); a_b_c, say"),
    ("registry: {model: 'a#b'}", f"{MODEL}, got 'a#b' (FILE); a_b, say"),
    ("registry: {model: ..}", f"{MODEL}, got '..' (FILE)"),
    (f"registry: {{model: {'x' * 257}}}", "registry.model must have at most 256 characters, got 'xxx"),
    (f"registry: {{alias: {'x' * 256}}}", "registry.alias must have at most 255 characters, got 'xxx"),
    ("dataset: {background: [1, 2, true]}", "[red, green, blue] of 0…255, got [1, 2, true] (FILE)"),
]


@pytest.mark.parametrize(("text", "says"), MEANT, ids=[text for text, _ in MEANT])
def test_the_way_out_is_how_to_write_what_is_meant(text: str, says: str) -> None:
    assert says in _refusal(text)


def _sections(section: type[Section]) -> list[type[Section]]:
    parts = [type(each.get_default(call_default_factory=True)) for each in section.model_fields.values()]
    found = [each for each in parts if issubclass(each, Section)]
    return found + [inner for each in found for inner in _sections(each)]


@pytest.mark.parametrize("section", _sections(Config), ids=lambda section: section.__name__)
def test_every_section_says_for_which_of_its_keys_a_value_in_its_place_is_meant(section: type[Section]) -> None:
    keys = {field.alias or key for key, field in section.model_fields.items()}
    assert section.principal
    assert keys.issuperset(section.principal)


def test_an_override_is_told_how_a_shell_leaves_it_text() -> None:
    says = """name must be text, got 123 (--set name=123); write --set name="'123'\""""
    assert _refusal("seed: 1", "name=123") == says
    assert from_mapping({}, ["name='123'"]).name == "123"


def test_four_costs_are_told_apart_from_the_section() -> None:
    text = "objectives: {params: min, macs: min, latency_ms: min, memory_mb: min}"
    assert _refusal(text).startswith(
        "objectives must name at most 3 costs beside fitness, got params, macs, latency_ms"
    )


@pytest.mark.parametrize(
    ("given", "told"), [("max", "max"), ("true", "true"), ("100000", "100000"), ("[min]", "['min']")]
)
def test_a_cost_is_minimised_and_nothing_else(given: str, told: str) -> None:
    says = f"objectives.params must be min, as it is a cost, got {told} (FILE); set params: min"
    assert _refusal(f"objectives: {{params: {given}}}") == says


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ([1, False, (None, "a")], "[1, false, [null, 'a']]"),
        ({"a": True, "b c": {}, "1": float("-inf")}, "{a: true, 'b c': {}, '1': -.inf}"),
        (float("nan"), ".nan"),
        (1e300, "1e+300"),
        ("true", "'true'"),
    ],
)
def test_a_value_is_shown_as_yaml_has_it(value: Any, text: str) -> None:
    assert shown(value) == text
    assert str(parse_yaml(f"a: {text}", "FILE")["a"]) == str(
        [1, False, [None, "a"]] if isinstance(value, list) else value
    )


def test_an_override_is_shown_as_yaml_has_it() -> None:
    given = "evaluation.optimizer={op: SGD, nesterov: true}"
    assert _refusal("seed: 1", given).endswith(
        "got none, which is no momentum (--set evaluation.optimizer={op: 'SGD', nesterov: true}); give a momentum, "
        "such as 0.9, or set nesterov: false"
    )
    assert "(--set name.first=true)" in _refusal("name: a", "name.first=true")


WHOLE = [
    ("space: {max_params: 1e6}", "space.max_params", "1000000"),
    ("space: {max_macs: 2E+9}", "space.max_macs", "2000000000"),
    ("seed: 2e3", "seed", "2000"),
    ("evaluation: {epochs: 5.0}", "evaluation.epochs", "5"),
    ("full_train: {patience: 1e1}", "full_train.patience", "10"),
    ("budget: {minutes: 1e1}", "budget.minutes", "10.0"),  # a key of any number
]


@pytest.mark.parametrize(("text", "key", "value"), WHOLE, ids=[text for text, _, _ in WHOLE])
def test_a_whole_number_may_be_written_with_an_exponent(text: str, key: str, value: str) -> None:
    config = from_mapping(parse_yaml(text, "FILE"))
    assert config.flat()[key] == value
    assert from_mapping({}, [f"{key}={float(value)!r}"]) == config
    assert dict(leaves(config.given())) == {key: parse_yaml(value, "FILE")}


@pytest.mark.parametrize("given", [True, 1.5, "1e6", float("inf"), 1e300, [1.0]])
def test_what_is_no_whole_number_stays_as_it_is(given: object) -> None:
    assert as_whole(given) is given
    with pytest.raises(ConfigError, match=r"space\.max_params must be a whole number, got "):
        from_mapping({"space": {"max_params": given}})


def test_the_keys_of_whole_numbers_are_those_without_another_type() -> None:
    assert {"epochs", "batch_size", "first_look"} <= whole_keys(Config.model_fields["evaluation"].annotation)  # type: ignore[arg-type]
    assert whole_keys(Config) == {"seed"}


@pytest.mark.parametrize(
    ("given", "values"), [("!Choice [1e2, 32]", (100, 32)), ("!Log [1.6e1, 1.28e2, 4]", (16, 32, 64, 128))]
)
def test_whole_numbers_that_vary_are_whole_in_candidates(given: str, values: tuple[int, ...]) -> None:
    config = from_mapping(parse_yaml(f"evaluation: {{batch_size: {given}}}", "FILE"))
    found = tuple(config.choices["evaluation.batch_size"].values)
    assert found == values
    assert all(type(value) is int for value in found)


def test_one_override_may_be_given_without_a_list() -> None:
    assert from_mapping({}, "evaluation.epochs=2 seed=1") == from_mapping({}, ["evaluation.epochs=2", "seed=1"])
    assert list(split_overrides("seed=1")) == [("seed", 1)]


@pytest.mark.parametrize(
    ("text", "name"),
    [("my search", "my_search"), (" -x/y ", "x_y"), ("éé", ""), ("a.b-c", "a.b-c"), ("x " * 150, "x" + "_x" * 99)],
)
def test_a_name_is_made_of_a_text_that_is_none(text: str, name: str) -> None:
    assert next(iter(PATTERNS.values())).made_of(text) == name


def _patterns(schema: Any) -> set[str]:
    """The patterns that stand anywhere in a schema."""
    if isinstance(schema, list):
        return set().union(*map(_patterns, schema))
    if not isinstance(schema, dict):
        return set()
    own = schema.get("pattern")
    return ({own} if isinstance(own, str) else set()) | set().union(*map(_patterns, schema.values()))


def test_every_pattern_is_said_in_words() -> None:
    assert _patterns(Config.model_json_schema()) == set(PATTERNS)
