"""Commands that work in another folder than they were started in, as `mlflow run` starts them, and what they print."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from hivenas.cli.commands import main
from hivenas.cli.errors import ResumeHint
from hivenas.cli.invocation import Invocation, program
from hivenas.core.git import CHECKOUT, git_tags
from hivenas.errors import LostRunError

ROOT = Path(__file__).parents[2]
SPHERE = "{name: %s, objective: sphere_min, colony: {size: 3, iterations: 1}, tracking: none}"


def hivenas(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands are started in, with a configuration and a table."""
    folder = tmp_path / "project"
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "s.yaml").write_text(SPHERE % "theirs")
    with gzip.open(folder / "conf" / "t.csv.gz", "wt") as file:
        file.write("architecture,fitness\ninput|a|output,1\ninput|b|output,2\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv(CHECKOUT, "")
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder where a person stands."""
    folder = tmp_path / "here it is"
    folder.mkdir()
    return folder


def printed(result: Result, start: str) -> list[str]:
    """The arguments of a command that was printed."""
    assert result.exit_code == 0, result.output
    (line,) = re.findall(rf"hivenas {start} .*", result.output)
    return shlex.split(line)[1:]


def test_the_projects_configuration_is_found_and_its_results_lie_where_the_person_stands(
    project: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = hivenas("-C", str(here), "search", "--config", "conf/s.yaml", "--set", "name=mine seed=3")
    assert (here / "results" / "mine" / "mine.csv").exists()
    assert sorted(path.name for path in project.iterdir()) == ["conf"]
    command = printed(done, "report")
    monkeypatch.chdir(here)
    project.rename(project.with_name("gone"))
    assert "results/mine/report.html" in hivenas(*command).output
    assert hivenas("search", *command[1:], "--resume").exit_code == 0


def test_what_lies_where_the_person_stands_comes_first(
    project: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "conf").mkdir()
    (here / "conf" / "s.yaml").write_text(SPHERE % "ours")
    done = hivenas("-C", str(here), "search", "--config", "conf/s.yaml", "--set", "results.dir='my results'")
    monkeypatch.chdir(here)
    assert Path("my results/ours/ours.csv").exists()
    command = printed(done, "report")
    assert command == ["report", "--config", "conf/s.yaml", "--set", "results.dir='my results'"]
    assert "my results/ours/report.html" in hivenas(*command).output


def test_data_of_the_project_are_found(project: Path, here: Path) -> None:
    (here / "table.yaml").write_text("{objective: table, table: {path: conf/t.csv.gz}, tracking: none}")
    done = hivenas("-C", str(here), "check", "--config", "table.yaml")
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(done.stdout)["table"]["path"] == str(project / "conf" / "t.csv.gz")
    (here / "conf").mkdir()
    (project / "conf" / "t.csv.gz").rename(here / "conf" / "t.csv.gz")
    os.chdir(project)
    done = hivenas("-C", str(here), "check", "--config", "table.yaml")
    assert yaml.safe_load(done.stdout)["table"]["path"] == "conf/t.csv.gz"


def test_what_is_nowhere_is_refused_under_its_own_name(project: Path, here: Path) -> None:
    done = hivenas("-C", str(here), "check", "--config", "conf/other.yaml")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert f"conf/other.yaml: it is neither in {here} nor in {project};" in done.stderr


@pytest.mark.parametrize("folder", ["nowhere", "conf/s.yaml"])
def test_a_folder_that_is_none_is_refused(project: Path, folder: str) -> None:
    done = hivenas("-C", folder, "check", "--config", "conf/s.yaml")
    assert done.exit_code == 2
    assert Path.cwd() == project


def test_the_commit_is_that_of_the_project_also_inside_of_another_checkout(project: Path, here: Path) -> None:
    def commit(folder: Path) -> str:
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "--allow-empty", "-m", folder.name]):
            subprocess.run([*git, *command], cwd=folder, check=True)
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    theirs, ours = commit(project), commit(here)
    assert theirs != ours
    assert hivenas("-C", str(here), "check", "--config", "conf/s.yaml").exit_code == 0
    assert git_tags()["mlflow.source.git.commit"] == theirs


COMMANDS = [
    (("a b.yaml", (), ()), "hivenas search --config 'a b.yaml' --resume"),
    (
        ("x.yaml", ("name=g seed=3", " "), ("my_ops",)),
        "hivenas search --config x.yaml --set 'name=g seed=3' --import my_ops --resume",
    ),
    (
        ("x.yaml", ("optuna.storage=postgresql://a:secret@h/d",), ()),
        "hivenas search --config x.yaml --set 'optuna.storage=postgresql://a:***@h/d' --resume",
    ),
]


@pytest.mark.parametrize(("given", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_a_command_names_all_that_was_given_but_passwords(
    given: tuple[str, tuple[str, ...], tuple[str, ...]], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert Invocation(*given).command("search", "--resume") == command


@pytest.mark.parametrize("verb", ["search", "train --at 'params<9'", "arch 'input|a|output'", "sync"])
def test_where_the_searchs_run_is_lost_the_command_that_tells_all_again_is_named(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    hint = ResumeHint(Invocation("x.yaml", ("seed=3",), ()), verb)
    assert hint.offer(LostRunError("gone")) == "hivenas sync --config x.yaml --set seed=3 --rehome"


def test_a_program_that_no_shell_would_find_is_named_so_that_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "mlflow-0123"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert program(None) == "hivenas"
    assert program(Path("/a b")) == f"PYTHONPATH='/a b' {shlex.quote(sys.executable)} -m hivenas"
    own = tmp_path / "mlflow-0123" / "bin" / "hivenas"
    own.parent.mkdir(parents=True)
    own.touch()
    assert program(Path("/a b")) == str(own)


def test_every_entry_point_works_where_the_person_stands() -> None:
    project = yaml.safe_load((ROOT / "MLproject").read_text())
    for name, entry in project["entry_points"].items():
        # Only a path is made absolute by MLflow, in the folder where `mlflow run` is given, and it must be there.
        assert entry["parameters"]["folder"] == {"type": "path", "default": "."}
        assert entry["parameters"]["config"]["type"] == "string"
        assert re.search(rf"hivenas -C {{folder}} {'search' if name == 'main' else name} ", entry["command"])
