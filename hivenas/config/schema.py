"""The sections of a configuration: frozen, strict about types, with defaults and bounds."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from hivenas.config.arguments import (
    check_address,
    check_colour,
    check_gpus,
    check_scale,
    check_size,
    check_time_limit,
    rgb_of,
)
from hivenas.config.patterns import ALIAS, MODEL
from hivenas.config.promotion import check_promotion
from hivenas.config.registry import DATASETS, EXECUTORS, STRATEGIES
from hivenas.config.strategies import STRATEGY_KINDS
from hivenas.config.text import in_flow, nearest, one_of, shown

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
# Upper bounds are far above any sensible value: what lies beyond is a slip that would hang or exhaust the machine.
_MOST = 2**63 - 1
Positive = Annotated[int, Field(ge=1, le=_MOST)]
Images = Annotated[int, Field(ge=10, le=_MOST)]  # so many of them
Pixels = Annotated[int, Field(ge=1, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Processors = Annotated[int, Field(ge=1, le=1024)]

BUILT_IN_DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")
EXECUTOR_KINDS = ("serial", "process", "dask")
TRACKER_KINDS = ("mlflow", "none")
FILE_DATASETS: Mapping[str, str] = {
    "npz": "npz file",
    "image_folder": "folder of class folders",
    "image_table": "table of image files (.csv or .parquet)",
    "tfrecord": "TFRecord file, or folder of some",
}
ENCODED_DATASETS = ("image_folder", "image_table", "tfrecord")  # whose images are decoded by hivenas
_ENCODED = ", ".join(ENCODED_DATASETS)
PLACES = ("cache", "memory_mb")  # keys of `dataset` that decide where images are kept, and nothing else


class Section(BaseModel):
    """Base of every section: frozen, strict about types, closed to unknown keys.

    Attributes:
        principal: the keys for one of which a value is meant that is given in place of the section, likeliest first.
        meant: what is meant by some such values, as text: the way out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    principal: ClassVar[tuple[str, ...]] = ()
    meant: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, data: Any) -> Any:
        """Leaves out parts whose keys are all commented out, null in YAML, and has 1e6 for a whole number be one."""
        if isinstance(data, Mapping):
            fields, whole = cls.model_fields, whole_keys(cls)
            empty = [key for key, value in data.items() if value is None and key in fields and _has_keys(fields[key])]
            return {key: as_whole(value) if key in whole else value for key, value in data.items() if key not in empty}
        if cls.principal and not isinstance(data, BaseModel):
            raise ValueError(f"must be a mapping of keys, got {shown(data)}; {cls._way_of(data)}")
        return data

    @classmethod
    def _way_of(cls, value: object) -> str:
        """The way to write what is meant by a value that is given in place of the section."""
        if way := cls.meant.get(value if isinstance(value, str) else shown(value)):
            return way
        for key in cls.principal:
            try:
                cls.model_validate({key: value})
            except ValidationError:
                continue
            return f"write {{{key}: {in_flow(value)}}}"
        return f"write {{{cls.principal[0]}: …}}"


def _has_keys(field: FieldInfo) -> bool:
    return isinstance(field.get_default(call_default_factory=True), BaseModel | Mapping)


@functools.cache
def whole_keys(section: type[BaseModel]) -> frozenset[str]:
    """The keys of a section whose values are whole numbers, or null, and nothing else."""
    kinds = {key: set(_kinds(field.annotation)) for key, field in section.model_fields.items()}
    return frozenset(key for key, types in kinds.items() if int in types and types <= {int, type(None)})


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types of an annotation: of each part of a union, without what else it says of them."""
    parts = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        yield from _kinds(parts[0])
    elif parts and type(None) in parts:
        for part in parts:
            yield from _kinds(part)
    else:
        yield annotation


def as_whole(value: Any) -> Any:
    """A number that is whole, such as 1e6 in YAML, as a whole number; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _MOST else value


