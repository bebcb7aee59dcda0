from __future__ import annotations

from pathlib import Path

import pytest

from hivenas.core.bfloat16 import has_bfloat16


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("flags\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd i8mm bf16\n", True),
        ("flags\t: fpu avx512f bf16x\n", False),
        ("vendor_id\t: nobody\n", None),
    ],
)
def test_it_is_found_among_the_flags_of_x86_and_arm(tmp_path: Path, text: str, found: bool | None) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert has_bfloat16(file) is found


def test_where_nothing_is_listed_nothing_is_known(tmp_path: Path) -> None:
    assert has_bfloat16(tmp_path / "cpuinfo") is None
