"""Things that users register by name, from their module to worker processes and a registered model."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from hivenas.cli.commands import main
from hivenas.config import ExecutionConfig, from_mapping, registry
from hivenas.config.registry import import_modules, registered_modules
from hivenas.core.nas.data.datasets import register_dataset
from hivenas.core.nas.space.cells import CELLS
from hivenas.core.nas.space.operations import LAYERS, OpSpec, register_cell, register_operation
from hivenas.core.nas.training.network import apply_operation
from hivenas.errors import ConfigError
from hivenas.execution import WorkerExecutor
from hivenas.execution.tasks import survey
from tests.executors import call_what_is_registered, knows, task
from tests.own_layers import SCALE
from tests.test_end_to_end import run

pytestmark = pytest.mark.keras

MY_OPS = """
import keras
from hivenas import register_cell, register_operation

"""
MY_OPS += SCALE
MY_OPS += """

@register_cell("ScaledConv")
def scaled_conv(x, name, *, filters, factor=2.0):
    x = keras.layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv")(x)
    return Scale(factor, name=f"{name}_scale")(x)
"""
YAML = """
name: own
seed: 3
dataset: {name: digits, train_limit: 200}
space:
  depth: 2
  operations: [half, conv]
  reference:
    half: !Operation {op: Scale, factor: 0.5}
    conv: !Operation {op: ScaledConv, filters: 4}
  input_stem: [conv, half]
evaluation: {epochs: 1, batch_size: 32, stopping: none, augmentation: {shift: 0}}
colony: {size: 2, iterations: 1}
full_train: {epochs: 1, finalists: 1}
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test registers into empty registries and leaves no module behind."""
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    monkeypatch.setattr(registry.CELLS, "_entries", {})
    monkeypatch.setattr(registry.DATASETS, "_entries", {})
    monkeypatch.setattr(registry.STRATEGIES, "_entries", {})
    monkeypatch.setattr(registry, "_imported", {})
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def my_ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder with a module and a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_ops.py").write_text(MY_OPS)
    (tmp_path / "own.yaml").write_text(YAML)
    yield tmp_path
    sys.modules.pop("my_ops", None)


@pytest.mark.process
@pytest.mark.slow
def test_a_search_over_operations_of_ones_own_ends_in_a_model_that_loads(
    store: str, my_ops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIVENAS_IMPORT", "")
    done = run("hivenas", "search", "--config", "own.yaml", "--import", "my_ops")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout
    import_modules(["my_ops"])
    network = mlflow.tensorflow.load_model("models:/own@champion").get_layer("candidate")
    assert type(network.get_layer("input2")) is sys.modules["my_ops"].Scale
    assert network.get_layer("input2").factor == 0.5
    assert network.get_layer("input1_scale").factor == 2.0


def test_the_environment_names_modules_too_and_an_unregistered_name_is_refused(
    my_ops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = CliRunner().invoke(main, ["check", "--config", "own.yaml"])
    assert refused.exit_code == 2
    assert "must be a built-in or registered layer or cell, got 'Scale'" in refused.output
    monkeypatch.setenv("HIVENAS_IMPORT", " keras, my_ops,")
    serial = ("--set", "execution.kind=serial")
    assert CliRunner().invoke(main, ["check", "--config", "own.yaml", *serial]).exit_code == 0
    assert registered_modules() == ("keras", "my_ops")


FAILING = [
    ("absent", "ModuleNotFoundError: No module named 'absent'"),
    ("broken", "ValueError: two; name a file"),
    ("ends", "SystemExit: 3"),
    ("my_ops.py", "'my_ops' is not a package; name a file of this folder without its .py"),
    ("../broken", "TypeError"),
    (".broken", "TypeError"),
]


@pytest.mark.parametrize(("module", "says"), FAILING, ids=[module for module, _ in FAILING])
@pytest.mark.parametrize("command", ["search", "train", "check", "report"])
def test_a_module_that_cannot_be_imported_is_one_line_and_exit_code_2(
    command: str, module: str, says: str, my_ops: Path
) -> None:
    (my_ops / "broken.py").write_text("raise ValueError('two\\nlines')")
    (my_ops / "ends.py").write_text("raise SystemExit(3)")
    result = CliRunner().invoke(main, [command, "--config", "own.yaml", "--import", module])
    assert result.exit_code == 2
    assert result.output.startswith(f"hivenas: cannot import the module {module!r}: ")
    assert says in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.process
@pytest.mark.slow
def test_a_worker_imports_the_modules_before_its_first_call(my_ops: Path) -> None:
    import_modules(["my_ops"])
    with WorkerExecutor(ExecutionConfig(), my_ops / "worker.log") as executor:
        assert executor.submit(task(registered_modules)).result() == ("my_ops",)
        assert executor.submit(task(knows, "Scale", "ScaledConv")).result()


PARTS = """
import functools
import keras
from hivenas import register_cell, register_dataset, register_operation, register_strategy
from hivenas.core.strategies.random_search import RandomSearch


