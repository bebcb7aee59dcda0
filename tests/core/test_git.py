from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hivenas.core.git import git_tags


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, above which git looks for no checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def git(*arguments: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *author, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_a_checkout_has_a_commit_and_may_be_dirty(folder: Path) -> None:
    git("init", "-q")
    (folder / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "a")
    commit = git("rev-parse", "HEAD")
    assert git_tags() == {"mlflow.source.git.commit": commit, "hivenas.git_dirty": "false"}
    (folder / "a").write_text("2")
    assert git_tags() == {"mlflow.source.git.commit": commit, "hivenas.git_dirty": "true"}


def test_a_folder_that_is_no_checkout_or_has_no_commit_has_no_tags(folder: Path) -> None:
    assert git_tags() == {}
    git("init", "-q")
    assert git_tags() == {}


def test_without_git_there_are_no_tags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_tags() == {}
