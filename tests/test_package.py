from __future__ import annotations

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
from hivenas.config.text import parse_yaml

ROOT = Path(__file__).parents[1]
UNEXPLAINED = {"batch_size", "epochs", "study"}  # said by their section
HEAVY = {"tensorflow", "keras", "mlflow", "optuna", "dask", "distributed"}


def test_public_names_are_sorted_and_all_there() -> None:
    assert hivenas.__all__ == sorted(hivenas.__all__)
    assert hivenas.__all__ == [
        "ArtificialBeeColony",
        "Config",
        "Evaluation",
        "NASInterface",
        "NASSearchSpace",
        "NullTracker",
        "ObjectiveInterface",
        "Proposal",
        "TerminateOnThreshold",
        "load",
        "register_cell",
        "register_dataset",
        "register_operation",
    ]
    for name in hivenas.__all__:
        assert getattr(hivenas, name).__name__ == name
    with pytest.raises(AttributeError, match="bees"):
        _ = hivenas.bees


@pytest.mark.parametrize(
    "code",
    [
        "import hivenas",
        "from hivenas import ArtificialBeeColony, NASInterface; NASInterface().sample()",
        "from hivenas.cli.commands import main; main(['--help'], standalone_mode=False)",
        "from hivenas.cli.commands import main; main(['check', '--config', 'conf/digits.yaml'], standalone_mode=False)",
    ],
)
def test_light_work_imports_nothing_heavy(code: str) -> None:
    script = f"import sys; {code}; print('imported', *({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1].strip() == "imported"


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
    assert set(project["entry_points"]["train"]["parameters"]) == {"config", "set", "from_weights"}
    assert set(project["entry_points"]["arch"]["parameters"]) == {"arch", "config", "set"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_what_the_documentation_names_is_there(page: Path) -> None:
    text = page.read_text()
    tests = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_(?!accuracy|loss)\w+)`", text))  # those two are figures
    assert {name for name in named if f"def {name}(" not in tests} == set()
    files = set(re.findall(r"(?:python |\]\()([\w./-]+\.(?:py|png|yaml))", text))
    files -= set(re.findall(r"<!-- file: (\S+)", text))  # the page has the reader write them
    assert [file for file in files if not (ROOT / file).exists() and not (page.parent / file).exists()] == []