class DatasetConfig(Section):
    """`dataset`: which images, and how much of them."""

    principal = ("name",)

    name: Annotated[str, Field(json_schema_extra={"enum": [*BUILT_IN_DATASETS, *FILE_DATASETS]})] = "digits"
    path: str | None = None
    image_size: Annotated[tuple[Pixels, Pixels], Field(strict=False), BeforeValidator(check_size)] | None = None
    background: Annotated[str | tuple[int, int, int], BeforeValidator(check_colour)] = "white"
    unread_images: Literal["refuse", "leave_out"] = "refuse"
    scale: Annotated[tuple[float, float], Field(strict=False), BeforeValidator(check_scale)] | None = None
    validation_split: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    train_limit: Images | None = None
    cache: Annotated[str, Field(min_length=1)] | None = None
    memory_mb: Annotated[int, Field(ge=1, le=2**40)] | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """The keys that decide which images there are, as plain data: not where they are kept."""
        return self.model_dump(mode="json", exclude=set(PLACES))

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """Red, green and blue of the background."""
        if self.background == "white":
            return 255, 255, 255
        return rgb_of(self.background) if isinstance(self.background, str) else self.background

    @field_validator("name", mode="before")
    @classmethod
    def _known(cls, name: object) -> str:
        return one_of(name, (*BUILT_IN_DATASETS, *FILE_DATASETS, *DATASETS), "registered")

    @model_validator(mode="after")
    def _has_its_path(self) -> Self:
        if self.name in FILE_DATASETS and self.path is None:
            raise ValueError(
                f"dataset.path must be given for dataset.name={self.name}; name the {FILE_DATASETS[self.name]}"
            )
        if self.name in BUILT_IN_DATASETS and self.path is not None:
            raise ValueError(
                f"dataset.path must be null for dataset.name={self.name}, got {self.path!r}; for files of your own set "
                f"dataset.name to {', '.join(list(FILE_DATASETS)[:-1])} or {list(FILE_DATASETS)[-1]}"
            )
        if self.image_size is not None and self.name not in ENCODED_DATASETS:
            raise ValueError(
                f"dataset.image_size is for dataset.name={_ENCODED}, got {list(self.image_size)} with {self.name}; "
                "leave it null"
            )
        if self.unread_images != "refuse" and self.name not in ENCODED_DATASETS:
            raise ValueError(
                f"dataset.unread_images is for dataset.name={_ENCODED}, got {self.unread_images} with {self.name}; "
                "leave it at refuse"
            )
        if self.scale is not None and self.name in (*BUILT_IN_DATASETS, *ENCODED_DATASETS):
            raise ValueError(
                f"dataset.scale is for arrays, got {list(self.scale)} with {self.name}, whose values are known; leave "
                "it null"
            )
        return self


class ColonyConfig(Section):
    """`colony`: the strategy, by default an Artificial Bee Colony, and how long it goes on."""

    principal = ("kind", "size")

    kind: Annotated[str, Field(json_schema_extra={"enum": [*STRATEGY_KINDS]})] = "guided"
    size: Annotated[int, Field(ge=1, le=100_000)] = 7
    employee_ratio: Fraction = 0.44
    abandonment_limit: Count = 3
    iterations: Count = 15
    patience: Count | None = None
    overlap: Annotated[int, Field(ge=0, le=100)] = 0

    @field_validator("kind", mode="before")
    @classmethod
    def _known(cls, kind: object) -> str:
        return one_of(kind, (*STRATEGY_KINDS, *STRATEGIES), "registered")

    @model_validator(mode="after")
    def _may_overlap(self) -> Self:
        kind = STRATEGY_KINDS.get(self.kind)
        if kind and self.overlap and not kind.overlaps:
            raise ValueError(
                f"colony.overlap must be 0 with colony.kind: {kind.name}, whose phases wait for the one before, got "
                f"{self.overlap}; set overlap: 0 or kind: guided"
            )
        return self

    @property
    def employees(self) -> int:
        """⌊size · employee_ratio⌋, at least one."""
        return max(1, int(self.size * self.employee_ratio))

    @property
    def onlookers(self) -> int:
        """The bees that are not employees."""
        return self.size - self.employees


Alias = Annotated[str, Field(pattern=ALIAS.regex, max_length=ALIAS.most)]


class RegistryConfig(Section):
    """`registry`: where the fully trained model is registered."""

    principal = ("register", "model")

    register_model: bool = Field(default=True, alias="register")
    model: Annotated[str, Field(pattern=MODEL.regex, max_length=MODEL.most)] | None = None
    alias: Alias = "champion"
    promote: Literal["better", "always", "never"] = "better"
    promote_if: Annotated[dict[str, Any], BeforeValidator(check_promotion)] = {}
    evaluation: bool = False
    small: Alias | None = None
    small_within: Annotated[float, Field(ge=0.0, le=1e300)] = 0.02  # in the unit of the fitness

    @field_validator("alias", "small")
    @classmethod
    def _not_reserved(cls, alias: str | None) -> str | None:
        if alias is None:
            return None
        if alias == "previous":
            raise ValueError("must not be previous, which the version before it gets, got 'previous'; choose another")
        if re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE):
            raise ValueError(f"must not be latest or v1, v2, …, which MLflow reserves, got {alias!r}; choose another")
        return alias

    @model_validator(mode="after")
    def _tells_them_apart(self) -> Self:
        if self.small == self.alias:
            raise ValueError(f"registry.small must not be registry.alias, got {self.small!r} for both; name another")
        return self


