"""Telling MLflow, and Optuna's storage, of a recorded search that does not run."""

from __future__ import annotations

import numpy as np

from hivenas.config import Config
from hivenas.core.objective import ObjectiveInterface
from hivenas.core.seeds import derive_seed
from hivenas.errors import MissingResultsError
from hivenas.execution import make_executor
from hivenas.objectives.factory import make_objective
from hivenas.run.mirror_sync import open_mirror
from hivenas.run.options import SessionOptions
from hivenas.run.rehoming import Rehoming
from hivenas.run.tracked import open_tracker, send_all
from hivenas.storage import Outbox, open_folder, refuse_other_search


def tell(config: Config) -> tuple[int, int]:
    """Sends what waits; returns how many records MLflow has taken, and how many still wait, refused ones among them."""
    with open_folder(config) as ledger, make_executor(config.execution, ledger.folder) as executor:
        tracker = open_tracker(config, ledger, executor, "sync")
        outbox = Outbox(ledger, tracker)
        outbox.retry_refused()
        taken = len(send_all(ledger, outbox, tracker, ask=True))
        return taken, outbox.waiting + outbox.refused


def tell_again(config: Config, objective: ObjectiveInterface | None) -> tuple[int, int]:
    """Sends what waits and what the store lacks; returns how many records it has taken, and how many still wait.

    Args:
        config: the configuration.
        objective: the one that the search was given from Python, if it was.

    Raises:
        MissingResultsError: no search has begun there.
    """
    with open_folder(config) as ledger:
        if not ledger.state.has_begun:
            raise MissingResultsError(
                f"a search must have begun in {ledger.folder.path} for it to be told again, got none; give the "
                "results.dir and name of one"
            )
        refuse_other_search(config, ledger)
        seeded = config.model_copy(update={"seed": ledger.state.seed})
        rng = np.random.default_rng(derive_seed(ledger.state.seed, "search"))
        searched = objective or make_objective(seeded, rng)
        return Rehoming(seeded, searched, rng=rng, ledger=ledger, options=SessionOptions()).tell_again()


def tell_mirror(config: Config, objective: ObjectiveInterface | None) -> int:
    """Has Optuna's record, where there is one, take over what it lacks; returns how many records still wait for it."""
    if config.optuna.storage is None:
        return 0
    info = (objective or make_objective(config, np.random.default_rng())).describe()
    mirror = open_mirror(config, info)
    assert mirror
    with open_folder(config, mirror) as ledger:
        return mirror.sync(ledger, force=True)
