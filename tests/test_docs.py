"""The documentation: what its pages show runs, what they link to is there, what they list is all there is."""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import configuration_page
import links
import mlflow
import pytest

import hivenas
from hivenas import errors
from hivenas.config import Config, EvaluationConfig, from_mapping, load
from hivenas.config.costs import RECORDED
from hivenas.config.optimizers import OPTIMIZERS
from hivenas.config.schedules import SCHEDULES
from hivenas.config.scores import SCORES
from hivenas.config.settings import SEARCHABLE
from hivenas.config.text import as_text, leaves, parse_yaml
from hivenas.storage import fixed_keys
from hivenas.storage.export import CIRCUMSTANCES, COLUMNS

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs/tutorial.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("sh", "bash", "shell", "console")
# An HTML comment in the line before a block says what is done with it:
MARKS = {
    # run it; with: further arguments, so that it takes less; write it to that file; why it is not run
    "python": ("run", "run with", "file", "not run"),
    "sh": ("run", "run with", "not run"),
    "yaml": ("", "file", "every line", "not run"),  # none: a configuration; each of its lines is one
}
LANGUAGES = {"py": "python", "yml": "yaml"} | dict.fromkeys(SHELL, "sh")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    language: str
    code: str
    mark: str
    argument: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def problem(self) -> str:
        """The fault of its mark; empty where there is none."""
        if not self.language:
            return f"{self.place}: says no language; text is one"
        marks = MARKS.get(self.language, ("",))
        if self.mark not in marks:
            return f"{self.place}: is marked {self.mark!r}, of {marks}"
        needs = self.mark in ("run with", "file", "not run")
        return f"{self.place}: {self.mark!r} of what, or why?" if needs and not self.argument else ""


def blocks_of(page: Path, text: str) -> Iterator[Block]:
    before, fence, start, code = "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*(```+|~~~+)\s*(\S*)", line)
        if not fence and found:
            fence, start, code, language = found[1], number, [], found[2].lower()
        elif fence and line.strip() == fence:
            comment = re.fullmatch(r"\s*<!-- ([a-z ]+?)(?:: (.*))? -->\s*", before)
            mark, argument = (comment[1], comment[2] or "") if comment else ("", "")
            body = "\n".join(code) + "\n"
            yield Block(page, start, LANGUAGES.get(language, language), body, mark, argument)
            fence, before = "", ""
        elif fence:
            code.append(line)
        else:
            before = line
    assert not fence, f"{page}:{start}: a block without an end"


BLOCKS = {page: list(blocks_of(page, page.read_text(encoding="utf-8"))) for page in PAGES}
RUN = [page for page in PAGES if page != TUTORIAL and any(b.mark in ("run", "run with", "file") for b in BLOCKS[page])]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def with_overrides(block: Block) -> str:
    """Code of Python whose one search has the further overrides that its mark names."""
    if block.mark != "run with":
        return block.code
    more = "".join(f", {override!r}" for override in shlex.split(block.argument))
    code, searches = re.subn(r"(?m)^(.*\bhivenas\.search\(.*)\)$", lambda found: f"{found[1]}{more})", block.code)
    assert searches == 1, f"{block.place}: {searches} searches to shorten"
    return code


class Reader:
    """Somebody who follows the pages in a folder of their own.

    Python and the commands of hivenas run in one interpreter for all, so that TensorFlow and MLflow start once; the
    rest runs in a shell.

    Args:
        folder: where they are.
        template: an empty MLflow store, of which they get a copy.
    """

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        shutil.copy(template, folder / "mlflow.db")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._environment = os.environ | {"PATH": path, "PYTHONPATH": python_path, "MLFLOW_TRACKING_URI": self.store}
        self._interpreter = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _move, (folder, self._environment)
        )

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    def follow(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            if block.mark == "file":
                self._write(block)
            elif block.mark.startswith("run") and block.language == "python":
                self._interpreter.submit(_execute, with_overrides(block), block.place).result()
            elif block.mark.startswith("run"):
                self._shell(block)

    def _write(self, block: Block) -> None:
        name, _, module = block.argument.partition(" with ")
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.code, encoding="utf-8")
        if block.language == "python":
            compile(block.code, block.place, "exec")
        elif not module:
            assert load(file).name

    def _shell(self, block: Block) -> None:
        lines = [line.partition(" #")[0].strip() for line in block.code.replace("\\\n", " ").splitlines()]
        if all(line.startswith("hivenas ") for line in lines):
            more = shlex.split(block.argument) if block.mark == "run with" else []
            for line in lines:
                self._interpreter.submit(_command, [*shlex.split(line)[1:], *more], block.place).result()
            return
        command = ["bash", "-euo", "pipefail", "-c", block.code]
        environment = self._environment
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"

    def leave(self) -> None:
        self._interpreter.shutdown()


