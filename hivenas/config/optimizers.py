"""The optimizers that `evaluation.optimizer` may name: what each takes, and the rate at which it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hivenas.config.arguments import check_value, is_finite
from hivenas.config.text import nearest, one_of, shown

_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


@dataclass(frozen=True, slots=True)
class OptimizerKind:
    """An optimizer of Keras, as a record that describes itself.

    Args:
        name: of its class in `keras.optimizers`, as `evaluation.optimizer.op` names it.
        initial_rate: `evaluation.initial_lr` where that is left out: one that trains small convolutional networks in
            batches of 64 to 128 images.
        own: the arguments that not every optimizer has, numbers and switches, with Keras' defaults; its
            `learning_rate` is the rate of a training for which no other is configured.
    """

    name: str
    initial_rate: float
    own: Mapping[str, float | bool]

    @property
    def keras_rate(self) -> float:
        """The learning rate that Keras gives it."""
        return self.own["learning_rate"]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments that it takes, its own and those of every optimizer."""
        common = ("weight_decay", *_CLIPPING)
        return (*self.own, *(name for name in common if name not in self.own))


_BETAS: Mapping[str, float] = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
OPTIMIZERS: Mapping[str, OptimizerKind] = {
    kind.name: kind
    for kind in (
        OptimizerKind("SGD", 0.08, {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False}),
        OptimizerKind("Adam", 0.003, {"learning_rate": 0.001, **_BETAS, "amsgrad": False}),
        OptimizerKind("AdamW", 0.003, {"learning_rate": 0.001, "weight_decay": 0.004, **_BETAS, "amsgrad": False}),
        OptimizerKind(
            "RMSprop",
            0.003,
            {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
        ),
        OptimizerKind("Nadam", 0.003, {"learning_rate": 0.001, **_BETAS}),
        OptimizerKind("Lion", 0.001, {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99}),
        OptimizerKind("Adamax", 0.01, {"learning_rate": 0.001, **_BETAS}),
        OptimizerKind("Adagrad", 0.1, {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7}),
        OptimizerKind("Adadelta", 3.0, {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7}),
        OptimizerKind("Lamb", 0.03, {"learning_rate": 0.001, **_BETAS}),
        OptimizerKind(
            "Muon",
            0.02,
            {
                "learning_rate": 0.001,
                "momentum": 0.95,
                "nesterov": True,
                "weight_decay": 0.004,
                "rms_rate": 0.2,
                "adam_beta_1": 0.9,
                "adam_beta_2": 0.999,
                "adam_weight_decay": 0.004,
                "adam_lr_ratio": 1.0,
                "epsilon": 1e-7,
            },
        ),
    )
}


def check_kind(op: object) -> str:
    """Refuses a name that is no optimizer's.

    Raises:
        ValueError: the names that there are, and the nearest.
    """
    return one_of(op, OPTIMIZERS)


def check_optimizer(op: str, arguments: Mapping[str, Any]) -> None:
    """Refuses arguments that the optimizer does not have, and values that are no finite number or switch.

    Raises:
        ValueError: the rule, the value and the way out.
    """
    kind = OPTIMIZERS[op]
    for key, value in arguments.items():
        if key not in kind.arguments:
            near = nearest(key, (*kind.arguments, "op"))
            raise ValueError(
                f"evaluation.optimizer has no argument {key!r} for {op}{near}; "
                f"choose among {', '.join(kind.arguments)}, or name another optimizer with op"
            )
        if not is_finite(value):
            raise ValueError(f"evaluation.optimizer.{key} must be a finite number or true or false, got {shown(value)}")
        check_value("evaluation.optimizer", key, value)
    for key in ("learning_rate", *_CLIPPING):  # Keras takes what is not positive for nothing at all
        if key in arguments and (arguments[key] is True or arguments[key] <= 0):
            raise ValueError(
                f"evaluation.optimizer.{key} must be a number greater than 0, got {shown(arguments[key])}; leave it "
                "out for none of it"
            )
    if arguments.get("nesterov") and not arguments.get("momentum", kind.own["momentum"]):
        given = shown(arguments["momentum"]) if "momentum" in arguments else "none, which is no momentum"
        raise ValueError(
            "evaluation.optimizer.momentum must be greater than 0 with nesterov: true, which changes nothing without, "
            f"got {given}; give a momentum, such as 0.9, or set nesterov: false"
        )
    if len(clipping := [key for key in _CLIPPING if key in arguments]) > 1:
        raise ValueError(
            f"evaluation.optimizer.{clipping[0]} must be the only one of {', '.join(_CLIPPING)}, got {clipping[1]} "
            "beside it; leave one of them out"
        )


DEFAULT_OPTIMIZER: Mapping[str, Any] = {"op": "AdamW", "weight_decay": 0.01}


class OptimizerConfig(BaseModel):
    """`evaluation.optimizer`: the name of a Keras optimizer and its arguments."""

    model_config = ConfigDict(frozen=True, extra="allow")

    op: Annotated[str, BeforeValidator(check_kind), Field(strict=True, json_schema_extra={"enum": [*OPTIMIZERS]})] = (
        DEFAULT_OPTIMIZER["op"]
    )

    @model_validator(mode="before")
    @classmethod
    def _default_unless_named(cls, data: Any) -> Any:
        """Arguments without a name are those in which the default differs, as everywhere in a configuration."""
        if not isinstance(data, Mapping | BaseModel):
            named = {name.lower(): name for name in OPTIMIZERS}
            op = named.get(data.lower(), "…") if isinstance(data, str) else "…"
            raise ValueError(f"must be a mapping with its op, got {shown(data)}; write {{op: {op}}}")
        return {**DEFAULT_OPTIMIZER, **data} if isinstance(data, Mapping) and "op" not in data else data

    @model_validator(mode="after")
    def _known_arguments(self) -> Self:
        check_optimizer(self.op, self.arguments)
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The optimizer's keyword arguments."""
        return dict(self.model_extra or {})

    def at(self, rate: float | None) -> Self:
        """The optimizer with a learning rate, where there is one; `model_fields_set` has it only where it was given."""
        if rate is None:
            return self
        known = self.model_copy()
        assert known.model_extra is not None  # as unknown keys are allowed
        known.model_extra["learning_rate"] = rate
        return known
