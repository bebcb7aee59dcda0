"""The section `evaluation`: how candidates are trained, and which of them are trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hivenas.config.arguments import check_alpha, one_precision
from hivenas.config.losses import LOSSES, check_class_weight, check_loss
from hivenas.config.metrics import BUILT_IN_METRICS, Metric, check_metric, known_of, metric_named
from hivenas.config.optimizers import DEFAULT_OPTIMIZER, OptimizerConfig
from hivenas.config.schedules import SCHEDULES, GivenRates, check_schedule
from hivenas.config.schema import Count, Epochs, Fraction, Images, Section
from hivenas.config.scores import check_score, epochs_of
from hivenas.config.tasks import TASKS, LearningTask
from hivenas.config.text import as_text, nearest, shown

# Values of `evaluation.stopping` that pause every candidate and go on with some.
PAUSING = ("ladder",)
LADDER_PAYS_FROM = 20  # epochs, by measurement: docs/evaluation.md, "What pays"


def _chosen(rule: str) -> dict[str, str]:
    """The ways to write what is meant by a stopping rule's section that is true or false."""
    return {"true": f"set evaluation.stopping: {rule}", "false": "set evaluation.stopping: none"}


class ActConfig(Section):
    """`evaluation.act`: the adaptive cutoff threshold; beta 0 switches it off."""

    principal = ("beta",)
    meant: ClassVar[Mapping[str, str]] = _chosen("act")

    beta: Fraction = 0.25
    zeta: Annotated[float, Field(ge=0.0)] = 0.25


class AugmentationConfig(Section):
    """`evaluation.augmentation`: what is done to training batches."""

    principal = ("flip",)
    meant: ClassVar[Mapping[str, str]] = {
        "true": "write {flip: true}, say",
        "false": "write {shift: 0}, which alone is on by default",
    }

    affine: bool = False
    flip: bool = False
    shift: Annotated[float, Field(ge=0.0, le=0.5)] = 0.07
    rand_augment: Fraction = 0.0
    saturation: Fraction = 0.0
    contrast: Fraction = 0.0
    cutout: Fraction = 0.0
    mixup: Annotated[float, Field(ge=0.0, le=100.0), AfterValidator(check_alpha)] = 0.0
    cutmix: Annotated[float, Field(ge=0.0, le=1.0), AfterValidator(check_alpha)] = 0.0

    @classmethod
    def only(cls, **given: Any) -> Self:
        """Nothing but what is given, whatever is on by default."""
        off = {key: type(field.default)() for key, field in cls.model_fields.items()}
        return cls(**{**off, **given})

    @property
    def is_on(self) -> bool:
        """True where any of it is done."""
        return bool(self.on)

    @property
    def on(self) -> dict[str, bool | float]:
        """The keys of what is done, in its order, with their values."""
        return {key: value for key in type(self).model_fields if (value := getattr(self, key))}


class MedianConfig(Section):
    """`evaluation.median`: the median rule, where `evaluation.stopping` chooses it."""

    principal = ("from_epoch",)
    meant: ClassVar[Mapping[str, str]] = _chosen("median")

    from_epoch: Epochs = 3
    candidates: Count = 5


class LadderConfig(Section):
    """`evaluation.ladder`: the ladder, where `evaluation.stopping` chooses it."""

    principal = ("share",)
    meant: ClassVar[Mapping[str, str]] = _chosen("ladder")

    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.35
    hold: Fraction = 0.6
    first_look: Annotated[int, Field(ge=2, le=100_000)] | None = None


