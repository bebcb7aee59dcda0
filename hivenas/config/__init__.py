"""The configuration: its sections, read from a file or a mapping, refused in words that a person can act on."""

from hivenas.config.budget import BudgetConfig
from hivenas.config.choices import Choice, Log
from hivenas.config.evaluation import (
    ActConfig,
    AugmentationConfig,
    EvaluationConfig,
    LadderConfig,
    MedianConfig,
)
from hivenas.config.full_training import FullTrainConfig
from hivenas.config.in_parts import from_parts
from hivenas.config.loading import Config, from_mapping, from_record, load
from hivenas.config.optimizers import OptimizerConfig
from hivenas.config.schema import (
    BUILT_IN_DATASETS,
    ENCODED_DATASETS,
    EXECUTOR_KINDS,
    FILE_DATASETS,
    PLACES,
    TRACKER_KINDS,
    ColonyConfig,
    DatasetConfig,
    ExecutionConfig,
    OptunaConfig,
    RegistryConfig,
    ResultsConfig,
    Section,
    TableConfig,
)
from hivenas.config.space import SpaceConfig
from hivenas.config.strategies import STRATEGY_KINDS, StrategyKind

__all__ = [
    "BUILT_IN_DATASETS",
    "ENCODED_DATASETS",
    "EXECUTOR_KINDS",
    "FILE_DATASETS",
    "PLACES",
    "STRATEGY_KINDS",
    "TRACKER_KINDS",
    "ActConfig",
    "AugmentationConfig",
    "BudgetConfig",
    "Choice",
    "ColonyConfig",
    "Config",
    "DatasetConfig",
    "EvaluationConfig",
    "ExecutionConfig",
    "FullTrainConfig",
    "LadderConfig",
    "Log",
    "MedianConfig",
    "OptimizerConfig",
    "OptunaConfig",
    "RegistryConfig",
    "ResultsConfig",
    "Section",
    "SpaceConfig",
    "StrategyKind",
    "TableConfig",
    "from_mapping",
    "from_parts",
    "from_record",
    "load",
]
