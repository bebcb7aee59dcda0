from __future__ import annotations

import sys
from pathlib import Path

from hivenas.config import ExecutionConfig
from hivenas.core.folder import ResultsFolder
from hivenas.execution import SerialExecutor, WorkerExecutor, make_executor
from tests.processes import SPHERE, Place


def test_cheap_objectives_run_in_the_drivers_process(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "log")
    assert isinstance(make_executor(ExecutionConfig(), folder, serial=True), SerialExecutor)
    assert isinstance(make_executor(ExecutionConfig(kind="serial"), folder), SerialExecutor)
    with make_executor(ExecutionConfig(), folder) as executor:
        assert isinstance(executor, WorkerExecutor)


WITHOUT_DASK = """
import sys
sys.modules["distributed"] = None
from hivenas.cli.commands import main
main()
"""


def test_without_its_extra_dask_is_one_line_that_names_the_command(tmp_path: Path) -> None:
    place = Place(tmp_path, SPHERE.format(name="none", seed=1, iterations=1).replace("sphere_min", "nas"))
    arguments = ["search", "--config", str(place.config), "--set", "execution.kind=dask optuna.storage=null"]
    done = place.run(*arguments, command=[sys.executable, "-c", WITHOUT_DASK])
    assert done.wait() == 2
    assert done.output.splitlines()[-1].endswith("pip install 'hivenas[dask]'")