class EvaluationConfig(Section):
    """`evaluation`: how a candidate is trained and scored."""

    principal = ("epochs",)

    epochs: Epochs = 8
    train_limit: Images | None = None
    batch_size: Count = 64
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    optimizer: OptimizerConfig = Field(default_factory=lambda: OptimizerConfig.model_validate(DEFAULT_OPTIMIZER))
    schedule: Annotated[str, BeforeValidator(check_schedule), Field(json_schema_extra={"enum": [*SCHEDULES]})] = (
        "cosine"
    )
    warmup_epochs: Annotated[float, Field(ge=0.0, le=100_000)] = 0.5
    initial_lr: Annotated[float, Field(ge=0.0)] = 0.003
    final_lr: Annotated[float, Field(ge=0.0)] = 0.00003
    loss: Annotated[str, BeforeValidator(check_loss), Field(json_schema_extra={"enum": [*LOSSES]})] = "cross_entropy"
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    class_weight: Annotated[Literal["balanced"] | dict[str, float] | None, BeforeValidator(check_class_weight)] = None
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    fitness: Annotated[str, BeforeValidator(check_metric), Field(json_schema_extra={"enum": [*BUILT_IN_METRICS]})] = (
        "accuracy"
    )
    score: Annotated[str, BeforeValidator(check_score)] = "last"
    momentum_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    stopping: Literal["act", "ladder", "median", "none"] = "none"
    act: ActConfig = ActConfig()
    median: MedianConfig = MedianConfig()
    ladder: LadderConfig = LadderConfig()
    first_look: Epochs | None = None
    inherit: bool = False
    inherit_epochs: Epochs = 2
    augmentation: AugmentationConfig = AugmentationConfig()

    @property
    def metric(self) -> Metric:
        """The metric that is looked for."""
        return metric_named(self.fitness)

    @property
    def task(self) -> LearningTask:
        """The task of the metric that is looked for, which is that of the whole configuration."""
        return TASKS[self.metric.task]

    @property
    def pauses(self) -> bool:
        """True where first trainings pause before their last epoch, and the stopping rule says which go on."""
        return self.stopping in PAUSING

    @property
    def judged_epochs(self) -> range:
        """The epochs after which a rule may end a training; never the last, where nothing is left to stop."""
        if self.stopping == "median":
            return range(self.median.from_epoch, self.epochs)
        return range(1, self.epochs) if self.stopping == "act" and self.act.beta else range(0)

    @property
    def continues(self) -> bool:
        """True where candidates on record may be trained further."""
        return self.momentum_epochs > 0 or self.pauses

    def is_paused_at(self, age: int) -> bool:
        """True where a training is not complete after so many epochs."""
        return self.pauses and age < self.epochs

    def may_go_on_at(self, age: int) -> bool:
        """True where a search may go on with a candidate that has been trained for so many epochs."""
        return self.is_paused_at(age) if self.pauses else self.continues

    @model_validator(mode="before")
    @classmethod
    def _one_precision(cls, data: Any) -> Any:
        """Takes the key's earlier name, which files and records of earlier versions have."""
        return one_precision(data) if isinstance(data, Mapping) and "mixed_precision" in data else data

    @model_validator(mode="after")
    def _one_learning_rate(self) -> Self:
        """Resolves the keys that make the learning rate to what is trained at, which is what is recorded."""
        initial, final, schedule = (
            getattr(self, key) if key in self.model_fields_set else None
            for key in ("initial_lr", "final_lr", "schedule")
        )
        known = GivenRates(self.optimizer.arguments.get("learning_rate"), initial, final=final, schedule=schedule)
        rates = known.resolved(self.optimizer.op, self.schedule)
        # Not by assignment: which of them were given stays known, for overrides that come later.
        self.__dict__.update(initial_lr=rates.initial, final_lr=rates.final, optimizer=self.optimizer.at(rates.own))
        return self

    @model_validator(mode="after")
    def _momentum_has_epochs(self) -> Self:
        if self.momentum_epochs and self.epochs < 3:
            raise ValueError(
                f"evaluation.epochs must be at least 3 when momentum_epochs > 0, got epochs={self.epochs}; "
                "raise epochs or set momentum_epochs: 0"
            )
        return self

    def of_task(self, task: LearningTask) -> Self:
        """The section as it is for a task, which decides the metric and the loss that were left out.

        Args:
            task: of the whole configuration.

        Raises:
            ValueError: a key that says nothing of the task, or a value that is another task's.
        """
        own = {"fitness": task.fitness, "loss": task.losses[0]}
        section = self.model_copy()
        # Not by assignment, as of the learning rate.
        section.__dict__.update({key: value for key, value in own.items() if key not in self.model_fields_set})
        for key, value, known in (
            ("fitness", section.fitness, known_of(task.name)),
            ("loss", section.loss, task.losses),
        ):
            if value not in known:
                near = nearest(value, known) or f"; leave it out for {own[key]}"
                raise ValueError(
                    f"evaluation.{key} must be one of {', '.join(known)} with task: {task.name}, got {value!r}{near}"
                )
        for key in task.without:
            given, default = map(attrgetter(key), (section, type(self)()))
            if given != default:
                raise ValueError(
                    f"evaluation.{key} must be {as_text(default)} with task: {task.name}, of which it says nothing, "
                    f"got {shown(given)}; leave it out"
                )
        section._refuse_act()
        return section

    @model_validator(mode="after")
    def _knows_what_guessing_is_worth(self) -> Self:
        self._refuse_act()
        return self

    def _refuse_act(self) -> None:
        if self.stopping == "act" and self.metric.choices is None and self.metric.guessed is None:
            raise ValueError(
                f"evaluation.stopping must not be act with fitness: {self.fitness}, as its threshold leads from what "
                "guessing is worth, which is not known of it, to the best value; set stopping: median"
            )

    @model_validator(mode="after")
    def _has_rungs(self) -> Self:
        if not self.pauses:
            return self
        least = max(3, math.ceil(1.5 * (self.ladder.first_look or 2)))
        if self.epochs < least:
            raise ValueError(
                f"evaluation.epochs must be at least {least} with stopping: ladder, which pauses candidates after its "
                f"first look, got {self.epochs}; raise it, lower ladder.first_look or set stopping: none"
            )
        for key, given in (("inherit", self.inherit), ("first_look", self.first_look is not None)):
            if given:
                raise ValueError(
                    f"evaluation.{key} must be {'null' if key == 'first_look' else 'false'} with stopping: ladder, "
                    "which compares candidates at equal ages and looks at them itself; leave it out, or set stopping: "
                    "median"
                )
        return self

    @model_validator(mode="after")
    def _shorter_than_a_training(self) -> Self:
        looks = self.first_look if self.first_look is not None else 0
        own = self.inherit_epochs if self.inherit else 0
        if self.inherit and looks and looks <= self.epochs - own:
            raise ValueError(
                f"evaluation.first_look must be greater than epochs − inherit_epochs={self.epochs - own} when inherit "
                f"is on, or no neighbour that inherits would be looked at, got {looks}; raise it or set inherit: false"
            )
        for key, value in (("first_look", looks), ("inherit_epochs", own), ("warmup_epochs", self.warmup_epochs)):
            if value >= self.epochs:
                raise ValueError(
                    f"evaluation.{key} must be smaller than evaluation.epochs={self.epochs}, got {value:g}; lower it "
                    "or raise epochs"
                )
        if epochs_of(self.score) > self.epochs:
            raise ValueError(
                f"evaluation.score must be of at most evaluation.epochs={self.epochs} epochs, got {self.score}; lower "
                "it or raise epochs"
            )
        return self
