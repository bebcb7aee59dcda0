"""A full training: its best epoch kept or its last, ended where patience is, anew on training and validation images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from hivenas.config.full_training import FullTrainConfig
from hivenas.config.metrics import ACCURACY, BUILT_IN_METRICS, Metric
from hivenas.core.full_training import KEPT_EPOCH, STARTED_FROM, TrainingSpec
from hivenas.core.measured import marked
from hivenas.core.nas.data.joined_images import JoinedImages
from hivenas.core.nas.training.arrays import Arrays
from hivenas.core.nas.training.checkpointed import run_checkpointed
from hivenas.core.nas.training.checkpoints import Checkpoint, Saved, read_saved, save_state, start_from
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.nas.training.network import count_macs, count_params
from hivenas.core.records import Direction, EpochFigures, Evaluation
from hivenas.wording import number_of

Start = Callable[[], tuple[keras.Model, TrainingLoop]]


def best_epoch(history: Sequence[EpochFigures], direction: Direction = Direction.MAXIMIZE) -> int:
    """The number of the epoch with the best validation figure, the earliest of equals."""
    return max(history, key=lambda figures: (direction.score(figures.figure), -figures.epoch)).epoch


def is_exhausted(
    history: Sequence[EpochFigures], patience: int | None, direction: Direction = Direction.MAXIMIZE
) -> bool:
    """True where so many epochs have passed since the best one; never without patience.

    Source: L. Prechelt, Early stopping – but when?, Neural Networks: Tricks of the Trade (1998), criterion UP with
    strips of one epoch, counted from the best epoch.
    """
    return patience is not None and bool(history) and history[-1].epoch - best_epoch(history, direction) >= patience


def joined(arrays: Arrays) -> Arrays:
    """Training and validation images as training images, with nothing left to validate on.

    They are standardised as before, by the training split's figures, so that one model may average trainings of both
    kinds.
    """
    images, labels = (arrays.x_train, arrays.x_val), (arrays.y_train, arrays.y_val)
    return replace(
        arrays,
        x_train=JoinedImages(images) if arrays.is_read else keras.ops.concatenate(images),
        y_train=keras.ops.concatenate(labels),
        x_val=arrays.x_val[:0],
        y_val=arrays.y_val[:0],
    )


def beginning(spec: TrainingSpec, config: FullTrainConfig, origin: Path | None) -> dict[str, Any]:
    """All that a full training depends on beside candidate, seed and data, for the fingerprint of its checkpoint."""
    way = {"keep": config.keep, "patience": config.patience}
    is_plain = config.keep == "last" and config.patience is None
    return {
        "epochs": config.epochs,
        "weights": origin.name if origin else "",
        **({} if is_plain else way),
        **spec.marks,
    }


@dataclass(frozen=True, slots=True)
class FullTraining:
    """One full training, from its first epoch or from where a killed attempt has left it.

    Args:
        spec: says which.
        config: how many epochs are planned, which are kept, when patience ends.
        start: makes the network as it is before its first epoch, and its loop.
        checkpoint: keeps its state while it goes on.
        file: the h5 file that the kept epoch goes to: with `keep: best` as it comes.
        metric: what is looked for.
    """

    spec: TrainingSpec
    config: FullTrainConfig
    start: Start
    checkpoint: Checkpoint
    file: Path
    metric: Metric = BUILT_IN_METRICS[ACCURACY]

    def run(self, origin: Path | None, *, resume: bool) -> tuple[TrainingLoop, Evaluation]:
        """Trains; returns the loop, whose network has the weights that are kept, and what came of it.

        Args:
            origin: the h5 file that it starts from; None from scratch.
            resume: go on from the last epoch that a killed attempt kept.

        Raises:
            NotFiniteError: it diverges.
            DiskFullError: no space for its files.
        """
        network, loop = self.start()
        kept = self.checkpoint.take_up(network) if resume else None
        if kept and not self._is_whole(kept):
            (network, loop), kept = self.start(), None
        if origin and kept is None:
            start_from(network, origin)
        seen = list(kept.history) if kept else []

        def after(own: Sequence[EpochFigures]) -> None:
            seen[:] = own
            if self._keeps_best and best_epoch(own, self._direction) == own[-1].epoch:
                self._save(network, own)

        patience = None if self.spec.refit_epochs else self.config.patience
        history, stopped = run_checkpointed(
            loop,
            self.checkpoint,
            self._saved,
            kept,
            before=0,
            last=self.spec.refit_epochs or self.config.epochs,
            done=tuple(seen),
            stops=lambda epoch, figure: is_exhausted(seen, patience, self._direction),
            after=after,
        )
        epoch = best_epoch(history, self._direction) if self._keeps_best else history[-1].epoch
        if epoch == history[-1].epoch:
            self._save(network, history)
        elif kept and not self._holds(history[:epoch]):
            # A better epoch of the attempt that was killed, which this one has not repeated: with other threads, say.
            return self.run(origin, resume=False)
        else:
            network.load_weights(self.file)
        evaluation = self._evaluation(network, history, epoch, stopped=stopped)
        started = {STARTED_FROM: origin.name} if origin else {}
        return loop, replace(evaluation, extra=started | dict(evaluation.extra))

    @property
    def _direction(self) -> Direction:
        return Direction.of(self.metric.minimize)

    @property
    def _keeps_best(self) -> bool:
        """Without validation there is no best epoch."""
        return self.config.keep == "best" and not self.spec.refit_epochs

    def _is_whole(self, kept: Saved) -> bool:
        """True where the best epoch so far, or a later one of the same training, is there beside the checkpoint."""
        if not self._keeps_best or not kept.history:
            return True
        best = kept.history[: best_epoch(kept.history, self._direction)]
        return self._saved_history()[: len(best)] == best

    def _holds(self, history: Sequence[EpochFigures]) -> bool:
        """True where the h5 file has the weights after the last of these epochs."""
        return self._saved_history() == tuple(history)

    def _saved_history(self) -> tuple[EpochFigures, ...]:
        """The epochs of the network in the h5 file; none where that cannot be read."""
        try:
            return read_saved(self.file).history
        except (OSError, KeyError, ValueError, TypeError):
            return ()

    def _saved(self, history: Sequence[EpochFigures]) -> Saved:
        return Saved(self.spec.candidate, len(history), 0, tuple(history))

    def _save(self, network: keras.Model, history: Sequence[EpochFigures]) -> None:
        save_state(network, self.file, self._saved(history))

    def _evaluation(
        self, network: keras.Model, history: Sequence[EpochFigures], epoch: int, *, stopped: bool
    ) -> Evaluation:
        best = best_epoch(history, self._direction)  # which is not the one that is kept, perhaps
        since = number_of(len(history) - best, "epoch")
        reason = f"no better validation {self.metric.label} in the {since} after epoch {best}"
        extra = {KEPT_EPOCH: float(epoch)} if self._keeps_best else {}
        return Evaluation(
            self.spec.candidate,
            "stopped" if stopped else "complete",
            fitness=history[epoch - 1].figure,
            epochs=len(history),
            params=count_params(network),
            macs=count_macs(network),
            filename=self.file.name,
            history=tuple(history),
            reason=reason if stopped else "",
            extra=extra | self.spec.marks | marked(self.metric),
        )
