"""A published model answers other processes: MLflow's scoring server, and `hivenas predict`."""

from __future__ import annotations

import ast
import base64
import importlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hivenas.cli.commands import main
from hivenas.config.tasks import TASKS
from hivenas.core.nas.training.export import picture_server
from hivenas.core.nas.training.export.formats import Exportable
from hivenas.core.publication import ServableModel
from hivenas.errors import DatasetError, TrackingRefusedError
from hivenas.run import prediction
from hivenas.tracking import picture_model
from hivenas.tracking.models import TrackedModel
from hivenas.tracking.registry import publish

pytestmark = pytest.mark.keras

NAMES = ["red", "green", "blue"]
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Colours:
    """Two published models that tell the strongest colour of 6×5 images: `bytes` of 0…255, `floats` of 0…1."""

    store: str
    run: str
    search: str


def save_model(folder: Path, dtype: str) -> ServableModel:
    """A network that answers by the mean of each channel."""
    import keras

    from hivenas.core.nas.training.network import serving_model

    inputs = keras.layers.Input((6, 5, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    network = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(pooled))
    network.layers[-1].set_weights([3 * np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    highest = 255.0 if dtype == "uint8" else 1.0
    model = serving_model(network, [highest / 2] * 3, [highest**2 / 12] * 3, dtype)
    files = folder / f"{dtype}.keras", folder / f"{dtype}.npy"
    model.save(files[0])
    np.save(files[1], np.zeros((3, 6, 5, 3), dtype))
    known = {"class_names": NAMES, "shape": [6, 5, 3], "dtype": dtype, "lowest": 0.0, "highest": highest}
    origin = {"hivenas.test_accuracy": "0.900000", "hivenas.test_data": dtype}
    name = "bytes" if dtype == "uint8" else "floats"
    return ServableModel(*files, name, "champion", origin, "", metadata={"hivenas": known})


@pytest.fixture(scope="module", autouse=True)
def _without_layers_of_other_tests() -> Iterator[None]:
    """MLflow keeps every layer with a model that is registered with Keras, and needs its module to load the model."""
    known = keras.saving.get_custom_objects()
    before = dict(known)
    known.clear()
    yield
    known.update(before)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Colours:
    folder = tmp_path_factory.mktemp("colours")
    shutil.copy(template, folder / "mlflow.db")
    store = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(store, store)
    experiment = client.create_experiment("colours", artifact_location=str(folder / "mlruns"))
    search = client.create_run(experiment).info.run_id
    tags = {"mlflow.parentRunId": search, "hivenas.phase": "full_train"}
    runs = [client.create_run(experiment, tags=tags).info.run_id for _ in range(2)]
    for run, dtype in zip(runs, ("float32", "uint8"), strict=True):
        publish(save_model(folder, dtype), run, (store, store))
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    return Colours(store, runs[1], search)


@pytest.fixture
def stored(colours: Colours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Colours]:
    """The store of the models as this process's, and a folder with images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", colours.store)
    mlflow.set_tracking_uri(colours.store)
    for channel, name in enumerate(NAMES):
        Image.fromarray(picture(channel)).save(f"{name}.png")
    Image.fromarray(picture(2, (30, 40))).save("large.jpg")
    Image.fromarray(np.full((6, 5), 128, np.uint8)).save("grey.png")
    yield colours
    mlflow.set_tracking_uri(None)


def picture(channel: int, size: tuple[int, int] = (6, 5)) -> np.ndarray:
    pixels = np.full((*size, 3), 40, np.uint8)
    pixels[..., channel] = 220
    return pixels


def predict(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["predict", *arguments])


def test_image_files_are_classified_with_the_names_of_the_training(stored: Colours) -> None:
    result = predict("bytes", "blue.png", "red.png", "large.jpg", "grey.png")
    assert result.exit_code == 0, result.output
    assert result.stderr == "hivenas: large.jpg was resized to 6×5 (height × width), the size that the model takes\n"
    lines = [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()]
    assert lines[0] == ["image", "class", "probability", "next best", "probability"]
    assert [line[:2] for line in lines[1:4]] == [["blue.png", "blue"], ["red.png", "red"], ["large.jpg", "blue"]]
    assert float(lines[1][2]) > 0.9
    assert lines[4] == ["grey.png", "red", "0.3333", "green", "0.3333"]


def test_a_model_is_found_by_uri_name_alias_version_and_run(stored: Colours) -> None:
    references = ["models:/bytes@champion", "models:/bytes/1", "bytes", "bytes@champion", "bytes/1", stored.run]
    outputs = {predict(reference, "green.png").stdout for reference in references}
    assert len(outputs) == 1
    assert "green.png  green" in outputs.pop()
    assert "green.png  green" in predict(stored.search, "green.png").stdout


def test_a_line_of_json_for_each_image_of_files_and_archives(stored: Colours) -> None:
    np.savez("two.npz", images=np.stack([picture(1), picture(0)]), names=np.array(["a", "b"]))
    result = predict("bytes", "two.npz", "blue.png", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["file"], line.get("index"), line["class"]) for line in lines] == [
        ("two.npz", 0, "green"),
        ("two.npz", 1, "red"),
        ("blue.png", None, "blue"),
    ]
    assert lines[0]["probability"] > 0.9
    assert lines[0]["next"] in NAMES
    assert lines[0]["next_probability"] < 0.1


def test_files_become_values_as_those_of_the_training(stored: Colours) -> None:
    result = predict("floats", "red.png", "--json")
    assert "pixels of 0…255 were taken as 0…1, the values of the images that the model was trained on" in result.stderr
    as_float = json.loads(result.stdout)
    assert as_float["class"] == "red"
    as_bytes = json.loads(predict("bytes", "red.png", "--json").stdout)
    assert as_float["probability"] == pytest.approx(as_bytes["probability"], abs=1e-5)
    np.savez("red.npz", picture(0)[np.newaxis] / 255)
    assert json.loads(predict("floats", "red.npz", "--json").stdout)["probability"] == pytest.approx(
        as_float["probability"], abs=1e-5
    )


def test_transparent_images_are_laid_over_white_and_a_scale_may_be_given(stored: Colours) -> None:
    Image.fromarray(np.dstack([picture(0), np.zeros((6, 5), np.uint8)])).save("clear.png")
    laid = predict("bytes", "clear.png")
    assert "clear.png was laid over white where transparent; the model does not say over what" in laid.stderr
    assert "0.3333" in laid.stdout
    halved = predict("floats", "red.png", "--scale", "0", "0.5", "--json")
    assert "pixels of 0…255 were taken as 0…0.5" in halved.stderr
    assert json.loads(halved.stdout)["class"] == "red"
    assert predict("floats", "red.png", "--scale", "1", "0").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "red.png"], "the model 'none' is not in the MLflow store sqlite"),
        (["models:/none/1", "red.png"], "the model 'models:/none/1' is not in the MLflow store sqlite"),
        (["models:/none/1", "red.png"], ": no registered model 'none'; give models:/NAME@ALIAS"),
        (["models:/none@champion", "red.png"], ": no registered model 'none'; give models:/NAME@ALIAS"),
        (["none@champion", "red.png"], ": no registered model 'none'; give models:/NAME@ALIAS"),
        (["bytes@other", "red.png"], ": no alias 'other' of the registered model 'bytes', which has "),
        (["bytes/99", "red.png"], ": no version 99 of the registered model 'bytes'; give"),
        (["models:/m-0", "red.png"], ": MLflow says: Logged model with ID 'm-0' not found; give"),
        (["models:/bytes@", "red.png"], "the model 'models:/bytes@' is not in the MLflow store"),
        (["models:/x/1/2", "red.png"], "not an address of a model; give models:/NAME@ALIAS"),
        (["results/s", "red.png"], "the model 'results/s' is not in the MLflow store"),
        (["", "red.png"], "the model '' is not in the MLflow store"),
        (["foo:/bar", "red.png"], "no kind of address that MLflow knows; give models:/NAME@ALIAS"),
        (["0" * 32, "red.png"], "no run 00000000000000000000000000000000; give models:/NAME@ALIAS, a registered"),
        (["bytes@other", "red.png"], "the model 'bytes@other' is not in the MLflow store"),
        (["bytes", "none.png"], "none.png: the image cannot be read (FileNotFoundError"),
        (["bytes", "text.png"], "text.png: the image cannot be read (it holds no image of a known format"),
        (["bytes", "none.npz"], "none.npz: a file of images must be an npz file, got one that cannot be opened"),
        (["bytes", "small.npz"], "must hold images of 6×5×3 (height × width × channels), as the model was trained on"),
        (["bytes", "floats.npz"], "must hold whole numbers 0…255, as the model was trained on, got 0.5…0.5 of dtype"),
        (["bytes", "several.npz"], "there must be one array, or one of the name images or x_test, got a, b"),
        (["bytes", "nan.npz"], "x_test must hold finite 32-bit pixels"),
        (["bytes"], "Missing argument 'FILES…'"),
    ],
)
def test_what_cannot_be_classified_is_one_clear_line(stored: Colours, arguments: list[str], message: str) -> None:
    Path("text.png").write_text("no image")
    np.savez("small.npz", images=np.zeros((2, 6, 5, 1), np.uint8))
    np.savez("floats.npz", images=np.full((2, 6, 5, 3), 0.5))
    np.savez("several.npz", a=np.zeros(3), b=np.zeros(3))
    np.savez("nan.npz", x_test=np.full((1, 6, 5, 3), np.nan), y_test=np.zeros(1))
    result = predict(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


IMAGES = np.stack([picture(1), picture(0)])
# Forms of a request as docs/models.md has them, and whether they are taken.
FORMS = [
    ({"inputs": IMAGES.tolist()}, True),
    ({"instances": IMAGES.tolist()}, True),
    ({"inputs": {"image": IMAGES.tolist()}}, False),
    ({"instances": [{"image": image.tolist()} for image in IMAGES]}, False),
    ({"dataframe_split": {"columns": ["image"], "data": [[image.tolist()] for image in IMAGES]}}, False),
    ({"dataframe_split": {"columns": [*range(90)], "data": IMAGES.reshape(2, 90).tolist()}}, False),
    ({"dataframe_records": [{"image": image.tolist()} for image in IMAGES]}, False),
    (IMAGES.tolist(), False),
    ({"inputs": IMAGES[0].tolist()}, False),
    ({"inputs": IMAGES[..., 0].tolist()}, False),
    ({"inputs": IMAGES.reshape(2, 90).tolist()}, False),
]


@pytest.mark.parametrize("name", ["bytes", "floats"])
def test_the_forms_of_a_request_that_are_taken_are_those_that_the_documentation_names(
    stored: Colours, name: str
) -> None:
    from mlflow.pyfunc import scoring_server

    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    for form, taken in FORMS:
        try:
            answer = scoring_server.invocations(
                json.dumps(form), "application/json", model, model.metadata.get_input_schema()
            )
        except mlflow.MlflowException:
            assert not taken, form
            continue
        assert taken == (answer.status == 200), form
        assert np.argmax(json.loads(answer.response)["predictions"], axis=1).tolist() == [1, 0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what pandas says of how MLflow calls it
def test_mlflow_evaluates_answers_beside_labels(stored: Colours) -> None:
    model = mlflow.pyfunc.load_model("models:/bytes@champion")
    images = np.stack([picture(channel) for channel in (0, 1, 2, 0, 1, 2)])
    answers = pd.DataFrame({"label": [0, 1, 2, 0, 1, 1], "prediction": model.predict(images).argmax(axis=1)})
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(
            data=answers, predictions="prediction", targets="label", model_type="classifier"
        )
    assert result.metrics["accuracy_score"] == pytest.approx(5 / 6)
    assert mlflow.get_run(run.info.run_id).data.metrics["accuracy_score"] == pytest.approx(5 / 6)


def test_a_name_without_a_champion_is_told_what_else_there_is(stored: Colours) -> None:
    client = mlflow.MlflowClient()
    client.create_registered_model("retired")
    client.create_model_version("retired", source="nowhere")
    client.set_registered_model_alias("retired", "previous", "1")
    assert "give an alias or a version, such as retired@previous" in predict("retired", "red.png").stderr


OWN_LAYER = """
import keras

@keras.saving.register_keras_serializable("own")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2
"""


@pytest.mark.slow
def test_a_model_with_layers_that_are_not_known_here_says_how_they_become_known(
    stored: Colours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    (tmp_path / "own_layers.py").write_text(OWN_LAYER)
    monkeypatch.syspath_prepend(tmp_path)
    halved = importlib.import_module("own_layers").Halved
    raw = keras.layers.Input((6, 5, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(halved()(raw))
    keras.Model(raw, keras.layers.Softmax()(pooled)).save("own.keras")
    np.save("own.npy", np.zeros((1, 6, 5, 3), np.float32))
    model = ServableModel(Path("own.keras"), Path("own.npy"), "own", "champion", {}, "")
    client = mlflow.MlflowClient()
    run = client.create_run(client.get_experiment_by_name("colours").experiment_id).info.run_id
    publish(model, run, (stored.store, stored.store))
    mlflow.set_registry_uri(None)
    known = predict("own", "green.png", "--json", "--scale", "0", "255")  # nor what bytes are
    assert json.loads(known.stdout)["class"] == "1"  # it does not say what its classes are called
    del sys.modules["own_layers"]
    Path("own_layers.py").unlink()
    command = [sys.executable, "-m", "hivenas", "predict", "own", "green.png", "--scale", "0", "255"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "models:/own@champion cannot be loaded here" in done.stderr
    assert "import the module that registers its operations (--import)" in done.stderr


def test_a_model_that_answers_otherwise_than_the_tested_one_is_not_registered(stored: Colours, tmp_path: Path) -> None:
    client = mlflow.MlflowClient()
    run = client.create_run(client.get_experiment_by_name("colours").experiment_id).info.run_id
    model = replace(save_model(tmp_path, "uint8"), name="unlike", answers=((0.8, 0.1, 0.1),) * 3)
    with pytest.raises(TrackingRefusedError, match=r"uint8\.keras must answer as the network that was tested"):
        publish(model, run, (stored.store, stored.store))
    mlflow.set_registry_uri(None)
    assert client.search_registered_models("name = 'unlike'") == []


@pytest.fixture
def server(stored: Colours, tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` where hivenas cannot be imported: a model stands for itself."""
    (tmp_path / "without" / "hivenas").mkdir(parents=True)
    (tmp_path / "without" / "hivenas" / "__init__.py").write_text("raise ImportError('not here')\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/bytes@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", port]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow looks for uvicorn there
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path / "without")}
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        started = time.monotonic()
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - started < _PATIENCE_S, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.process
@pytest.mark.slow
def test_mlflow_serves_the_champion(server: str) -> None:
    images = np.stack([picture(2), picture(0)])
    body = json.dumps({"inputs": images.tolist()}).encode()
    request = urllib.request.Request(f"{server}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        probabilities = np.array(json.loads(answer.read())["predictions"])
    assert probabilities.argmax(axis=1).tolist() == [2, 0]
    assert probabilities.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same two models, as the export for MLflow's server has them."""
    folder = tmp_path_factory.mktemp("served")
    found = {}
    for dtype, highest in (("uint8", 255), ("float32", 1)):
        model = save_model(folder, dtype)
        known = {"scale": [0, highest], "background": [255, 255, 255], "class_names": NAMES}
        network = keras.saving.load_model(model.file)
        picture_model.write(Exportable(network, np.load(model.example), known), folder / f"{dtype}-served")
        found["bytes" if dtype == "uint8" else "floats"] = mlflow.pyfunc.load_model(str(folder / f"{dtype}-served"))
    return found


def invoked(model: Any, **body: Any) -> Any:
    """The answer of MLflow's scoring server."""
    from mlflow.pyfunc import scoring_server

    answer = scoring_server.invocations(json.dumps(body), "application/json", model, model.metadata.get_input_schema())
    assert answer.status == 200, answer.response
    return json.loads(answer.response)["predictions"]


def in_base64(name: str) -> str:
    return base64.b64encode(Path(name).read_bytes()).decode()


@pytest.mark.parametrize(("name", "dtype"), [("bytes", "uint8"), ("floats", "float32")])
def test_arrays_are_answered_as_by_the_registered_model_to_the_last_bit(
    stored: Colours, served: dict[str, Any], name: str, dtype: str
) -> None:
    registered = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (70, 6, 5, 3)).astype(dtype) / (1 if dtype == "uint8" else np.float32(255))
    expected = registered.predict(images.astype(dtype))
    assert (served[name].predict(images.astype(dtype)) == expected).all()
    assert (served[name].predict(images.astype(np.float64)) == expected).all()
    assert (np.array(invoked(served[name], inputs=images.tolist()), np.float32) == expected).all()
    whole = rng.integers(0, 2, (3, 6, 5, 3), np.uint8)
    assert (served[name].predict(whole.astype(np.int64)) == registered.predict(whole.astype(dtype))).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((1, 6, 5, 3), 0.5), r"images must have values that uint8 holds, got 0\.5 … 0\.5 of float64"),
        (np.full((1, 6, 5, 3), 256), "images must have values that uint8 holds, got 256 … 256 of int64"),
        (np.full((1, 6, 5, 3), np.nan), "images must have values that uint8 holds, got nan"),
        (
            np.zeros((6, 5, 3)),
            r"images must be an array of \(count, 6, 5, 3\), or image files in base64, got the shape",
        ),
        (np.array(["no picture"]), "a picture must be an image file in base64, got 'no picture'…"),
        (np.array(["AAAA"]), "the picture cannot be read"),
        (pd.DataFrame({"a": [1], "b": [2]}), "a table of images must have one column, got 2"),
    ],
    ids=["half", "256", "nan", "one", "text", "broken", "table"],
)
def test_what_the_served_model_does_not_take_is_one_line(served: dict[str, Any], images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        served["bytes"].predict(images)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["bytes", "floats"])
def test_pictures_are_answered_as_hivenas_classifies_the_files(
    stored: Colours, served: dict[str, Any], name: str
) -> None:
    Image.fromarray(np.dstack([picture(0), np.full((6, 5), 90, np.uint8)])).save("clear.png")
    Image.fromarray(picture(1)).convert("P").save("palette.gif")
    Image.fromarray(np.full((6, 5), 128, np.uint8)).convert("1").save("two.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.vstack([picture(0), picture(2)])).save("turned.jpg", exif=turned)
    files = ["red.png", "large.jpg", "grey.png", "clear.png", "palette.gif", "two.png", "turned.jpg"]
    lines = [json.loads(line) for line in predict(name, *files, "--json").stdout.splitlines()]
    pictures = [in_base64(file) for file in files]
    best = invoked(served[name], inputs=pictures, params={"top_k": 2, "class_names": True})
    found = [[(each["class"], np.float32(each["probability"])) for each in image] for image in best]
    assert found == [
        [(line["class"], np.float32(line["probability"])), (line["next"], np.float32(line["next_probability"]))]
        for line in lines
    ]


def test_pictures_come_in_every_form_of_a_request(stored: Colours, served: dict[str, Any]) -> None:
    model, pictures = served["bytes"], [in_base64("green.png"), in_base64("red.png")]
    arrays = IMAGES.tolist()
    forms: list[dict[str, Any]] = [
        {"inputs": pictures},
        {"inputs": {"image": pictures}},
        {"inputs": [f"data:image/png;base64,{each}" for each in pictures]},
        {"instances": pictures},
        {"instances": [{"image": each} for each in pictures]},
        {"instances": [{"b64": each} for each in pictures]},
        {"dataframe_split": {"columns": ["image"], "data": [[each] for each in pictures]}},
        {"dataframe_records": [{"image": each} for each in pictures]},
        {"dataframe_split": {"columns": ["image"], "data": [[each] for each in arrays]}},
        {"inputs": {"image": arrays}},
        {"instances": [{"image": each} for each in arrays]},
    ]
    answers = [invoked(model, **form) for form in forms]
    assert np.argmax(answers[0], axis=1).tolist() == [1, 0]
    assert all(answer == answers[0] for answer in answers)
    named = invoked(model, inputs=pictures, params={"class_names": True})
    assert named == [dict(zip(NAMES, row, strict=True)) for row in answers[0]]
    numbered = invoked(model, inputs=pictures, params={"top_k": 1})
    assert numbered == [
        [{"class": code, "probability": row[code]}] for code, row in zip((1, 0), answers[0], strict=True)
    ]
    with pytest.raises(ValueError, match="top_k must be 0 or more, got -1"):
        model.predict(IMAGES, params={"top_k": -1})


def test_pixels_that_the_models_type_cannot_hold_are_refused() -> None:
    network = keras.Sequential([keras.layers.Input((2, 2, 1), dtype="int8"), keras.layers.Flatten()])
    known = {"scale": (0, 255), "background": [255, 255, 255], **TASKS["regress"].answers_told}
    server = picture_server.PictureServer(network, known)
    for value in (127, 200):
        buffer = io.BytesIO()
        Image.fromarray(np.full((2, 2), value, np.uint8)).save(buffer, format="PNG")
        picture = base64.b64encode(buffer.getvalue())
        if value == 127:
            assert server._picture(picture).max() == 127
            continue
        with pytest.raises(ValueError, match="pixels must be at most 127, as the model takes int8, got 200"):
            server._picture(picture)


@pytest.mark.parametrize(
    ("scale", "images", "says"),
    [
        ((0, 1), np.full((1, 2, 2, 1), np.nan, np.float32), "must have values that float32 holds, got"),
        (None, np.full((1, 2, 2, 1), np.inf, np.float64), "must have values that float32 holds, got"),
        ((0, 1), np.full((1, 2, 2, 1), 200, np.uint8), r"must have values of 0 … 1, .* got 200 … 200; give"),
        ((0, 255), np.full((1, 2, 2, 1), 0.5, np.float32), r"must have values of 0 … 255, .* got 0\.5 … 0\.5; give"),
        ((0, 1), np.full((1, 2, 2, 1), 0.5, np.float32), ""),
        ((0, 255), np.full((1, 2, 2, 1), 200, np.uint8), ""),
        ((0, 255), np.zeros((1, 2, 2, 1), np.uint8), ""),
        (None, np.full((1, 2, 2, 1), 200, np.uint8), ""),
    ],
)
def test_arrays_of_other_values_than_those_of_the_training_are_refused(
    scale: tuple[float, float] | None, images: Any, says: str
) -> None:
    network = keras.Sequential([keras.layers.Input((2, 2, 1), dtype="float32"), keras.layers.Flatten()])
    known = {"scale": scale, "background": [255, 255, 255], **TASKS["regress"].answers_told}
    server = picture_server.PictureServer(network, known)
    # `hivenas predict` has the same rule for an array in a file; what the server does not import is written there anew.
    model = cast(TrackedModel, SimpleNamespace(scale=scale, dtype=np.dtype("float32")))
    if not says:
        assert server.predict(images).tolist() == images.reshape(1, 4).tolist()
        prediction._check_values(model, "x.npz", "images", images)
        return
    if np.isfinite(images).all():
        with pytest.raises(DatasetError, match="images must hold values of"):
            prediction._check_values(model, "x.npz", "images", images)
    for given in (images, images.tolist()):
        with pytest.raises(ValueError, match=f"images {says}"):
            server.predict(given)


@pytest.mark.parametrize("task", ["multilabel", "regress"])
def test_labels_and_numbers_are_answered_as_such(task: str) -> None:
    inputs = keras.layers.Input((2, 2, 1), dtype="float32")
    flat = keras.layers.Flatten()(inputs)
    network = keras.Model(inputs, flat[:, :3] if task == "multilabel" else 100.0 * flat[:, :1])
    named = {"label_names": ["a", "b", "c"]} if task == "multilabel" else {}
    known = {"scale": None, **TASKS[task].answers_told, **named}
    server = picture_server.PictureServer(network, known)
    images = np.array([[0.25, 0.75, 1.0, 0], [0.5, 0.25, 0.0, 0]], np.float32).reshape(2, 2, 2, 1)
    if task == "regress":
        assert server.predict(images).tolist() == [[25.0], [50.0]]
        assert picture_server.parameters(known) == {"top_k": 0}
        with pytest.raises(ValueError, match="top_k must be 0 for a model that answers a number, got 2; leave it out"):
            server.predict(images, {"top_k": 2})
        return
    assert server.predict(images).tolist() == [[0.25, 0.75, 1.0], [0.5, 0.25, 0.0]]
    assert picture_server.parameters(known) == {"top_k": 0, "label_names": False, "likely": False}
    assert server.predict(images, {"label_names": True})[1] == {"a": 0.5, "b": 0.25, "c": 0.0}
    best = [[{"label": "c", "probability": 1.0}, {"label": "b", "probability": 0.75}], []]
    assert server.predict(images, {"label_names": True, "likely": True}) == best
    assert server.predict(images, {"top_k": 1}) == [
        [{"label": 2, "probability": 1.0}],
        [{"label": 0, "probability": 0.5}],
    ]


def test_the_program_that_goes_with_a_model_needs_nothing_of_hivenas() -> None:
    tree = ast.parse(Path(picture_server.__file__).read_text(encoding="utf-8"))
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [name for name in named if name is None or name.startswith("hivenas")]
