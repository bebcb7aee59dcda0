"""One search by each of several libraries, over the same networks and images, which reports what it finds.

`SEARCHES` has them by name. Each gets the space, images, epochs, batches, optimizer and learning rates of a hivenas
configuration, and all build their networks by the same code. KerasTuner (pip install keras-tuner tensorboard) and
Optuna get a categorical choice a layer, and one a setting that is searched: of the optimizer and its learning rates.
hivenas searches as a user does: workers, MLflow in sqlite, records, h5 files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from hivenas.config import Config, EvaluationConfig
from hivenas.config.choices import written
from hivenas.config.settings import joined
from hivenas.core.nas.space.architecture import Chain

MANY = 10_000  # candidates, of a search that its budget ends
FACTOR = 3  # of Hyperband: one of so many goes on, here and there


@dataclass(frozen=True, slots=True)
class Given:
    """The terms of a search.

    Args:
        config: space, images and recipe.
        seed: of the search.
        evaluations: candidates; None where the budget alone ends the search.
        budget: CPU seconds; None where the candidates end it.
        report: is told the validation accuracy of every epoch of every network; raises SystemExit when the budget is
            spent.
    """

    config: Config
    seed: int
    evaluations: int | None
    budget: float | None
    report: Callable[[float], None]


def hivenas(given: Given) -> None:
    """hivenas, as the configuration says; without a full training."""
    from hivenas import api
    from hivenas.core.progress import Progress
    from hivenas.core.records import Proposal
    from hivenas.run.callbacks import Callback

    class Reports(Callback):
        def on_progress(self, proposal: Proposal, progress: Progress) -> None:
            for figures in progress.figures:
                given.report(figures.val_accuracy)

    config, candidates = given.config, given.evaluations or MANY
    searched = config.model_copy(
        update={
            "seed": given.seed,
            "name": "own",
            "colony": config.colony.model_copy(update={"iterations": -(-candidates // config.colony.size)}),
            "full_train": config.full_train.model_copy(update={"enabled": False}),
        }
    )
    if given.budget:
        spend = config.budget.model_copy(update={"cpu_hours": given.budget / 3600})
        searched = searched.model_copy(update={"budget": spend})
    os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = "sqlite:///mlflow.db"
    api.search(searched, callbacks=[Reports()], progress=False)


def keras_tuner(tuner: str, given: Given) -> None:
    """A tuner of KerasTuner, by its name."""
    import keras
    import keras_tuner as library  # type: ignore[import-not-found]

    networks = Networks(given)

    def build(hp: Any) -> keras.Model:
        return networks.build(hp.Choice)

    options: dict[str, Any] = {"objective": "val_accuracy", "seed": given.seed, "directory": ".", "project_name": "t"}
    if tuner == "Hyperband":
        options |= {"max_epochs": given.config.evaluation.epochs, "factor": FACTOR, "hyperband_iterations": MANY}
    else:
        options["max_trials"] = given.evaluations or MANY
    getattr(library, tuner)(build, **options).search(**networks.fitting, callbacks=[networks.each_epoch(given.report)])


def optuna_hyperband(given: Given) -> None:
    """Optuna's TPE, with its Hyperband as the pruner."""
    import optuna

    networks = Networks(given)

    def objective(trial: optuna.Trial) -> float:
        best = 0.0

        def report(accuracy: float) -> None:
            nonlocal best
            best, epoch = max(best, accuracy), next(ages)
            given.report(accuracy)
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        ages = iter(range(1, MANY))
        network = networks.build(trial.suggest_categorical)
        network.fit(**networks.fitting, callbacks=[networks.each_epoch(report)])
        return best

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=given.config.evaluation.epochs, reduction_factor=FACTOR
    )
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=given.seed), pruner=pruner
    )
    study.optimize(objective, n_trials=given.evaluations or MANY)


SEARCHES: Mapping[str, Callable[[Given], None]] = {
    "hivenas": hivenas,
    "KerasTuner RandomSearch": partial(keras_tuner, "RandomSearch"),
    "KerasTuner BayesianOptimization": partial(keras_tuner, "BayesianOptimization"),
    "KerasTuner Hyperband": partial(keras_tuner, "Hyperband"),
    "Optuna TPE and HyperbandPruner": optuna_hyperband,
}


class Networks:
    """The networks and data that the other libraries are given to build and to train.

    Args:
        given: the terms.
    """

    def __init__(self, given: Given) -> None:
        from hivenas.core.nas.nas_interface import NASInterface
        from hivenas.core.tracker import NullTracker

        self._given = given
        self._interface = NASInterface.from_config(
            given.config.model_copy(update={"seed": given.seed}), tracker=NullTracker()
        )
        self._built = iter(range(MANY))
        self._recipes: WeakKeyDictionary[Any, EvaluationConfig] = WeakKeyDictionary()

    @property
    def fitting(self) -> dict[str, Any]:
        """Arguments of `fit` without its callbacks."""
        arrays, evaluation = self._interface.eval_strategy.training_data.arrays, self._given.config.evaluation
        return {
            "x": arrays.x_train.numpy(),
            "y": arrays.y_train.numpy(),
            "validation_data": (arrays.x_val.numpy(), arrays.y_val.numpy()),
            "batch_size": evaluation.batch_size,
            "epochs": evaluation.epochs,
            "verbose": 0,
        }

    def build(self, choose: Callable[[str, Sequence[Any]], Any]) -> Any:
        """A compiled network, its weights drawn by a seed of its own.

        Args:
            choose: gives one of some values, of the name of what is chosen and the values.
        """
        from hivenas.core.nas.space.frame import Frame
        from hivenas.core.nas.training.loop import make_optimizer
        from hivenas.core.nas.training.network import build_network

        config, data, space = self._given.config, self._interface.eval_strategy.data, self._given.config.space
        layers = [choose(f"layer_{i}", list(space.choices)) for i in range(space.depth)]
        chosen = [(key, written(choose(key, list(varied.values)))) for key, varied in config.choices.items()]
        settings = [(key.removeprefix("evaluation."), value) for key, value in chosen]
        recipe = config.of(joined("|".join(["input", *layers, "output"]), settings)).evaluation
        network = build_network(
            Chain(tuple(layers), (0,) * space.depth),
            self._interface.search_space.reference,
            shape=data.shape,
            classes=data.classes,
            frame=Frame.of(space),
            seed=1_000 * self._given.seed + next(self._built),
        )
        network.compile(make_optimizer(recipe.optimizer), "sparse_categorical_crossentropy", metrics=["accuracy"])
        self._recipes[network] = recipe
        return network

    def each_epoch(self, report: Callable[[float], None]) -> Any:
        """A callback of Keras: the learning rate of an epoch before it, its validation accuracy after it."""
        import keras

        from hivenas.core.nas.training.rates import learning_rates

        recipes = self._recipes

        class EachEpoch(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                recipe = recipes[self.model]
                (rate,) = learning_rates(recipe, epoch, epochs=recipe.epochs, steps=1)
                self.model.optimizer.learning_rate = rate

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                report(float(logs["val_accuracy"]))

        return EachEpoch()
