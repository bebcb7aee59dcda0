"""The git checkout that a search runs in."""

from __future__ import annotations

import os
import subprocess

# Names the checkout, where a search does not work in the folder that it was started in.
CHECKOUT = "HIVENAS_CHECKOUT"


def git_tags() -> dict[str, str]:
    """Commit and dirty-tree flag of the folder that the search was started in, where it is a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"mlflow.source.git.commit": commit, "hivenas.git_dirty": str(bool(_git("status", "--porcelain"))).lower()}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=os.environ.get(CHECKOUT) or None,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
