"""The house in figures, counted from the source of a checkout: how wide it is, how tall, how tangled.

    python docs/scripts/house.py [FOLDER] [--against REV]

FOLDER is a checkout, this one by default. With --against the same is counted at a revision of its repository, and both
columns are printed. Nothing of what is counted is imported: `ast` reads the files, and calls, classes and base classes
are known by their last name alone, so two that share a name are taken for one.

- An import counts wherever it stands, under `if TYPE_CHECKING:` and inside a function too; what `importlib` looks up
  does not. `from package import name` leads to the module of that name where there is one, else to the package's
  `__init__`. The files of a circle share a floor. At 211b402 there are 27 floors: 22 without the imports in functions,
  24 without those for type checkers, 16 without either.
- Rooms are the modules and the packages at the root. Of the arrows between them there are 151 at 211b402; with
  `core.nas` as a room of its own there are 162, which is nearest to the 163 that were counted before this script was.
- Parameters are counted without self and cls. One is a callable where its annotation says Callable, or names an alias
  or a protocol of it, or where its default is a lambda. At 211b402 those of `Search` are eight with `evaluate`, which
  is called through the executor.
- Arguments are passed by position where a call of what the package defines names no parameter; `*rest` is one.
- An `isinstance` counts where it names a descendant of the base class of objectives or executors outside the folder, or
  the module at the root, that defines it.
- `… if minimize else …` is one whose whole test is a name or an attribute with that word in it.
- A docstring that begins with a question word (also Who, Where, When, Why) says what is asked, not what is answered.
- The lines of a function are those of its body without the docstring.
- How many shapes a candidate takes cannot be counted from source. SHAPES is a list kept by hand: a class that is called
  otherwise is not seen, nor is what is no class, such as a row of a table, a run of MLflow or a trial of Optuna.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASES = ("ObjectiveInterface", "Objective", "Executor", "TaskExecutor")
QUESTIONS = ("What", "Whether", "Whose", "How", "Which", "Who", "Where", "When", "Why")
MANY_PARAMETERS, MANY_LINES, PLACES = 6, 400, 3
# The classes that a candidate has been written down as, between the colony and the records, in any version.
SHAPES = {
    "Flight": "what the colony still waits for",
    "Proposal": "what is to be evaluated",
    "_Flying": "a proposal and what will come of it, in the loop",
    "Submitted": "the same, under a later name",
    "Pending": "the same, under a later name",
    "Task": "what an executor is given",
    "Parcel": "what comes back from where no disk is shared",
    "TaskResult": "the same, under a later name",
    "Evaluation": "what came of it",
    "Row": "a record of the results folder",
    "Trial": "proposal, evaluation, index and times in one",
    "Child": "what a nested run shows",
    "Letter": "what MLflow is still to be told",
    "Message": "the same, under a later name",
    "Recorded": "what is read back from Optuna's storage",
}
# Of these, the classes that have a candidate's figures in fields of their own; the others hold such a record whole. A
# Row was also read back into an Evaluation, from text.
WITH_FIGURES = ("Proposal", "Evaluation", "Row", "Child")

Definition = ast.FunctionDef | ast.AsyncFunctionDef
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, of one checkout or of two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT, help="a checkout; this one by default")
    parser.add_argument("--against", metavar="REV", help="a revision of the checkout's repository")
    options = parser.parse_args(arguments)
    columns = {"now": figures(options.folder)}
    if options.against:
        with tempfile.TemporaryDirectory() as folder:
            check_out(options.folder, options.against, Path(folder))
            columns = {f"at {options.against}": figures(Path(folder)), **columns}
    print(table(columns), end="")


def check_out(repository: Path, revision: str, folder: Path) -> None:
    """Writes the files of a revision into a folder."""
    command = ["git", "-C", str(repository), "archive", "--format=tar", revision]
    archive = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def table(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Figures side by side, as markdown."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in next(iter(columns.values())):
        cells = [column[row].replace("|", "\\|") for column in columns.values()]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figures(folder: Path) -> dict[str, str]:
    """Every row of the table for one checkout, in words."""
    settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    linter = settings.get("tool", {}).get("importlinter", {})
    house = House(folder, linter.get("root_package", "hivenas"))
    floors = next((len(each["layers"]) for each in linter.get("contracts", ()) if each["type"] == "layers"), 0)
    return structure(house, floors) | wiring(house) | words(house) | sizes(house)


@dataclass(frozen=True)
class Module:
    """A file of the package.

    Args:
        name: as it is imported.
        path: where it lies, from the checkout.
        is_package: true for an `__init__.py`.
        text, tree: what stands in it.
    """

    name: str
    path: Path
    is_package: bool
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Lines with code: neither blank, nor comment, nor docstring."""
        docstrings = {number for node in ast.walk(self.tree) for each in _docstring(node) for number in each.lines}
        lines = enumerate((line.strip() for line in self.text.splitlines()), 1)
        return sum(bool(line) and line[0] != "#" and number not in docstrings for number, line in lines)

    @property
    def home(self) -> Path:
        """The folder that it is in; the file itself at the root of the package."""
        return self.path if len(self.path.parts) == 2 else self.path.parent

    def place(self, node: ast.Call) -> str:
        """The file and the line of a part of it."""
        return f"{self.path}:{node.lineno}"


