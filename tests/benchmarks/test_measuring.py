"""Measurements in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

CODE = """
import math
from measuring import in_processes

if __name__ == "__main__":
    print(sorted(in_processes(math.hypot, [(3 * k, 4 * k) for k in range(12)], 1)))
"""


@pytest.mark.process
def test_a_process_that_is_replaced_after_its_tasks_does_not_end_the_measurements(tmp_path: Path) -> None:
    file = tmp_path / "measure.py"
    file.write_text(CODE)
    path = {"PYTHONPATH": f"{ROOT / 'benchmarks'}:{ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, file], env=path, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == f"{[5.0 * k for k in range(12)]}\n"
