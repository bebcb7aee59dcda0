from __future__ import annotations

import re
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from hivenas.cli.commands import main
from hivenas.config import from_mapping
from hivenas.storage import open_adhoc
from tests.trials import trial


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    return str(file)


WRONG = [
    ("evaluation: {lerning: 3}", "unknown key evaluation.lerning"),
    ("evaluation: {epoch: 3}", "did you mean evaluation.epochs?"),
    ("evaluation: {epochs: five}", "evaluation.epochs must be a whole number, got 'five'"),
    ("evaluation: {epochs: 0}", "evaluation.epochs must be at least 1, got 0"),
    (
        "evaluation: {epochs: 2, momentum_epochs: 5}",
        "evaluation.epochs must be at least 3 when momentum_epochs > 0, got epochs=2",
    ),
    ("name: !!python/object:os.system {}", "!!python/object:os.system is not allowed"),
    ("name: !!python/object/apply:os.system [ls]", "!!python/object/apply:os.system is not allowed"),
    ("- a list", "must be a mapping of keys"),
    ("dataset: {background: blakc}", "'#rrggbb' or [red, green, blue] of 0…255, got 'blakc'"),
    ("dataset: {background: blakc}", "did you mean 'black'?"),
    ("dataset: {background: [0, 0, 256]}", "dataset.background must be the name of a colour, '#rrggbb' or [red, green"),
    ("dataset: {background: [0.5, 0, 0]}", "dataset.background must be the name of a colour, '#rrggbb' or [red, green"),
    (
        "dataset:\n  background: #ff0000",
        "; a # begins a comment, so write '#rrggbb' in quotes",
    ),
    ("dataset: {unread_images: ignore}", "dataset.unread_images must be one of 'refuse' or 'leave_out', got 'ignore'"),
    (
        "dataset: {unread_images: leave_out}",
        "dataset.unread_images is for dataset.name=image_folder, image_table, tfrecord, got",
    ),
    ("dataset: {scale: [0, 16]}", "dataset.scale is for arrays, got [0.0, 16.0] with digits"),
    (
        "dataset: {name: npz, path: x.npz, scale: [1, 0]}",
        "dataset.scale must be [lowest, highest] with lowest < highest",
    ),
    ("dataset: {name: npz, path: x.npz, scale: 1}", "the values that stand for the bytes 0 and 255, got 1"),
    ("registry: {alias: latest}", "registry.alias must not be latest"),
    ("registry: {alias: V2}", "registry.alias must not be latest or v1"),
    ("registry: {alias: previous}", "registry.alias must not be previous, which the version before it gets"),
    ("registry: {promote: sometimes}", "registry.promote must be one of 'better', 'always' or 'never', got"),
    ("registry: {model: a/b}", "registry.model must have none of / : ? # @"),
    ("evaluation: {epochs: [", "not valid YAML"),
    (
        "dataset: {name: image_folder, path: x, image_size: [28]}",
        "image_size must be [height, width], got [28]",
    ),
]
# What is found beyond the file, by every command that trains.
WRONG_SPACES = [
    ("space: {operations: [sep3x3_65, identity]}", "did you mean 'sep3x3_64'?"),
    ("space: {operations: [identity]}", "one operation needs skip connections to have neighbours"),
    (
        "space: {max_params: 300}",
        "a search needs architectures within space.max_params=300 that have neighbours within",
    ),
    ("space: {reference: {m: {}}}", "space.reference.m needs an op, got {}"),
    ("space: {reference: {m: {op: Conv2D, filter: 24}}}", "no argument 'filter' for Conv2D"),
]
COMMANDS = ("search", "check", "train", "report")


