"""Trained models, read back from MLflow with what they know of their images and classes."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import mlflow
import numpy as np
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from hivenas.config.tasks import task_of
from hivenas.config.text import listed
from hivenas.core.full_training import SMALL_STEM
from hivenas.core.nas.training.exclusive import ONE_AT_A_TIME
from hivenas.errors import MissingResultsError, TrackingError, TrackingRefusedError, first_line
from hivenas.tracking.candidates import OF_CANDIDATE, logged_on
from hivenas.tracking.entities import KEY
from hivenas.tracking.registry import MODEL
from hivenas.tracking.store import ABSENT, found_run, shown_store, translate_mlflow_errors

T = TypeVar("T")

_BATCH = 256
_STDERR = 2
_CHAMPION = "champion"
_SAYS = re.compile(r"^MLflow refuses it: (\w+: )?")  # before what MLflow itself says
_NO_KIND = "Could not find a registered artifact repository"  # as MLflow says of an address
_IS_EXTERNAL = "mlflow.model.isExternal"  # as MLflow marks those that have no files


class TrackedModel:
    """A model of images that MLflow keeps.

    Args:
        reference: `models:/NAME@ALIAS` or another URI of MLflow; the name of a registered model for its champion, or
            NAME@ALIAS, or NAME/VERSION; the id of the run of a full training or of a search.

    Attributes:
        uri: where it is.
        shape: height, width and channels of an image.
        dtype: of its images.
        values: the lowest and the highest value of the images that it was trained on; None where it does not say.
        scale: the values that stand for the bytes 0 and 255 of image files; None where only its maker can tell.
        background: what transparent pixels became in its training; None where it does not say.
        class_names: in the order of its probabilities; None where it does not say.
        run_id: of the full training; empty where it does not say.
        task: what it answers.

    Raises:
        MissingResultsError: no such model, or not one of images.
        TrackingError: the MLflow store does not answer.
    """

    def __init__(self, reference: str) -> None:
        self.uri = reference
        try:
            with translate_mlflow_errors():
                self.uri = _uri(reference)
                info = mlflow.models.get_model_info(self.uri)
        except TrackingRefusedError as error:
            with translate_mlflow_errors():
                lacking = _lacking(self.uri)
            raise _missing(reference, lacking or f"MLflow says: {_SAYS.sub('', str(error)).rstrip('.')}") from None
        except TrackingError as error:
            if _NO_KIND in str(error.__cause__):
                raise _missing(reference, "no kind of address that MLflow knows") from None
            raise
        inputs = info.signature.inputs.inputs if info.signature and info.signature.inputs else []
        shape = tuple(inputs[0].shape) if len(inputs) == 1 and inputs[0].shape else ()
        if len(shape) != 4 or -1 in shape[1:] or "tensorflow" not in info.flavors:
            raise MissingResultsError(
                f"{self.uri} must be a Keras model of images with a signature, got one of {sorted(info.flavors)} and "
                f"inputs {inputs}; give a model that hivenas has trained"
            )
        self.shape: tuple[int, int, int] = (int(shape[1]), int(shape[2]), int(shape[3]))
        self.dtype = np.dtype(inputs[0].type)
        self.run_id = str(info.run_id or "")
        known: Mapping[str, Any] = (info.metadata or {}).get("hivenas", {})
        self.values = (float(known["lowest"]), float(known["highest"])) if "lowest" in known else None
        self.scale = _scale(known, self.dtype)
        self.background: tuple[int, int, int] | None = tuple(known["background"]) if "background" in known else None
        self.task = task_of(known)
        self.class_names = tuple(str(name) for name in known["class_names"]) if "class_names" in known else None

    def probabilities(self, images: Sequence[NDArray[Any]] | NDArray[Any]) -> NDArray[np.float32]:
        """Ask the model, which is loaded, with Keras.

        Args:
            images: (count, height, width, channels), or a list of so many, of the model's own shape and dtype.

        Returns:
            (count, classes), or what else its task has it answer (count, outputs)

        Raises:
            MissingResultsError: it cannot be loaded here.
            TrackingError: the MLflow store does not answer.
        """
        if not len(images):
            return np.empty((0, len(self.class_names or ()) or self.task.least_outputs), np.float32)
        batches = (np.asarray(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH))
        with ONE_AT_A_TIME, _quiet():
            network = self.network()
            answers = np.concatenate([np.asarray(network(batch, training=False)) for batch in batches])
        if answers.ndim != 2 or answers.shape[1] < self.task.least_outputs:
            raise MissingResultsError(
                f"{self.uri} must answer with {self.task.answers_like}, got {answers.shape[1:]} for an image; give a "
                "model that hivenas has trained"
            )
        return answers

    def network(self) -> Any:
        """The Keras model.

        Raises:
            MissingResultsError: it cannot be loaded here.
            TrackingError: the MLflow store does not answer.
        """
        import mlflow.tensorflow

        with tempfile.TemporaryDirectory() as folder:
            with translate_mlflow_errors():
                file = mlflow.artifacts.download_artifacts(artifact_uri=self.uri, dst_path=folder)
            try:
                return mlflow.tensorflow.load_model(file, keras_model_kwargs={"compile": False})
            except Exception as error:  # what is raised depends on which layer is not known
                raise MissingResultsError(
                    f"{self.uri} cannot be loaded here ({first_line(error)}); import the module that registers its "
                    "operations (--import), with the versions of its requirements installed"
                ) from error


def _scale(known: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """The scale that is recorded; of models without a record, those that leave no doubt."""
    if "scale" in known:
        return (float(known["scale"][0]), float(known["scale"][1])) if known["scale"] else None
    if dtype == np.uint8:
        return 0.0, 255.0
    if known.get("name") == "digits":
        return 0.0, 16.0
    if dtype.kind == "f" and "lowest" in known and 0 <= known["lowest"] <= known["highest"] <= 1:
        return 0.0, 1.0
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps from the screen what TensorFlow's native code says of the machine; none of its settings silences it."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, _STDERR)
        os.close(kept)


def _uri(reference: str) -> str:
    if reference.startswith("models:/") and not re.fullmatch(r"models:/(/.*|[^/@]+([@/][^/@]+)?)", reference):
        raise _missing(reference, "not an address of a model")
    if ":/" in reference:
        return reference
    if re.fullmatch(r"[0-9a-f]{32}", reference):
        return _uri_of_run(reference)
    if re.fullmatch(r"[^/@]+(@[^/@]+|/\d+)", reference):
        return f"models:/{reference}"
    aliases = _aliases(reference)
    if aliases is None:
        raise _missing(reference, f"no registered model {reference!r}")
    if _CHAMPION not in aliases:
        others = ", ".join(f"{reference}@{alias}" for alias in sorted(aliases)) or f"{reference}/1"
        raise MissingResultsError(
            f"the registered model {reference!r} must have the alias {_CHAMPION} to be given by its name, got none; "
            f"give an alias or a version, such as {others}"
        )
    return f"models:/{reference}@{_CHAMPION}"


def _aliases(name: str) -> Mapping[str, str] | None:
    """The aliases of a registered model, with their versions; None where there is no such model."""
    model = _unless_absent(lambda: mlflow.MlflowClient().get_registered_model(name))
    return None if model is None else model.aliases


def _unless_absent(ask: Callable[[], T]) -> T | None:
    """The store's answer; None where it has nothing of the kind."""
    try:
        return ask()
    except MlflowException as error:
        if error.error_code != ABSENT:
            raise
        return None


