"""The configuration: frozen sections, loaded from one YAML file and overrides, with errors a person can act on."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator

from hivenas.config.budget import COUNTED_KINDS, BudgetConfig
from hivenas.config.choices import Choice, Varied
from hivenas.config.costs import ObjectivesConfig, unweighed
from hivenas.config.earlier import ANCESTRAL, EARLIER, completed
from hivenas.config.evaluation import EvaluationConfig
from hivenas.config.full_training import FullTrainConfig
from hivenas.config.legacy import Translation, is_ancestral, translate
from hivenas.config.messages import explain, in_old_words
from hivenas.config.patterns import MODEL, NAME
from hivenas.config.promotion import thresholds_of
from hivenas.config.registry import TRACKERS
from hivenas.config.schema import (
    BUILT_IN_DATASETS,
    FILE_DATASETS,
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
from hivenas.config.settings import combinations, following, settings_of, with_values, without_choices
from hivenas.config.space import SpaceConfig, idle_keys
from hivenas.config.tasks import CLASSIFY, TASKS, check_task
from hivenas.config.text import as_text, dump_yaml, leaves, masked, one_of, put, read_mapping, split_overrides
from hivenas.config.unused import of_training, told_password, unused_keys
from hivenas.errors import ConfigError
from hivenas.plain import python_values


class Config(Section):
    """A whole configuration; make one with `load` or `from_mapping`."""

    name: Annotated[str, Field(pattern=NAME.regex, max_length=NAME.most)] = "digits"
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = 42
    objective: Literal["nas", "sphere_min", "sphere_max", "rosenbrock", "table", "custom"] = "nas"
    task: Annotated[str, BeforeValidator(check_task), Field(json_schema_extra={"enum": [*TASKS]})] = CLASSIFY
    objectives: ObjectivesConfig = ObjectivesConfig()
    dataset: DatasetConfig = DatasetConfig()
    space: SpaceConfig = SpaceConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    colony: ColonyConfig = ColonyConfig()
    budget: BudgetConfig = BudgetConfig()
    full_train: FullTrainConfig = FullTrainConfig()
    registry: RegistryConfig = RegistryConfig()
    results: ResultsConfig = ResultsConfig()
    table: TableConfig = TableConfig()
    tracking: Annotated[str, Field(json_schema_extra={"enum": [*TRACKER_KINDS]})] = "mlflow"
    tracking_live_s: Annotated[float, Field(ge=0.0, le=1e9)] | None = 5.0
    optuna: OptunaConfig = OptunaConfig()
    execution: ExecutionConfig = ExecutionConfig()

    _source: str = PrivateAttr(default="")
    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _old_keys: dict[str, str] = PrivateAttr(default_factory=dict)
    _choices: dict[str, Varied] = PrivateAttr(default_factory=dict)

    @field_validator("tracking", mode="before")
    @classmethod
    def _known(cls, tracking: object) -> str:
        return one_of(tracking, (*TRACKER_KINDS, *TRACKERS), "registered")

    @model_validator(mode="after")
    def _is_of_its_task(self) -> Self:
        task = TASKS[self.task]
        if self.dataset.name in BUILT_IN_DATASETS and not task.has_built_in:
            raise ValueError(
                f"dataset.name must be {', '.join(FILE_DATASETS)} or registered with task: {task.name}, got "
                f"{self.dataset.name}, which has a class an image; give data of your own, or set task: {CLASSIFY}"
            )
        self.__dict__["evaluation"] = self.evaluation.of_task(task)
        return self

    @model_validator(mode="after")
    def _has_its_table(self) -> Self:
        if self.objective == "table" and self.table.path is None:
            raise ValueError("table.path must be given for objective=table, got null; name the csv or csv.gz file")
        if self.objective != "table" and self.table.path is not None:
            raise ValueError(
                f"table.path must be null for objective={self.objective}, got {self.table.path!r}; to search the table "
                "set objective: table"
            )
        if self.objective != "table" and self.table.noise:
            raise ValueError(
                f"table.noise must be false for objective={self.objective}, got true; to search a table set objective: "
                "table"
            )
        return self

    @model_validator(mode="after")
    def _waits_for_its_rounds(self) -> Self:
        if self.evaluation.pauses and self.colony.overlap:
            raise ValueError(
                f"colony.overlap must be 0 with evaluation.stopping: ladder, whose rounds compare all that is known, "
                f"got {self.colony.overlap}; set overlap: 0 or stopping: none"
            )
        return self

    @model_validator(mode="after")
    def _trains_longer_than_it_warms_up(self) -> Self:
        if self.objective == "nas" and self.evaluation.warmup_epochs >= self.full_train.epochs:
            raise ValueError(
                f"full_train.epochs must be greater than evaluation.warmup_epochs={self.evaluation.warmup_epochs:g}, "
                f"got {self.full_train.epochs}; raise it or lower warmup_epochs"
            )
        return self

    @model_validator(mode="after")
    def _has_a_front_of_small_models(self) -> Self:
        within, metric = self.registry.small_within, self.evaluation.metric
        if within > 1 and metric.is_share:
            raise ValueError(
                f"registry.small_within must be at most 1 with evaluation.fitness={metric.name}, which is a share, got "
                f"{within:g}; lower it"
            )
        if self.registry.small is not None and self.objectives.cost is None:
            raise ValueError(
                f"registry.small must be null where objectives names no cost, got {self.registry.small!r}; set "
                "objectives.params: min, say"
            )
        return self

    @model_validator(mode="after")
    def _promotes_by_what_is_tested(self) -> Self:
        thresholds_of(self.registry.promote_if, self.evaluation.metric)
        return self

    @model_validator(mode="after")
    def _counts_its_workers(self) -> Self:
        if self.budget.cpu_hours is not None and self.execution.kind not in COUNTED_KINDS:
            raise ValueError(
                f"budget.cpu_hours must be null with execution.kind={self.execution.kind}, whose workers' CPU time is "
                f"not known, got {self.budget.cpu_hours:g}; set budget.hours or evaluations, or kind: process"
            )
        return self

    @property
    def source(self) -> str:
        """The file that the configuration was loaded from; empty for one made in Python."""
        return self._source

    @property
    def warnings(self) -> tuple[str, ...]:
        """The things that a person should know about the file although it loads, a line each."""
        return self._warnings

    @property
    def choices(self) -> Mapping[str, Varied]:
        """The settings that are searched with the architecture, by their dotted keys, in alphabetical order."""
        return self._choices

    def of(self, candidate: str) -> Config:
        """The configuration that a candidate is trained with: its settings are values there, and nothing varies.

        Args:
            candidate: an architecture, with or without settings; what it does not say has the first value.

        Raises:
            ArchitectureError: settings that cannot be read, or of keys that cannot vary.
            ConfigError: a value that its key cannot have.
        """
        values = settings_of(candidate, self._choices)
        if not values and not self._choices:
            return self
        kept = {"task", "dataset", "evaluation", "full_train"}
        given = self.model_dump(mode="json", by_alias=True, exclude_unset=True, include=kept)
        _leave_own_rate(given, self.evaluation)
        trained = _checked(with_values(given, values), source=candidate)
        chosen = self.model_copy(update={"evaluation": trained.evaluation})
        chosen._choices = {}
        return chosen

    def settled_on(self, candidate: str) -> Config:
        """The configuration in which a candidate's settings are all that there is to choose, to train just that one."""
        only = {key: Choice((value,)) for key, value in settings_of(candidate).items()}
        return from_mapping(with_values(self.to_mapping(), only)) if only else self

    @property
    def identity(self) -> str:
        """A text that is another one for every configuration that trains otherwise."""
        text = self.model_dump_json(by_alias=True)
        if not self._choices:
            return text
        # It matters then which keys were given: the others follow.
        return f"{text} {self._choices} {self.evaluation.model_dump_json(exclude_unset=True)}"

    def as_written(self, message: str) -> str:
        """A message about the configuration with its keys named as the file names them."""
        return in_old_words(message, self._old_keys)

    @property
    def limits(self) -> dict[str, float]:
        """All that may end a search before its last iteration: `BudgetConfig.limits`, and `patience` in iterations."""
        patience = self.colony.patience
        return self.budget.limits | ({} if patience is None else {"patience": float(patience)})

    @property
    def evaluations(self) -> int:
        """Evaluations at the most, without continuations."""
        planned = self.colony.size * self.colony.iterations
        return min(planned, self.budget.evaluations or planned)

    @property
    def has_small_model(self) -> bool:
        """True where a small model is registered beside the search's."""
        return self.registry.small is not None and self.registry.register_model and self.tracking != "none"

    @property
    def model_name(self) -> str:
        """Name of the registered model: `registry.model`, or the experiment's name."""
        return self.registry.model or self.name

    def to_mapping(self) -> dict[str, Any]:
        """Plain nested data with the public keys, tuples as lists; for people and records, so without a password.

        What varies is text there, such as `!Choice [32, 64]`, which `from_mapping` takes.
        """
        return self._mapping({key: str(varied) for key, varied in self._choices.items()})

    def _mapping(self, varied: Mapping[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        if self.optuna.storage:
            data["optuna"]["storage"] = masked(self.optuna.storage)
        for key in following(varied, self.evaluation):
            _, *sections, leaf = key.split(".")
            (data["evaluation"][sections[0]] if sections else data["evaluation"]).pop(leaf, None)
        return with_values(data, varied) if varied else data

    def given(self) -> dict[str, Any]:
        """The keys that were given, without what follows from them or is default; `from_mapping` takes them."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        _leave_own_rate(data, self.evaluation)
        return with_values(data, {key: str(varied) for key, varied in self._choices.items()})

    def to_yaml(self) -> str:
        """The resolved configuration as YAML that `load` reads back."""
        return dump_yaml(self._mapping(self._choices))

    def flat(self) -> dict[str, str]:
        """Dotted keys and values as text, as tracked on a search's run."""
        return {key: as_text(value) for key, value in leaves(self.to_mapping())}


def load(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Loads a configuration file.

    Args:
        path: a YAML file; it needs only the keys that differ from their defaults. Upper-case files of the ancestor,
            HiveNAS, load as they are.
        overrides: `key=value` texts, the key dotted, the value in YAML; one text may hold several, separated by spaces.

    Raises:
        ConfigError: a file that is missing or not YAML, an unknown key, a wrong type or a value out of range.
    """
    data = read_mapping(Path(path))
    old = translate(data, str(path)) if is_ancestral(data) else Translation(data)
    config = from_mapping(old.data, overrides, source=str(path), old_keys=old.old_keys)
    config._warnings = (*old.warnings, *config.warnings)
    return config


def from_mapping(
    data: Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    source: str = "",
    old_keys: Mapping[str, str] | None = None,
) -> Config:
    """Checks plain nested data and fills in the defaults.

    Args:
        data: keys as in `conf/default.yaml`.
        overrides: `key=value` texts, as `load` takes them.
        source: the file to name in errors.
        old_keys: dotted keys that the file calls by another name, with that name.

    Raises:
        ConfigError: the first thing that is wrong, and how many more there are.
    """
    data, origins = _overridden(python_values(data), overrides)
    place = f" ({source})" if source else ""
    try:
        data, choices = without_choices(data)
    except ConfigError as error:
        raise ConfigError(str(error).replace(";", f"{place};", 1)) from None
    replaced = tuple(f"{key}." for key in origins)
    kept = {new: name for new, name in (old_keys or {}).items() if not f"{new}.".startswith(replaced)}
    config = _checked(data, source, origins, kept)
    if choices:
        _check_choices(config, choices, place)
        for values in combinations(choices):
            _checked(with_values(data, values), source, origins, kept)
    config._source = source
    config._old_keys = kept
    config._choices = choices
    usual = Config.model_validate(completed({}, ANCESTRAL)) if old_keys else Config()
    lines = [*unused_keys(config.flat(), usual.flat(), config.given())]
    given = {} if old_keys else data.get("evaluation") or {}  # in the ancestor's files 0 is off whatever the other is
    lines += of_training(config.objective, config.evaluation, given, choices)
    lines += unweighed(config.objectives, config.colony.kind)
    lines += told_password(config.dataset)
    lines += idle_keys(config.space) if config.objective == "nas" else ()
    config._warnings = tuple(in_old_words(line.replace(";", f"{place};", 1), kept) for line in lines)
    return config


def _checked(
    data: Mapping[str, Any],
    source: str,
    origins: Mapping[str, str] | None = None,
    old_keys: Mapping[str, str] | None = None,
) -> Config:
    """The configuration of plain data, what is wrong with them said in a line."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        known = [key for key, _ in leaves(Config().to_mapping(), sections=True)]
        raise ConfigError(explain(error, source, origins or {}, known=known, old_keys=old_keys or {})) from None


def _check_choices(config: Config, choices: Mapping[str, Varied], place: str) -> None:
    """Refuses settings that vary where nothing trains candidates with them, or not for as long as it seems."""
    key, varied = next(iter(choices.items()))
    if config.objective not in ("nas", "custom"):
        raise ConfigError(
            f"{key} must be one value for objective={config.objective}, which trains nothing, got {varied}{place}; "
            "give one"
        )
    if config.evaluation.inherit:
        raise ConfigError(
            f"evaluation.inherit must be false where settings vary, got true with {key}: {varied}{place}; leave it "
            "out, as most of an heir's training was its food source's, with other settings, or give one value"
        )


def _leave_own_rate(data: Mapping[str, Any], evaluation: EvaluationConfig) -> None:
    """Leaves out of dumped data the optimizer's `learning_rate` where it was not given."""
    if "learning_rate" not in evaluation.optimizer.model_fields_set:
        data.get("evaluation", {}).get("optimizer", {}).pop("learning_rate", None)


def from_record(data: Mapping[str, Any]) -> Config:
    """A configuration as hivenas has written it down for itself, in an earlier version perhaps.

    Earlier versions wrote down an optimizer's `learning_rate` beside the decay that took its place, names of registered
    models that no model can have or be loaded by, and not the keys that there were not.

    Raises:
        ConfigError: this version does not take it.
    """
    recorded = completed(copy.deepcopy(dict(data)), EARLIER)
    evaluation = recorded.get("evaluation")
    # Earlier versions searched no rates, so that one which is searched is none of theirs.
    initial = evaluation.get("initial_lr") if isinstance(evaluation, dict) else None
    if isinstance(evaluation, dict) and isinstance(initial, int | float) and initial and evaluation.get("final_lr"):
        optimizer = evaluation.get("optimizer")
        if isinstance(optimizer, dict) and optimizer.get("learning_rate") != initial:
            optimizer.pop("learning_rate", None)
    registry = recorded.get("registry")
    if isinstance(registry, dict) and isinstance(name := registry.get("model"), str):
        registry["model"] = name if MODEL.fits(name) else None
    return from_mapping(recorded)


def _overridden(data: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Mapping[str, Any], dict[str, str]]:
    """The data with other values for some keys, of two for one the last, and for these what to name in errors."""
    pairs = list(split_overrides(overrides))
    changed = copy.deepcopy(dict(data)) if pairs else dict(data)
    origins: dict[str, str] = {}
    for key, value in pairs:
        if lost := [earlier for earlier in origins if earlier.startswith(f"{key}.")]:
            raise ConfigError(
                f"--set {key} must stand before --set {lost[0]}, which is part of it, got it after that; give the "
                "whole first, then its parts"
            )
        put(changed, key.split("."), value, f"--set {key}={as_text(value)}")
        origins[key] = f"--set {key}={as_text(value)}"
    return changed, origins
