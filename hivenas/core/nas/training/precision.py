"""Precisions in which networks compute: what of them is in half precision, and what training needs for that.

Weights and answers are float32 in every one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import keras
from keras import layers

from hivenas.config import EvaluationConfig

_BFLOAT16 = keras.DTypePolicy("mixed_bfloat16")
# The table of `evaluation.precision: bfloat16`, by measurement (benchmarks/precision.py, docs/evaluation.md): what is
# not in it is in float32. Only these classes themselves: layers of one's own that derive from them are left alone.
IN_BFLOAT16: Mapping[type, keras.DTypePolicy] = MappingProxyType(
    dict.fromkeys((layers.Conv2D, layers.Conv2DTranspose, layers.Dense), _BFLOAT16)
)


@dataclass(frozen=True, slots=True)
class Precision:
    """A value of `evaluation.precision`.

    Args:
        policy: Keras' policy under which networks are built; empty leaves the one that there is.
        layers: the policies of the classes of layers that have one of their own.
        scales_loss: whether gradients are computed of a larger loss, as float16 would round small ones to 0.
        chosen: all of this in words, for recipes; empty where there is nothing to say.
    """

    policy: str = ""
    layers: Mapping[type, keras.DTypePolicy] = field(default_factory=dict)
    scales_loss: bool = False
    chosen: str = ""

    @classmethod
    def of(cls, config: EvaluationConfig) -> Precision:
        """The configured one."""
        return PRECISIONS[config.precision]

    def build(self, make: Callable[[], keras.Model]) -> keras.Model:
        """A network in this precision; layers that are given a `dtype`, and what layers of one's own hold, keep theirs.

        Args:
            make: builds the network, new layers and all.
        """
        before = keras.config.dtype_policy()
        # An object of its own: layers that have it were not given another, nor the same by name.
        own = keras.DTypePolicy(self.policy) if self.policy else before
        keras.config.set_dtype_policy(own)
        try:
            network = make()
        finally:
            keras.config.set_dtype_policy(before)
        for layer in layers_of(network) if self.layers else ():
            if layer.dtype_policy is own:
                layer.dtype_policy = self.layers.get(type(layer), own)
        return network

    def optimizer(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """An optimizer as it trains in this precision."""
        return keras.optimizers.LossScaleOptimizer(optimizer) if self.scales_loss else optimizer

    def environment(self) -> dict[str, str]:
        """Of the environment of a recipe: what is in which precision; nothing where all is in float32."""
        return {"precision": self.chosen} if self.chosen else {}


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        "float32": Precision(),
        "bfloat16": Precision(
            policy="float32",
            layers=IN_BFLOAT16,
            chosen=f"bfloat16 in {', '.join(kind.__name__ for kind in IN_BFLOAT16)}; float32 in other layers",
        ),
        "float16": Precision(
            policy="mixed_float16", scales_loss=True, chosen="float16 in all layers but the last, the loss scaled"
        ),
    }
)


@contextlib.contextmanager
def in_single_precision(network: keras.Model) -> Iterator[None]:
    """Has the layers that the table put in bfloat16 compute in float32, of the same weights.

    Args:
        network: what a `Precision` has built, or a model with such networks in it; it is as it was afterwards.
    """
    changed = [layer for layer in layers_of(network) if layer.dtype_policy is _BFLOAT16]
    try:
        for layer in changed:
            layer.dtype_policy = keras.DTypePolicy("float32")
        yield
    finally:
        for layer in changed:
            layer.dtype_policy = _BFLOAT16


def layers_of(network: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a network and of the networks inside it, without what other layers hold."""
    for layer in network.layers:
        if isinstance(layer, type(network) | keras.Sequential):
            yield from layers_of(layer)
        else:
            yield layer
