from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import hivenas
from hivenas.config import Config, load
from hivenas.config.metrics import BUILT_IN_METRICS
from hivenas.config.text import parse_yaml

ROOT = Path(__file__).parents[1]
UNEXPLAINED = {"batch_size", "epochs", "study"}  # said by their section
HEAVY = {"tensorflow", "keras", "mlflow", "optuna", "dask", "distributed", "pandas", "matplotlib", "rich"}
READERS = {"hivenas.config", "numpy", "pydantic", "yaml"}  # a configuration takes them, a command's help does not


def test_public_names_are_sorted_and_all_there() -> None:
    assert hivenas.__all__ == sorted(hivenas.__all__)
    assert hivenas.__all__ == [
        "ArchitectureObjective",
        "ArtificialBeeColony",
        "Callback",
        "Choice",
        "Config",
        "Direction",
        "Evaluation",
        "FunctionObjective",
        "Log",
        "NASInterface",
        "NASSearchSpace",
        "NullTracker",
        "ObjectiveInfo",
        "ObjectiveInterface",
        "Proposal",
        "SearchResult",
        "Strategy",
        "TaskExecutor",
        "TerminateOnThreshold",
        "Tracker",
        "Trial",
        "__version__",
        "export",
        "forget",
        "load",
        "load_results",
        "predict",
        "register_cell",
        "register_dataset",
        "register_executor",
        "register_metric",
        "register_operation",
        "register_strategy",
        "register_tracker",
        "search",
        "train",
    ]
    for name in hivenas.__all__:
        assert name == "__version__" or getattr(hivenas, name).__name__ == name
    with pytest.raises(AttributeError, match="bees"):
        _ = hivenas.bees


def test_the_version_is_that_of_the_installed_package() -> None:
    assert hivenas.__version__ == importlib.metadata.version("hivenas")


@pytest.mark.process
@pytest.mark.slow
def test_public_names_have_types_for_whoever_uses_them(tmp_path: Path) -> None:
    program = "\n".join(["import hivenas", *(f"reveal_type(hivenas.{name})" for name in hivenas.__all__)])
    program += "\nreveal_type(hivenas.search({}).best)\nhivenas.search({}, progress=3)\n"
    (tmp_path / "program.py").write_text(program)
    # What mypy keeps is that of every other run of it here, which so takes less.
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "program.py")]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    ours = [line for line in done.stdout.splitlines() if "program.py" in line]
    revealed = re.findall(r'note: Revealed type is "(.*)"', "\n".join(ours))
    assert len(revealed) == len(hivenas.__all__) + 1, done.stdout
    assert [name for name, kind in zip(hivenas.__all__, revealed, strict=False) if kind == "Any"] == []
    (search,) = (kind for name, kind in zip(hivenas.__all__, revealed, strict=False) if name == "search")
    assert search.endswith("-> hivenas.run.result.SearchResult")
    assert revealed[-1] == "hivenas.core.records.Trial | None"
    (error,) = (line for line in ours if "error:" in line)
    assert 'Argument "progress" to "search" has incompatible type "int"' in error


@pytest.mark.process
@pytest.mark.parametrize(
    "code",
    [
        "import hivenas",
        "import hivenas; dir(hivenas)",
        "from hivenas import FunctionObjective; FunctionObjective(lambda a: a, {'a': [1, 2]}).evaluate('a=1')",
        "from hivenas import Callback, SearchResult, load, load_results, search, train, predict",
        "from hivenas import ArtificialBeeColony, NASInterface; NASInterface().sample()",
        "from hivenas.cli.commands import main; main(['--help'], standalone_mode=False)",
        "from hivenas.cli.commands import main; main(['check', '--config', 'conf/digits.yaml'], standalone_mode=False)",
    ],
)
def test_light_work_imports_nothing_heavy(code: str) -> None:
    script = f"import sys; {code}; print('imported', *({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1].strip() == "imported"


@pytest.mark.process
def test_the_help_reads_no_configuration() -> None:
    code = "from hivenas.cli.commands import main; main(['--help'], standalone_mode=False)"
    script = f"import sys; {code}; print('imported', *({READERS!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1].strip() == "imported"


WITHOUT_POSIX = """
import sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
import hivenas.cli.commands, hivenas.execution, hivenas.run.session
"""


def test_nothing_is_imported_that_only_some_systems_have() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_POSIX], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_conda_and_pyproject_list_the_same_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    (pip,) = (entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    assert pip == [*project["dependencies"], "."]


def test_constraints_pin_every_dependency_by_name_and_version_alone() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["docs"]]
    assert {re.split(r"[\[><=]", requirement)[0] for requirement in wanted} <= pinned


def test_the_default_configuration_lists_every_key_with_its_default_and_a_comment() -> None:
    text = (ROOT / "conf/default.yaml").read_text()
    assert load(ROOT / "conf/default.yaml").to_mapping() == Config().to_mapping()
    written = flattened(parse_yaml(text, "conf/default.yaml"))
    assert written == flattened(Config().to_mapping())
    top_level = [line for line in text.splitlines() if re.match(r"\s*\w+: \S", line)]
    without = [line for line in top_level if "#" not in line and line.split(":")[0].strip() in UNEXPLAINED]
    assert [line for line in top_level if "#" not in line] == without


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda file: file.name)
def test_every_configuration_that_is_shipped_loads(file: Path) -> None:
    assert load(file).name


def flattened(data: dict[str, Any], prefix: str = "") -> set[str]:
    """The dotted keys of nested data."""
    keys: set[str] = set()
    for key, value in data.items():
        keys |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key}
    return keys


@pytest.mark.process
def test_the_continuous_integration_runs_the_readmes_test_command() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("-P config=conf/digits.yaml")
    assert commands[1].endswith("&& pytest")
    (grep,) = re.findall(r"command=\$\((.*)\)", (ROOT / ".ci/run").read_text())
    done = subprocess.run(["bash", "-c", grep], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == commands[1]


def test_every_entry_point_has_a_command_of_the_program() -> None:
    project = yaml.safe_load((ROOT / "MLproject").read_text())
    assert set(project["entry_points"]) == {"main", "train", "arch"}
    assert {"config", "set", "resume"} <= set(project["entry_points"]["main"]["parameters"])
    assert set(project["entry_points"]["train"]["parameters"]) == {"config", "set", "folder", "from_weights"}
    assert set(project["entry_points"]["arch"]["parameters"]) == {"arch", "config", "set", "folder"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_what_the_documentation_names_is_there(page: Path) -> None:
    text = page.read_text()
    tests = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    figures = {f"test_{name}" for name in (*BUILT_IN_METRICS, "NAME")}
    named = set(re.findall(r"`(test_(?!accuracy|loss)\w+)`", text)) - figures
    assert {name for name in named if f"def {name}(" not in tests} == set()
    files = set(re.findall(r"(?:python |\]\()([\w./-]+\.(?:py|png|yaml))", text))
    files -= set(re.findall(r"<!-- file: (\S+)", text))  # the page has the reader write them
    assert [file for file in files if not (ROOT / file).exists() and not (page.parent / file).exists()] == []
