"""Models that are written in formats, opened again in the runtimes that these are for, and measured."""

from __future__ import annotations

import importlib.util
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from hivenas.config import SpaceConfig
from hivenas.config.metrics import metric_named
from hivenas.config.presets import PRESETS
from hivenas.config.tasks import TASKS
from hivenas.core.nas.data.datasets import Dataset
from hivenas.core.nas.data.stored_images import in_memory
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.training.export.exporting import export, latencies, sampled
from hivenas.core.nas.training.export.formats import FORMATS, Exportable, Exported
from hivenas.core.nas.training.network import build_network, serving_model
from hivenas.core.nas.training.precision import PRECISIONS
from hivenas.errors import ExportError

pytestmark = pytest.mark.keras

CLASSES = 4
HAS_ONNX = all(importlib.util.find_spec(name) for name in FORMATS["onnx"].modules)


def pictures(dtype: str = "float32", shape: tuple[int, int, int] = (8, 8, 1)) -> Dataset:
    """Images whose class is how bright they are."""
    rng = np.random.default_rng(3)
    labels = (np.arange(240) % CLASSES).astype(np.int32)
    images = (rng.uniform(0, 60, (240, *shape)) + 60 * labels[:, None, None, None]).astype(dtype)
    train, test = slice(None, 200), slice(200, None)
    names = tuple("abcd")
    return Dataset(
        "bright",
        x_train=images[train],
        y_train=labels[train],
        x_val=images[test],
        y_val=labels[test],
        x_test=images[test],
        y_test=labels[test],
        classes=CLASSES,
        class_names=names,
    )


def bright(data: Dataset, *extra: layers.Layer) -> keras.Model:
    """A model that tells how bright an image is, through further layers."""
    inputs = x = layers.Input(data.shape, name="image")
    for layer in extra:
        x = layer(x)
    mean = layers.GlobalAveragePooling2D(name="mean")(x)
    mean, scale = mean[:, :1], np.array([[-6.0, -2.0, 2.0, 6.0]], np.float32)
    dense = layers.Dense(CLASSES, activation="softmax", name="classes", dtype="float32")
    network = keras.Model(inputs, dense(mean), name="candidate")
    centres = np.array([-1.2, -0.4, 0.4, 1.2])
    dense.set_weights([scale, (-(scale[0] / 2) * centres).astype(np.float32)])
    return serving(network, data)


def serving(network: keras.Model, data: Dataset) -> keras.Model:
    mean, variance = data.statistics()
    return serving_model(network, mean, variance, str(data.x_test.dtype))


def exportable(network: keras.Model, data: Dataset) -> Exportable:
    return Exportable(network, sampled(data, seed=1), {})


def exported(network: keras.Model, data: Dataset, folder: Path, *names: str) -> dict[str, Exported]:
    model, metric = exportable(network, data), metric_named("log_loss")
    return {name: export(model, data, FORMATS[name], folder / name / FORMATS[name].file, metric) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "formats"),
    [("float32", ["keras", "saved_model", "litert", "litert-int8", "onnx"]), ("uint8", ["litert-int8"])],
)
def test_every_format_answers_as_the_model_and_says_what_it_is_worth(
    dtype: str, formats: list[str], tmp_path: Path
) -> None:
    data = pictures(dtype)
    conv = layers.Conv2D(32, 3, padding="same", kernel_initializer="ones", name="conv")
    network = bright(data, layers.SeparableConv2D(1, 3, name="separable"), conv, layers.BatchNormalization())
    names = [name for name in formats if name != "onnx" or HAS_ONNX]
    found = exported(network, data, tmp_path, *names)
    assert list(found) == names
    right = (np.asarray(network(data.x_test)).argmax(axis=1) == data.y_test).mean()
    for name, each in found.items():
        assert each.path == tmp_path / name / FORMATS[name].file
        assert each.images == 40
        assert each.size > 1000
        assert 0 < each.p50_ms <= each.p95_ms
        assert set(each.figures) == {"accuracy", "log_loss"}
        if FORMATS[name].exact:
            assert (each.accuracy, each.agreement) == (right, 1.0)
    assert found["litert-int8"].agreement > 0.8
    details = interpreter(found["litert-int8"].path)
    assert details.get_input_details()[0]["dtype"] == np.dtype(dtype)
    assert details.get_output_details()[0]["dtype"] == np.float32
    weights = [each for each in details.get_tensor_details() if each["shape"].tolist() == [32, 3, 3, 1]]
    assert {each["dtype"] for each in weights} == {np.int8}


def interpreter(file: Path) -> Any:
    from hivenas.core.nas.training.export.litert import _interpreter

    return _interpreter(file)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_an_architecture_of_every_preset_is_written_for_phones_and_for_onnx(preset: str, tmp_path: Path) -> None:
    data = pictures(shape=(12, 12, 3))
    space = NASSearchSpace(SpaceConfig(preset=preset, depth=2, skip_rate=0.5), np.random.default_rng(5))
    network = build_network(
        space.parse(space.sample()), space.reference, shape=data.shape, classes=CLASSES, frame=space.frame, seed=1
    )
    names = ["litert", *(["onnx"] if HAS_ONNX else [])]
    found = exported(serving(network, data), data, tmp_path, *names)
    assert [found[name].agreement for name in names] == [1.0] * len(names)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_exported_in_single(precision: str, tmp_path: Path) -> None:
    data = pictures()
    network = PRECISIONS[precision].build(lambda: bright(data, layers.Conv2D(4, 3, kernel_initializer="ones")))
    (found,) = exported(network, data, tmp_path, "litert").values()
    assert found.agreement == 1.0
    dtypes = {each["dtype"] for each in interpreter(found.path).get_tensor_details()}
    assert np.float16 not in dtypes
    assert np.float32 in dtypes