def _move(folder: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.chdir(folder)


def _execute(code: str, place: str) -> None:
    exec(compile(code, place, "exec"), {"__name__": "__main__"})


def _command(arguments: list[str], place: str) -> None:
    from hivenas.cli.commands import main

    try:
        main(arguments, standalone_mode=False)
    except SystemExit as end:
        raise AssertionError(f"{place}: {shlex.join(arguments)} ended with {end.code}") from end


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Reader]:
    """A reader who has followed the tutorial."""
    somebody = Reader(tmp_path_factory.mktemp("reader"), template)
    try:
        somebody.follow(BLOCKS[TUTORIAL])
        yield somebody
    finally:
        somebody.leave()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    assert [block.problem for block in BLOCKS[page] if block.problem] == []


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.language == "yaml" for b in BLOCKS[p])], ids=named)
def test_a_yaml_block_is_a_configuration(page: Path) -> None:
    for block in BLOCKS[page]:
        if block.language == "yaml" and block.mark in ("", "every line"):
            texts = block.code.splitlines() if block.mark else [block.code]
            for text in texts:
                assert from_mapping(parse_yaml(text, block.place), source=block.place)


@pytest.mark.keras
@pytest.mark.process
@pytest.mark.slow
def test_the_tutorial_ends_in_a_registered_model(reader: Reader) -> None:
    assert (reader.folder / "results/digits/digits.csv").exists()
    assert mlflow.MlflowClient(reader.store).get_model_version_by_alias("digits", "champion").name == "digits"


@pytest.mark.keras
@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=named)
def test_the_blocks_of_a_page_run(page: Path, reader: Reader) -> None:
    reader.follow(BLOCKS[page])


def test_a_block_that_is_not_marked_is_found() -> None:
    text = (
        "<!-- not run: because -->\n```sh\nls\n```\n\n```sh\nls\n```\n\n```\nx\n```\n<!-- not run: -->\n```py\n1\n```\n"
    )
    problems = [block.problem for block in blocks_of(ROOT / "README.md", text)]
    assert problems[0] == ""
    assert [problem.split(": ")[0] for problem in problems[1:]] == ["README.md:6", "README.md:10", "README.md:14"]


def test_no_link_inside_is_dead() -> None:
    assert links.dead() == []
    assert any(link.startswith("docs/") for link in links.links(ROOT / "README.md"))


def test_the_page_of_the_configuration_has_every_key_with_its_meaning() -> None:
    page = configuration_page.page()
    sections = dict(re.findall(r"^## `?([\w. ]+)`?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for key, _ in leaves(Config().to_mapping()):
        section, _, name = key.rpartition(".")
        if section == "evaluation.optimizer":
            section, name = "evaluation", "optimizer"
        assert f"| `{name}` |" in sections[section or "The search"]
    assert "| `depth` | `6` | whole number ≥ 1, ≤ 100 | operations in an architecture" in sections["space"]
    assert "| `null` | whole number ≥ 10 or `null` |" in sections["dataset"]
    assert "| `params` | `null` | `min` or `null` | " in sections["objectives"]
    assert "| `preset` | `residual` | `layerwise`, `cells`, `residual`, `mobile`, `null` | " in sections["space"]
    assert "| `name` | `digits` | `digits`, `mnist`, `fashion_mnist`, `cifar10`, `npz`, " in sections["dataset"]


def test_the_page_of_evaluation_has_every_optimizer_schedule_and_score() -> None:
    page = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
    for kind in OPTIMIZERS.values():
        own = ", ".join(f"`{argument}`" for argument in kind.own if argument != "weight_decay")
        assert f"| `{kind.name}` | {own} | {kind.initial_rate:g} |\n" in page
    assert all(re.search(rf"^\| `{name}(:K)?`", page, re.MULTILINE) for name in (*SCHEDULES, *SCORES))


def test_the_page_of_python_has_every_public_name_and_the_module_of_all_others() -> None:
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    shown = dict(path.rpartition(".")[::-2] for path in re.findall(r"^::: (\S+)$", page, re.MULTILINE))
    assert {name for name in hivenas.__all__ if name not in shown} == {"__version__"}
    for name, module in shown.items():
        documented = getattr(importlib.import_module(module), name)
        assert documented is getattr(hivenas, name) if name in hivenas.__all__ else f"`{module}`" in page


def test_the_page_of_python_has_every_exception_with_its_bases() -> None:
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    known = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.HivenasError)]
    bases = {each.__name__: ", ".join(f"`{base.__name__}`" for base in each.__bases__) for each in known}
    assert dict(re.findall(r"^\| `(\w+Error)` \| (.+?) \|", page, re.MULTILINE)) == bases