class ResultsConfig(Section):
    """`results`: the folder that holds the results folders, and what stays of the weights."""

    principal = ("dir",)

    dir: Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)] = "results"
    keep_weights: str = "all"
    logged_models: Annotated[int, Field(ge=0, le=1000)] = 0

    @field_validator("keep_weights", mode="before")
    @classmethod
    def _readable(cls, keep: object) -> str:
        if isinstance(keep, str) and re.fullmatch(r"all|none|best:[1-9][0-9]{0,8}", keep):
            return keep
        few = keep if isinstance(keep, int) and not isinstance(keep, bool) and 0 < keep < 10**9 else 10
        way = nearest(keep, ("all", "none")) or f"; best:{few}, say"
        raise ValueError(f"must be all, none or best:N with a whole number N ≥ 1, got {shown(keep)}{way}")

    @property
    def kept(self) -> int | None:
        """Of how many candidates saved states are kept when the search is over; None for all."""
        if self.keep_weights == "all":
            return None
        return int(self.keep_weights.partition(":")[2] or 0)


class TableConfig(Section):
    """`table`: a recorded table to search instead of training; for `objective: table`."""

    principal = ("path",)

    path: Annotated[str, Field(min_length=1)] | None = None
    noise: bool = False


def _at_home(address: str) -> str:
    """The address of a journal whose `~` is a home."""
    kind, colon, file = address.partition(":")
    return f"{kind}:{os.path.expanduser(file)}" if colon and kind == "journal" else address


class OptunaConfig(Section):
    """`optuna`: a second record of the search in Optuna's storage."""

    principal = ("storage",)

    storage: Annotated[str, Field(min_length=1), AfterValidator(_at_home)] | None = None
    study: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class ExecutionConfig(Section):
    """`execution`: where candidates are trained."""

    principal = ("kind", "workers")

    kind: Annotated[str, Field(json_schema_extra={"enum": [*EXECUTOR_KINDS]})] = "process"
    workers: Processors = 1
    address: Annotated[str | None, AfterValidator(check_address)] = None
    timeout_s: Annotated[Annotated[float, Field(gt=0.0, le=1e9)] | None, AfterValidator(check_time_limit)] = None
    threads: Processors = 1
    gpus: Annotated[Literal["all"] | tuple[int | str, ...] | None, BeforeValidator(check_gpus)] = None
    recycle_after: Count = 20
    keep_alive: Annotated[int, Field(ge=0, le=1_000_000)] = 64
    checkpoint_s: Annotated[float, Field(ge=0.0, le=1e9)] = 5.0
    max_consecutive_failures: Count | None = 10

    @property
    def at_a_time(self) -> int:
        """The number of candidates that are trained at the same time, at the most."""
        return 1 if self.kind == "serial" else self.workers

    def with_one_worker_here(self) -> Self:
        """The same with one worker on this machine, without a cluster or GPUs; serial stays serial."""
        kind = "serial" if self.kind == "serial" else "process"
        return self.model_copy(update={"kind": kind, "workers": 1, "address": None, "gpus": None})

    @field_validator("kind", mode="before")
    @classmethod
    def _known(cls, kind: object) -> str:
        return one_of(kind, (*EXECUTOR_KINDS, *EXECUTORS), "registered")

    @model_validator(mode="after")
    def _one_worker_a_gpu(self) -> Self:
        if self.gpus is None:
            return self
        if self.kind != "process":
            raise ValueError(
                f"execution.gpus must be null for execution.kind={self.kind}, got {_as_list(self.gpus)}; set "
                "kind: process"
            )
        if self.gpus != "all" and self.workers > len(self.gpus):
            raise ValueError(
                f"execution.workers must be at most the number of execution.gpus={_as_list(self.gpus)}, got "
                f"{self.workers}; lower workers or name more"
            )
        return self


def _as_list(gpus: str | tuple[int | str, ...]) -> str:
    return gpus if isinstance(gpus, str) else f"[{', '.join(str(gpu) for gpu in gpus)}]"