class Foreign(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A layer whose operation no other runtime knows."""

    def call(self, x: Any) -> Any:
        return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], tf.float32), x.shape)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


@pytest.mark.parametrize("name", ["litert", *(["onnx"] if HAS_ONNX else [])])
def test_a_layer_that_cannot_be_written_is_named_and_what_was_there_stays(name: str, tmp_path: Path) -> None:
    data = pictures()
    file = tmp_path / name / FORMATS[name].file
    file.parent.mkdir()
    file.write_text("before")
    with pytest.raises(ExportError) as refused:
        exported(bright(data, layers.ReLU(), Foreign(name="mine")), data, tmp_path, name)
    said = str(refused.value)
    assert said.startswith(f"--to {name} needs layers that can be written in it, got 'mine' (Foreign), which cannot (")
    assert "PyFunc" in said
    assert len(said) < 300
    assert "\n" not in said
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert file.read_text() == "before"


def of_task(task: str, labels: Any) -> tuple[keras.Model, Dataset]:
    """A network of a task, and images whose brightness its labels follow."""
    data = pictures()
    parts = {f"y_{split}": labels(getattr(data, f"y_{split}")) for split in ("train", "val", "test")}
    outputs = parts["y_train"].shape[1]
    data = replace(data, **parts, classes=outputs, class_names=tuple("abc"[:outputs]), task=task)
    inputs = layers.Input(data.shape, name="image")
    end = TASKS[task].piece("head").ending(data.y_train)
    network = keras.Model(inputs, end(layers.GlobalAveragePooling2D(name="mean")(inputs), outputs))
    weighted = next(layer for layer in network.layers if layer.weights)
    weighted.set_weights([np.full((1, outputs), 0.9, np.float32), np.linspace(-0.3, 0.3, outputs, dtype=np.float32)])
    return serving(network, data), data


@pytest.mark.slow
def test_a_model_of_numbers_is_measured_in_their_unit_however_large_and_keeps_it_in_whole_numbers(
    tmp_path: Path,
) -> None:
    network, data = of_task("regress", lambda classes: (1e6 + 20 * classes[:, None]).astype(np.float32))
    expected = np.asarray(network(data.x_test))
    for name in ("litert", "litert-int8"):
        file = tmp_path / name / FORMATS[name].file
        found = export(exportable(network, data), data, FORMATS[name], file, metric_named("mae"))
        assert (found.task, found.metric, found.accuracy) == ("regress", "mae", None)
        assert list(found.figures) == ["rmse", "mae"]
        answers = FORMATS[name].open(file)(in_memory(data.x_test))
        assert answers.shape == expected.shape
        assert answers.dtype == np.float32
        # Of values between 0 and a million, eight bits would have steps of 4,000.
        allowed = 1.0 if name == "litert-int8" else 0.2
        assert np.abs(answers - expected).max() < allowed
        assert found.figures["rmse"] == pytest.approx(metric_named("rmse")(data.y_test, answers))
        assert found.agreement > 0.5 if name == "litert-int8" else found.agreement == 1.0
    assert np.array_equal(np.asarray(network(data.x_test)), expected)  # the network is what it was


def test_a_model_of_labels_is_measured_by_its_labels(tmp_path: Path) -> None:
    network, data = of_task("multilabel", lambda classes: (classes[:, None] > np.arange(3)).astype(np.float32))
    file = tmp_path / "model.keras"
    found = export(exportable(network, data), data, FORMATS["keras"], file, metric_named("f1_labels"))
    assert (found.agreement, list(found.figures), found.accuracy) == (1.0, ["f1_labels"], None)
    assert found.figures["f1_labels"] == metric_named("f1_labels")(data.y_test, np.asarray(network(data.x_test)))
    wrong = replace(FORMATS["keras"], writer=f"{__name__}:write_another")
    with pytest.raises(ExportError, match=r"got the same labels for \d+\.\d% of 40 test images"):
        export(exportable(network, data), data, wrong, file, metric_named("f1_labels"))


def write_another(model: Exportable, path: Path) -> None:
    """A writer that is wrong."""
    network = model.network
    raw = layers.Input(network.input_shape[1:], dtype=network.inputs[0].dtype)
    keras.Model(raw, 1 - network(raw)).save(path)


def test_a_file_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    data = pictures()
    wrong = replace(FORMATS["keras"], writer=f"{__name__}:write_another")
    with pytest.raises(
        ExportError, match=r"must give a file that answers as the model, got the same class for \d+\.\d% of 40"
    ):
        export(exportable(bright(data), data), data, wrong, tmp_path / "model.keras", metric_named("accuracy"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_exported_before_is_replaced(tmp_path: Path) -> None:
    data = pictures()
    first = exported(bright(data), data, tmp_path, "saved_model")["saved_model"]
    (first.path / "left").write_text("over")
    again = exported(bright(data), data, tmp_path, "saved_model")["saved_model"]
    assert again.path == first.path
    assert not (first.path / "left").exists()


def test_what_a_killed_export_has_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    data = pictures()
    first = exported(bright(data), data, tmp_path, "keras")["keras"]
    left = first.path.parent / f".tmp-{ended.pid}-abc" / first.path.name
    left.parent.mkdir()
    left.touch()
    exported(bright(data), data, tmp_path, "keras")
    assert list(first.path.parent.iterdir()) == [first.path]


def test_latencies_are_of_single_images_after_some_that_do_not_count() -> None:
    asked: list[int] = []

    def answers(images: Any) -> Any:
        asked.append(len(images))
        return images

    median, high = latencies(answers, np.zeros((1, 2)))
    assert set(asked) == {1}
    assert len(asked) == 310
    assert 0 <= median <= high