def test_the_page_of_the_table_has_every_column() -> None:
    page = (ROOT / "docs/reference/table.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [*COLUMNS, *RECORDED, "front"]
    varying = set(re.findall(r"`(\w+)`", page.rpartition("\n\n")[2].partition(" differ between")[0]))
    assert varying == CIRCUMSTANCES & {*COLUMNS, *RECORDED}


def test_the_page_of_resuming_has_every_key_that_may_differ() -> None:
    page = (ROOT / "docs/how-to/resume.md").read_text(encoding="utf-8")
    table = page.partition("## What may differ\n")[2].partition("\nAll other keys")[0]
    named = set(re.findall(r"`([\w.]+)`", " ".join(re.findall(r"^\| (.+?) \|", table, re.MULTILINE))))
    config = Config()
    found = {key for key in config.flat() if key in named or key.partition(".")[0] in named}
    assert found == config.flat().keys() - fixed_keys(config).keys() - {"name"}


def test_the_page_of_searched_settings_has_every_key_that_may_vary_and_every_other() -> None:
    page = (ROOT / "docs/how-to/search-settings.md").read_text(encoding="utf-8")
    found = re.search(r"^\| may \| must .*\n\| --- \| --- \|\n\| (.*) \| (.*) \|$", page, re.MULTILINE)
    assert found
    sections = {"act", "median", "ladder"}  # those of `stopping`
    vary = {key.removesuffix(".") for key in SEARCHABLE}
    for key in EvaluationConfig.model_fields.keys() - sections:
        own, other = (0, 1) if key in vary else (1, 0)
        assert re.search(rf"`{key}\b", found.groups()[own])
        assert not re.search(rf"`{key}`", found.groups()[other])


@pytest.mark.keras
def test_the_page_of_spaces_has_every_argument_of_every_cell() -> None:
    from hivenas.core.nas.training.cells import CELL_BUILDERS

    page = (ROOT / "docs/spaces.md").read_text(encoding="utf-8")
    arguments = set(re.findall(r"`(\w+)`", page.partition("| argument | |\n")[2].partition("\n\n")[0]))
    for name, builder in CELL_BUILDERS.items():
        own = [each for each in inspect.signature(builder).parameters.values() if each.kind is each.KEYWORD_ONLY]
        needed = ", ".join(f"`{each.name}`" for each in own if each.default is each.empty)
        optional = ", ".join(
            f"`{each.name}: {as_text(each.default)}`" for each in own if each.default is not each.empty
        )
        assert f"| `{name}` | {needed} | {optional} |\n".replace("  ", " ") in page
        assert {each.name for each in own} <= arguments


# Figures that other machines, tasks and settings have.
OTHERWISE = {
    *("gpu_peak_mb", "latency_ms", "latency_batch_ms", "memory_mb"),
    *("exact_match", "val_exact_match", "explained", "val_explained", "image_share"),
    *("inherited", "momentum_epochs", "fitness_before"),
    *("accuracy_score", "roc_auc", "r2_score"),
}


@pytest.mark.keras
@pytest.mark.process
@pytest.mark.slow
def test_the_page_of_mlflow_names_all_that_a_search_leaves(reader: Reader) -> None:
    page = (ROOT / "docs/reference/mlflow.md").read_text(encoding="utf-8")
    search, nested, _ = page.split("\n## ")[1:]
    model = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    client = mlflow.MlflowClient(reader.store)
    (experiment,) = [e for e in client.search_experiments() if e.name == "digits"]
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.tags["hivenas.phase"] for run in runs} == {"search", "evaluate", "full_train"}
    unnamed, measured = set(), {search: set[str](), nested: set[str]()}
    for run in runs:
        of_search = run.data.tags["hivenas.phase"] == "search"
        part = search if of_search else nested
        tags = {tag for tag in run.data.tags if tag.startswith("hivenas.")}
        params = set() if of_search else {re.sub(r"_\d\d$", "_00", name) for name in run.data.params}
        files = {
            re.sub(r"[0-9a-f]{40}-\w+\.", "….", file).replace("digits.", "NAME.")
            for file in artifacts(client, run.info.run_id)
        }
        metrics = {re.sub("/.*", "/CLASS", name) for name in run.data.metrics}
        measured[part] |= metrics
        unnamed |= {name for name in {*tags, *params, *files, *metrics} if f"`{name}`" not in part}
    version = client.get_model_version_by_alias("digits", "champion")
    assert unnamed | {tag for tag in version.tags if f"`{tag}`" not in model} == set()
    for part, found in measured.items():
        rows = re.search(r"^\| metrics \|.*\n(?:\| \|.*\n)*", part, re.MULTILINE)
        assert rows
        named = {name for row in rows[0].splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[1])}
        assert named - found - OTHERWISE == set()


def artifacts(client: mlflow.MlflowClient, run_id: str, folder: str | None = None) -> Iterator[str]:
    for each in client.list_artifacts(run_id, folder):
        if each.is_dir:
            yield from artifacts(client, run_id, each.path)
        else:
            yield each.path
