"""The section `full_train`: which candidates are trained fully, how, and what becomes the model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hivenas.config.schema import Epochs, Section

Few = Annotated[int, Field(ge=1, le=1_000)]


class FullTrainConfig(Section):
    """`full_train`: the training of the best candidates, and the model that comes of it."""

    principal = ("enabled", "epochs")

    enabled: bool = True
    epochs: Epochs = 50
    finalists: Few = 3
    seeds: Few = 1
    keep: Literal["best", "last"] = "best"
    patience: Epochs | None = 10
    refit: bool = False
    ensemble: Few = 1

    @model_validator(mode="after")
    def _as_many_as_are_trained(self) -> Self:
        trained = self.finalists * self.seeds
        if self.ensemble > trained:
            raise ValueError(
                f"full_train.ensemble must be at most finalists · seeds = {trained}, got {self.ensemble}; lower it or "
                "raise finalists or seeds"
            )
        return self