def _lacking(uri: str) -> str:
    """The part of a model's address that the registry lacks, in words; empty where it lacks none, or is not asked."""
    address = re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/([^/@]+))", uri)
    if address is None:
        return ""
    name, alias, version = address.groups()
    aliases = _aliases(name)
    if aliases is None:
        return f"no registered model {name!r}"
    if alias and alias not in aliases:
        return f"no alias {alias!r} of the registered model {name!r}, which has {listed(sorted(aliases)) or 'none'}"
    number = version if version and version.isdigit() else ""
    if number and _unless_absent(lambda: mlflow.MlflowClient().get_model_version(name, number)) is None:
        return f"no version {number} of the registered model {name!r}"
    return ""


def _uri_of_run(run_id: str) -> str:
    """The model of a full training, or of the newest one of a search."""
    client = mlflow.MlflowClient()
    run = found_run(client, run_id)
    if run is None:
        raise _missing(run_id, f"no run {run_id}")
    nested = f"tags.`mlflow.parentRunId` = '{run_id}' and tags.`hivenas.phase` = 'full_train'"
    trainings = client.search_runs([run.info.experiment_id], nested)  # the newest first
    for training in (run, *sorted(trainings, key=_is_of_small_model)):
        whole = [each for each in logged_on(client, training) if str(each.status) == "READY" and _is_trained(each)]
        if whole:
            return str(whole[0].model_uri)
    raise MissingResultsError(
        f"the run {run_id} has no model; give the run of a full training, or of a search that ended with one"
    )


def _is_of_small_model(training: Run) -> bool:
    """True for the run of a search's small model, which is not what the search has come to."""
    key: str = training.data.tags.get(KEY, "")
    return key.endswith(f"-{SMALL_STEM}")


def _is_trained(model: LoggedModel) -> bool:
    """True for the model of a full training, and that of a candidate with its network; not for exports of one."""
    return model.name == MODEL or (OF_CANDIDATE in model.tags and _IS_EXTERNAL not in model.tags)


def _missing(reference: str, reason: str) -> MissingResultsError:
    return MissingResultsError(
        f"the model {reference!r} is not in the MLflow store {shown_store()}: {reason}; give models:/NAME@ALIAS, a "
        "registered name or a run's id, and set MLFLOW_TRACKING_URI to its store"
    )
