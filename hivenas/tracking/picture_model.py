"""The export that MLflow's scoring server serves: the Keras model, and the program that takes pictures for it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ParamSchema, ParamSpec
from numpy.typing import NDArray

from hivenas.core.nas.training.export import picture_server
from hivenas.core.nas.training.export.formats import Exportable
from hivenas.core.recipe import package_version

_PACKAGES = ("tensorflow", "keras", "numpy", "mlflow", "pillow")
_TYPES = {int: "long", bool: "boolean"}


def write(model: Exportable, path: Path) -> None:
    """Writes a folder in MLflow's flavour `python_function`.

    Its signature has the parameters of a request and none of the images: a signature has them as an array or as a
    table, and here they may be either.
    """
    asked = picture_server.parameters(model.known)
    params = [ParamSpec(name, _TYPES[type(value)], value) for name, value in asked.items()]
    program = Path(picture_server.__file__)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "network"
        data.mkdir()
        model.network.save(data / picture_server.NETWORK)
        (data / picture_server.KNOWN).write_text(json.dumps(dict(model.known), ensure_ascii=False), encoding="utf-8")
        mlflow.pyfunc.save_model(
            path,
            loader_module=program.stem,
            data_path=str(data),
            code_paths=[str(program)],
            signature=ModelSignature(params=ParamSchema(params)),
            input_example=model.examples[:1],
            metadata={"hivenas": dict(model.known)},
            pip_requirements=[f"{name}=={package_version(name)}" for name in _PACKAGES],
        )


def opened(path: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Loads such a folder as the server does."""
    model = mlflow.pyfunc.load_model(str(path))
    return lambda images: np.asarray(model.predict(images))
