"""Upper-case files of the ancestor: what becomes of every key, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hivenas.cli.commands import main
from hivenas.config import Config, load, registry
from hivenas.config.legacy import is_ancestral, translate
from hivenas.config.presets import PRESETS
from hivenas.core.nas.nas_interface import NASInterface
from hivenas.core.nas.space.operations import REFERENCE_SPACE, reference_space
from hivenas.core.tracker import NullTracker
from hivenas.errors import ConfigError

FILE = Path(__file__).parents[1] / "data" / "ancestor_default.yaml"
DEAD = [
    "RESULTS_SAVE_FREQUENCY",
    "HISTORY_FILES_SUBPATH",
    "ENABLE_WEIGHT_SAVING",
    "WEIGHT_FILES_SUBPATH",
    "RESUME_FROM_RESULTS_FILE",
]


def write(folder: Path, text: str) -> Path:
    file = folder / "old.yaml"
    file.write_text(text)
    return file


def refusal(folder: Path, text: str, overrides: Sequence[str] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), overrides)
    return str(caught.value)


def test_the_default_file_loads_and_warns_about_exactly_the_keys_without_a_meaning() -> None:
    config = load(FILE)
    assert [warning.split()[0] for warning in config.warnings] == DEAD
    assert all(str(FILE) in warning and "\n" not in warning for warning in config.warnings)
    assert config.space.operations == PRESETS["layerwise"].operations
    assert config.seed is None
    assert config.dataset.name == "cifar10"
    assert config.evaluation.optimizer.arguments == {"momentum": 0.9, "nesterov": True}


@pytest.mark.keras
def test_every_operation_of_the_default_file_is_a_built_in_one_or_builds() -> None:
    import keras

    from hivenas.core.nas.training.network import apply_operation

    space = NASInterface.from_config(load(FILE), tracker=NullTracker()).search_space
    own = {key: spec for key, spec in space.reference.items() if spec != REFERENCE_SPACE.get(key)}
    # It pads no plain convolution, its global pooling drops the axes, and it has operations inside of its stems.
    plain = {"conv5x5_16", "conv3x3_16", "conv5x5_8", "conv3x3_8"}
    assert set(own) == {*plain, "global_avg_pool", "output_stem_2", "output_stem_3"}
    for key, spec in own.items():
        model = keras.Model(inputs := keras.layers.Input((8, 8, 4)), apply_operation(spec, inputs, "op"))
        if key in plain:
            assert dict(spec.arguments) | {"padding": "same"} == dict(REFERENCE_SPACE[key].arguments)
            assert model.count_params() == REFERENCE_SPACE[key].arguments["filters"] * (
                4 * spec.arguments["kernel_size"][0] ** 2 + 1
            )


@pytest.mark.keras
def test_what_the_default_file_samples_builds() -> None:
    from hivenas.core.nas.training.network import build_network

    interface = NASInterface.from_config(load(FILE, ["seed=3"]), tracker=NullTracker())
    space = interface.search_space
    for _ in range(3):
        network = build_network(
            space.parse(interface.sample()),
            space.reference,
            shape=(32, 32, 3),
            classes=10,
            frame=space.frame,
            seed=1,
        )
        assert network.get_layer("output3").output.shape == (None, 64)
        assert network.output_shape == (None, 10)


KEYS: list[tuple[str, str, Any]] = [
    ("CONFIG_VERSION: mine", "name", "mine"),
    ("CONFIG_VERSION: 1.5", "name", "1.5"),
    ("SEED_VALUE: 3", "seed", 3),
    ("SEED_VALUE: -1", "seed", None),
    ("OPTIMIZATION_OBJECTIVE: NAS", "objective", "nas"),
    ("OPTIMIZATION_OBJECTIVE: Sphere_min", "objective", "sphere_min"),
    ("OPTIMIZATION_OBJECTIVE: SPHERE_MAX", "objective", "sphere_max"),
    ("OPTIMIZATION_OBJECTIVE: Rosenbrock", "objective", "rosenbrock"),
    ("ABANDONMENT_LIMIT: 9", "colony.abandonment_limit", 9),
    ("COLONY_SIZE: 9", "colony.size", 9),
    ("EMPLOYEE_ONLOOKER_RATIO: 0.9", "colony.employee_ratio", 0.9),
    ("ITERATIONS_COUNT: 9", "colony.iterations", 9),
    ("RESULTS_BASE_PATH: there/", "results.dir", "there/"),
    ("DEPTH: 9", "space.depth", 9),
    ("STOCHASTIC_SC_RATE: 0.9", "space.skip_rate", 0.9),
    ("RESIDUAL_BLOCKS_RATE: 0.9", "space.skip_rate", 0.9),
    ("OPERATIONS: {search_space: [dropout, identity]}", "space.operations", ("dropout", "identity")),
    ("OPERATIONS: {reference_space: {mine: !Operation {op: ReLU}}}", "space.reference", {"mine": {"op": "ReLU"}}),
    ("OPERATIONS: {a: !Operation {op: ReLU}, b: !Operation {op: Identity}}", "space.operations", ("a", "b")),
    ("OPERATIONS: {a: !Operation {op: ReLU }}", "space.reference", {"a": {"op": "ReLU"}}),
    ("DATASET: CIFAR10", "dataset.name", "cifar10"),
    ("DATASET: mnist", "dataset.name", "mnist"),
    ("DATASET: Fashion_MNIST", "dataset.name", "fashion_mnist"),
    ("INPUT_STEM: []", "space.input_stem", ()),
    ("INPUT_STEM: [conv3x3_16bnrelu]", "space.input_stem", ("conv3x3_16bnrelu",)),
    ("INPUT_STEM: [!Operation {op: ReLU}]", "space.input_stem", ("input_stem_1",)),
    ("OUTPUT_STEM:\n- batch_norm\n- !Operation\n  op: Flatten", "space.output_stem", ("batch_norm", "output_stem_2")),
    ("OUTPUT_STEM: [!Operation {op: Flatten}]", "space.reference", {"output_stem_1": {"op": "Flatten"}}),
    (
        "OPERATIONS: {reference_space: {output_stem_1: {op: ReLU}}}\nOUTPUT_STEM: [{op: Flatten}]",
        "space.reference",
        {"output_stem_1": {"op": "ReLU"}, "output_stem_1_": {"op": "Flatten"}},
    ),
    ("EPOCHS: 9", "evaluation.epochs", 9),
    ("FULL_TRAIN_EPOCHS: 9", "full_train.epochs", 9),
    ("INITIAL_LR: 0", "evaluation.initial_lr", 0.0),
    ("FINAL_LR: 0.9", "evaluation.final_lr", 0.9),
    ("BATCH_SIZE: 9", "evaluation.batch_size", 9),
    ("OPTIMIZER: Adam", "evaluation.optimizer.op", "Adam"),
    ("OPTIMIZER: rmsprop", "evaluation.optimizer.op", "RMSprop"),
    ("OPTIMIZER: sgd", "evaluation.optimizer.arguments", {}),
    # The ancestor's schedule begins at the same rate whatever the optimizer.
    ("OPTIMIZER: nadam", "evaluation.initial_lr", 0.08),
    ("OPTIMIZER: Adam\nFINAL_LR: 0.1", "evaluation.initial_lr", 0.1),
    ("OPTIMIZER: Adam\nFINAL_LR: 0.001", "evaluation.initial_lr", 0.08),
    ("OPTIMIZER: !Operation {op: adam , beta_1: 0.8}", "evaluation.optimizer.arguments", {"beta_1": 0.8}),
    ("AFFINE_TRANSFORMATIONS_ENABLED: True", "evaluation.augmentation.affine", True),
    ("CUTOUT_PROB: 0.9", "evaluation.augmentation.cutout", 0.9),
    ("SATURATION_AUG_PROB: 0.9", "evaluation.augmentation.saturation", 0.9),
    ("CONTRAST_AUG_PROB: 0.9", "evaluation.augmentation.contrast", 0.9),
    ("MOMENTUM_EPOCHS: 9", "evaluation.momentum_epochs", 9),
    ("TERMINATION_THRESHOLD_FACTOR: 0", "evaluation.act.beta", 0.0),
    ("TERMINATION_THRESHOLD_FACTOR: 0.2\nTERMINATION_DIMINISHING_FACTOR: 0.9", "evaluation.act.zeta", 0.9),
    ("EPOCHS: 9", "evaluation.stopping", "none"),
    ("TERMINATION_THRESHOLD_FACTOR: 0.25", "evaluation.stopping", "act"),
    # Spellings.
    ("OPTIMIZATION_OBJECTIVE: HIVENAS", "objective", "nas"),
    ("OPTIMIZATION_OBJECTIVE: HiveNAS", "objective", "nas"),
    ("OPTIMIZATION_OBJECTIVE: sphere-min", "objective", "sphere_min"),
    ("OPTIMIZATION_OBJECTIVE: SphereMax", "objective", "sphere_max"),
    ("OPTIMIZATION_OBJECTIVE: ROSENBROCK", "objective", "rosenbrock"),
    ("DATASET: CIFAR-10", "dataset.name", "cifar10"),
    ("DATASET: Fashion MNIST", "dataset.name", "fashion_mnist"),
    ("RESULTS_FILE_PATH: there/", "results.dir", "there/"),
    ("Epochs: 9", "evaluation.epochs", 9),
    # Numbers and switches as texts, and what YAML takes a comment after a tab for.
    ('EPOCHS: "9"', "evaluation.epochs", 9),
    ("INITIAL_LR: '1e-3'", "evaluation.initial_lr", 0.001),
    ("SEED_VALUE: '-1'", "seed", None),
    ("AFFINE_TRANSFORMATIONS_ENABLED: 'True'", "evaluation.augmentation.affine", True),
    ("EPOCHS: 9\t# of every candidate", "evaluation.epochs", 9),
    ("DATASET: MNIST\t# or CIFAR10", "dataset.name", "mnist"),
    ("CONFIG_VERSION: mine\t# a name", "name", "mine"),
    ("RESULTS_BASE_PATH: there/\t# results", "results.dir", "there/"),
    # Learning rates: LR stands above that of the optimizer, and both are constant.
    ("LR: 0.1", "evaluation.optimizer.arguments", {"momentum": 0.9, "nesterov": True, "learning_rate": 0.1}),
    ("LR: 0.001\nOPTIMIZER: Adam", "evaluation.optimizer.arguments", {"learning_rate": 0.001}),
    ("LR: 0.01\nOPTIMIZER: RMSprop", "evaluation.initial_lr", 0.0),
    ("LR: 0\nOPTIMIZER: Adam", "evaluation.optimizer.arguments", {"learning_rate": 0.001}),  # Keras' own
    ("LR: 0\nOPTIMIZER: Adam", "evaluation.initial_lr", 0.0),
    (
        "LR: 0.1\nOPTIMIZER: {op: SGD, learning_rate: 0.5}",
        "evaluation.optimizer.arguments",
        {"learning_rate": 0.1},
    ),
    ("OPTIMIZER: {op: SGD, lr: 0.5}", "evaluation.optimizer.arguments", {"learning_rate": 0.5}),
    ("OPTIMIZER: {op: SGD, learning_rate: '5e-1'}", "evaluation.initial_lr", 0.0),
    ("OPTIMIZER: {op: SGD, decay: 0.0}", "evaluation.optimizer.arguments", {}),
    (
        "INITIAL_LR: 0.0\nFINAL_LR: 0.01\nOPTIMIZER: {op: SGD, learning_rate: 0.5}",
        "evaluation.optimizer.arguments",
        {"learning_rate": 0.5},
    ),
    ("INITIAL_LR: 0.0\nLR: 0.5\nOPTIMIZER: RMSProp", "evaluation.optimizer.arguments", {"learning_rate": 0.5}),
    (
        "INITIAL_LR: 0.08\nFINAL_LR: 0.01\nOPTIMIZER: {op: SGD, learning_rate: 0.08}",
        "evaluation.optimizer.arguments",
        {},
    ),
    # The search space as a mapping, with and without what its keys stand for.
    ("OPERATIONS: {search_space: {a: {op: ReLU}, b: {op: Flatten}}}", "space.operations", ("a", "b")),
    ("OPERATIONS: {search_space: {a: {op: ReLU}}}", "space.reference", {"a": {"op": "ReLU"}}),
    ("OPERATIONS: {search_space: {dropout: , identity: }}", "space.operations", ("dropout", "identity")),
    (
        "OPERATIONS: {search_space: {a: {op: Activation, activation: linear}}, reference_space: {a: {op: Activation}}}",
        "space.reference",
        {"a": {"op": "Activation", "activation": "linear"}},
    ),
]


@pytest.mark.parametrize(("text", "key", "value"), KEYS, ids=[text for text, _, _ in KEYS])
def test_a_key_means_what_it_meant(tmp_path: Path, text: str, key: str, value: Any) -> None:
    config: Any = load(write(tmp_path, text))
    assert config.warnings == ()
    for part in key.split("."):
        config = getattr(config, part)
    assert config == value


def test_a_file_changes_what_its_keys_name_and_is_not_stopped_by_a_rule_that_it_does_not_name(tmp_path: Path) -> None:
    before = load(write(tmp_path, "SEED_VALUE: 42\n")).flat()
    after = load(write(tmp_path, "EPOCHS: 9\nCOLONY_SIZE: 8\n")).flat()
    assert after == before | {"evaluation.epochs": "9", "colony.size": "8"}
    assert before["evaluation.stopping"] == "none"


def test_what_a_file_leaves_out_is_as_the_ancestor_had_it(tmp_path: Path) -> None:
    today = {key: value for key, value in Config().flat().items() if not key.startswith("evaluation.optimizer.")}
    assert load(write(tmp_path, "COLONY_SIZE: 7\n")).flat() == today | {
        "space.preset": "layerwise",
        "space.depth": "5",
        "space.input_stem": "conv3x3_32bnrelu",
        "space.output_stem": "global_avg_pool",
        "space.stages": "1",
        "space.stage_stem": "",
        "evaluation.epochs": "5",
        "evaluation.batch_size": "128",
        "evaluation.optimizer.op": "SGD",
        "evaluation.optimizer.momentum": "0.9",
        "evaluation.optimizer.nesterov": "true",
        "evaluation.schedule": "exponential",
        "evaluation.warmup_epochs": "0.0",
        "evaluation.initial_lr": "0.08",
        "evaluation.final_lr": "0.01",
        "evaluation.stopping": "none",
        "evaluation.augmentation.shift": "0.0",
        "full_train.finalists": "1",
        "full_train.keep": "last",
        "full_train.patience": "null",
    }


INSTEAD = [
    ("RESUME_FROM_RESULTS_FILE: false", "--resume"),
    ("SCOUTS_COUNT: 2", "colony.abandonment_limit"),
    ("LOG_FILES_SUBPATH: logs", "results folder"),
    ("RESULTS_FILE_NAME: x.csv", "<name>.csv"),
    ("SE_RATIO: 0.25", "never"),
]


@pytest.mark.parametrize(("text", "says"), INSTEAD)
def test_a_key_without_a_meaning_is_named_once_with_what_does_its_job(tmp_path: Path, text: str, says: str) -> None:
    (warning,) = load(write(tmp_path, text)).warnings
    assert warning.startswith(f"{text.partition(':')[0]} is ignored ({tmp_path / 'old.yaml'}); ")
    assert says in warning


# Text, what the message begins with, and what else it must say.
WRONG = [
    ("EPOCHS: 0", "EPOCHS must be at least 1, got 0 (", ""),
    ("EPOCHS: many", "EPOCHS must be a whole number, got 'many'", ""),
    ("CONFIG_VERSION: a b", "CONFIG_VERSION must have letters, digits", "got 'a b'"),
    ("SEED_VALUE: 1.5", "SEED_VALUE must be a whole number, got 1.5", ""),
    ("OPTIMIZATION_OBJECTIVE: Ackley", "OPTIMIZATION_OBJECTIVE must be one of 'nas'", "got 'Ackley'"),
    ("DATASET: IMAGENET", "DATASET must be one of digits", "got 'IMAGENET'"),
    ("COLONY_SIZE: [7]", "COLONY_SIZE must be a whole number, got [7]", ""),
    ("RESIDUAL_BLOCKS_RATE: 2", "RESIDUAL_BLOCKS_RATE must be at most 1.0, got 2", ""),
    ("STOCHASTIC_SC_RATE: 2", "STOCHASTIC_SC_RATE must be at most 1.0, got 2", ""),
    ("TERMINATION_THRESHOLD_FACTOR: 2", "TERMINATION_THRESHOLD_FACTOR must be at most 1.0", ""),
    ("CUTOUT_PROB: 2", "CUTOUT_PROB must be at most 1.0", ""),
    ("OPTIMIZER: Adagard", "OPTIMIZER.op must be one of SGD, Adam, AdamW, RMSprop,", "did you mean 'Adagrad'?"),
    ("OPTIMIZER: !Operation {op: SGD, rate: 1}", "OPTIMIZER has no argument 'rate' for SGD", "learning_rate"),
    (
        "OPERATIONS: {a: {op: ConvBnReLU, conv_filt: 8, filters: 8}}",
        "OPERATIONS.a.filters and OPERATIONS.a.conv_filt",
        "",
    ),
    (
        "OPERATIONS: {a: {op: ResidualConvBnReLU, reg_filters: 0}}",
        "OPERATIONS.a.reg_filters must be at least 1",
        "got 0",
    ),
    ("OPTIMIZER: {op: SGD, lr: 1, learning_rate: 1}", "OPTIMIZER.lr and OPTIMIZER.learning_rate are one", "both"),
    ("LR: many", "LR must be a finite number", "got 'many'"),
    ("EPOCHS: '5.5'", "EPOCHS must be a whole number, got 5.5", ""),
    ("EPOCHS: 3\nEpochs: 4", "EPOCHS and Epochs are one setting", "remove one"),
    ("RESULTS_BASE_PATH: a\nRESULTS_FILE_PATH: b", "RESULTS_BASE_PATH and RESULTS_FILE_PATH are one", "both"),
    ("OPTIMIZER: 3", "OPTIMIZER must be a mapping with its op, got 3", ""),
    ("INPUT_STEM: conv3x3_8", "INPUT_STEM must be a list, got 'conv3x3_8'", ""),
    ("INPUT_STEM: [!Operation {op: Conv2D, filters: .nan}]", "INPUT_STEM[0].filters must be text", "got .nan"),
    ("OPERATIONS: [identity]", "OPERATIONS must be a mapping", "got ['identity']"),
    ("OPERATIONS: {}", "OPERATIONS must be a mapping", "got {}"),
    ("OPERATIONS: {search_space: identity}", "OPERATIONS.search_space must be a list, got 'identity'", ""),
    ("OPERATIONS: {search_space: [a, a]}", "OPERATIONS.search_space must name each operation once", ""),
    ("OPERATIONS: {search_space: [a], reference: {}}", "unknown key OPERATIONS.reference", "'reference_space'"),
    ("OPERATIONS: {reference_space: 3}", "OPERATIONS.reference_space must be a mapping of keys, got 3", ""),
    ("OPERATIONS: {reference_space: {a: ReLU}}", "OPERATIONS.reference_space.a must be a mapping", "got 'ReLU'"),
    ("OPERATIONS: {a: ReLU}", "OPERATIONS.a must be a mapping of keys, got 'ReLU'", ""),
    ("OPERATIONS: {sc_1: {op: ReLU}}", "OPERATIONS has keys of letters", "got 'sc_1'"),
    ("STOCHASTIC_SC_RATE: 0\nRESIDUAL_BLOCKS_RATE: 0", "STOCHASTIC_SC_RATE and RESIDUAL_BLOCKS_RATE are one", "both"),
    ("EPOCH: 3", "unknown key EPOCH (", "did you mean 'EPOCHS'?"),
    ("OPTIMISER: Adam", "unknown key OPTIMISER (", "did you mean 'OPTIMIZER'?"),
    ("XYZZY: 3", "unknown key XYZZY (", "hivenas init default writes every key"),
    ("EPOCHS: 3\nname: x", "a configuration has either", "got name and EPOCHS"),
    ("name: x\nEPOCHS: 3", "a configuration has either", "use today's, such as evaluation.epochs for EPOCHS"),
]


@pytest.mark.parametrize(("text", "begins", "says"), WRONG, ids=[text for text, _, _ in WRONG])
def test_a_wrong_value_is_refused_under_the_key_that_the_file_has(
    tmp_path: Path, text: str, begins: str, says: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(begins)
    assert says in message
    assert f"({tmp_path / 'old.yaml'})" in message


# What a file says, and what the operation is today.
OLD_OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("{op: ConvBnReLU, conv_kern: 5, conv_filt: 16}", {"op": "ConvBnReLU", "filters": 16, "kernel_size": (5, 5)}),
    ("{op: ConvBnReLU}", {"op": "ConvBnReLU", "filters": 32, "kernel_size": (3, 3)}),
    ("{op: convbnrelu, conv_filter: '8'}", {"op": "ConvBnReLU", "filters": 8, "kernel_size": (3, 3)}),
    ("{op: ConvBnReLU, conv_kernel: 5, filters: 8}", {"op": "ConvBnReLU", "filters": 8, "kernel_size": (5, 5)}),
    ("{op: ConvBnReLU, conv_kern: [3, 5], conv_stride: 1}", {"op": "ConvBnReLU", "filters": 32, "kernel_size": [3, 5]}),
    ("{op: ConvBnReLU, filters: 8, kernel_size: 5}", {"op": "ConvBnReLU", "filters": 8, "kernel_size": 5}),
    (
        "{op: ConvBnReLUAvgPool, conv_filt: 64, pool_size: 2, pool_stride: 2}",
        {"op": "ConvBnReLUAvgPool", "filters": 64, "kernel_size": (3, 3)},
    ),
    (
        "{op: ConvBnReLUAvgPool, pool_size: 3, pool_stride: 1}",
        {"op": "ConvBnReLUAvgPool", "filters": 32, "kernel_size": (3, 3), "pool_size": 3, "pool_strides": 1},
    ),
    (
        "{op: ResidualConvBnReLU}",
        {"op": "ResidualConvBnReLU", "filters": 32, "kernel_size": (3, 3), "reg_filters": 32, "block_count": 2},
    ),
    (
        "{op: ResidualConvBnReLU, conv_filt: 64, reg_identity: false, reg_filters: 16, block_count: 1}",
        {"op": "ResidualConvBnReLU", "filters": 64, "kernel_size": (3, 3), "block_count": 1},
    ),
    (
        "{op: ResidualConvBnReLU, conv_filt: 64, reg_identity: true, reg_filters: 16, block_count: 0}",
        {"op": "ResidualConvBnReLU", "filters": 64, "kernel_size": (3, 3), "reg_filters": 16, "block_count": 1},
    ),
    ("{op: Activation}", {"op": "Activation", "activation": "linear"}),
    ("{op: Activation, activation: linear}", {"op": "Activation", "activation": "linear"}),
    ("{op: Activation, activation: relu}", {"op": "Activation", "activation": "relu"}),
    ("{op: AveragePooling2D}", {"op": "AveragePooling2D", "pool_size": (2, 2)}),
    ("{op: flatten}", {"op": "Flatten"}),
    ("{op: MaxPool2D}", {"op": "MaxPooling2D"}),
    ("{op: Batch_Normalization}", {"op": "BatchNormalization"}),
    ("{op: Dense, units: '1024'}", {"op": "Dense", "units": 1024}),
    (
        "{op: Conv2D, filters: 8, kernel_size: '(3, 5)', activation: None}",
        {"op": "Conv2D", "filters": 8, "kernel_size": [3, 5], "activation": None},
    ),
]
PLACES = [
    ("OPERATIONS: {{search_space: [a], reference_space: {{a: !Operation {} }} }}", "a"),
    ("OPERATIONS: {{search_space: {{a: {} }} }}", "a"),
    ("OPERATIONS: {{a: {} }}", "a"),
    ("INPUT_STEM: [{}]", "input_stem_1"),
    ("OUTPUT_STEM: [!Operation {}]", "output_stem_1"),
]


@pytest.mark.parametrize(("text", "expected"), OLD_OPERATIONS, ids=[text for text, _ in OLD_OPERATIONS])
def test_an_operation_means_what_it_meant_wherever_it_stands(
    tmp_path: Path, text: str, expected: dict[str, Any]
) -> None:
    for place, key in PLACES:
        config = load(write(tmp_path, place.format(text)))
        assert config.warnings == ()
        assert config.space.reference == {key: expected}
        assert reference_space(config.space.reference)[key].op == expected["op"]


# Text, the key that is named, and what is said of it.
UNCLEAR = [
    ("OPERATIONS: {a: {op: Dropout}}", "OPERATIONS.a.rate", "taken to be 0.15"),
    ("OUTPUT_STEM: [{op: Dropout}]", "OUTPUT_STEM[0].rate", "taken to be 0.15"),
    ("OPERATIONS: {a: {op: ConvBnReLU, conv_stride: 2}}", "OPERATIONS.a.conv_stride", "never used it"),
    ("OPTIMIZER: {op: SGD, decay: 0.0005}", "OPTIMIZER.decay", "final_lr"),
    (
        "TERMINATION_DIMINISHING_FACTOR: 0.5",
        "TERMINATION_DIMINISHING_FACTOR=0.5",
        "not used with evaluation.stopping=none",
    ),
    ("OPTIMIZER: {op: SGD, learning_rate: 0.1}\nINITIAL_LR: 0.08", "OPTIMIZER.learning_rate", "overrules"),
    ("LR: 0.1\nINITIAL_LR: 0.08\nFINAL_LR: 0.01", "LR", "overrules"),
    (
        "OPERATIONS: {search_space: {a: {op: Dropout, rate: 0.2}}, reference_space: {a: {op: Dropout, rate: 0.1}}}",
        "OPERATIONS.search_space.a",
        "OPERATIONS.reference_space.a differs and is what is built",
    ),
]


@pytest.mark.parametrize(("text", "key", "says"), UNCLEAR, ids=[text for text, _, _ in UNCLEAR])
def test_what_is_not_taken_as_it_stands_is_named(tmp_path: Path, text: str, key: str, says: str) -> None:
    (warning,) = load(write(tmp_path, text)).warnings
    assert warning.startswith(f"{key} is ")
    assert says in warning
    assert f"({tmp_path / 'old.yaml'})" in warning


def test_registered_names_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.OPERATIONS._entries, "relu", (dict, __name__))
    assert load(write(tmp_path, "OPERATIONS: {a: {op: relu}}")).space.reference == {"a": {"op": "relu"}}
    monkeypatch.setitem(registry.DATASETS._entries, "MyIcons", (dict, __name__))
    assert load(write(tmp_path, "DATASET: MyIcons")).dataset.name == "MyIcons"


def test_momentum_with_too_few_epochs_is_refused_in_the_files_own_words(tmp_path: Path) -> None:
    assert refusal(tmp_path, "EPOCHS: 2\nMOMENTUM_EPOCHS: 4") == (
        "EPOCHS must be at least 3 when MOMENTUM_EPOCHS > 0, got EPOCHS=2 "
        f"({tmp_path / 'old.yaml'}); raise EPOCHS or set MOMENTUM_EPOCHS: 0"
    )


def test_overrides_have_todays_keys_and_are_blamed_under_them(tmp_path: Path) -> None:
    text = "EPOCHS: 4\nOPERATIONS: {search_space: [a, identity], reference_space: {a: !Operation {op: ReLU}}}"
    config = load(write(tmp_path, text), ["evaluation.epochs=7 space.reference.a.op=Identity"])
    assert config.evaluation.epochs == 7
    assert config.space.reference == {"a": {"op": "Identity"}}
    assert refusal(tmp_path, text, ["evaluation.epochs=0"]) == (
        "evaluation.epochs must be at least 1, got 0 (--set evaluation.epochs=0)"
    )
    assert refusal(tmp_path, text, ["EPOCHS=3"]) == (
        "unknown key EPOCHS (--set EPOCHS=3); did you mean evaluation.epochs?"
    )


def test_what_was_loaded_is_written_and_read_back_in_todays_keys(tmp_path: Path) -> None:
    config = load(FILE)
    again = load(write(tmp_path, config.to_yaml()))
    assert again.to_mapping() == config.to_mapping()
    assert again.warnings == ()


def test_the_translation_leaves_what_it_was_given_as_it_is() -> None:
    given = {"OPERATIONS": {"reference_space": {"a": {"op": "ReLU"}}}, "INPUT_STEM": [{"op": "ReLU"}]}
    assert is_ancestral(given)
    translate(given, "FILE").data["space"]["reference"]["b"] = {}
    assert given == {"OPERATIONS": {"reference_space": {"a": {"op": "ReLU"}}}, "INPUT_STEM": [{"op": "ReLU"}]}


@pytest.mark.keras
def test_the_command_prints_every_warning_once_and_names_old_keys_after_loading_too(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--config", str(FILE), "--set", "execution.kind=serial"])
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert [line.split()[:3] for line in lines] == [["hivenas:", "warning:", key] for key in DEAD]
    assert "72,000,000 architectures" in result.stdout

    file = write(tmp_path, "OPERATIONS: {search_space: [identity, sep3x3_65]}")
    result = CliRunner().invoke(main, ["check", "--config", str(file)])
    assert result.exit_code == 2
    assert result.stderr.startswith("hivenas: OPERATIONS.search_space[1] must name a known operation, got 'sep3x3_65'")
    assert str(file) in result.stderr
