"""The configuration file and its overrides: what is accepted, and what is said about what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from hivenas.config import ColonyConfig, Config, from_mapping, from_record, load
from hivenas.config.presets import PRESETS
from hivenas.errors import ConfigError, InputError


def _write(folder: Path, text: str, name: str = "experiment.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def _refusal(folder: Path, text: str, overrides: Sequence[str] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        load(_write(folder, text), overrides)
    return str(caught.value)


# Text of a file, key that the message must name, and what else it must say: what was given, what is allowed.
WRONG_VALUES = [
    ("evaluation: {epochs: '5'}", "evaluation.epochs", "must be a whole number, got '5'"),
    ("evaluation: {epochs: 5.5}", "evaluation.epochs", "must be a whole number, got 5.5"),
    ("evaluation: {epochs: 0}", "evaluation.epochs", "must be at least 1, got 0"),
    ("evaluation: {train_limit: 9}", "evaluation.train_limit", "must be at least 10, got 9"),
    ("results: {keep_weights: best:0}", "results.keep_weights", "best:N with a whole number N ≥ 1, got 'best:0'"),
    ("results: {keep_weights: best}", "results.keep_weights", "must be all, none or best:N"),
    ("evaluation: {initial_lr: fast}", "evaluation.initial_lr", "must be a number, got 'fast'"),
    ("evaluation: {initial_lr: .nan}", "evaluation.initial_lr", "must be a finite number, got .nan"),
    ("evaluation: {initial_lr: .inf}", "evaluation.initial_lr", "must be a finite number, got .inf"),
    ("evaluation: {act: {beta: 1.1}}", "evaluation.act.beta", "must be at most 1.0, got 1.1"),
    ("evaluation: {optimizer: {learning_rate: 0}}", "evaluation.optimizer.learning_rate", "greater than 0, got 0 ("),
    ("evaluation: {optimizer: {op: Adam, clipnorm: -1}}", "evaluation.optimizer.clipnorm", "greater than 0, got -1 ("),
    (
        "evaluation: {optimizer: {op: SGD, nesterov: true}}",
        "evaluation.optimizer.momentum",
        "must be greater than 0 with nesterov: true, which changes nothing without, got none, which is no momentum (",
    ),
    (
        "evaluation: {optimizer: {clipnorm: 1.0, clipvalue: 0.5}}",
        "evaluation.optimizer.clipnorm",
        "must be the only one of clipnorm, clipvalue, global_clipnorm, got clipvalue beside it (",
    ),
    (
        "evaluation: {optimizer: {op: Adam, learning_rate: 0.001}, initial_lr: 0.08}",
        "evaluation.optimizer.learning_rate",
        "must be evaluation.initial_lr=0.08, from where the rate decays, got 0.001 (",
    ),
    (
        "evaluation: {optimizer: {op: RMSprop, learning_rate: 0.01}, initial_lr: 0.08, final_lr: 0.01}",
        "evaluation.optimizer.learning_rate",
        "set evaluation.initial_lr: 0 to train at it all the time",
    ),
    ("evaluation: {optimizer: Adam}", "evaluation.optimizer", "mapping with its op, got 'Adam' ("),
    (
        "evaluation: {optimizer: {op: SDG}}",
        "evaluation.optimizer.op",
        "must be one of SGD, Adam, AdamW, RMSprop, Nadam",
    ),
    ("evaluation: {optimizer: {op: nadm}}", "evaluation.optimizer.op", "experiment.yaml); did you mean 'Nadam'?"),
    ("evaluation: {schedule: cosin}", "evaluation.schedule", "experiment.yaml); did you mean 'cosine'?"),
    (
        "evaluation: {schedule: constant, final_lr: 0.001}",
        "evaluation.final_lr",
        "must be evaluation.initial_lr=0.003 with evaluation.schedule: constant, got 0.001 (",
    ),
    ("evaluation: {epochs: 3, warmup_epochs: 3}", "evaluation.warmup_epochs", "evaluation.epochs=3, got 3"),
    ("evaluation: {warmup_epochs: -0.5}", "evaluation.warmup_epochs", "at least 0.0, got -0.5"),
    (
        "evaluation: {epochs: 5, warmup_epochs: 2.5}\nfull_train: {epochs: 2}",
        "full_train.epochs",
        "must be greater than evaluation.warmup_epochs=2.5, got 2 (",
    ),
    ("evaluation: {label_smoothing: 1}", "evaluation.label_smoothing", "must be less than 1.0, got 1"),
    ("evaluation: {ema: 1.0}", "evaluation.ema", "must be less than 1.0, got 1.0"),
    ("evaluation: {score: bets}", "evaluation.score", "experiment.yaml); did you mean 'best'?"),
    ("evaluation: {score: mean}", "evaluation.score", "last, best or mean:K with a whole number K ≥ 1 of epochs, got"),
    ("evaluation: {score: 'mean:0'}", "evaluation.score", "got 'mean:0' ("),
    ("evaluation: {score: 'best:3'}", "evaluation.score", "got 'best:3' ("),
    ("evaluation: {epochs: 4, score: 'mean:5'}", "evaluation.score", "at most evaluation.epochs=4 epochs, got mean:5"),
    ("evaluation: {optimizer: {op: adam}}", "evaluation.optimizer.op", "experiment.yaml); did you mean 'Adam'?"),
    ("evaluation: {stopping: medain}", "evaluation.stopping", "experiment.yaml); did you mean 'median'?"),
    ("evaluation: {precision: half}", "evaluation.precision", "'float32', 'bfloat16' or 'float16', got 'half'"),
    ("evaluation: {mixed_precision: 1}", "evaluation.mixed_precision", "must be true or false, got 1 ("),
    (
        "evaluation: {mixed_precision: true, precision: bfloat16}",
        "evaluation.precision",
        "must be float16 beside mixed_precision: true, its earlier name, got 'bfloat16' (",
    ),
    ("evaluation: {stopping: 5}", "evaluation.stopping", "got 5 ("),
    ("evaluation: {optimizer: {op: SGD, momentum: big}}", "evaluation.optimizer.momentum", "got 'big'"),
    ("evaluation: {augmentation: {cutout: 1.5}}", "evaluation.augmentation.cutout", "at most 1.0, got 1.5"),
    ("evaluation: {augmentation: {shift: 0.6}}", "evaluation.augmentation.shift", "at most 0.5, got 0.6"),
    ("evaluation: {augmentation: {flip: 1}}", "evaluation.augmentation.flip", "must be true or false, got 1"),
    ("evaluation: {augmentation: {mixup: 0.01}}", "evaluation.augmentation.mixup", "0 or at least 0.05, got 0.01 ("),
    ("evaluation: {augmentation: {cutmix: 1.5}}", "evaluation.augmentation.cutmix", "at most 1.0, got 1.5"),
    ("evaluation: {stopping: mean}", "evaluation.stopping", "'act', 'ladder', 'median' or 'none', got 'mean'"),
    ("evaluation: {epochs: 3, first_look: 3}", "evaluation.first_look", "evaluation.epochs=3, got 3"),
    ("evaluation: {epochs: 5, inherit: true, first_look: 3}", "evaluation.first_look", "epochs − inherit_epochs=3"),
    ("evaluation: {epochs: 2, inherit: true}", "evaluation.inherit_epochs", "evaluation.epochs=2, got 2"),
    ("seed: true", "seed", "must be a whole number, got true"),
    ("seed: -1", "seed", "must be at least 0, got -1"),
    ("seed: 4294967296", "seed", "must be less than 4294967296, got 4294967296"),
    ("name: 'a b'", "name", "got 'a b'"),
    ("name: ../up", "name", "got '../up'"),
    ("name: 3", "name", "must be text, got 3"),
    ("objective: fastest", "objective", "'table' or 'custom', got 'fastest'"),
    ("dataset: {name: mnits}", "dataset.name", "got 'mnits'"),
    ("dataset: {validation_split: 1.0}", "dataset.validation_split", "must be less than 1.0, got 1.0"),
    ("dataset: {validation_split: 0}", "dataset.validation_split", "must be greater than 0.0, got 0"),
    ("dataset: {path: images}", "dataset.path", "got 'images'"),
    ("dataset: {name: image_folder, path: x, image_size: [28]}", "dataset.image_size", "[height, width], got [28]"),
    (
        "dataset: {name: image_folder, path: x, image_size: [28, 28, 3]}",
        "dataset.image_size",
        "must be [height, width], got [28, 28, 3]",
    ),
    (
        "dataset: {name: image_folder, path: x, image_size: 28}",
        "dataset.image_size",
        "must be [height, width], got 28 (",
    ),
    ("space: {depth: 0}", "space.depth", "must be at least 1, got 0"),
    ("space: {skip_rate: 1.5}", "space.skip_rate", "must be at most 1.0, got 1.5"),
    ("space: {operations: identity}", "space.operations", "must be a list, got 'identity'"),
    ("space: {operations: []}", "space.operations", "must have at least 1 entry, got []"),
    ("space: {operations: [identity, 3]}", "space.operations.1", "must be text, got 3"),
    ("space: {operations: [identity, identity]}", "space.operations", "got 'identity' more than once"),
    ("space: {preset: null}", "space.operations", "space.preset is null"),
    ("space: {reference: {sc_1: {op: Conv2D}}}", "space.reference", "got 'sc_1'"),
    ("space: {reference: {output: {op: Conv2D}}}", "space.reference", "got 'output'"),
    ("space: {reference: {'a|b': {op: Conv2D}}}", "space.reference", "got 'a|b'"),
    ("space: {reference: {mine: Conv2D}}", "space.reference.mine", "must be a mapping of keys, got 'Conv2D'"),
    ("colony: {size: 0}", "colony.size", "must be at least 1, got 0"),
    ("colony: {kind: 3}", "colony.kind", "must be one of guided, canonical, random, evolution or registered, got 3"),
    (
        "colony: {kind: evolutoin}",
        "colony.kind",
        "must be one of guided, canonical, random, evolution or registered, got 'evolutoin' (",
    ),
    ("colony: {kind: evolutoin}", "colony.kind", "; did you mean 'evolution'?"),
    (
        "colony: {kind: canonical, overlap: 1}",
        "colony.overlap",
        "must be 0 with colony.kind: canonical, whose phases wait for the one before, got 1 (",
    ),
    ("colony: {overlap: -1}", "colony.overlap", "must be at least 0, got -1"),
    ("colony: {employee_ratio: -0.1}", "colony.employee_ratio", "must be at least 0.0, got -0.1"),
    ("colony: 7", "colony", "must be a mapping of keys, got 7"),
    ("full_train: {enabled: 1}", "full_train.enabled", "must be true or false, got 1"),
    ("registry: {alias: '2nd'}", "registry.alias", "got '2nd'"),
    ("results: {dir: ''}", "results.dir", "must not be empty, got ''"),
    ("execution: {kind: cluster}", "execution.kind", "serial, process, dask or registered, got 'cluster'"),
    ("execution: {kind: cluster}", "execution.kind", "); import the module that registers it (--import MODULE)"),
    ("tracking: mlfow", "tracking", "mlflow, none or registered, got 'mlfow' ("),
    ("budget: {hours: 0}", "budget.hours", "must be greater than 0.0, got 0 ("),
    ("budget: {minutes: -1.5}", "budget.minutes", "must be greater than 0.0, got -1.5 ("),
    ("budget: {evaluations: 0}", "budget.evaluations", "must be at least 1, got 0 ("),
    (
        "budget: {cpu_hours: 2}\nexecution: {kind: dask}",
        "budget.cpu_hours",
        "must be null with execution.kind=dask, whose workers' CPU time is not known, got 2 (",
    ),
    ("colony: {patience: 0}", "colony.patience", "must be at least 1, got 0 ("),
    ("execution: {kind: dask, address: hub}", "execution.address", "such as tcp://hub:8786, got 'hub'"),
    (
        "execution: {address: 'tcp://hub:8786'}",
        "execution.address",
        "must be null for execution.kind=process, got 'tcp://hub:8786' (",
    ),
    ("execution: {timeout_s: 0}", "execution.timeout_s", "must be greater than 0.0, got 0"),
    (
        "execution: {timeout_s: 60, kind: serial}",
        "execution.timeout_s",
        "must be null for execution.kind=serial, got 60 (",
    ),
]


@pytest.mark.parametrize(("text", "key", "says"), WRONG_VALUES, ids=[text for text, _, _ in WRONG_VALUES])
def test_a_wrong_value_is_refused_with_its_key_the_file_and_what_was_given(
    tmp_path: Path, text: str, key: str, says: str
) -> None:
    message = _refusal(tmp_path, text)
    assert message.startswith(key)
    assert says in message
    assert str(tmp_path / "experiment.yaml") in message


UNKNOWN_KEYS = [
    ("evalution: {epochs: 2}", "evalution", "did you mean evaluation?"),
    ("evaluation: {epoch: 2}", "evaluation.epoch", "did you mean evaluation.epochs?"),
    ("evaluation: {act: {betta: 0}}", "evaluation.act.betta", "did you mean evaluation.act.beta?"),
    ("registry: {register_model: true}", "registry.register_model", "did you mean registry.register?"),
    ("skip_rate: 0.5", "skip_rate", "did you mean space.skip_rate?"),
    ("evaluation: {optimizer: {op: SGD, momentm: 0.9}}", "momentm", "did you mean 'momentum'?"),
    ("evaluation: {optimizer: {op: Adam, momentum: 0.9}}", "momentum", "choose among learning_rate, beta_1"),
    ("xyzzy: 1", "xyzzy", "hivenas init default writes every key"),
]


@pytest.mark.parametrize(("text", "key", "hint"), UNKNOWN_KEYS, ids=[key for _, key, _ in UNKNOWN_KEYS])
def test_an_unknown_key_is_refused_and_the_nearest_known_one_is_suggested(
    tmp_path: Path, text: str, key: str, hint: str
) -> None:
    message = _refusal(tmp_path, text)
    assert key in message
    assert hint in message
    assert str(tmp_path / "experiment.yaml") in message


def test_momentum_with_too_few_epochs_is_refused_in_these_words(tmp_path: Path) -> None:
    assert _refusal(tmp_path, "evaluation: {epochs: 2, momentum_epochs: 4}") == (
        "evaluation.epochs must be at least 3 when momentum_epochs > 0, got epochs=2 "
        f"({tmp_path / 'experiment.yaml'}); raise epochs or set momentum_epochs: 0"
    )


def test_momentum_with_three_epochs_is_accepted(tmp_path: Path) -> None:
    config = load(_write(tmp_path, "evaluation: {epochs: 3, momentum_epochs: 4}"))
    assert (config.evaluation.epochs, config.evaluation.momentum_epochs) == (3, 4)


def test_the_number_of_further_problems_is_said(tmp_path: Path) -> None:
    assert _refusal(tmp_path, "space: {depth: 0}\ncolony: {size: 0, iterations: 0}").endswith("(and 2 more)")


BAD_YAML = [
    ("a: [", "not valid YAML"),
    ("a: 'b", "not valid YAML"),
    ("a: 0b_", "'0b_' is no number"),
    ("name: \x01", "not valid YAML"),
    ("a: &a [*a]", "recursive"),
    ("- a", "must be a mapping of keys, got a list"),
    ("digits", "must be a mapping of keys, got a str"),
    ("1: 2", "1"),
    ("? [a]\n: b", "a key must be printable text, got ['a']"),
    ("name: a\nseed: 1\nname: b", "'name' stands twice"),
    ("evaluation: {epochs: 1, epochs: 2}", "'epochs' stands twice"),
    ("space: {reference: {a: !Operation {op: Conv2D, op: ReLU}}}", "'op' stands twice"),
    ("evaluation: {optimizer: !Operation [SGD]}", "!Operation stands before a mapping"),
    ("space: {operations: !!python/tuple {a: b}}", "a tuple is written [a, b]"),
]


@pytest.mark.parametrize(("text", "says"), BAD_YAML, ids=[repr(text) for text, _ in BAD_YAML])
def test_a_file_that_is_no_mapping_of_distinct_keys_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    message = _refusal(tmp_path, text)
    assert says in message
    assert str(tmp_path / "experiment.yaml") in message
    assert "\n" not in message


FOREIGN_TAGS = [
    ("name: !!python/object:pathlib.Path {}", "!!python/object:pathlib.Path"),
    ("name: !!python/object/apply:os.mkdir [MARK]", "!!python/object/apply:os.mkdir"),
    ("name: !!python/object/new:os.mkdir [MARK]", "!!python/object/new:os.mkdir"),
    ("name: !!python/name:os.system", "!!python/name:os.system"),
    ("name: !!python/module:os", "!!python/module:os"),
    ("evaluation: {optimizer: !Optimizer {op: SGD}}", "!Optimizer"),
]


@pytest.mark.parametrize(("text", "tag"), FOREIGN_TAGS, ids=[tag for _, tag in FOREIGN_TAGS])
def test_a_tag_that_could_build_an_object_is_refused_and_nothing_is_built(tmp_path: Path, text: str, tag: str) -> None:
    mark = tmp_path / "built"
    message = _refusal(tmp_path, text.replace("MARK", str(mark)))
    assert f"the tag {tag} is not allowed" in message
    assert f"{tmp_path / 'experiment.yaml'}, line 1" in message
    assert not mark.exists()


def test_a_file_that_cannot_be_read_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path, says in (
        (tmp_path / "absent.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "binary.yaml", "it is not UTF-8 text"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert says in str(caught.value)


def test_a_configuration_error_is_an_input_error_and_a_value_error() -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"colony": {"size": 0}})
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == "colony.size must be at least 1, got 0"


BAD_OVERRIDES = [
    ("evaluation.epochs", "--set takes key=value, got 'evaluation.epochs'"),
    ("=3", "--set takes key=value, got '=3'"),
    ("a-b=1", "--set takes key=value, got 'a-b=1'"),
    (".epochs=1", "--set takes key=value, got '.epochs=1'"),
    ("evaluation.epochs=", "evaluation.epochs must be a whole number, got null (--set evaluation.epochs=null)"),
    ("evaluation.epochs=few", "evaluation.epochs must be a whole number, got 'few' (--set evaluation.epochs=few)"),
    ("evaluation.epoch=2", "unknown key evaluation.epoch (--set evaluation.epoch=2); did you mean evaluation.epochs?"),
    ("evaluation=3", "evaluation must be a mapping of keys, got 3 (--set evaluation=3)"),
    ("name.first=1", "name is a single value and has no key first (--set name.first=1)"),
    ("colony.size=0 seed=1", "colony.size must be at least 1, got 0 (--set colony.size=0)"),
    ("name=[1", "(--set name=[1, line 1)"),
    (
        "evaluation.optimizer.momentum=0.5 evaluation.optimizer={op: SGD}",
        "--set evaluation.optimizer must stand before --set evaluation.optimizer.momentum, which is part of it",
    ),
    ("name=!!python/name:os.system", "the tag !!python/name:os.system is not allowed"),
]


@pytest.mark.parametrize(("override", "says"), BAD_OVERRIDES, ids=[override for override, _ in BAD_OVERRIDES])
def test_a_wrong_override_is_refused_by_its_own_text(tmp_path: Path, override: str, says: str) -> None:
    message = _refusal(tmp_path, "name: given", [override])
    assert says in message
    assert "experiment.yaml" not in message


def test_the_file_is_blamed_for_a_wrong_value_that_no_override_touched(tmp_path: Path) -> None:
    message = _refusal(tmp_path, "colony: {size: 0}", ["seed=1"])
    assert str(tmp_path / "experiment.yaml") in message
    assert "--set" not in message


OVERRIDES: list[tuple[list[str], dict[str, str]]] = [
    (["evaluation.epochs=2 colony.iterations=3"], {"evaluation.epochs": "2", "colony.iterations": "3"}),
    (["evaluation.epochs=2", "colony.iterations=3"], {"evaluation.epochs": "2", "colony.iterations": "3"}),
    (["  seed=1   name=x  "], {"seed": "1", "name": "x"}),
    (["seed=1", "seed=2"], {"seed": "2"}),
    (["seed=null"], {"seed": "null"}),
    (
        ["space.preset=residual space.operations=[identity, dropout] space.depth=2"],
        {"space.operations": "identity, dropout"},
    ),
    (["results.dir=a folder"], {"results.dir": "a folder"}),
    (["evaluation.optimizer={op: Nadam, beta_1: 0.8}"], {"evaluation.optimizer.beta_1": "0.8"}),
    (["evaluation.initial_lr=1e-3 evaluation.final_lr=1e-4"], {"evaluation.initial_lr": "0.001"}),
    (["full_train.enabled=false"], {"full_train.enabled": "false"}),
    (["evaluation.precision=bfloat16"], {"evaluation.precision": "bfloat16"}),
    ([""], {}),
    ([], {}),
]


@pytest.mark.parametrize(("overrides", "expected"), OVERRIDES, ids=[" ".join(texts) for texts, _ in OVERRIDES])
def test_overrides_change_what_they_name_and_nothing_else(
    tmp_path: Path, overrides: list[str], expected: dict[str, str]
) -> None:
    file = _write(tmp_path, "name: given\nevaluation: {epochs: 7}\n")
    before, after = load(file).flat(), load(file, overrides).flat()
    assert {key: after[key] for key in expected} == expected
    named = {part.partition("=")[0] for text in overrides for part in text.split() if "=" in part}
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert all(any(key == n or key.startswith(n + ".") for n in named) for key in changed)


OFF = (0.0, 0.0)
ADAM = "optimizer: {op: Adam, learning_rate: 0.002}"
# What the section `evaluation` says, where the rate begins and ends (0: it is the optimizer's), and that.
LEARNING_RATES: list[tuple[str, tuple[float, float], float | None]] = [
    ("", (0.003, 0.00003), None),
    ("optimizer: {op: SGD}", (0.08, 0.0008), None),
    ("optimizer: {op: SGD}, schedule: exponential", (0.08, 0.01), None),
    ("optimizer: {op: Adam}, schedule: exponential", (0.003, 0.000375), None),
    ("optimizer: {op: Lion}, final_lr: 0.0001", (0.001, 0.0001), None),
    ("schedule: cosine, optimizer: {op: SGD}", (0.08, 0.0008), None),
    ("schedule: cosine, initial_lr: 0.001, final_lr: 0.1", (0.001, 0.1), None),
    (f"schedule: cosine, {ADAM}", (0.002, 0.00002), 0.002),
    (f"schedule: exponential, {ADAM}", (0.002, 0.00025), 0.002),
    (f"schedule: cosine, {ADAM}, initial_lr: 0", OFF, 0.002),
    ("schedule: constant", (0.003, 0.003), None),
    ("schedule: constant, optimizer: {op: Nadam}", (0.003, 0.003), None),
    ("schedule: constant, initial_lr: 0.02, final_lr: 0.02", (0.02, 0.02), None),
    (f"schedule: constant, {ADAM}", OFF, 0.002),
    ("initial_lr: 0.08", (0.08, 0.0008), None),
    ("initial_lr: 0.001", (0.001, 0.00001), None),
    ("initial_lr: 2", (2.0, 0.02), None),
    ("final_lr: 0.001", (0.003, 0.001), None),
    ("final_lr: 0.5", (0.5, 0.5), None),
    ("initial_lr: 0.001, final_lr: 0.1", (0.001, 0.1), None),
    (ADAM, OFF, 0.002),
    (f"{ADAM}, initial_lr: 0", OFF, 0.002),
    (f"{ADAM}, initial_lr: 0.1, final_lr: 0", OFF, 0.002),
    (f"{ADAM}, initial_lr: 0.002", (0.002, 0.00002), 0.002),
    (f"{ADAM}, final_lr: 0.0001", (0.002, 0.0001), 0.002),
    ("initial_lr: 0", OFF, 0.001),
    ("initial_lr: 0, optimizer: {op: SGD}", OFF, 0.01),
    ("final_lr: 0, optimizer: {op: Adam}", OFF, 0.001),
    ("optimizer: {op: RMSprop}, initial_lr: 0", OFF, 0.001),
    ("optimizer: {learning_rate: 1}", OFF, 1),
]


@pytest.mark.parametrize(("text", "ends", "own"), LEARNING_RATES, ids=[text for text, _, _ in LEARNING_RATES])
def test_three_keys_make_one_learning_rate_which_is_what_is_recorded(
    tmp_path: Path, text: str, ends: tuple[float, float], own: float | None
) -> None:
    config = load(_write(tmp_path, f"evaluation: {{{text}}}"))
    evaluation = config.evaluation
    assert (evaluation.initial_lr, evaluation.final_lr) == pytest.approx(ends, rel=1e-12)
    assert evaluation.optimizer.arguments.get("learning_rate") == own
    assert config.flat().get("evaluation.optimizer.learning_rate") == (None if own is None else str(own))
    assert from_mapping(config.to_mapping()).to_mapping() == config.to_mapping()
    assert from_mapping(config.given()).to_mapping() == config.to_mapping()


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("initial_lr: 0.08", True),
        ("initial_lr: 0.08, optimizer: {op: SGD}", False),
        ("initial_lr: 0.08, optimizer: {op: AdamW}", False),
        ("initial_lr: 0.01", False),
    ],
)
def test_a_rate_for_another_optimizer_than_the_default_is_told(tmp_path: Path, text: str, warns: bool) -> None:
    config = load(_write(tmp_path, f"evaluation: {{{text}}}"))
    assert any("is much for the default optimizer AdamW" in line for line in config.warnings) is warns


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("postgresql://me:secret@host/images", "postgresql://me:***@host/images"),
        ("ftp://me:se:cret@host/a.npz?token=secret", "ftp://me:***@host/a.npz"),
        ("s3://bucket/a:b/c@d.npz", None),
        ("https://host:8443/a.npz", None),
        ("images/me:secret@home.npz", None),
        ("C:/a@b.npz", None),
    ],
)
def test_a_password_in_the_path_of_data_is_told_without_it(path: str, shown: str | None) -> None:
    warnings = from_mapping({"dataset": {"name": "npz", "path": path}}).warnings
    assert len(warnings) == (shown is not None)
    for line in warnings:
        assert line.startswith(f"dataset.path={shown} has a password")
        assert "cret" not in line


def test_what_follows_from_what_was_given_is_no_hindrance_to_an_override() -> None:
    config = from_mapping({"evaluation": {"optimizer": {"op": "Adam"}, "initial_lr": 0}})
    later = from_mapping(config.given(), ["evaluation.initial_lr=0.004"]).evaluation
    assert (later.initial_lr, later.final_lr, later.optimizer.arguments) == (0.004, 0.00004, {})
    constant = from_mapping(Config().given(), ["evaluation.optimizer.learning_rate=0.02"]).evaluation
    assert (constant.initial_lr, constant.optimizer.arguments["learning_rate"]) == (0.0, 0.02)


@pytest.mark.parametrize("optimizer", [{"learning_rate": 0.02}, {"weight_decay": 0.1}, {"beta_1": 0.5}])
def test_arguments_without_an_optimizers_name_change_the_default_one(optimizer: dict[str, Any]) -> None:
    changed = from_mapping({"evaluation": {"optimizer": optimizer}}).evaluation.optimizer
    assert (changed.op, changed.arguments) == ("AdamW", {"weight_decay": 0.01} | optimizer)
    named = from_mapping({"evaluation": {"optimizer": {"op": "AdamW"} | optimizer}}).evaluation.optimizer
    assert named.arguments == optimizer


# What is given, the key that is not read, and the one that would have it read.
UNUSED = [
    ("evaluation: {act: {beta: 0.5}}", "evaluation.act.beta=0.5", "evaluation.stopping: act"),
    ("evaluation: {stopping: act, median: {candidates: 3}}", "evaluation.median.candidates=3", "stopping: median"),
    ("evaluation: {inherit_epochs: 3}", "evaluation.inherit_epochs=3", "evaluation.inherit: true"),
    ("colony: {kind: random, employee_ratio: 0.3}", "colony.employee_ratio=0.3", "colony.kind other than random"),
    ("colony: {kind: evolution, abandonment_limit: 9}", "colony.abandonment_limit=9", "colony.kind other than"),
    ("registry: {register: false, alias: best}", "registry.alias=best", "registry.register: true"),
    ("tracking: none\nregistry: {model: mine}", "registry.model=mine", "tracking other than none"),
    ("colony: {kind: random}\nevaluation: {first_look: 2}", "evaluation.first_look=2", "colony.kind other than random"),
    ("optuna: {study: mine}", "optuna.study=mine", "optuna.storage other than null"),
    ("execution: {kind: serial, workers: 2}", "execution.workers=2", "execution.kind other than serial"),
    ("execution: {kind: serial, threads: 2}", "execution.threads=2", "execution.kind other than serial"),
    ("objective: sphere_min\nevaluation: {epochs: 3}", "evaluation.epochs=3", "objective: nas or custom"),
    ("objective: sphere_max\ndataset: {name: mnist}", "dataset.name=mnist", "objective: nas or custom"),
    ("objective: rosenbrock\nspace: {depth: 3}", "space.depth=3", "objective: nas or custom"),
    (
        "objective: table\ntable: {path: t.csv}\nfull_train: {enabled: false, seeds: 2}",
        "full_train.seeds=2",
        "objective: nas or custom",
    ),
]


IDLE = [
    ("{preset: layerwise, stage_stem: [halve]}", "space.stage_stem=halve is not used with space.stages=1; it is for"),
    ("{preset: layerwise, stages: 3}", "space.stages=3 is not used without space.stage_stem; it is what stands"),
    ("{preset: residual, depth: 2, stages: 5}", "space.stages=5 is not used with space.depth=2, which gives 2 of"),
    (
        "{width: 64, reference: {stem: {op: Conv2D, filters: 8, kernel_size: 3}}}",
        "space.width=64 is not used with space.reference.stem, which is in place of the stem whose filters it is;",
    ),
    (
        "{preset: layerwise, depth: 1, stages: 1, stage_stem: [], width: 64, input_stem: [conv3x3_8]}",
        "space.width=64 is not used without the operation stem, whose filters it is;",
    ),
    (
        "{operations: [sep3x3_32, max_pool3x3], input_stem: [], l2: 0.01}",
        "space.l2=0.01 is not used without a built-in",
    ),
    (
        "{operations: [mine, res3x3], input_stem: [], l2: 0, reference: {mine: {op: BnReLU}, res3x3: {op: BnReLU}}}",
        "space.l2=0 is not used without a built-in cell, of whose kernels it is;",
    ),
    ("{preset: layerwise, width: 64}", "space.width=64 is not used without the operation stem, whose filters it is;"),
]


@pytest.mark.parametrize(("space", "says"), IDLE)
def test_a_key_of_the_space_that_changes_nothing_is_named(tmp_path: Path, space: str, says: str) -> None:
    (warning,) = load(_write(tmp_path, f"space: {space}")).warnings
    before, way, after = says.partition(";")
    assert warning.startswith(f"{before} ({tmp_path / 'experiment.yaml'}){way}{after}" if way else before)
    (other,) = load(_write(tmp_path, f"objective: sphere_min\nspace: {space}")).warnings
    assert "not used with objective=sphere_min" in other


@pytest.mark.parametrize(
    "space", [{"l2": 0.01}, {"preset": "layerwise", "l2": 0.01}, {"preset": "mobile", "l2": 0, "width": 64}]
)
def test_a_key_of_the_space_that_one_operation_has_is_not_named(space: dict[str, Any]) -> None:
    assert from_mapping({"space": space}).warnings == ()


SWITCHED_OFF = [
    ({"initial_lr": 0.01, "final_lr": 0}, "evaluation.initial_lr=0.01 is not used with evaluation.final_lr=0, with"),
    ({"initial_lr": 0, "final_lr": 0.01}, "evaluation.final_lr=0.01 is not used with evaluation.initial_lr=0, with"),
    (
        {"initial_lr": 0, "schedule": "exponential"},
        "evaluation.schedule=exponential is not used with evaluation.initial",
    ),
    (
        {"initial_lr": 0.1, "final_lr": 0, "schedule": "cosine", "optimizer": {"op": "SGD"}},
        "evaluation.initial_lr=0.1 and evaluation.schedule=cosine are not used with evaluation.final_lr=0, with which "
        "the rate is the optimizer's, 0.01, in every epoch; write final_lr: 1e-8 for one that falls to almost nothing",
    ),
    (
        {"initial_lr": "!Log [0.001, 0.1, 3]", "final_lr": 0.0},
        "evaluation.initial_lr=!Log [0.001, 0.1, 3] is not used with evaluation.final_lr=0, with",
    ),
]


@pytest.mark.parametrize(("evaluation", "says"), SWITCHED_OFF, ids=[str(each) for each, _ in SWITCHED_OFF])
def test_what_a_rate_of_0_switches_off_is_named(evaluation: dict[str, Any], says: str) -> None:
    (line,) = from_mapping({"evaluation": evaluation}).warnings
    assert line.startswith(says)
    assert from_mapping({"evaluation": evaluation, "objective": "custom"}).warnings == (line,)


@pytest.mark.parametrize(
    "evaluation",
    [
        {"initial_lr": 0},
        {"final_lr": 0},
        {"initial_lr": 0, "final_lr": 0, "schedule": "cosine"},
        {"initial_lr": 0, "schedule": "constant"},
        {"initial_lr": 0.01, "final_lr": "!Choice [0.001, 0]"},
        {"initial_lr": 0.01, "final_lr": 1e-8},
    ],
    ids=str,
)
def test_a_rate_of_0_that_switches_nothing_off_is_not_named(evaluation: dict[str, Any]) -> None:
    config = from_mapping({"evaluation": evaluation})
    assert config.warnings == from_mapping(config.to_mapping()).warnings == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stopping: act, epochs: 1", "evaluation.stopping=act is not used with evaluation.epochs=1, as the last epoch"),
        (
            "stopping: median, epochs: 3",
            "evaluation.stopping=median is not used with evaluation.median.from_epoch=3 and evaluation.epochs=3",
        ),
        ("stopping: median, epochs: 4, median: {from_epoch: 9}", "evaluation.stopping=median is not used with"),
        ("stopping: median, epochs: 4", None),
        ("stopping: act, epochs: 2", None),
    ],
)
def test_a_stopping_rule_that_judges_no_epoch_is_named(tmp_path: Path, text: str, says: str | None) -> None:
    more = ", warmup_epochs: 0}\nfull_train: {epochs: 5"
    warnings = load(_write(tmp_path, f"evaluation: {{{text}{more}}}")).warnings
    assert [line[: len(says or "")] for line in warnings] == ([says] if says else [])


@pytest.mark.parametrize("preset", [*PRESETS])
def test_a_recorded_space_has_no_key_that_changes_nothing(preset: str) -> None:
    config = from_mapping({"space": {"preset": preset}})
    assert config.warnings == from_mapping(config.to_mapping()).warnings == ()


@pytest.mark.parametrize(("text", "key", "way"), UNUSED, ids=[text for text, _, _ in UNUSED])
def test_a_key_that_nothing_reads_is_named_with_what_it_is_for(tmp_path: Path, text: str, key: str, way: str) -> None:
    (warning,) = load(_write(tmp_path, text)).warnings
    assert warning.startswith(f"{key} is not used with ")
    assert way in warning
    assert f"({tmp_path / 'experiment.yaml'}); it is for " in warning


def test_keys_that_one_value_leaves_unread_are_named_in_one_line_without_what_follows_from_them(tmp_path: Path) -> None:
    text = (
        "objective: sphere_min\nevaluation: {optimizer: {op: SGD}, act: {beta: 0.5}, ema: 0.9}\nspace: {preset: mobile}"
    )
    (warning,) = load(_write(tmp_path, f"{text}\nfull_train: {{enabled: false, epochs: 9}}")).warnings
    assert warning == (
        "space.preset=mobile, evaluation.optimizer.op=SGD, evaluation.ema=0.9, evaluation.act.beta=0.5 and 1 more are "
        f"not used with objective=sphere_min ({tmp_path / 'experiment.yaml'}); they are for objective: nas or custom"
    )


@pytest.mark.parametrize(
    "text", ["objective: custom\nevaluation: {epochs: 3}", "full_train: {enabled: false, epochs: 9}"]
)
def test_a_key_that_a_call_or_a_later_training_reads_is_not_named(tmp_path: Path, text: str) -> None:
    assert load(_write(tmp_path, text)).warnings == ()


@pytest.mark.parametrize("override", ["evaluation.stopping=act", "evaluation.act.beta=0.25"])
def test_a_key_that_is_read_or_says_what_is_so_anyway_is_not_named(tmp_path: Path, override: str) -> None:
    assert load(_write(tmp_path, "evaluation: {act: {beta: 0.5}}"), [override]).warnings == ()
    assert load(Path(__file__).parents[2] / "conf" / "default.yaml", ["evaluation.stopping=none"]).warnings == ()


def test_a_record_of_an_earlier_version_means_what_it_meant() -> None:
    record = Config().to_mapping()
    record["evaluation"]["optimizer"]["learning_rate"] = 0.5
    assert from_record(record) == Config()
    record["evaluation"] |= {"initial_lr": 0.0}
    assert from_record(record).evaluation.optimizer.arguments["learning_rate"] == 0.5
    assert record["evaluation"]["optimizer"]["learning_rate"] == 0.5


@pytest.mark.parametrize("name", ["a?b", "a@b", "x" * 257])
def test_a_record_with_the_name_of_a_model_that_none_can_have_is_read(name: str) -> None:
    record = Config().to_mapping()
    record["registry"]["model"] = name
    assert from_record(record) == Config()
    record["registry"]["model"] = "a model"
    assert from_record(record).registry.model == "a model"


@pytest.mark.parametrize(("mixed", "precision"), [(False, "float32"), (True, "float16")])
def test_mixed_precision_is_the_earlier_name_of_precision(tmp_path: Path, mixed: bool, precision: str) -> None:
    record = Config().to_mapping()
    record["evaluation"] |= {"mixed_precision": mixed}
    del record["evaluation"]["precision"]
    word = str(mixed).lower()
    file = _write(tmp_path, f"evaluation: {{mixed_precision: {word}}}")
    others = from_record(record), load(_write(tmp_path, "", "empty.yaml"), [f"evaluation.mixed_precision={word}"])
    for config in (load(file), *others, load(file, [f"evaluation.precision={precision}"])):
        assert config.evaluation.precision == precision
        assert "mixed_precision" not in config.to_yaml()
        assert config.flat() == from_mapping({"evaluation": {"precision": precision}}).flat()
    assert load(file).given() == {"evaluation": {"precision": precision}}


def test_an_override_may_open_a_section_that_the_file_leaves_out_or_empty(tmp_path: Path) -> None:
    assert load(_write(tmp_path, ""), ["evaluation.act.beta=0"]).evaluation.act.beta == 0
    assert load(_write(tmp_path, "evaluation:\n"), ["evaluation.epochs=4"]).evaluation.epochs == 4


def _sections(part: type[BaseModel], before: str = "") -> Iterator[str]:
    """Dotted keys of all that holds keys of its own."""
    for name, field in part.model_fields.items():
        value = field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel | Mapping):
            yield before + name
        if isinstance(value, BaseModel):
            yield from _sections(type(value), f"{before}{name}.")


@pytest.mark.parametrize("key", [*_sections(Config)])
def test_a_section_whose_keys_are_commented_out_has_its_defaults(tmp_path: Path, key: str) -> None:
    outer, _, inner = key.rpartition(".")
    text = f"{outer}:\n  {inner}:\n  # commented: out\n" if outer else f"{inner}:\n"
    assert load(_write(tmp_path, text)).to_mapping() == Config().to_mapping()


def test_operation_and_tuple_tags_are_read(tmp_path: Path) -> None:
    config = load(
        _write(
            tmp_path,
            "space:\n"
            "  operations: !!python/tuple [mine, identity]\n"
            "  reference:\n"
            "    mine: !Operation {op: SeparableConv2D, filters: 64, kernel_size: !!python/tuple [3, 3]}\n"
            "evaluation: {optimizer: !Operation {op: Adam, beta_1: 0.8}}\n",
        )
    )
    assert config.space.operations == ("mine", "identity")
    assert config.space.reference == {"mine": {"op": "SeparableConv2D", "filters": 64, "kernel_size": (3, 3)}}
    assert config.evaluation.optimizer.op == "Adam"
    assert config.evaluation.optimizer.arguments == {"beta_1": 0.8}


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1E-3", 1e-3), ("1.5e-3", 1.5e-3), ("+2e-2", 2e-2), ("1e0", 1.0), ("0.1", 0.1)]
)
def test_numbers_with_an_exponent_are_numbers(tmp_path: Path, text: str, value: float) -> None:
    assert load(_write(tmp_path, f"evaluation: {{initial_lr: {text}}}")).evaluation.initial_lr == value


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(_write(tmp_path, "")).to_mapping() == Config().to_mapping()


def test_the_defaults_are_the_published_ones() -> None:
    flat = Config().flat()
    published = {
        "name": "digits",
        "seed": "42",
        "objective": "nas",
        "dataset.name": "digits",
        "dataset.validation_split": "0.2",
        "space.preset": "residual",
        "space.depth": "6",
        "space.input_stem": "stem",
        "space.output_stem": "bn_relu, global_avg_pool",
        "space.stages": "3",
        "space.stage_stem": "down",
        "space.skip_rate": "0.0",
        "evaluation.epochs": "8",
        "evaluation.batch_size": "64",
        "evaluation.precision": "float32",
        "evaluation.optimizer.op": "AdamW",
        "evaluation.optimizer.weight_decay": "0.01",
        "evaluation.schedule": "cosine",
        "evaluation.warmup_epochs": "0.5",
        "evaluation.initial_lr": "0.003",
        "evaluation.final_lr": "3e-05",
        "evaluation.score": "last",
        "evaluation.augmentation.shift": "0.07",
        "evaluation.momentum_epochs": "0",
        "evaluation.act.beta": "0.25",
        "evaluation.act.zeta": "0.25",
        "colony.size": "7",
        "colony.employee_ratio": "0.44",
        "colony.abandonment_limit": "3",
        "colony.iterations": "15",
        "full_train.enabled": "true",
        "full_train.epochs": "50",
        "full_train.finalists": "3",
        "full_train.keep": "best",
        "full_train.patience": "10",
        "registry.register": "true",
        "registry.model": "null",
        "registry.alias": "champion",
        "results.dir": "results",
        "execution.kind": "process",
        "execution.workers": "1",
        "execution.timeout_s": "null",
    }
    assert {key: flat.get(key) for key in published} == published


@pytest.mark.parametrize(
    ("size", "ratio", "employees"), [(7, 0.44, 3), (7, 0.0, 1), (1, 1.0, 1), (10, 0.5, 5), (10, 0.59, 5), (10, 1.0, 10)]
)
def test_employees_are_the_floor_of_their_share_and_at_least_one(size: int, ratio: float, employees: int) -> None:
    colony = ColonyConfig(size=size, employee_ratio=ratio)
    assert (colony.employees, colony.onlookers) == (employees, size - employees)


def test_every_file_under_conf_loads() -> None:
    files = sorted((Path(__file__).parents[2] / "conf").glob("*.yaml"))
    assert "default.yaml" in [file.name for file in files]
    for file in files:
        config = load(file, ["table.path=t.csv"] if file.name == "table.yaml" else [])
        assert (config.source, config.warnings) == (str(file), ())


def test_the_documented_defaults_are_the_defaults() -> None:
    file = Path(__file__).parents[2] / "conf" / "default.yaml"
    assert load(file).to_mapping() == Config().to_mapping()


_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.\-]{0,12}", fullmatch=True)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    name=_NAMES,
    seed=st.none() | st.integers(0, 2**32 - 1),
    rate=st.floats(0, 1),
    learning_rate=st.floats(0, 1e300),
    timeout=st.none() | st.floats(1e-300, 1e9),
    directory=_NAMES.map(lambda text: f"{text}: #'é"),
    operations=st.none() | st.lists(_NAMES, min_size=1, max_size=4, unique=True),
)
def test_what_to_yaml_writes_loads_as_the_same_configuration(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    seed: int | None,
    rate: float,
    learning_rate: float,
    timeout: float | None,
    directory: str,
    operations: list[str] | None,
) -> None:
    config = from_mapping(
        {
            "name": name,
            "seed": seed,
            "space": {
                "skip_rate": rate,
                "operations": operations,
                "reference": {"mine": {"op": "Conv2D", "kernel_size": (3, 3)}},
            },
            "evaluation": {"initial_lr": learning_rate, "optimizer": {"op": "RMSprop", "rho": rate}},
            "results": {"dir": directory},
            "execution": {"timeout_s": timeout},
        }
    )
    again = load(_write(tmp_path_factory.mktemp("round"), config.to_yaml()))
    assert again.to_mapping() == config.to_mapping()
    assert again.flat() == config.flat()
    assert again.to_yaml() == config.to_yaml()


def test_a_configuration_cannot_be_changed() -> None:
    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        config.evaluation.epochs = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        config.evaluation.optimizer.op = "Adam"  # type: ignore[misc]


def test_the_registered_model_is_named_after_the_experiment_unless_it_has_a_name() -> None:
    assert from_mapping({"name": "mine"}).model_name == "mine"
    assert from_mapping({"name": "mine", "registry": {"model": "other"}}).model_name == "other"


def test_a_section_without_keys_keeps_its_defaults(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("evaluation:\n  # epochs: 3\n")
    assert load(file).to_mapping() == Config().to_mapping()


@pytest.mark.parametrize("name", ["1e3", "1e-3x", "007"])
def test_text_that_looks_like_a_number_survives_the_resolved_yaml(tmp_path: Path, name: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(from_mapping({"name": name}).to_yaml())
    assert load(file).name == name


@pytest.mark.parametrize(("text", "kept"), [("all", None), ("none", 0), ("best:10", 10)])
def test_it_is_said_whose_weights_are_kept(tmp_path: Path, text: str, kept: int | None) -> None:
    file = _write(tmp_path, "name: a")
    assert load(file, [f"results.keep_weights={text}"]).results.kept == kept


def test_of_hours_and_minutes_the_shorter_is_the_limit_and_evaluations_are_those_that_come_first() -> None:
    assert from_mapping({}).limits == {}
    several = from_mapping({"budget": {"hours": 2, "minutes": 30, "cpu_hours": 0.5}, "colony": {"patience": 4}})
    assert several.limits == {"wall": 1800.0, "cpu": 1800.0, "patience": 4.0}
    counts = [from_mapping({"budget": {"evaluations": each}}).evaluations for each in (104, 105, 200)]
    assert counts == [104, 105, 105]


def test_a_home_is_found_in_the_places_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/bee")
    config = from_mapping({"results": {"dir": "~/rr"}, "optuna": {"storage": "journal:~/x.log"}})
    assert (config.results.dir, config.optuna.storage) == ("/home/bee/rr", "journal:/home/bee/x.log")
    assert from_mapping({"optuna": {"storage": "sqlite:///a~b.db"}}).optuna.storage == "sqlite:///a~b.db"


def test_classes_may_be_weighed_by_number(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("evaluation: {class_weight: {0: 5, 1: 0.5}}")
    assert load(tmp_path / "a.yaml").evaluation.class_weight == {"0": 5.0, "1": 0.5}
