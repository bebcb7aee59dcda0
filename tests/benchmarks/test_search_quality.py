"""The comparison of search methods: what it counts, what it writes, and peers that do what they say."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import peers
import pytest
import search_quality
from click.testing import CliRunner, Result
from search_quality import Job, course_of, prepare, regrets_of, run

from hivenas.objectives.table import TableObjective

pytestmark = pytest.mark.slow

OPERATIONS = ("a", "b", "c", "d")
CHEAP = ("abc", "canonical", "random", "evolution", "local_search", "gp_bo")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """64 chains; the fitness rises with the letters, the last one's most."""
    path = tmp_path / "small.csv"
    with path.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["architecture", "fitness", "seed_0", "seed_1"])
        for codes in itertools.product(range(4), repeat=3):
            worth = float(np.dot(codes, (1, 2, 4))) + (codes[0] == codes[1])
            arch = "|".join(("input", *(OPERATIONS[code] for code in codes), "output"))
            writer.writerow([arch, worth, worth - 1.5, worth + 1.5])
    return path


def job(file: Path, algorithm: str, seed: int = 0, budget: int = 30, *, noise: bool = False) -> Job:
    return Job(str(file), noise, algorithm, seed, budget)


def compare(file: Path, out: Path, *arguments: str) -> Result:
    given = ["--tables", str(file), "--out", str(out), "--budgets", "5,10,20", "--seeds", "2", *arguments]
    return CliRunner().invoke(search_quality.main, given)


@pytest.mark.parametrize("algorithm", [*CHEAP, "tpe"])
def test_a_peer_is_deterministic_and_without_noise_never_loses_what_it_found(file: Path, algorithm: str) -> None:
    regrets = run(job(file, algorithm))
    assert regrets.shape == (30,)
    assert (np.diff(regrets) <= 0).all()
    assert (regrets >= 0).all()
    assert regrets.tolist() == run(job(file, algorithm)).tolist()
    assert any(regrets.tolist() != run(job(file, algorithm, seed)).tolist() for seed in range(1, 4))


def test_guesses_of_likeness_change_what_is_asked_for_where_they_differ(file: Path) -> None:
    asked = {name: list(course_of(*prepare(job(file, name))).seen) for name in ("abc", "no_sizes", "positions")}
    assert asked["no_sizes"] == asked["abc"]  # the table has no sizes
    assert asked["positions"] != asked["abc"]


@pytest.mark.parametrize("algorithm", CHEAP)
def test_every_peer_finds_the_best_of_a_table_that_it_may_ask_for_whole(file: Path, algorithm: str) -> None:
    assert run(job(file, algorithm, budget=64))[-1] == 0.0
    beyond = run(job(file, algorithm, budget=70))
    assert beyond[63:].tolist() == [0.0] * 7


def test_random_search_has_the_regret_of_draws_without_replacement(file: Path) -> None:
    fitness = np.sort(TableObjective(file, rng=np.random.default_rng(0)).table.fitness)
    draws = np.random.default_rng(1)
    expected = fitness[-1] - np.array([draws.permutation(fitness)[:12].max() for _ in range(4000)])
    found = np.array([run(job(file, "random", seed, 12))[-1] for seed in range(400)])
    error = (expected.var() / len(expected) + found.var() / len(found)) ** 0.5
    assert abs(found.mean() - expected.mean()) < 4 * error


@pytest.mark.parametrize("algorithm", ["evolution", "local_search", "gp_bo"])
def test_a_peer_that_learns_is_better_than_random_search(file: Path, algorithm: str) -> None:
    seeds = range(40)
    difference = [run(job(file, algorithm, s))[-1] - run(job(file, "random", s))[-1] for s in seeds]
    assert np.mean(difference) < -2 * np.std(difference) / len(difference) ** 0.5


def test_local_search_asks_for_all_neighbors_and_goes_to_the_best(file: Path) -> None:
    objective = TableObjective(file, rng=np.random.default_rng(3))
    steps = peers.local_search(objective, 64, np.random.default_rng(3))
    place = next(steps)
    assert isinstance(place, str)
    neighbors, asked = objective.neighbors(place), []
    fitness = objective.true_fitness(place)
    for _ in neighbors:
        asked.append(str(steps.send(fitness)))
        fitness = objective.true_fitness(asked[-1])
    assert sorted(asked) == sorted(neighbors)
    assert asked != list(neighbors)
    best = max(neighbors, key=objective.true_fitness)
    assert objective.true_fitness(best) > objective.true_fitness(place)
    assert steps.send(fitness) in objective.neighbors(best)


def test_evolution_keeps_the_latest_twenty(file: Path) -> None:
    objective = TableObjective(file, rng=np.random.default_rng(3))
    steps = peers.evolution(objective, 64, np.random.default_rng(3))
    population = [str(next(steps))]
    for _ in range(200):
        child = str(steps.send(objective.true_fitness(population[-1])))
        if len(population) >= peers.POPULATION:
            latest = population[-peers.POPULATION :]
            assert any(child in objective.neighbors(parent) for parent in latest)
        population.append(child)


