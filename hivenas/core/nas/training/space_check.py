"""A space before anything of it is trained: the share that builds, and what it defines itself, tried on a batch.

Keras is imported where an operation needs it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hivenas.config import EvaluationConfig
from hivenas.core.nas.space.architecture import Chain
from hivenas.core.nas.space.feasibility import Feasibility, own_operations
from hivenas.core.nas.space.layer_sizes import Shape, Size
from hivenas.core.nas.space.operations import OpSpec
from hivenas.core.nas.space.search_space import Image, NASSearchSpace
from hivenas.core.nas.space.sizes import NetworkSizes


def checked_space(
    space: NASSearchSpace, config: EvaluationConfig, chain: Chain | None, image: Callable[[], Image], *, is_tried: bool
) -> Feasibility:
    """Counts the architectures that build, and tries on one batch what the configuration defines itself.

    Args:
        space: the space.
        config: how candidates are trained.
        chain: the one architecture to look at; None for the whole space.
        image: gives height, width and channels of an image, and the number of classes, where they matter.
        is_tried: whether the optimizer is tried, too, where no operation is the configuration's own.

    Returns:
        The share that builds.

    Raises:
        ConfigError: an operation that cannot be built, trained, or saved so that it answers as before; an optimizer
            that cannot be made; nothing of the space builds.
    """
    feasible = Feasibility(size=1 if chain else space.architectures)
    own = dict(own_operations(space, chain))  # without any all builds, and of the optimizer the values are checked
    if own or chain:
        shape, classes = image()
        sizes = NetworkSizes(space.reference, shape=shape, classes=classes, frame=space.frame, measure=measure)
        feasible = Feasibility.of(space, sizes, shape, chain)
    if own or is_tried:
        from hivenas.core.nas.training.probe import probe_space

        feasible = replace(feasible, answers=probe_space(own.items(), feasible.inputs, config))
    feasible.check()
    return feasible


def measure(spec: OpSpec, shape: Shape) -> Size:
    """The size of one operation, found by building it alone, see `network.measure_operation`."""
    from hivenas.core.nas.training.network import measure_operation

    return measure_operation(spec, shape)
