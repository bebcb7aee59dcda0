"""The reference space: what every operation key stands for, as data. No Keras here; `network.py` builds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, overload

from hivenas.config import registry
from hivenas.config.arguments import check_value
from hivenas.config.presets import WIDTH
from hivenas.config.text import IMPORT_IT, choose_among
from hivenas.core.nas.space.cells import CELLS
from hivenas.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
LISTED = "docs/spaces.md lists those built in"  # the rest of a long list, for errors


def _weights(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{what}" for name in names for what in ("initializer", "regularizer", "constraint"))


# What every layer takes.
_COMMON = ("activity_regularizer", "dtype", "trainable")
_CONVOLUTION = ("strides", "padding", "data_format", "dilation_rate", "activation", "use_bias", *_weights("bias"))
_POOLING = ("strides", "padding", "data_format", *_COMMON)
_NORMALIZATION = ("axis", "epsilon", "center", "scale", *_weights("beta", "gamma"), *_COMMON)
_MOVING = ("momentum", "moving_mean_initializer", "moving_variance_initializer", "renorm", "renorm_momentum")
# Layers with their arguments: those that must be given, those that may be.
LAYER_ARGUMENTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "Activation": (("activation",), _COMMON),
        "AveragePooling2D": (("pool_size",), _POOLING),
        "BatchNormalization": ((), (*_MOVING, "synchronized", *_NORMALIZATION)),
        "Conv2D": (("filters", "kernel_size"), ("groups", *_CONVOLUTION, *_weights("kernel"), *_COMMON)),
        "Dense": (("units",), ("activation", "use_bias", *_weights("kernel", "bias"), *_COMMON)),
        "DepthwiseConv2D": (("kernel_size",), ("depth_multiplier", *_CONVOLUTION, *_weights("depthwise"), *_COMMON)),
        "Dropout": (("rate",), ("noise_shape", "seed", *_COMMON)),
        "Flatten": ((), ("data_format", *_COMMON)),
        "GaussianDropout": (("rate",), ("seed", *_COMMON)),
        "GaussianNoise": (("stddev",), ("seed", *_COMMON)),
        "GlobalAveragePooling2D": ((), ("data_format", "keepdims", *_COMMON)),
        "GlobalMaxPooling2D": ((), ("data_format", "keepdims", *_COMMON)),
        "GroupNormalization": ((), ("groups", *_NORMALIZATION)),
        "Identity": ((), _COMMON),
        "LayerNormalization": ((), _NORMALIZATION),
        "LeakyReLU": ((), ("negative_slope", "alpha", *_COMMON)),
        "MaxPooling2D": ((), ("pool_size", *_POOLING)),
        "ReLU": ((), ("max_value", "negative_slope", "threshold", *_COMMON)),
        "SeparableConv2D": (
            ("filters", "kernel_size"),
            ("depth_multiplier", *_CONVOLUTION, *_weights("depthwise", "pointwise"), *_COMMON),
        ),
        "SpatialDropout2D": (("rate",), ("data_format", "seed", "dtype")),
    }
)
LAYERS = tuple(LAYER_ARGUMENTS)


@dataclass(frozen=True)
class OpSpec:
    """An operation: the registered name of a Keras layer or cell, and its arguments.

    Args:
        op: name of the layer or cell, one of `LAYERS`, `CELLS` or what was registered.
        arguments: keyword arguments of the layer or cell.
    """

    op: str
    arguments: Mapping[str, Any]

    @property
    def definition(self) -> dict[str, Any]:
        """The operation as a configuration writes it, the inverse of `from_mapping`."""
        return {"op": self.op, **self.arguments}

    @classmethod
    def from_mapping(cls, key: str, mapping: Mapping[str, Any]) -> OpSpec:
        """An operation from a configuration's `!Operation {op: …, argument: …}`.

        Raises:
            ConfigError: `op` is missing or names nothing that may be built, or arguments are foreign or missing.
        """
        arguments = dict(mapping)
        op = arguments.pop("op", None)
        if op is None:
            raise ConfigError(f"space.reference.{key} needs an op, got {dict(mapping)!r}; write {{op: Conv2D, …}}")
        known = (*LAYERS, *CELLS, *registry.OPERATIONS, *registry.CELLS)
        if op not in known:
            registered = ", ".join((*registry.OPERATIONS, *registry.CELLS))
            own = f"registered are {registered}" if registered else IMPORT_IT
            raise ConfigError(
                f"space.reference.{key}.op must be a built-in or registered layer or cell, got {op!r}"
                f"{choose_among(op, known, f'{LISTED}; {own}')}"
            )
        _check_arguments(key, op, arguments)
        return cls(op, MappingProxyType(arguments))


def _check_arguments(key: str, op: str, arguments: Mapping[str, Any]) -> None:
    """Refuses arguments that no network could be built with, as far as that is known without Keras."""
    if "name" in arguments:
        raise ConfigError(f"space.reference.{key}.name is given by the place in the network; remove it")
    known = _arguments(op)
    if known is None:
        return
    if "seed" in arguments:
        raise ConfigError(
            f"space.reference.{key}.seed must not be given, got {arguments['seed']}: what {op} draws follows from the "
            "configuration's seed, the candidate and the epoch; remove it"
        )
    if {"alpha", "negative_slope"} <= arguments.keys():
        raise ConfigError(f"space.reference.{key}.negative_slope is alpha by another name, got both; remove alpha")
    _check_names(key, op, arguments, known)
    for argument, value in arguments.items():
        if value is None:
            continue  # Keras' own default
        try:
            check_value(f"space.reference.{key}", argument, value)
        except ValueError as error:
            raise ConfigError(str(error)) from None


def _arguments(op: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Arguments that must be given, and that may be; None for what was registered."""
    cell = CELLS.get(op)
    return (cell.needed, cell.optional) if cell else LAYER_ARGUMENTS.get(op)