@pytest.mark.parametrize(
    ("command", "text", "message"),
    [(command, *wrong) for wrong in WRONG for command in COMMANDS]
    + [(command, *wrong) for wrong in WRONG_SPACES for command in COMMANDS[:-1]],
)
def test_wrong_configurations_are_one_clear_line_and_exit_code_2(
    tmp_path: Path, command: str, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, text)
    result = invoke(command, "--config", file)
    assert result.exit_code == 2
    assert message in result.output
    assert file in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--config", "none.yaml"], "cannot read the configuration none.yaml"),
        (["search", "--config", "x.yaml", "--set", "evaluation.epochs=0"], "(--set evaluation.epochs=0)"),
        (["search", "--config", "x.yaml", "--set", "epochs"], "--set takes key=value"),
        (["search", "--config", "x.yaml", "--resume"], "nothing to resume"),
        (["train", "--config", "x.yaml"], "no results at"),
        (["report", "--config", "x.yaml"], "no results at"),
        (["compare", "x.yaml", "x.yaml"], "no results at"),
        (["compare", "x.yaml"], "Missing argument 'B'"),
        (["arch", "input|sep3x3_32|output|", "--config", "x.yaml"], "must read input|operation|…|output"),
        (["arch", "input|sep3x3_33|output", "--config", "x.yaml"], "component 1 ('sep3x3_33')"),
        (["arch", "input|sc_3|sep3x3_32|output", "--config", "x.yaml"], "spans 3 operations but 1 follows"),
        (["search"], "Missing option '--config'"),
        (["train", "--config", "x.yaml", "--set", "objective=sphere_min"], "a full training needs objective: nas"),
        (["search", "--config", "x.yaml", "--resume", "--overwrite"], "got both"),
    ],
)
def test_wrong_calls_are_clear_and_exit_code_2(
    tmp_path: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "name: x\n")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("kind", "says"),
    [("guided", "# colony:       3 employees, 5 onlookers"), ("random", "# strategy:     random, random search that")],
)
def test_check_says_who_proposes(tmp_path: Path, kind: str, says: str) -> None:
    file = write(tmp_path, f"colony: {{kind: {kind}, size: 8}}\n")
    assert says in invoke("check", "--config", file).output


