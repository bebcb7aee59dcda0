"""The table of a search: its columns, what comes back from it, and when it is written."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.config import from_mapping
from hivenas.core.records import Evaluation, Proposal, Trial
from hivenas.errors import DiskFullError
from hivenas.storage import open_search
from hivenas.storage.export import COLUMNS, REQUIRED, Export, TableExport, as_columns, as_csv, from_columns
from tests.trials import trial

ARCH = "input|identity|dropout|output"


def test_the_columns_are_the_published_ones_in_their_order() -> None:
    published = (
        "index iteration bee bee_id candidate status fitness center_fitness epochs momentum momentum_epochs params "
        "weights_filename seconds run_id reason"
    )
    assert COLUMNS[:16] == tuple(published.split())


_FLOATS = st.floats(allow_nan=False)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(deadline=None, max_examples=80)
@given(
    fitness=_FLOATS,
    center=st.none() | _FLOATS,
    momentum=_FLOATS,
    seconds=st.floats(0, 1e6),
    point=st.none() | st.lists(_FLOATS, min_size=1, max_size=4).map(tuple),
    counts=st.tuples(*[st.integers(0, 10**12)] * 4),
    reason=_TEXTS,
    run_id=st.text("0123456789abcdef", max_size=32),
)
def test_a_trial_comes_back_from_the_table_to_the_last_bit(
    fitness: float,
    center: float | None,
    momentum: float,
    seconds: float,
    point: tuple[float, ...] | None,
    counts: tuple[int, int, int, int],
    reason: str,
    run_id: str,
) -> None:
    candidate = point or ARCH
    evaluation = Evaluation(
        candidate,
        "stopped",
        fitness,
        epochs=counts[0],
        momentum=momentum,
        momentum_epochs=counts[1],
        params=counts[2],
        filename='a, "b".h5',
        seconds=seconds,
        reason=reason,
    )
    trials = [Trial(Proposal(counts[3], 2, "onlooker", 1, candidate, center), evaluation, run_id), trial(1)]
    lines = list(csv.DictReader(io.StringIO(as_csv(trials), newline="")))
    kept = replace(evaluation, seconds=round(seconds, 3), reason=" ".join(reason.split()))
    # repr tells -0.0 from 0.0, which == does not.
    assert repr([from_columns(line) for line in lines]) == repr([replace(trials[0], evaluation=kept), trials[1]])
    assert repr([from_columns(as_columns(each)) for each in trials]) == repr([from_columns(line) for line in lines])


def test_of_epochs_the_table_keeps_the_accuracies() -> None:
    (line,) = csv.DictReader(io.StringIO(as_csv([trial(0, curve={1: 0.1 + 0.2, 2: 0.5})])))
    assert line["curve"] == "1:0.30000000000000004 2:0.5"
    again = from_columns(line)
    assert again.accuracies() == {1: 0.1 + 0.2, 2: 0.5}


def test_what_an_evaluation_took_is_in_the_table_and_lacking_in_tables_of_earlier_versions() -> None:
    spent = {"cpu_seconds": 12.5, "peak_rss_mb": 640.0}
    (line,) = csv.DictReader(io.StringIO(as_csv([trial(0, extra={"spent": spent})])))
    assert (line["cpu_seconds"], line["peak_rss_mb"], line["gpu_peak_mb"]) == ("12.5", "640.0", "")
    assert from_columns(line).evaluation.extra == {"spent": spent}
    assert from_columns({name: line[name] for name in REQUIRED}) == from_columns(as_columns(trial(0)))


@pytest.mark.parametrize("phase", ["evaluate", "momentum"])
def test_a_failed_continuation_is_none_the_less_one(phase: str) -> None:
    failed = trial(3, status="failed", phase=phase)
    assert failed.momentum_epochs == 0
    assert from_columns(as_columns(failed)).phase == failed.phase == phase


def test_the_table_is_plain_csv_with_a_header(tmp_path: Path) -> None:
    config = from_mapping({"name": "search", "results": {"dir": str(tmp_path / "deep" / "down")}})
    with open_search(config, 1) as ledger:
        ledger.save()
        ledger.record(trial(0))
        ledger.record(trial(1))
    with (tmp_path / "deep" / "down" / "search" / "search.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == list(COLUMNS)
    assert [line[0] for line in lines[1:]] == ["0", "1"]
    assert lines[1][COLUMNS.index("center_fitness")] == ""


def test_a_table_that_takes_long_is_not_written_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, times = TableExport(tmp_path / "x.csv"), iter([0.0, 2.0, 2.0, 101.0, 101.0, 103.0, 103.0, 103.0, 103.0])
    monkeypatch.setattr("hivenas.storage.export.time", SimpleNamespace(monotonic=lambda: next(times)))
    written: list[int] = []
    for count, force in ((1, False), (2, False), (3, True)):
        table.write([trial(index) for index in range(count)], force=force)
        written.append(len((tmp_path / "x.csv").read_text().splitlines()) - 1)
    # Two seconds of writing are two hundredths of a hundred.
    assert written == [1, 1, 3]


def test_a_table_on_a_full_disk_stays_whole(small_disk: Path) -> None:
    table = TableExport(small_disk / "x.csv")
    table.write([trial(0)])
    (small_disk / "pad").write_bytes(bytes(385 * 1024))
    with pytest.raises(DiskFullError, match=r"make space, then go on \(--resume\)"):
        table.write([trial(index) for index in range(3000)], force=True)
    assert (small_disk / "x.csv").read_text() == as_csv([trial(0)])
    (small_disk / "pad").unlink()
    table.write([trial(0), trial(1)], force=True)
    assert sorted(path.name for path in small_disk.iterdir()) == ["x.csv"]


@pytest.mark.parametrize(
    ("reason", "written"), [("caf\udce9", r"caf\xe9"), ("half \ud83d", r"half \ud83d"), ("nul\0", r"nul\x00")]
)
def test_a_reason_that_no_file_can_hold_is_written_as_escapes(reason: str, written: str, tmp_path: Path) -> None:
    TableExport(tmp_path / "table.csv").write([trial(0, status="failed", reason=reason)])
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["reason"] == written


def test_a_file_for_people_that_cannot_be_written_is_a_warning_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state.json" / "in the way").mkdir(parents=True)
    export = Export(tmp_path / "state.json")
    assert [export.write("one"), export.write("two")] == [False, False]
    (tmp_path / "state.json" / "in the way").rmdir()
    (tmp_path / "state.json").rmdir()
    assert [export.write("three"), export.write("four")] == [True, True]
    assert (tmp_path / "state.json").read_text(encoding="utf-8") == "four"
    away, back = caplog.messages
    assert away.startswith(f"{tmp_path / 'state.json'} cannot be written (IsADirectoryError")
    assert back == f"{tmp_path / 'state.json'} is written again"
