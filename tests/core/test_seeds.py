"""Seeds that depend on what is done, not on when or where."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.seeds import arch_hash, derive_seed, drawn_seed

# Golden: whoever changes one of these changes every recorded search.
GOLDEN: list[tuple[tuple[int, *tuple[str | int, ...]], int]] = [
    ((0,), 804681139),
    ((42,), 967028314),
    ((42, "input|identity|output"), 1811930416),
    ((42, "input|identity|output", 3), 862274972),
    ((4294967295, "é"), 2091387995),
]


@pytest.mark.parametrize(("arguments", "expected"), GOLDEN)
def test_a_derived_seed_is_the_same_on_every_machine(
    arguments: tuple[int, *tuple[str | int, ...]], expected: int
) -> None:
    assert derive_seed(*arguments) == expected


_PARTS = st.lists(st.integers() | st.text(st.characters(codec="utf-8"), max_size=20), max_size=4)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), parts=_PARTS)
def test_a_derived_seed_lies_in_the_range_that_every_generator_takes(seed: int, parts: list[str | int]) -> None:
    assert 0 <= derive_seed(seed, *parts) < 2**31


def test_a_derived_seed_depends_on_every_part_and_on_their_order() -> None:
    seeds = {
        derive_seed(42),
        derive_seed(43),
        derive_seed(42, "split"),
        derive_seed(42, "train"),
        derive_seed(42, "train", 1),
        derive_seed(42, "train", 2),
        derive_seed(42, 1, "train"),
        derive_seed(42, "train1"),
        derive_seed(421, "train"),
    }
    assert len(seeds) == 9


def test_derived_seeds_of_many_candidates_do_not_collide() -> None:
    assert len({derive_seed(42, "candidate", n) for n in range(2000)}) == 2000


def test_an_open_seed_is_drawn_and_a_given_one_kept() -> None:
    assert [drawn_seed(seed) for seed in (0, 42, 2**32 - 1)] == [0, 42, 2**32 - 1]
    drawn = {drawn_seed(None) for _ in range(20)}
    assert all(0 <= seed < 2**32 for seed in drawn)
    # Twenty times the same by chance: once in 2⁶⁰⁸.
    assert len(drawn) > 1


def test_the_hash_of_an_architecture_is_its_sha1() -> None:
    arch = "input|identity|output"
    assert arch_hash(arch) == hashlib.sha1(arch.encode()).hexdigest()
    assert arch_hash("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d"
