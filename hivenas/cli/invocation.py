"""A command as it was given: where it works, its configuration, and the commands with which one goes on from there."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hivenas.core.git import CHECKOUT

if TYPE_CHECKING:
    from hivenas.config import Config


def work_in(folder: str) -> Path:
    """Goes to the folder where a person stands, for a command that was started elsewhere.

    Args:
        folder: where results and relative paths belong.

    Returns:
        The folder where the command was started: the project, where `mlflow run` did.

    Raises:
        click.BadParameter: the folder cannot be gone to.
    """
    project = Path.cwd()
    try:
        os.chdir(folder)
    except OSError as error:
        raise click.BadParameter(f"cannot go to {folder}: {error.strerror}") from None
    os.environ[CHECKOUT] = str(project)
    return project


class Invocation:
    """A configuration as a command names it, and commands that name it in turn.

    Args:
        path: of the configuration's file.
        overrides: of its keys.
        modules: to import first.
        project: where the command was started, if it does not work there; what a path names is looked for there too.
    """

    def __init__(
        self, path: str, overrides: tuple[str, ...], modules: tuple[str, ...], project: Path | None = None
    ) -> None:
        self._path = path
        self._overrides = overrides
        self._modules = modules
        self._project = project

    def load(self) -> Config:
        """The configuration, its warnings printed, with data of the project where there are none of the name here.

        Raises:
            ConfigError: it is wrong, or in neither folder.
        """
        from hivenas.config import load
        from hivenas.core.folder import ResultsFolder
        from hivenas.errors import ConfigError

        import_named(self._modules)
        path = self._found(self._path)
        if self._project and not Path(path).exists():
            raise ConfigError(
                f"cannot read the configuration {path}: it is neither in {Path.cwd()} nor in {self._project}; give an "
                "existing YAML file"
            )
        read = load(path, self._overrides)
        for warning in read.warnings:
            click.echo(f"hivenas: warning: {warning}", err=True)
        config = self._with_data(read)
        if path != self._path or config is not read:
            # The project may be a clone that goes away; the results folder has the resolved configuration.
            self._path = str(ResultsFolder(config.results.dir, config.name).yaml)
            # … but for a password.
            self._overrides = tuple(each for each in self._overrides if "optuna.storage" in each)
        return config

    def command(self, name: str, *options: str) -> str:
        """Another command on the same configuration, as it can be given here; without a password."""
        from hivenas.config.text import masked

        given = [override for override in self._overrides if override.strip()]
        shown = [masked(each) if "optuna.storage" in each else each for each in given]
        sets = "".join(f" --set {shlex.quote(each)}" for each in shown)
        imports = "".join(f" --import {shlex.quote(module)}" for module in self._modules)
        return " ".join(
            [f"{program(self._project)} {name} --config {shlex.quote(self._path)}{sets}{imports}", *options]
        )

    def _found(self, path: str) -> str:
        """A path here, or in the project where it is there alone."""
        elsewhere = self._project / path if self._project else Path(path)
        return str(elsewhere) if elsewhere.exists() and not Path(path).exists() else path

    def _with_data(self, config: Config) -> Config:
        for section in ("dataset", "table"):
            path = getattr(config, section).path
            if path is not None and (found := self._found(path)) != path:
                changed = getattr(config, section).model_copy(update={"path": found})
                config = config.model_copy(update={section: changed})
        return config


def import_named(modules: tuple[str, ...]) -> None:
    """Imports the modules that a command names, and those of HIVENAS_IMPORT."""
    from hivenas.config.registry import import_modules

    named = (*modules, *os.environ.get("HIVENAS_IMPORT", "").split(","))
    with contextlib.redirect_stdout(sys.stderr):  # the standard output is for what was asked for
        import_modules(name.strip() for name in named if name.strip())


def program(project: Path | None) -> str:
    """The program's name as a shell finds it that is not in the environment, or in the project, of this process.

    Args:
        project: where the command was started, if it does not work there.
    """
    own = Path(sys.prefix) / "bin" / "hivenas"
    if Path(sys.prefix).name.startswith("mlflow-") and own.exists():
        return shlex.quote(str(own))  # an environment that `mlflow run` has made, and no shell is in
    if project and shutil.which("hivenas") is None:
        return f"PYTHONPATH={shlex.quote(str(project))} {shlex.quote(sys.executable)} -m hivenas"
    return "hivenas"