@pytest.mark.parametrize("name", ["npz", "image_folder"])
def test_check_refuses_a_path_that_does_not_exist(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.arange(12 * 16, dtype=np.uint8).reshape(12, 4, 4)
    np.savez(tmp_path / "file.npz", x_train=images, y_train=["a", "b"] * 6)
    for index, pixels in enumerate(images):
        (tmp_path / f"folder/{index % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"folder/{index % 2}/{index}.png")
    right, wrong = ("file.npz", "folder") if name == "npz" else ("folder", "file.npz")
    for path, says in ((wrong, f"got {wrong!r} in {tmp_path}"), ("gone", "got 'gone'"), ("/gone", "got '/gone'; cor")):
        file = write(tmp_path, f"dataset: {{name: {name}, path: {path}}}\n")
        result = invoke("check", "--config", file)
        assert result.exit_code == 2
        assert result.output.startswith("hivenas: dataset.path must be an existing ")
        assert says in result.output
        assert len(result.output.splitlines()) == 1
    checked = invoke("check", "--config", file, "--set", f"dataset.path={right}")
    assert checked.exit_code == 0
    assert f"# data:         {name}: 7 images to train, 2 to validate, 3 to test, 4×4×1 (height" in checked.output
    copied = re.search(r"# copy: +results/\.cache/\w{16}, 1 MiB on the disk\n# memory: ", checked.output)
    assert bool(copied) is (name == "image_folder")


@pytest.mark.parametrize(
    ("path", "settings", "says"),
    [
        ("empty", "", "hivenas: empty: there must be class folders in it, got none, it is empty; put the images"),
        ("icons", "", "40 with transparency, laid over white\n"),
        (
            "icons",
            ", background: black",
            "hivenas: image_folder icons: the training images must differ in some pixel, got",
        ),
        (
            "phone",
            "",
            "hivenas: phone/a/0.heic: images must be png, jpg, jpeg, jpe, jfif, bmp, gif, ico, webp, tif, tiff,",
        ),
        ("phone", ", unread_images: leave_out", "; left out: 2 .heic, 1 hidden\n"),
        ("table", "", "table/a: a class folder must hold images"),
        (
            "table/a/labels.csv",
            "",
            "; set dataset.name to image_table for a table of image files, or put the images of each",
        ),
    ],
)
def test_check_looks_at_the_images(
    tmp_path: Path, path: str, settings: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for label, shape in (("a", np.tri(6)), ("b", np.eye(6))):
        for folder in ("icons", "phone", "table"):
            Path(folder, label).mkdir(parents=True)
        ink = np.zeros((6, 6, 4), np.uint8)
        ink[..., 3] = 255 * shape
        for index in range(20):
            ink[0, 5, 3] = index
            Image.fromarray(ink).save(f"icons/{label}/{index}.png")
            Image.fromarray(ink[..., 3]).save(f"phone/{label}/{index}.jpg")
        Path("phone", label, "0.heic").touch()
        Path("table", label, "labels.csv").touch()
    Path("phone/.DS_Store").touch()
    result = invoke("check", "--config", write(tmp_path, f"dataset: {{name: image_folder, path: {path}{settings}}}\n"))
    assert says in result.output
    assert result.exit_code == (2 if says.startswith("hivenas:") or path.startswith("table") else 0)
    assert len(result.output.splitlines()) == 1 or result.exit_code == 0


def test_check_says_what_the_data_take_and_where_they_mislead(tmp_path: Path) -> None:
    labels = np.array(["sound"] * 95 + ["torn"] * 5)
    images = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "rare.npz", x_train=images, y_train=labels)
    file = write(tmp_path, f"dataset: {{name: npz, path: {tmp_path / 'rare.npz'}}}\n")
    output = invoke("check", "--config", file).output
    assert re.search(r"# memory: +about 0\.6 GiB a worker: 1 MiB for the images \(1 MiB as they are\)", output)
    assert re.search(r"# warning: +95\.\d % of the training images are of class 'sound', rare are 'torn'", output)
    assert yaml.safe_load(output)["dataset"]["name"] == "npz"
    built_in = invoke("check", "--config", write(tmp_path, "dataset: {name: cifar10}\n")).output
    assert "# memory:       about 1.3 GiB a worker: 0.7 GiB for the images (0.2 GiB as they are)" in built_in
    assert "# memory" not in invoke("check", "--config", write(tmp_path, "objective: sphere_min\n")).output


def test_check_says_the_limits_and_which_is_reached_first(tmp_path: Path) -> None:
    file = write(tmp_path, "objective: sphere_min\ncolony: {patience: 3}\n")
    output = invoke("check", "--config", file, "--set", "budget.minutes=90").output
    assert "# budget:       90 min or 105 evaluations, whichever ends first\n" in output
    assert "# patience:     3 iterations without anything better end the search\n" in output
    ladder = write(tmp_path, "evaluation: {stopping: ladder, epochs: 20}\ncolony: {patience: 1}\n")
    said = "# patience:     1 iteration without a better first look ends the search\n"
    assert said in invoke("check", "--config", ladder).output
    fewer = invoke("check", "--config", file, "--set", "budget={cpu_hours: 1, evaluations: 20}").output
    assert "# evaluations:  20 at the most\n# budget:       1 CPU hour or 20 evaluations, whichever" in fewer
    assert "# budget" not in invoke("check", "--config", write(tmp_path, "objective: sphere_min\n")).output


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", ""),
        ("evaluation.fitness=log_loss", "# looked for:   low log loss\n"),
        ("objectives.macs=min", "# looked for:   high accuracy and few multiply-adds of one image\n"),
    ],
)
def test_check_says_what_is_looked_for_beside_the_accuracy(tmp_path: Path, settings: str, says: str) -> None:
    output = invoke(
        "check", "--config", write(tmp_path, "name: x\n"), *(["--set", settings] if settings else [])
    ).output
    assert says in output
    assert ("# looked for" in output) is bool(says)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("epochs=19", "none, every candidate is trained to its end\n"),
        (
            "epochs=20",
            "none, every candidate is trained to its end; evaluation.stopping=ladder would train 0.35 of all e",
        ),
        ("epochs=20 evaluation.inherit=true", "none, every candidate is trained to its end\n"),
        ("epochs=20 evaluation.stopping=median", "median, after epochs 3 to 19\n"),
        (
            "epochs=20 evaluation.stopping=ladder",
            "ladder, rungs after epochs 3, 5, 10, 20; 0.35 of all epochs are trained",
        ),
    ],
)
def test_check_says_when_trainings_end_and_where_a_ladder_pays(tmp_path: Path, settings: str, says: str) -> None:
    output = invoke("check", "--config", write(tmp_path, "name: x\n"), "--set", f"evaluation.{settings}").output
    assert f"# stopping:     {says}" in output


def test_report_needs_neither_data_nor_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_adhoc(from_mapping({"name": "gone"})) as ledger:
        ledger.record(trial(0, 0.5, "input|own|output", epochs=1, momentum=0.1, params=10))
    text = "name: gone\ndataset: {name: npz, path: gone.npz}\nspace: {max_params: 10, operations: [own, other]}\n"
    result = invoke("report", "--config", write(tmp_path, text))
    assert result.exit_code == 0, result.output
    assert "wrote results/gone/plots/convergence.svg" in result.output


def test_check_prints_the_resolved_configuration_and_the_plan(tmp_path: Path) -> None:
    file = write(tmp_path, "space: {preset: layerwise, depth: 2, skip_rate: 0.1}\ncolony: {iterations: 3}\n")
    result = invoke("check", "--config", file, "--set", "evaluation.epochs=4 name=mine")
    assert result.exit_code == 0
    resolved = yaml.safe_load(result.output)
    assert resolved["name"] == "mine"
    assert resolved["evaluation"]["epochs"] == 4
    assert resolved["colony"] == {
        "kind": "guided",
        "size": 7,
        "employee_ratio": 0.44,
        "abandonment_limit": 3,
        "iterations": 3,
        "patience": None,
        "overlap": 0,
    }
    assert "# space:        600 architectures" in result.output
    assert "# guards" not in result.output
    assert "21 at the most" in result.output
    assert "84 at the most" in result.output