def test_a_search_that_asks_for_the_same_again_pays_nothing_and_is_helped_on(file: Path) -> None:
    def stubborn(objective: TableObjective, budget: int, rng: np.random.Generator) -> peers.Steps:
        first = objective.sample()
        while True:
            yield first

    def brief(objective: TableObjective, budget: int, rng: np.random.Generator) -> peers.Steps:
        yield objective.sample()

    for search in (stubborn, brief):
        rng = np.random.default_rng(2)
        objective = TableObjective(file, rng=rng)
        regrets = regrets_of(search, objective, 64, rng)
        assert regrets.shape == (64,)
        assert regrets[-1] == 0.0


def test_the_regret_is_that_of_the_incumbent_which_a_search_may_name(file: Path) -> None:
    low, high = "input|a|a|b|output", "input|d|d|d|output"

    def modest(objective: TableObjective, budget: int, rng: np.random.Generator) -> peers.Steps:
        yield low
        yield high
        yield peers.Incumbent(low)
        yield "input|a|a|a|output"

    rng = np.random.default_rng(2)
    objective = TableObjective(file, rng=rng)
    regrets = regrets_of(modest, objective, 3, rng)
    assert regrets.tolist() == [objective.regret(low)] * 3


def test_with_noise_the_highest_value_seen_is_judged_by_its_true_fitness(file: Path) -> None:
    rng = np.random.default_rng(5)
    objective = TableObjective(file, rng=rng, noise=True, seed=5)
    asked: list[str] = []

    def listed(objective: TableObjective, budget: int, rng: np.random.Generator) -> peers.Steps:
        for arch in reversed(objective.table.architectures):
            asked.append(arch)
            yield arch

    regrets = regrets_of(listed, objective, 64, rng)
    for n in (1, 10, 40, 64):
        incumbent = max(asked[:n], key=lambda arch: objective.evaluate(arch)["fitness"])
        assert regrets[n - 1] == objective.regret(incumbent)
    assert regrets[0] == 0.0 < regrets[-1]


def test_what_is_written_says_table_algorithm_budget_mean_error_and_seeds(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    result = compare(file, out, "--algorithms", "abc,random,evolution", "--first-seed", "3")
    assert result.exit_code == 0, result.output
    records = json.loads(out.read_text())
    assert [(r["table"], r["algorithm"], r["budget"]) for r in records] == [
        ("small", algorithm, budget) for algorithm in ("abc", "random", "evolution") for budget in (5, 10, 20)
    ]
    curves = {name: np.array([run(job(file, name, seed, 20)) for seed in (3, 4)]) for name in ("abc", "random")}
    for record in records:
        assert set(record) == {"table", "algorithm", "budget", "mean", "se", "seeds"}
        assert record["seeds"] == 2
        if record["algorithm"] in curves:
            at = curves[record["algorithm"]][:, record["budget"] - 1]
            assert record["mean"] == pytest.approx(at.mean())
            assert record["se"] == pytest.approx(abs(at[0] - at[1]) / 2)
    paired = (curves["abc"] - curves["random"])[:, 4]
    assert f"{paired.mean():+.3f} ± {abs(paired[0] - paired[1]) / 2:.3f}" in result.output.partition("seed by seed")[2]
    assert (tmp_path / "o.png").stat().st_size > 5000


def test_curves_of_separate_runs_are_merged(file: Path, tmp_path: Path) -> None:
    first, second, whole = (tmp_path / f"{name}.json" for name in ("first", "second", "whole"))
    assert compare(file, first, "--algorithms", "abc,random").exit_code == 0
    merge = ("--merge", str(tmp_path / "first.curves.npz"), "--plot", str(tmp_path / "p.png"))
    again = compare(file, second, "--algorithms", "random", "--first-seed", "1", *merge)
    assert again.exit_code == 0, again.output
    assert compare(file, whole, "--algorithms", "random", "--seeds", "3").exit_code == 0
    merged = {(r["algorithm"], r["budget"]): r for r in json.loads(second.read_text())}
    for record in json.loads(whole.read_text()):
        assert merged["random", record["budget"]] == pytest.approx(record)
    assert merged["abc", 5]["seeds"] == 2
    assert (tmp_path / "p.png").exists()


@pytest.mark.process
def test_noise_is_named_and_several_tables_and_processes_give_the_same(file: Path, tmp_path: Path) -> None:
    other = file.with_name("other.csv")
    other.write_text(file.read_text())
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    both = ("--tables", str(file), str(other), "--noise", "--algorithms", "abc,random")
    assert compare(file, one, *both).exit_code == 0
    assert compare(file, two, *both, "--jobs", "2").exit_code == 0
    records = json.loads(one.read_text())
    assert {record["table"] for record in records} == {"small+noise", "other+noise"}
    assert records == json.loads(two.read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--algorithms", "abc,bees"), "must be among abc, overlap_1, overlap_2, canonical"),
        (("--budgets", "5,x"), "must be whole numbers ≥ 1 such as 25,50, got '5,x'"),
        (("--budgets", "0"), "must be whole numbers"),
        (("--tables", "none.csv"), "must be an existing csv or csv.gz file, got 'none.csv'"),
    ],
)
def test_wrong_calls_are_refused(file: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = compare(file, tmp_path / "o.json", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "o.json").exists()


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_optunas_gaussian_process_says_what_it_needs(file: Path, tmp_path: Path) -> None:
    result = compare(file, tmp_path / "o.json", "--algorithms", "random,gp")
    assert result.exit_code == 2
    assert "needs the package torch; pip install torch" in result.output