def pooled(x, name, *, size):
    return keras.layers.AveragePooling2D(size, name=name)(x)


def load(path, count):
    raise KeyError(path)


register_operation("Half", keras.layers.LeakyReLU)
register_cell("Pooled", functools.partial(pooled, size=2))
register_cell("Same")(lambda x, name: x)
register_dataset("drawn", functools.partial(load, count=3))
register_strategy("mine", RandomSearch)
"""


@pytest.mark.parametrize("line", [line for line in PARTS.splitlines() if line.startswith("register")])
def test_what_a_module_registers_reaches_the_workers_wherever_it_comes_from(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_parts.py").write_text(PARTS.partition("\nregister_operation")[0] + f"\n{line}\n")
    importlib.import_module("my_parts")
    try:
        assert registered_modules() == ("my_parts",)
    finally:
        del sys.modules["my_parts"]


MAIN = """
from hivenas import register_cell, register_dataset

SIZE = 3


def sized(x, name):
    return SIZE


register_cell("Sized", sized)
register_dataset("sizes", lambda path: {path: SIZE})
"""


@pytest.mark.parametrize("name", ["__main__", "__mp_main__"])
def test_what_the_main_module_registers_travels_by_value(name: str, tmp_path: Path) -> None:
    exec(MAIN, {"__name__": name})
    assert registered_modules() == ()
    with WorkerExecutor(ExecutionConfig(recycle_after=1), tmp_path / "worker.log") as executor:
        for _ in range(2):  # workers, one after another
            assert executor.submit(task(call_what_is_registered)).result() == (3, {"a": 3}, ())


STRATEGY = """
import hivenas
from hivenas.core.strategies.random_search import RandomSearch
hivenas.register_strategy("mine", RandomSearch)
"""


def test_a_worker_need_not_know_a_strategy_of_the_main_module(tmp_path: Path) -> None:
    exec(STRATEGY, {"__name__": "__main__"})
    config = from_mapping({"colony": {"kind": "mine"}, "dataset": {"train_limit": 100}})
    with WorkerExecutor(config.execution, tmp_path / "worker.log") as executor:
        assert executor.submit(survey(config)).result()[0]["name"] == "digits"


def test_what_the_main_module_registers_must_be_picklable(tmp_path: Path) -> None:
    exec(
        "import threading\nLOCK = threading.Lock()\n" + MAIN.replace("return SIZE", "return LOCK"),
        {"__name__": "__main__"},
    )
    with pytest.raises(ConfigError, match="what the main module registers must be made of what can be pickled, got"):
        WorkerExecutor(ExecutionConfig(), tmp_path / "worker.log")


def test_the_same_name_stands_for_one_thing() -> None:
    register_operation("Mine", keras.layers.ReLU)
    with pytest.raises(ConfigError, match="'Mine' is registered already, as an operation or as a cell"):
        register_cell("Mine", apply_operation)
    other = "from hivenas import register_operation; register_operation('Mine', print)"
    with pytest.raises(ConfigError, match=f"'Mine' is registered by {__name__} already, got another from other; "):
        exec(other, {"__name__": "other"})
    register_operation("Mine", nameless)
    assert registry.OPERATIONS["Mine"] is nameless
    for name in (*LAYERS, *CELLS):
        with pytest.raises(ConfigError, match=f"'{name}' is built in"):
            register_operation(name, keras.layers.ReLU)
        with pytest.raises(ConfigError, match=f"'{name}' is built in"):
            register_cell(name, apply_operation)
    with pytest.raises(ConfigError, match="must be letters, digits and _, got 'a b'"):
        register_operation("a b", keras.layers.ReLU)


@pytest.mark.parametrize(
    ("register", "name"),
    [(register_operation, "an operation"), (register_cell, "a cell"), (register_dataset, "a data set")],
)
def test_a_decorator_without_a_name_is_refused(register: Callable[..., object], name: str) -> None:
    way_out = re.escape(f"write @{register.__name__}('my_name')")
    with pytest.raises(ConfigError, match=f"{name} must be registered by name, got <function .*>; {way_out}"):

        @register
        def mine(x: object, name: str) -> object:
            return x

    assert not any((registry.OPERATIONS, registry.CELLS, registry.DATASETS))
    with pytest.raises(ConfigError, match=r"'mine' must .* a function (that makes layers|of a path), got 3; pass one"):
        register("mine", 3)


def test_a_decorator_gives_back_what_it_registers_and_errors_list_it() -> None:
    @register_operation("Blur")
    def blur(size: int) -> keras.Layer:
        return keras.layers.AveragePooling2D(size, strides=1, padding="same")

    @register_cell("Twice")
    def twice(x: object, name: str) -> object:
        return keras.layers.Add(name=f"{name}_add")([x, x])

    assert registry.OPERATIONS["Blur"] is blur
    assert registry.CELLS["Twice"] is twice
    with pytest.raises(
        ConfigError,
        match=r"got 'Blurr'; did you mean 'Blur'\?; docs/spaces.md lists those built in; registered are Blur, Twice",
    ):
        OpSpec.from_mapping("mine", {"op": "Blurr"})


def nameless() -> keras.Layer:
    return keras.layers.ReLU()


def test_layers_are_named_by_their_place_whether_or_not_the_factory_takes_a_name() -> None:
    register_operation("Nameless", nameless)
    register_operation("Named", lambda name: keras.layers.ReLU(name=f"{name}_own"))
    register_operation("Class", keras.layers.LeakyReLU)
    inputs = keras.layers.Input((4, 4, 1))
    x = apply_operation(OpSpec.from_mapping("a", {"op": "Nameless"}), inputs, "layer1")
    x = apply_operation(OpSpec.from_mapping("b", {"op": "Named"}), x, "layer2")
    x = apply_operation(OpSpec.from_mapping("c", {"op": "Class", "negative_slope": 0.5}), x, "layer3")
    model = keras.Model(inputs, x)
    assert [layer.name for layer in model.layers[1:]] == ["layer1", "layer2_own", "layer3"]
    assert np.array_equal(model(np.full((1, 4, 4, 1), 2.0)), np.full((1, 4, 4, 1), 2.0))


WRONG_ARGUMENTS = [
    (
        {"op": "ConvBnReLU", "filters": 8, "kernel": 3},
        r"no argument 'kernel' for ConvBnReLU; did you mean 'kernel_size'",
    ),
    ({"op": "ConvBnReLU", "filters": 8, "kernel_size": 3, "block_count": 1}, "choose among filters, kernel_size, l2$"),
    ({"op": "ResidualConvBnReLU", "filters": 8}, r"space\.reference\.mine\.kernel_size must be given"),
    ({"op": "Conv2D", "name": "x"}, r"space\.reference\.mine\.name is given by the place in the network; remove it"),
]


@pytest.mark.parametrize(("mapping", "says"), WRONG_ARGUMENTS)
def test_arguments_that_nothing_could_be_built_with_are_refused(mapping: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        OpSpec.from_mapping("mine", mapping)


def test_a_cell_takes_one_number_as_its_kernel_size() -> None:
    inputs = keras.layers.Input((8, 8, 1))
    spec = OpSpec.from_mapping("mine", {"op": "ConvBnReLU", "filters": 2, "kernel_size": 3})
    model = keras.Model(inputs, apply_operation(spec, inputs, "op"))
    assert model.get_layer("op_conv").kernel_size == (3, 3)
