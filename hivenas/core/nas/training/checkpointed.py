"""Epochs that are trained as every training's are: kept now and then, and told of while they go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hivenas.core.nas.training.checkpoints import Checkpoint, Saved
from hivenas.core.nas.training.loop import TrainingLoop
from hivenas.core.progress import Teller
from hivenas.core.records import EpochFigures


def run_checkpointed(
    loop: TrainingLoop,
    checkpoint: Checkpoint,
    so_far: Callable[[Sequence[EpochFigures]], Saved],
    kept: Saved | None,
    *,
    before: int,
    last: int,
    done: Sequence[EpochFigures],
    stops: Callable[[int, float], bool] | None = None,
    after: Callable[[Sequence[EpochFigures]], None] | None = None,
) -> tuple[list[EpochFigures], bool]:
    """Trains epochs; what comes of them depends on neither the checkpoint nor whoever listens.

    Args:
        loop: its network is as the checkpoint was taken up, or as it is before the first of these epochs.
        checkpoint: where the state is kept.
        so_far: the description of the state after the epochs that it is given, those that are `done` included.
        kept: what was taken up; None for nothing.
        before: the number of the epoch after which these begin.
        last: the number of the last epoch that there may be.
        done: figures of those that an earlier attempt has trained.
        stops: see `TrainingLoop.run`.
        after: called after every epoch but the last, before its state is kept: a training that goes on from there does
            not come by this epoch again.

    Returns:
        The figures of every epoch, and whether `stops` ended the training early.

    Raises:
        NotFiniteError: the loss or a weight is NaN or infinite.
        MetricError: a metric of one's own raises, or gives no finite number.
        DiskFullError: there is no space for the state.
    """
    tell = Teller(before, last, done, metric=loop.metric)

    def then(own: Sequence[EpochFigures]) -> None:
        if after is not None:
            after(own)
        checkpoint.keep(loop.network, so_far(own))
        tell(own)

    inside = checkpoint.inside(loop.network, so_far, kept, tell.inside)
    history, stopped = loop.run(before + 1, last, stops, after=then, done=done, inside=inside)
    tell(history, ends=True)
    return history, stopped