def _check_names(
    key: str, op: str, arguments: Mapping[str, Any], known: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    needed, optional = known
    for argument in arguments:
        if argument not in needed + optional:
            raise ConfigError(
                f"space.reference.{key} has no argument {argument!r} for {op}"
                f"{choose_among(argument, needed + optional, f'Keras documents the others of {op}')}"
            )
    for argument in needed:
        if argument not in arguments:
            raise ConfigError(f"space.reference.{key}.{argument} must be given for {op}; add it")


@overload
def register_operation(name: str, layer: F) -> F: ...


@overload
def register_operation(name: str, layer: None = None) -> Callable[[F], F]: ...


def register_operation(name: str, layer: F | None = None) -> F | Callable[[F], F]:
    """Makes a layer available to configurations as `!Operation {op: name, …}`; also a decorator.

    Register at the top level of a module: worker processes know the name because they import that module, or, where it
    is the main module, because what it registers is sent to them. Commands import it with `--import MODULE`. Names of
    built-in layers and cells cannot be taken.

    Args:
        name: letters, digits and _.
        layer: called with the operation's arguments, returns a Keras layer: a layer class, or a function that makes
            one. Where it takes a `name`, it is given one. A layer class of your own needs
            `keras.saving.register_keras_serializable` too, so that saved models with it can be loaded, and keeps all
            that decides its answers among its weights (`self.add_weight`); both are tried before the first candidate.

    Returns:
        The layer as it was given; without one, a decorator.

    Raises:
        ConfigError: the name is built in, is no name, or is taken by another module.
    """
    return _register(registry.OPERATIONS, registry.CELLS, name, layer)


@overload
def register_cell(name: str, builder: F) -> F: ...


@overload
def register_cell(name: str, builder: None = None) -> Callable[[F], F]: ...


def register_cell(name: str, builder: F | None = None) -> F | Callable[[F], F]:
    """Makes a cell, several layers that form one operation, available as `!Operation {op: name, …}`; also a decorator.

    Register at the top level of a module: worker processes know the name because they import that module, or, where it
    is the main module, because what it registers is sent to them. Commands import it with `--import MODULE`. Names of
    built-in layers and cells cannot be taken.

    Args:
        name: letters, digits and _.
        builder: called as `builder(x, name, **arguments)` with a tensor of shape (batch, height, width, channels), the
            cell's place in the network, and the operation's arguments; returns a tensor with these four axes. Name
            its layers after `name`, so that two builds of one architecture are equal. Layer classes of your own
            need `keras.saving.register_keras_serializable`, so that saved models with them can be loaded.

    Returns:
        The builder as it was given; without one, a decorator.

    Raises:
        ConfigError: the name is built in, is no name, or is taken by another module.
    """
    return _register(registry.CELLS, registry.OPERATIONS, name, builder)


def _register(
    registry: registry.Registry, other: registry.Registry, name: str, entry: F | None
) -> F | Callable[[F], F]:
    def check(name: str, given: F) -> None:
        if name in other:
            raise ConfigError(f"{name!r} is registered already, as an operation or as a cell; choose another name")
        if not callable(given):
            raise ConfigError(
                f"{name!r} must stand for a class or a function that makes layers, got {given!r}; pass one"
            )

    return registry.register(name, entry, (*LAYERS, *CELLS), check)


def _spec(op: str, **arguments: Any) -> OpSpec:
    return OpSpec(op, MappingProxyType(arguments))


def _reference_space() -> dict[str, OpSpec]:
    """Every built-in key but those of pre-activation blocks; sizes and filters follow from the names.

    Plain convolutions pad `same`: with `valid` padding five of them would not fit on an 8×8 image, and every
    architecture of the space has to build. Global pooling keeps its two image axes for the same reason.
    """
    space: dict[str, OpSpec] = {}
    for size in (5, 3):
        for filters in (16, 8):
            space[f"conv{size}x{size}_{filters}"] = _spec(
                "Conv2D", filters=filters, kernel_size=(size, size), padding="same", activation="relu"
            )
        for filters in (128, 64, 32):
            space[f"sep{size}x{size}_{filters}"] = _spec(
                "SeparableConv2D", filters=filters, kernel_size=(size, size), padding="same", activation="relu"
            )
    space["max_pool3x3"] = _spec("MaxPooling2D", pool_size=(3, 3), strides=(1, 1), padding="same")
    space["avg_pool3x3"] = _spec("AveragePooling2D", pool_size=(3, 3), strides=(1, 1), padding="same")
    space["global_avg_pool"] = _spec("GlobalAveragePooling2D", keepdims=True)
    space["batch_norm"] = _spec("BatchNormalization")
    space["dropout"] = _spec("Dropout", rate=0.15)
    space["identity"] = _spec("Identity")
    for filters in (32, 16):
        space[f"conv3x3_{filters}bnrelu"] = _spec("ConvBnReLU", filters=filters, kernel_size=(3, 3))
    for filters in (256, 128, 64):
        space[f"conv3x3_{filters}bnreluavgpool"] = _spec("ConvBnReLUAvgPool", filters=filters, kernel_size=(3, 3))
    for blocks in (1, 2):
        for reg_filters in (128, 64, 32):
            for filters in (256, 128, 64):
                space[f"resx{blocks}reg_{reg_filters}_conv3x3_{filters}bnrelu"] = _spec(
                    "ResidualConvBnReLU",
                    filters=filters,
                    kernel_size=(3, 3),
                    reg_filters=reg_filters,
                    block_count=blocks,
                )
    return space


def _blocks() -> Iterator[tuple[str, OpSpec]]:
    """The blocks that keep the shape of their input, and what stands before, between and after them."""
    yield "stem", _spec("ConvStem", filters=WIDTH, largest=24)
    yield "down", _spec("DownSampling")
    yield "bn_relu", _spec("BnReLU")
    for size in (3, 5):
        yield f"res{size}x{size}", _spec("ResidualBlock", kernel_size=size)
        yield f"res{size}x{size}_half", _spec("ResidualBlock", kernel_size=size, ratio=0.5)
        yield f"res{size}x{size}_double", _spec("ResidualBlock", kernel_size=size, ratio=2.0)
        yield f"res{size}x{size}_single", _spec("ResidualBlock", kernel_size=size, convolutions=1)
        yield f"res{size}x{size}_se", _spec("ResidualBlock", kernel_size=size, squeeze=True)
        yield f"res{size}x{size}_bottleneck", _spec("BottleneckBlock", kernel_size=size)
        for expansion in (2, 4, 6):
            inverted: dict[str, Any] = {"kernel_size": size, "expansion": expansion}
            key = f"mobile{size}x{size}_{expansion}"
            yield key, _spec("InvertedResidual", **inverted)
            yield f"{key}_hswish", _spec("InvertedResidual", activation="hard_swish", **inverted)
            yield f"{key}_se", _spec("InvertedResidual", squeeze=True, **inverted)
            yield f"{key}_se_hswish", _spec("InvertedResidual", activation="hard_swish", squeeze=True, **inverted)


REFERENCE_SPACE: Mapping[str, OpSpec] = MappingProxyType(_reference_space() | dict(_blocks()))


def built_in_space(width: int = WIDTH, l2: float | None = None) -> dict[str, OpSpec]:
    """The built-in operations of a configuration.

    Args:
        width: filters of the stem of pre-activation blocks, `space.width`.
        l2: factor of the L2 regularisation of the cells' kernels, `space.l2`; None for that of each cell.
    """
    return {key: _configured(spec, width, l2) for key, spec in REFERENCE_SPACE.items()}


def _configured(spec: OpSpec, width: int, l2: float | None) -> OpSpec:
    more: dict[str, Any] = {"filters": width} if spec.op == "ConvStem" else {}
    cell = CELLS.get(spec.op)
    if l2 is not None and cell and "l2" in cell.optional:
        more["l2"] = l2
    return _spec(spec.op, **{**spec.arguments, **more}) if more else spec


def reference_space(
    extra: Mapping[str, Mapping[str, Any]], *, width: int = WIDTH, l2: float | None = None
) -> dict[str, OpSpec]:
    """The built-in operations with those of a configuration's `space.reference` added or put in their place."""
    return built_in_space(width, l2) | own_space(extra)


def own_space(extra: Mapping[str, Mapping[str, Any]]) -> dict[str, OpSpec]:
    """The operations of a configuration's `space.reference`."""
    return {key: OpSpec.from_mapping(key, mapping) for key, mapping in extra.items()}


def check_keys(where: str, keys: Iterable[str], known: Mapping[str, OpSpec]) -> None:
    """Refuses keys that name no operation.

    Raises:
        ConfigError: with the place, the key and the nearest known one.
    """
    for position, key in enumerate(keys):
        if key not in known:
            raise ConfigError(
                f"{where}[{position}] must name a known operation, got {key!r}"
                f"{choose_among(key, known, LISTED)}; or define it under space.reference"
            )
