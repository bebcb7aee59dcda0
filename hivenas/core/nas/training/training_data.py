"""The images that trainings see: all for full trainings, and for candidates all or a part."""

from __future__ import annotations

import functools
from typing import Any

from hivenas.config import Config
from hivenas.config.tasks import TASKS
from hivenas.core.measured import IMAGE_SHARE
from hivenas.core.nas.data.class_weights import class_weights
from hivenas.core.nas.data.datasets import Dataset, load_dataset
from hivenas.core.nas.data.part import drawn_part, part_told
from hivenas.core.nas.data.placement import placed
from hivenas.core.nas.data.sameness import other_data
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.standardisation import Standardisation


class TrainingData:
    """The data of a search in one process, each thing made when it is first needed.

    Args:
        config: the sections dataset and evaluation.
        seed: the run's seed.
    """

    def __init__(self, config: Config, seed: int) -> None:
        self._config = config
        self._seed = seed

    @functools.cached_property
    def whole(self) -> Dataset:
        """The raw images, split.

        Raises:
            DatasetError: data that cannot be loaded or used.
        """
        return load_dataset(placed(self._config), self._seed, self._config.task)

    @functools.cached_property
    def part(self) -> Dataset:
        """The raw images that candidates see; all of them without `evaluation.train_limit`.

        Raises:
            DatasetError: as `whole`; a part too small for every class.
        """
        limit, kind = self._config.evaluation.train_limit, TASKS[self._config.task].piece("labels")
        return drawn_part(self.whole, limit, seed=self._seed, draw=kind.draw)

    @functools.cached_property
    def arrays(self) -> Arrays:
        """All images as the loop wants them."""
        return Arrays.of(self.whole, self._standardisation, self._class_weights())

    @functools.cached_property
    def part_arrays(self) -> Arrays:
        """Those that candidates see, standardised as all are: a model may be made of either's network."""
        if self.part is self.whole:
            return self.arrays
        return Arrays.of(self.part, self._standardisation, self._class_weights())

    @functools.cached_property
    def _standardisation(self) -> Standardisation:
        return Standardisation.of(self.whole)

    def _class_weights(self) -> Any:
        return class_weights(self._config.evaluation, self.whole.y_train, self.whole.class_names)

    def describe(self) -> dict[str, Any]:
        """Describe the data for the records, as `Dataset.describe`, and how many of them candidates see."""
        part, whole = ((len(data.x_train), len(data.x_val)) for data in (self.part, self.whole))
        return self.whole.describe() | part_told(part, whole)

    def share_seen(self) -> dict[str, float]:
        """The share of the training images that candidates see, for their records; nothing where that is all."""
        if self.part is self.whole:
            return {}
        return {IMAGE_SHARE: len(self.part.x_train) / len(self.whole.x_train)}

    def refuse_others(self, digest: str) -> None:
        """Refuses to train on other data than those of a digest.

        Raises:
            DatasetError: this process has loaded others; names what may be why.
        """
        if (now := self.whole.digest()) != digest:
            raise other_data(self._config.dataset, first=digest, now=now)
