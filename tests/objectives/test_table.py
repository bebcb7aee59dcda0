"""Recorded tables: the contract, what a table says, what is refused, a whole search over one."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest
from click.testing import CliRunner, Result

from hivenas.cli.commands import main
from hivenas.config import SpaceConfig
from hivenas.core.folder import ResultsFolder
from hivenas.core.nas.space.search_space import NASSearchSpace
from hivenas.core.records import Proposal
from hivenas.errors import ArchitectureError, ConfigError, DatasetError
from hivenas.objectives.table import TableObjective
from hivenas.objectives.table_file import Table
from hivenas.storage import read_ledger
from tests.contracts import ArchitectureObjectiveContract

OPERATIONS = ("conv", "pool", "none")
SKIPS = SpaceConfig(depth=3, operations=("identity", "dropout"), skip_rate=0.5)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def worth(arch: str) -> float:
    """Fitness in points, different for every architecture."""
    return 90 + sum((i + 1) * (len(part) % 7) for i, part in enumerate(arch.split("|"))) / 10 + len(arch) / 100


def product(layers: int = 3) -> list[dict[str, object]]:
    """Every chain of some layers, with seeds, parameters, multiply-adds and seconds."""
    chains = ["|".join(("input", *each, "output")) for each in itertools.product(OPERATIONS, repeat=layers)]
    return [
        {"architecture": arch, "fitness": worth(arch), "report": 0, "network": arch.upper()}
        | {f"seed_{k}": worth(arch) + (k - 1) * 0.5 for k in range(3)}
        | {"params": 100 * i, "flops": 1000 * i, "seconds": i / 4}
        for i, arch in enumerate(chains)
    ]


def only(architectures: Sequence[str]) -> list[dict[str, object]]:
    return [{"architecture": arch, "fitness": worth(arch)} for arch in architectures]


def skips() -> list[str]:
    return list(NASSearchSpace(SKIPS, rng()).enumerate())


def chain(*operations: str) -> str:
    return "|".join(("input", *operations, "output"))


class TableContract(ArchitectureObjectiveContract):
    """Every kind of table."""

    rows: Callable[[], list[dict[str, object]]]

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.file = write(tmp_path / "t.csv", type(self).rows())

    def make_objective(self, rng: np.random.Generator) -> TableObjective:
        return TableObjective(self.file, rng=rng)


class TestAProduct(TableContract):
    rows = staticmethod(product)


class TestWithNoise(TableContract):
    rows = staticmethod(product)

    def make_objective(self, rng: np.random.Generator) -> TableObjective:
        return TableObjective(self.file, rng=rng, noise=True, seed=3)


class TestWithSkips(TableContract):
    rows = staticmethod(lambda: only(skips()))


class TestOfSeveralLengths(TableContract):
    rows = staticmethod(lambda: only([row["architecture"] for n in (1, 2, 3) for row in product(n)]))  # type: ignore[misc]


class TestSparse(TableContract):
    rows = staticmethod(lambda: only([str(product(5)[int(i)]["architecture"]) for i in rng(5).permutation(243)[:35]]))

    def test_some_have_neighbors_and_some_have_none(self) -> None:
        objective = TableObjective(self.file, rng=rng())
        found = [len(objective.neighbors(arch)) for arch in objective.table.architectures]
        assert 0 in found
        assert max(found) > 1


# -- what a table says -----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "t.csv", product())


def test_neighbors_are_those_of_the_space_that_the_table_records(tmp_path: Path) -> None:
    space = NASSearchSpace(SKIPS, rng())
    objective = TableObjective(write(tmp_path / "t.csv", only(skips())), rng=rng())
    assert objective.size == space.size
    for arch in skips():
        assert sorted(objective.neighbors(arch)) == sorted(space.neighbors(arch))
        assert objective.components(arch) == space.components(arch)


def test_a_row_gives_fitness_parameters_multiply_adds_and_seconds(file: Path) -> None:
    objective, arch = TableObjective(file, rng=rng()), chain("conv", "pool", "none")
    row = next(row for row in product() if row["architecture"] == arch)
    assert objective.evaluate(arch) == {"fitness": row["fitness"], "params": row["params"]}
    evaluation = objective.run(Proposal(0, 0, "scout", 0, arch))
    assert (evaluation.status, evaluation.fitness, evaluation.params) == ("complete", row["fitness"], row["params"])
    assert (evaluation.macs, evaluation.seconds) == (row["flops"], row["seconds"])
    assert objective.sizes(arch) == (row["params"], row["flops"])
    assert objective.costs(arch) == {"params": row["params"], "macs": row["flops"]}
    assert objective.describe().costs == ("params", "macs")
    assert objective.size == len(product())
    assert not objective.is_minimize


def test_a_table_may_know_nothing_but_fitness(tmp_path: Path) -> None:
    objective = TableObjective(write(tmp_path / "t.csv", only([chain("a"), chain("b")])), rng=rng())
    assert objective.evaluate(chain("a")) == {"fitness": worth(chain("a"))}
    assert objective.sizes(chain("a")) == ()
    assert (objective.costs(chain("a")), objective.describe().costs) == ({}, ())


def test_operations_are_defined_where_all_of_their_names_are_built_in(tmp_path: Path, file: Path) -> None:
    known = [chain("identity", "conv3x3_8"), chain("conv3x3_8", "identity"), chain("identity")]
    objective = TableObjective(write(tmp_path / "known.csv", only(known)), rng=rng())
    assert {name: each["op"] for name, each in objective.definitions().items()} == {
        "conv3x3_8": "Conv2D",
        "identity": "Identity",
    }
    foreign = write(tmp_path / "foreign.csv", only([*known, chain("identity", "conv9x9")]))
    assert TableObjective(foreign, rng=rng()).definitions() == {}


def test_regret_is_the_distance_to_the_best_of_the_true_fitness(file: Path) -> None:
    for noise in (False, True):
        objective = TableObjective(file, rng=rng(), noise=noise)
        values = {str(row["architecture"]): worth(str(row["architecture"])) for row in product()}
        best = max(values, key=values.__getitem__)
        assert objective.best_fitness == values[best]
        assert objective.regret(best) == 0.0
        for arch, value in values.items():
            assert objective.true_fitness(arch) == value
            assert objective.regret(arch) == values[best] - value


def test_samples_are_uniform_over_the_table(file: Path) -> None:
    objective = TableObjective(file, rng=rng())
    counts = np.unique([objective.sample() for _ in range(27 * 100)], return_counts=True)[1]
    assert len(counts) == 27
    # χ² of 26 degrees of freedom: five standard deviations above its mean
    assert ((counts - 100) ** 2 / 100).sum() < 26 + 5 * 52**0.5


def test_noise_is_one_seed_an_architecture_whatever_the_order_of_calls(file: Path) -> None:
    rows = {str(row["architecture"]): row for row in product()}
    by_seed: list[list[float]] = []
    for seed in (0, 0, 1):
        objective = TableObjective(file, rng=rng(seed), noise=True, seed=seed)
        order = list(rows) if len(by_seed) == 0 else list(rows)[::-1]
        seen = {arch: objective.evaluate(arch)["fitness"] for arch in order}
        assert all(seen[arch] in [rows[arch][f"seed_{k}"] for k in range(3)] for arch in rows)
        by_seed.append([seen[arch] for arch in rows])
    assert by_seed[0] == by_seed[1] != by_seed[2]
    used = {round(seen - float(str(rows[arch]["seed_1"])), 3) for arch, seen in zip(rows, by_seed[0], strict=True)}
    assert used == {-0.5, 0.0, 0.5}


def test_a_seed_that_was_not_recorded_is_not_drawn(tmp_path: Path) -> None:
    rows = [row | {"seed_0": "", "seed_2": ""} for row in product()]
    objective = TableObjective(write(tmp_path / "t.csv", rows), rng=rng(), noise=True)
    assert all(objective.evaluate(str(row["architecture"]))["fitness"] == row["seed_1"] for row in rows)
    write(tmp_path / "t.csv", [rows[0] | {"seed_1": ""}, *rows[1:]])
    with pytest.raises(ConfigError, match=r"a seed of every architecture, got none of 'input\|conv\|conv\|conv\|outp"):
        TableObjective(tmp_path / "t.csv", rng=rng(), noise=True)
    assert TableObjective(tmp_path / "t.csv", rng=rng()).size == 27


def test_without_a_neighbor_the_nearest_are_drawn_from(tmp_path: Path) -> None:
    alone, near, also, far = chain("a", "a", "a"), chain("b", "b", "a"), chain("a", "b", "b"), chain("b", "c", "c")
    objective = TableObjective(write(tmp_path / "t.csv", only([alone, near, also, far])), rng=rng())
    assert objective.neighbors(alone) == ()
    assert {objective.get_neighbor(alone) for _ in range(40)} == {near, also}


def test_shorter_architectures_are_neighbors_of_longer_ones(tmp_path: Path) -> None:
    short, long, other = chain("a"), chain("a", "b"), chain("c", "b")
    objective = TableObjective(write(tmp_path / "t.csv", only([short, long, other])), rng=rng())
    assert objective.components(short) == ("a", "")
    assert objective.neighbors(short) == (long,)
    assert objective.neighbors(long) == (other, short)


def test_a_compressed_copy_is_the_same_table(file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    one, two = Table.read(file), Table.read(packed)
    assert list(one.architectures) == list(two.architectures)
    assert one.fitness.tolist() == two.fitness.tolist()
    assert one.digest == two.digest
    file.write_text(file.read_text().replace("90.", "91.", 1))
    assert Table.read(file).digest != two.digest


def test_what_is_not_in_the_table_is_refused(file: Path) -> None:
    objective = TableObjective(file, rng=rng())
    calls: list[Callable[[str], object]] = [
        objective.evaluate,
        objective.neighbors,
        objective.get_neighbor,
        objective.components,
        objective.sizes,
        objective.regret,
    ]
    for call in calls:
        with pytest.raises(
            ArchitectureError, match=r"one of the 27 of .*t\.csv, got 'input\|conv\|pool\|convv\|output'"
        ):
            call(chain("conv", "pool", "convv"))


# -- what is refused -------------------------------------------------------------------------------------------

HEAD = "architecture,fitness\n"
GOOD = "input|a|output,1\n"
WRONG = [
    ("", "one column 'architecture', got none", 1),
    ("arch,fitness\ninput|a|output,1\n", "one column 'architecture', got arch, fitness", 1),
    ("architecture,accuracy\ninput|a|output,1\n", "one column 'fitness', got architecture, accuracy", 1),
    ("architecture,fitness,params,params\n", "name each column once, got 'params' more than once", 1),
    (HEAD, "must have rows, got a header alone", 1),
    (HEAD + GOOD, "at least two architectures, got one", 2),
    (HEAD + GOOD + "input|b|output,nan\n", "fitness must be a finite number, got 'nan'", 3),
    (HEAD + GOOD + "input|b|output,inf\n", "fitness must be a finite number, got 'inf'", 3),
    (HEAD + "\ninput|b|output,high\n", "fitness must be a finite number, got 'high'", 3),
    (HEAD + GOOD + "input|b|output,\n", "fitness must be a finite number, got ''", 3),
    ("architecture,fitness,params\ninput|a|output,1,\n", "params must be a finite number, got ''", 2),
    ("architecture,fitness,seed_0\ninput|a|output,1,x\n", "seed_0 must be a finite number, got 'x'", 2),
    (HEAD + GOOD + "input|b|output,2\n" + GOOD, "got 'input|a|output' again, which stands in line 2 too", 4),
    (HEAD + GOOD + "input|b|output\n", "the header's 2 columns, got 1", 3),
    (HEAD + GOOD + "a|b|output,1\n", "must read input|operation|…|output", 3),
    (HEAD + GOOD + "input|output,1\n", "must read input|operation|…|output", 3),
    (HEAD + GOOD + "input||output,1\n", "must have no empty components, got 'input||output'", 3),
    (HEAD + GOOD + "input|sc_3|b|output,1\n", "spans 3 operations but 1 follows", 3),
    (HEAD + GOOD + "input|b|sc_1|output,1\n", "spans 1 operation but 0 follow", 3),
]


@pytest.mark.parametrize(("text", "says", "line"), WRONG)
def test_what_is_no_table_is_refused_with_file_and_line(tmp_path: Path, text: str, says: str, line: int) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        TableObjective(file, rng=rng())
    message = str(caught.value)
    assert says in message
    assert f"({file}, line {line})" in message
    assert "\n" not in message
    assert "; " in message.partition(f"line {line})")[2]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"must be an existing csv or csv\.gz file, got '.*none\.csv'; correct the path"
    ):
        TableObjective(tmp_path / "none.csv", rng=rng())
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes())[:-9])
    with pytest.raises(DatasetError, match=r"t\.csv\.gz cannot be read"):
        TableObjective(packed, rng=rng())
    file.write_bytes(file.read_bytes() + b"input|\xff|output\n")
    with pytest.raises(DatasetError, match=r"UTF-8, got the byte 0xff \(.*t\.csv, line 29\)"):
        TableObjective(file, rng=rng())


def test_noise_needs_seeds(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", only([chain("a"), chain("b")]))
    with pytest.raises(ConfigError, match=r"needs columns seed_0, seed_1, …, got architecture, fitness in .*t\.csv"):
        TableObjective(file, rng=rng(), noise=True)


# -- a search --------------------------------------------------------------------------------------------------


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def configure(tmp_path: Path, name: str = "t", more: str = "") -> str:
    config = tmp_path / f"{name}.yaml"
    config.write_text(
        f"name: {name}\nobjective: table\ntable: {{path: t.csv, noise: true}}\ncolony: {{size: 4}}\n{more}"
    )
    return str(config)


def recorded(name: str) -> list[tuple[object, ...]]:
    _, trials = read_ledger(ResultsFolder("results", name))
    return [
        (each.index, each.role, each.candidate, each.fitness, each.params, each.macs, each.seconds) for each in trials
    ]


@pytest.mark.slow
def test_a_search_over_a_table_is_recorded_tracked_and_resumed_exactly(store: str, tmp_path: Path, file: Path) -> None:
    import mlflow

    whole = invoke("search", "--config", configure(tmp_path, "whole"), "--set", "colony.iterations=4")
    assert whole.exit_code == 0, whole.output
    parts = configure(tmp_path, "parts", f"optuna: {{storage: 'sqlite:///{tmp_path}/books.db'}}\n")
    assert invoke("search", "--config", parts, "--set", "colony.iterations=2").exit_code == 0
    resumed = invoke("search", "--config", parts, "--set", "colony.iterations=4", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert recorded("parts") == recorded("whole")
    assert len(recorded("whole")) > 10

    objective = TableObjective(file, rng=rng(), noise=True, seed=42)
    assert all(fitness == objective.evaluate(str(arch))["fitness"] for _, _, arch, fitness, *_ in recorded("whole"))
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("parts")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 + len(recorded("parts"))
    child = next(run for run in runs if run.data.tags.get("hivenas.index") == "0")
    first = str(recorded("parts")[0][2]).split("|")[1:-1]
    assert child.data.params == {"depth": "3"} | {f"op_{i:02d}": part for i, part in enumerate(first)}
    parent = next(run for run in runs if "hivenas.index" not in run.data.tags)
    assert [each.dataset.digest for each in parent.inputs.dataset_inputs] == [Table.read(file).digest]

    study = optuna.load_study(study_name="parts", storage=f"sqlite:///{tmp_path}/books.db")
    assert len(study.trials) == len(recorded("parts"))
    assert study.trials[0].params == {f"op_{i:02d}": part for i, part in enumerate(first)}
    assert study.best_value == max(float(str(row[3])) for row in recorded("parts"))

    report = invoke("report", "--config", parts)
    assert report.exit_code == 0, report.output
    refused = invoke("train", "--config", parts)
    assert refused.exit_code == 2
    assert "a full training needs objective: nas, got objective=table" in refused.output

    file.write_text(file.read_text().replace(",0,", ",1,"))
    other = invoke("search", "--config", parts, "--set", "colony.iterations=5", "--resume")
    assert other.exit_code == 2
    assert "the rows of t.csv are not those that the search in results/parts began with" in other.output


def test_check_prints_the_size_of_the_table(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("check", "--config", configure(tmp_path))
    assert result.exit_code == 0, result.output
    assert "# space:        27 architectures" in result.output
    assert "# epochs" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("table.path=null table.noise=false", "table.path must be given for objective=table, got null"),
        ("objective=sphere_min", "table.path must be null for objective=sphere_min, got 't.csv'"),
        ("objective=nas table.path=null", "table.noise must be false for objective=nas, got true"),
        ("table.path=none.csv", "table.path must be an existing csv or csv.gz file, got 'none.csv' in "),
        ("table.path=plain.csv", "table.noise needs columns seed_0, seed_1, …, got architecture, fitness in plain.csv"),
        ("table.path=''", "table.path must not be empty"),
    ],
)
def test_a_configuration_that_no_table_fits_is_refused(
    tmp_path: Path, file: Path, arguments: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "plain.csv", only([chain("a"), chain("b")]))
    for command in ("check", "search"):
        result = invoke(command, "--config", configure(tmp_path), "--set", arguments)
        assert result.exit_code == 2
        assert message in result.output
        assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_every_architecture_of_a_table_is_among_optunas_choices(
    tmp_path: Path,
) -> None:
    architectures = [*skips(), chain("identity"), chain("sc_1", "pool", "identity")]
    objective = TableObjective(write(tmp_path / "t.csv", only(architectures)), rng=rng())
    parameters = objective.describe().parameters
    assert parameters
    assert list(parameters.choices) == [*(f"op_{i:02d}" for i in range(3)), *(f"skip_{i:02d}" for i in range(3))]
    values = [parameters.values(arch) for arch in architectures]
    assert len({tuple(each.items()) for each in values}) == len(architectures)
    assert all(value in parameters.choices[name] for each in values for name, value in each.items())
    assert values[-2]["op_01"] == values[-2]["skip_01"] == "none"
