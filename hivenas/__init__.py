"""hivenas: neural architecture search for Keras, driven by an Artificial Bee Colony, tracked in MLflow.

Names are imported when they are first used: importing hivenas pulls in neither TensorFlow nor MLflow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hivenas.api import export, forget, load_results, predict, search, train
    from hivenas.config import Choice, Config, Log
    from hivenas.config.metrics import register_metric
    from hivenas.core.colony.canonical import ArtificialBeeColony
    from hivenas.core.nas.data.datasets import register_dataset
    from hivenas.core.nas.nas_interface import NASInterface
    from hivenas.core.nas.space.operations import register_cell, register_operation
    from hivenas.core.nas.space.search_space import NASSearchSpace
    from hivenas.core.nas.training.act import TerminateOnThreshold
    from hivenas.core.objective import ArchitectureObjective, ObjectiveInfo, ObjectiveInterface
    from hivenas.core.records import Direction, Evaluation, Proposal, Trial
    from hivenas.core.strategies.kinds import register_strategy
    from hivenas.core.strategy import Strategy
    from hivenas.core.tracker import NullTracker, Tracker
    from hivenas.execution import TaskExecutor, register_executor
    from hivenas.objectives.choices import FunctionObjective
    from hivenas.run.callbacks import Callback
    from hivenas.run.given import load
    from hivenas.run.result import SearchResult
    from hivenas.tracking import register_tracker

    __version__: str

_HOMES = {
    "ArchitectureObjective": "hivenas.core.objective",
    "ArtificialBeeColony": "hivenas.core.colony.canonical",
    "Callback": "hivenas.run.callbacks",
    "Choice": "hivenas.config",
    "Config": "hivenas.config",
    "Direction": "hivenas.core.records",
    "Evaluation": "hivenas.core.records",
    "FunctionObjective": "hivenas.objectives.choices",
    "Log": "hivenas.config",
    "NASInterface": "hivenas.core.nas.nas_interface",
    "NASSearchSpace": "hivenas.core.nas.space.search_space",
    "NullTracker": "hivenas.core.tracker",
    "ObjectiveInfo": "hivenas.core.objective",
    "ObjectiveInterface": "hivenas.core.objective",
    "Proposal": "hivenas.core.records",
    "SearchResult": "hivenas.run.result",
    "Strategy": "hivenas.core.strategy",
    "TaskExecutor": "hivenas.execution",
    "TerminateOnThreshold": "hivenas.core.nas.training.act",
    "Tracker": "hivenas.core.tracker",
    "Trial": "hivenas.core.records",
    "export": "hivenas.api",
    "forget": "hivenas.api",
    "load": "hivenas.run.given",
    "load_results": "hivenas.api",
    "predict": "hivenas.api",
    "register_cell": "hivenas.core.nas.space.operations",
    "register_dataset": "hivenas.core.nas.data.datasets",
    "register_executor": "hivenas.execution",
    "register_metric": "hivenas.config.metrics",
    "register_operation": "hivenas.core.nas.space.operations",
    "register_strategy": "hivenas.core.strategies.kinds",
    "register_tracker": "hivenas.tracking",
    "search": "hivenas.api",
    "train": "hivenas.api",
}

__all__ = [
    "ArchitectureObjective",
    "ArtificialBeeColony",
    "Callback",
    "Choice",
    "Config",
    "Direction",
    "Evaluation",
    "FunctionObjective",
    "Log",
    "NASInterface",
    "NASSearchSpace",
    "NullTracker",
    "ObjectiveInfo",
    "ObjectiveInterface",
    "Proposal",
    "SearchResult",
    "Strategy",
    "TaskExecutor",
    "TerminateOnThreshold",
    "Tracker",
    "Trial",
    "__version__",
    "export",
    "forget",
    "load",
    "load_results",
    "predict",
    "register_cell",
    "register_dataset",
    "register_executor",
    "register_metric",
    "register_operation",
    "register_strategy",
    "register_tracker",
    "search",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("hivenas")
    if name not in _HOMES:
        raise AttributeError(f"module 'hivenas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
