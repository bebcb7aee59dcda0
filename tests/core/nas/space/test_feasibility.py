from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hivenas.config import SpaceConfig, registry
from hivenas.core.nas.space.architecture import decode
from hivenas.core.nas.space.feasibility import Feasibility, own_operations, refused
from hivenas.core.nas.space.layer_sizes import DoesNotBuildError, Shape, Size
from hivenas.core.nas.space.operations import OpSpec, register_operation
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.nas.space.sizes import Measure, NetworkSizes
from hivenas.errors import ArchitectureError, ConfigError

SHAPE = (8, 8, 1)
OWN: dict[str, dict[str, Any]] = {
    "halve": {"op": "MaxPooling2D", "pool_size": 2},
    "valid": {"op": "Conv2D", "filters": 8, "kernel_size": 3},
    "flat": {"op": "Flatten"},
}


def builds_not(spec: OpSpec, shape: Shape) -> Size:
    raise DoesNotBuildError


def examined(arch: str = "", measure: Measure = builds_not, **space: Any) -> Feasibility:
    config = SpaceConfig(**{"reference": OWN, "operations": ("halve", "valid", "identity"), **space})
    made = NASSearchSpace(config, np.random.default_rng(1))
    sizes = NetworkSizes(
        made.reference,
        shape=SHAPE,
        classes=3,
        frame=made.frame,
        measure=measure,
    )
    return Feasibility.of(made, sizes, SHAPE, decode(arch, made.reference) if arch else None)


def side_after(operations: tuple[str, ...]) -> int:
    side = 8
    for each in operations:
        side = {"halve": side // 2, "valid": side - 2, "identity": side}[each] if side > 0 else side
    return side


def test_the_share_that_builds_is_counted_where_a_space_is_small() -> None:
    found = examined(depth=5)
    keys = ("halve", "valid", "identity")
    all_of_them = [(a, b, c, d, e) for a in keys for b in keys for c in keys for d in keys for e in keys]
    assert found.counted
    assert found.share == sum(side_after(each) > 0 for each in all_of_them) / 243
    assert found.is_low
    assert str(found) == "49.8 % of 243 architectures on images of 8×8×1, fewest with halve"
    assert found.inputs["valid"] == (8, 8, 32)


@pytest.mark.parametrize("skip_rate", [0.0, 0.5])
def test_it_is_estimated_where_a_space_is_large_and_alike_every_time(skip_rate: float) -> None:
    one, other = (examined(depth=9, skip_rate=skip_rate) for _ in range(2))
    assert one == other
    assert not one.counted
    assert 0 < one.share < 0.2
    assert str(one).startswith("about ")


def test_all_of_a_sound_space_builds() -> None:
    found = examined(operations=("halve", "identity"), depth=3)
    assert (found.share, found.is_low, found.rarest) == (1.0, False, "")
    assert str(found) == "all of 8 architectures"
    found.check()


def test_a_space_of_which_nothing_builds_is_refused() -> None:
    for space in ({"operations": ("flat", "valid"), "depth": 5}, {"input_stem": ("flat",)}):
        with pytest.raises(ConfigError, match=r"must build on images of 8×8×1, got .* of which none does; correct"):
            examined(**space).check()
    with pytest.raises(ArchitectureError, match=r"must build on images of 8×8×1, got 'input\|halve\|flat\|output'"):
        examined("input|halve|flat|output").check()
    examined("input|halve|valid|output").check()


def test_operations_that_are_registered_are_measured_on_few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.OPERATIONS, "_entries", {})
    register_operation("Grows", print)
    measured: list[Shape] = []

    def measure(spec: OpSpec, shape: Shape) -> Size:
        measured.append(shape)
        return Size((*shape[:2], shape[2] * 2 + 1))

    reference = OWN | {"grows": {"op": "Grows"}}
    found = examined(measure=measure, reference=reference, operations=("grows", "valid", "identity"), depth=12)
    assert not found.counted
    assert len(measured) == len(set(measured)) < 400


def test_only_what_the_configuration_defines_is_its_own() -> None:
    config = SpaceConfig(
        preset="layerwise", reference={"dropout": {"op": "Dropout", "rate": 0.5}, **OWN}, output_stem=("flat",)
    )
    space = NASSearchSpace(config, np.random.default_rng(1))
    assert [key for key, _ in own_operations(space)] == ["dropout", "flat"]
    arch = decode("input|valid|dropout|valid|output", space.reference)
    assert [key for key, _ in own_operations(space, arch)] == ["valid", "dropout", "flat"]
    assert list(own_operations(NASSearchSpace(SpaceConfig(), np.random.default_rng(1)))) == []


def test_a_refusal_names_the_one_argument_that_is_to_blame() -> None:
    spec = OpSpec("Conv2D", {"filters": 0, "kernel_size": (3, 3)})
    said = str(refused("mine", spec, "ValueError: filters=0", (8, 8, 1)))
    assert said == (
        "space.reference.mine.filters must be such that it can be built and trained, got Conv2D(filters=0, "
        "kernel_size=[3, 3]) on an input of 8×8×1 (ValueError: filters=0); correct it or leave mine out"
    )
    assert str(refused("mine", spec, "odd", (8, 8, 1))).startswith("space.reference.mine must be such")