def test_check_counts_settings_that_vary_and_lists_their_values(tmp_path: Path) -> None:
    file = write(tmp_path, "space: {preset: layerwise, depth: 2}\nevaluation: {batch_size: !Choice [64, 32]}\n")
    output = invoke("check", "--config", file, "--set", "evaluation.initial_lr=!Log [0.001, 0.01, 3]").output
    assert "# space:        600 candidates: 100 architectures, 6 combinations of settings each\n" in output
    assert "# varied:       evaluation.batch_size: 64, 32\n" in output
    assert "# varied:       evaluation.initial_lr: 0.001, 0.003162, 0.01\n" in output
    assert "  initial_lr: !Log [0.001, 0.01, 3]\n" in output
    refused = invoke("check", "--config", file, "--set", "evaluation.initial_lr=!Log [0, 0.01, 3]")
    assert refused.exit_code != 0
    assert "a !Log must have low > 0, got 0" in refused.output


@pytest.mark.parametrize(
    ("space", "size", "share", "limits"),
    [
        ("depth: 1, operations: [identity, dropout, sep3x3_64], max_params: 1000", "3", 2 / 3, "max_params=1,000"),
        (
            "depth: 3, skip_rate: 0.01, operations: [identity, dropout], max_params: 100000, max_macs: 90000",
            "192",
            # Every skip connection costs as much, whatever it spans, and one fits: 1 + (3 + 2 + 1) ways of 24.
            7 / 24,
            "max_params=100,000 and max_macs=90,000",
        ),
    ],
)
def test_check_prints_what_share_of_the_space_fits_the_guards(
    tmp_path: Path, space: str, size: str, share: float, limits: str
) -> None:
    result = invoke("check", "--config", write(tmp_path, f"space: {{{space}}}\n"))
    assert result.exit_code == 0, result.output
    assert f"# space:        at most {size} architectures" in result.output
    found = re.search(r"# guards: +(\S+) % of (\S+) architectures fit (.*)", result.output)
    assert found
    assert found.group(2, 3) == (size, limits)
    # Five standard deviations of a share among 1,000.
    assert abs(float(found.group(1)) / 100 - share) < 5 * (share * (1 - share) / 1000) ** 0.5


@pytest.mark.slow
def test_a_numerical_search_from_start_to_report(tmp_path: Path, store: str) -> None:
    file = write(tmp_path, "name: basin\nobjective: sphere_min\ncolony: {size: 4, iterations: 3}\n")
    result = invoke("search", "--config", file)
    assert result.exit_code == 0, result.output
    assert "12 evaluations" in result.output
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("basin")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 13
    assert {run.info.status for run in runs} == {"FINISHED"}
    (parent,) = (run.info.run_id for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert "report.html" in {artifact.path for artifact in client.list_artifacts(parent)}

    again = invoke("search", "--config", file)
    assert again.exit_code == 2
    for way_on in ("--resume", "--set name=", "--overwrite"):
        assert way_on in again.output

    resumed = invoke("search", "--config", file, "--resume")
    assert resumed.exit_code == 0
    assert "nothing is left to do" in resumed.output

    report = invoke("report", "--config", file)
    assert report.exit_code == 0
    assert "<title>Convergence</title>" in (tmp_path / "results/basin/plots/convergence.svg").read_text()
    assert "wrote results/basin/report.html" in report.output
    assert "finished" in (tmp_path / "results/basin/report.html").read_text(encoding="utf-8")

    compared = invoke("compare", "results/basin", file)
    assert compared.exit_code == 0, compared.output
    assert "Every key that decides what is found is the same." in compared.output
    assert "wrote results/basin-and-basin.html" in compared.output
    assert (tmp_path / "results/basin-and-basin.html").is_file()

    longer = invoke("search", "--config", file, "--resume", "--set", "colony.iterations=4")
    assert longer.exit_code == 0
    assert "16 evaluations" in longer.output
    reseeded = invoke("search", "--config", file, "--resume", "--set", "colony.iterations=4", "--set", "seed=43")
    assert reseeded.exit_code == 2
    assert "was started with seed=42, got seed=43" in reseeded.output

    overwritten = invoke("search", "--config", file, "--overwrite")
    assert overwritten.exit_code == 0
    assert overwritten.output.splitlines()[1:5] == result.output.splitlines()[1:5]
