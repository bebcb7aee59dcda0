"""The wheel, the source distribution and the command, built and installed in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SOURCES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt")


@dataclass(frozen=True)
class Built:
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both, the wheel from the source distribution, made from a copy of the files: building writes into its folder."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    for name in ("hivenas", "conf", "tests"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source), folder=out)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment in which the wheel is installed; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(built.wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    # Behind its own packages, and without what those that are installed here for editing would add.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "bin"


def run(*command: str, folder: Path | None = None) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.process
def test_the_wheel_has_the_package_the_configurations_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        configurations = {Path(n).name: wheel.read(n) for n in names if n.startswith("hivenas/conf/")}
        metadata = Parser().parsestr(wheel.read(f"hivenas-{VERSION}.dist-info/METADATA").decode())
        entries = wheel.read(f"hivenas-{VERSION}.dist-info/entry_points.txt").decode()
    files = [file.relative_to(ROOT) for file in (ROOT / "hivenas").rglob("*") if file.is_file()]
    ours = {str(file) for file in files if "__pycache__" not in file.parts}
    assert set(names) == ours | {f"hivenas/conf/{name}" for name in configurations}
    assert {"hivenas/py.typed", "hivenas/cli/commands.py", "hivenas/conf/default.yaml"} <= set(names)
    assert configurations == {file.name: file.read_bytes() for file in (ROOT / "conf").iterdir()}
    assert metadata["Version"] == VERSION
    assert metadata["Name"] == "hivenas"
    assert "hivenas = hivenas.cli.commands:main" in entries


@pytest.mark.process
def test_the_source_distribution_has_what_the_wheel_is_built_from(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.removeprefix(f"hivenas-{VERSION}/") for name in sdist.getnames()}
    assert {*SOURCES, "hivenas/py.typed", "hivenas/conf/default.yaml"} <= names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.process
def test_the_installed_command_begins_a_search_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = run(str(installed / "python"), "-c", "import hivenas; print(hivenas.__file__)", folder=tmp_path)
    assert where.startswith(str(installed.parent))
    hivenas = str(installed / "hivenas")
    assert run(hivenas, "--version", folder=tmp_path).strip() == f"hivenas, version {VERSION}"
    run(hivenas, "init", folder=tmp_path)
    assert (tmp_path / "digits.yaml").read_bytes() == (ROOT / "conf" / "digits.yaml").read_bytes()
    written = run(hivenas, "init", "mine", folder=tmp_path)
    (command,) = re.findall(r"hivenas (check .*)", written)
    assert "name: mine\n" in run(hivenas, *command.split(), folder=tmp_path)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == VERSION
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["license"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]


def test_the_version_is_written_nowhere_else() -> None:
    sources = [*(ROOT / "hivenas").rglob("*.py"), ROOT / "README.md", ROOT / "MLproject", ROOT / "conda.yaml"]
    assert [str(file) for file in sources if VERSION in file.read_text()] == []


def test_every_commit_is_held_to_the_rules_of_the_continuous_integration_by_its_own_tools() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    rules = (ROOT / ".ci/run").read_text().splitlines()
    tools = {re.sub(r" (--check )?\.$", "", line) for line in rules if line.startswith(("ruff", "mypy", "lint"))}
    assert {hook["entry"].removesuffix(" --force-exclude") for hook in repository["hooks"]} == tools
