"""The network of a candidate as a model of raw images, made of its saved state."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hivenas.config import Config
from hivenas.core.files import written_whole
from hivenas.core.nas.training.evaluation_strategy import NASEval
from hivenas.core.nas.training.exclusive import exclusive
from hivenas.core.nas.training.loop import load_validated
from hivenas.core.nas.training.precision import in_single_precision
from hivenas.core.nas.training.serving import answers_of, served_model

_EXAMPLES = 3


@exclusive
def save_candidate_model(
    strategy: NASEval, config: Config, candidate: str, state: str, model: Path
) -> tuple[tuple[float, ...], ...]:
    """Writes the model that a candidate would be served as, and an example of images beside it.

    Its weights are those that were validated. The test split is not touched: the images are of the validation split.

    Args:
        strategy: builds networks on the data that the candidate was trained on.
        config: the configuration, with the run's seed.
        candidate: the architecture.
        state: name of its h5 file.
        model: `.keras` file to write; the example has the suffix `.npy`.

    Returns:
        What it answers to the example, (images, outputs).

    Raises:
        MissingResultsError: there is no such h5 file.
        DiskFullError: no space for the files.
    """
    network = strategy.instantiate_network(candidate)
    load_validated(network, config.of(candidate).evaluation, strategy.weights_path(state))
    images = np.asarray(strategy.data.x_val[:_EXAMPLES])
    with in_single_precision(network):
        serving = served_model(network, strategy.data)
        with written_whole(model) as file:
            serving.save(file)
        answers = answers_of(serving, images)
    with written_whole(model.with_suffix(".npy")) as file:
        np.save(file, images)
    return tuple(tuple(row) for row in answers.tolist())