@dataclass(frozen=True)
class Function:
    """A function or a method of the package.

    Args:
        module: where it stands.
        node: its definition.
        owner: the class that it is a method of; empty for none.
    """

    module: Module
    node: Definition
    owner: str

    @property
    def name(self) -> str:
        """Its name, after that of its class."""
        return f"{self.owner}.{self.node.name}" if self.owner else self.node.name

    @property
    def parameters(self) -> list[ast.arg]:
        """Its parameters, without self or cls."""
        given = self.node.args
        rest = [each for each in (given.vararg, given.kwarg) if each]
        is_bound = self.owner and "staticmethod" not in map(_name, self.node.decorator_list)
        return [*given.posonlyargs, *given.args, *given.kwonlyargs, *rest][bool(is_bound) :]

    @property
    def lines(self) -> int:
        """The lines of its body, without the docstring."""
        last = self.node.end_lineno or self.node.lineno
        return last - self.node.body[0].lineno + 1 - sum(len(each.lines) for each in _docstring(self.node))


class House:
    """The modules of a package and what leads from one to another.

    Args:
        folder: the checkout.
        package: the package's name, and its folder's.
    """

    def __init__(self, folder: Path, package: str) -> None:
        self.package = package
        self.modules: dict[str, Module] = {}
        for file in sorted((folder / package).rglob("*.py")):
            path = file.relative_to(folder)
            is_package = path.name == "__init__.py"
            name = ".".join(path.parent.parts if is_package else path.with_suffix("").parts)
            text = file.read_text(encoding="utf-8")
            self.modules[name] = Module(name, path, is_package, text, ast.parse(text))

    def room(self, module: str) -> str:
        """The module or package at the root that a module is or is in."""
        return ".".join(module.split(".")[:2])

    @cached_property
    def nodes(self) -> list[tuple[Module, ast.AST]]:
        """Every node of every file."""
        return [(module, node) for module in self.modules.values() for node in ast.walk(module.tree)]

    @cached_property
    def classes(self) -> dict[str, tuple[Module, ast.ClassDef]]:
        """The classes by their names."""
        return {node.name: (module, node) for module, node in self.nodes if isinstance(node, ast.ClassDef)}

    @cached_property
    def functions(self) -> list[Function]:
        """The functions and methods."""
        owners = {id(each): node.name for _, node in self.nodes if isinstance(node, ast.ClassDef) for each in node.body}
        return [
            Function(module, node, owners.get(id(node), ""))
            for module, node in self.nodes
            if isinstance(node, DEFINITION)
        ]

    @cached_property
    def arrows(self) -> set[tuple[str, str]]:
        """The imports, file by file: who, and whom."""
        found = {(module.name, target) for module, node in self.nodes for target in self._targets(module, node)}
        return {(source, target) for source, target in found if source != target and target in self.modules}

    def _targets(self, module: Module, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.name.split(".")
            up = parts[: len(parts) - node.level + module.is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for each in node.names:
                inner = f"{base}.{each.name}"
                yield inner if inner in self.modules else base

    @cached_property
    def floors(self) -> list[list[str]]:
        """The files with those they are in a circle with, lower ones first."""
        within = {name: self._within(name) for name in self.modules}
        circles = {frozenset(other for other in reach if name in within[other]) for name, reach in within.items()}
        return sorted(map(sorted, circles), key=lambda circle: (len(within[circle[0]]), circle))

    @cached_property
    def needs(self) -> dict[str, set[str]]:
        """The files that each file imports."""
        return {name: {target for source, target in self.arrows if source == name} for name in self.modules}

    def _within(self, name: str) -> set[str]:
        """A file and all those that it needs, be it through others."""
        reach, open_ends = {name}, [name]
        while open_ends:
            further = self.needs[open_ends.pop()] - reach
            reach |= further
            open_ends += further
        return reach

    @property
    def height(self) -> int:
        """Floors on the longest way down, a circle counted once."""
        floor: dict[str, int] = {}
        for circle in self.floors:
            below = {floor[target] for name in circle for target in self.needs[name] if target not in circle}
            floor |= dict.fromkeys(circle, 1 + max(below, default=0))
        return max(floor.values(), default=0)


def structure(house: House, floors: int) -> dict[str, str]:
    """Width, height and arrows."""
    at_root = [module for module in house.modules.values() if module.home == module.path]
    rooms = {(house.room(source), house.room(target)) for source, target in house.arrows}
    circles = [" ↔ ".join(circle) for circle in house.floors if len(circle) > 1]
    return {
        "modules at the root": str(len(at_root)),
        "files": str(len(house.modules)),
        "lines of code": f"{sum(module.lines for module in house.modules.values()):,}",
        "floors of the house, file by file": str(house.height),
        "floors of the import contract": str(floors) if floors else "–",
        "arrows between rooms at the root": str(sum(source != target for source, target in rooms)),
        "arrows between files": str(len(house.arrows)),
        "circles": listed(len(circles), circles),
    }


def listed(count: int, places: list[str]) -> str:
    """A figure and the first places where it comes from."""
    return f"{count}: {', '.join(places[:PLACES])}" if places else str(count)


def wiring(house: House) -> dict[str, str]:
    """Parameters, arguments and questions of kind."""
    many = sorted((-len(each.parameters), each.name) for each in house.functions)
    long = [f"{name} {-count}" for count, name in many if -count > MANY_PARAMETERS]
    passed = sorted(positional(house), key=lambda each: (-each[0], each[1]))[:PLACES]
    asked = isinstances(house)
    shapes = [name for name in SHAPES if name in house.classes]
    return {
        "parameters of Search": of_search(house),
        "most arguments by position": listed(passed[0][0] if passed else 0, [place for _, place in passed]),
        f"functions of more than {MANY_PARAMETERS} parameters": listed(len(long), long),
        "isinstance on objectives or executors from outside": listed(len(asked), asked),
        "shapes of a candidate, of a list": f"{len(shapes)}: {', '.join(shapes)}" if shapes else "0",
        "of these, with figures of their own": ", ".join(name for name in shapes if name in WITH_FIGURES) or "0",
    }


def of_search(house: House) -> str:
    """The parameters of the loop's class, and how many of them are callables; its fields where it has no `__init__`."""
    if "Search" not in house.classes:
        return "–"
    body = house.classes["Search"][1].body
    names = callables(house)
    for init in house.functions:
        if init.name == "Search.__init__":
            lambdas = _lambdas(init.node.args)
            called = sum(each.arg in lambdas or _says(each.annotation, names) for each in init.parameters)
            return f"{len(init.parameters)}, {called} of them callables, {len(lambdas)} of those lambdas by default"
    fields = [each.annotation for each in body if isinstance(each, ast.AnnAssign)]
    return f"{len(fields)}, {sum(_says(each, names) for each in fields)} of them callables"


def _lambdas(given: ast.arguments) -> set[str]:
    """The parameters that are a lambda by default."""
    by_position = [*given.posonlyargs, *given.args]
    with_default = by_position[len(by_position) - len(given.defaults) :]
    defaults = [*zip(with_default, given.defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return {parameter.arg for parameter, default in defaults if isinstance(default, ast.Lambda)}


def callables(house: House) -> set[str]:
    """The names under which an annotation may say that something is called."""
    names = {"Callable"}
    for module in house.modules.values():
        for node in module.tree.body:
            if isinstance(node, ast.Assign) and _says(node.value, {"Callable"}):
                names |= {_name(target) for target in node.targets}
            elif isinstance(node, ast.ClassDef) and "Protocol" in map(_name, node.bases):
                names |= {node.name for each in node.body if isinstance(each, DEFINITION) and each.name == "__call__"}
    return names


def positional(house: House) -> list[tuple[int, str]]:
    """The calls of what the package defines: arguments passed by position, and where."""
    defined = {each.node.name for each in house.functions} | house.classes.keys() | {"cls"}
    return [
        (len(node.args), f"{_name(node.func)} {len(node.args)} ({module.place(node)})")
        for module, node in house.nodes
        if isinstance(node, ast.Call) and _name(node.func) in defined
    ]


def isinstances(house: House) -> list[str]:
    """The places that ask which objective or executor they have, outside the folder that defines it."""
    kinds = set(BASES)
    for _ in house.classes:  # as often as the longest line of descent could be
        kinds |= {name for name, (_, node) in house.classes.items() if kinds & set(map(_name, node.bases))}
    found = []
    for module, node in house.nodes:
        if isinstance(node, ast.Call) and _name(node.func) == "isinstance" and len(node.args) == 2:
            asked = kinds & {_name(each) for each in ast.walk(node.args[1])}
            homes = [house.classes[name][0].home for name in asked if name in house.classes]
            if asked and not any(module.path.is_relative_to(home) for home in homes):
                found.append(module.place(node))
    return found


def words(house: House) -> dict[str, str]:
    """Figures of how things are said."""
    minimize = [
        node
        for _, node in house.nodes
        if isinstance(node, ast.IfExp)
        and isinstance(node.test, ast.Name | ast.Attribute)
        and "minimize" in _name(node.test)
    ]
    docstrings = [each.text for _, node in house.nodes for each in _docstring(node)]
    questions = [text for text in docstrings if text.split() and text.split()[0].rstrip(",.:;") in QUESTIONS]
    return {
        "… if minimize else …": str(len(minimize)),
        "docstrings that begin with a question word": f"{len(questions)} of {len(docstrings)}",
        "public names that are typed": public(house),
        "modules that import fcntl": str(importing(house, "fcntl")),
    }


def public(house: House) -> str:
    """The public names that the package's `__init__` imports, be it only for type checkers."""
    tree = house.modules[house.package].tree
    lists = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [_name(target) for target in node.targets] == ["__all__"]
    ]
    names = {each.value for found in lists for each in ast.walk(found) if isinstance(each, ast.Constant)}
    imported = [each for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for each in node.names]
    defined = {node.name for node in tree.body if isinstance(node, (*DEFINITION, ast.ClassDef))}
    return f"{len(names & ({each.asname or each.name for each in imported} | defined))} of {len(names)}"


def importing(house: House, name: str) -> int:
    """Modules that import another one, by its whole name."""
    return len(
        {
            module.name
            for module, node in house.nodes
            if (isinstance(node, ast.Import) and name in [each.name for each in node.names])
            or (isinstance(node, ast.ImportFrom) and node.module == name)
        }
    )


def sizes(house: House) -> dict[str, str]:
    """Lengths of functions and of files."""
    lengths = sorted(each.lines for each in house.functions)
    long = [
        f"{module.path} {count}"
        for module in house.modules.values()
        if (count := len(module.text.splitlines())) > MANY_LINES
    ]
    ninth = lengths[int(len(lengths) * 0.9)] if lengths else 0
    return {
        "lines of a function, 90th percentile and most": f"{ninth}, {max(lengths, default=0)}",
        f"files of more than {MANY_LINES} lines": listed(len(long), long),
    }


@dataclass(frozen=True)
class Docstring:
    """A docstring: what it says and the lines it takes."""

    text: str
    lines: range


def _docstring(node: ast.AST) -> list[Docstring]:
    """The docstring of a module, a class or a function, where there is one."""
    if not isinstance(node, (ast.Module, ast.ClassDef, *DEFINITION)) or ast.get_docstring(node) is None:
        return []
    first = node.body[0]
    return [Docstring(ast.get_docstring(node) or "", range(first.lineno, (first.end_lineno or first.lineno) + 1))]


def _name(node: ast.AST | None) -> str:
    """The last part of a dotted name, also where it is indexed; empty for anything else."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _says(annotation: ast.AST | None, names: set[str]) -> bool:
    return annotation is not None and any(_name(each) in names for each in ast.walk(annotation))


if __name__ == "__main__":
    main()
