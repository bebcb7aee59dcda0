"""The results folder: its table survives a round trip, a crash in the middle of a line, and says who was best."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivenas.core.folder import COLUMNS, Purpose, ResultsFolder, write_atomically
from hivenas.core.history import Curves, History, ranking
from hivenas.core.records import EpochFigures, Evaluation, Proposal, Row
from hivenas.errors import DiskFullError, InputError, MissingResultsError, ResultsExistError

ARCH = "input|identity|dropout|output"
PURPOSES: tuple[Purpose, ...] = ("train", "momentum", "full")


def _row(
    index: int, candidate: str = ARCH, fitness: float = 0.5, *, status: str = "complete", phase: str = "evaluate"
) -> Row:
    proposal = Proposal(index, 0, "employee", 0, candidate)
    row = Row.of(proposal, Evaluation(candidate, "complete", fitness), "run")
    return replace(row, status=status, phase=phase)


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
def test_a_row_comes_back_from_the_table_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
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
    row = Row.of(Proposal(counts[3], 2, "onlooker", 1, candidate, center), evaluation, run_id)
    folder = ResultsFolder(tmp_path_factory.mktemp("results"), "search")
    folder.append(row)
    folder.append(_row(1))
    # repr tells -0.0 from 0.0, which == does not.
    assert repr(folder.rows()) == repr([row, _row(1)])
    assert folder.rows()[0].evaluation() == replace(evaluation, seconds=row.seconds, reason=" ".join(reason.split()))


def test_a_reason_of_several_lines_becomes_one() -> None:
    row = Row.of(Proposal(0, 0, "employee", 0, ARCH), Evaluation.failure(ARCH, "ValueError: a\r\nb\n\n  c"))
    assert row.reason == "ValueError: a b c"


@pytest.mark.parametrize("kept", [0, 10])
def test_a_torn_header_is_written_anew(tmp_path: Path, kept: int) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.append(_row(0))
    folder.csv.write_bytes(folder.csv.read_bytes()[:kept])
    assert folder.rows() == []
    folder.append(_row(0))
    folder.append(_row(1))
    assert folder.rows() == [_row(0), _row(1)]


def test_a_folder_without_a_table_has_no_rows(tmp_path: Path) -> None:
    assert ResultsFolder(tmp_path, "search").rows() == []


def test_the_table_is_plain_csv_with_a_header(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path / "deep" / "down", "search")
    folder.append(_row(0))
    folder.append(_row(1))
    with (tmp_path / "deep" / "down" / "search" / "search.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == list(COLUMNS)
    assert [line[0] for line in lines[1:]] == ["0", "1"]
    assert lines[1][COLUMNS.index("center_fitness")] == ""


def test_a_table_of_another_version_is_refused_with_the_ways_on(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "older")
    folder.path.mkdir()
    folder.csv.write_text("index,iteration,bee\n0,0,scout\n")
    with pytest.raises(ResultsExistError, match=r"other columns.*--overwrite"):
        folder.rows()


def test_a_torn_last_line_is_cut_wherever_it_tore(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.append(_row(0))
    whole = folder.csv.read_bytes()
    folder.append(_row(1, "input|identity|é|output"))
    both = folder.csv.read_bytes()
    for end in range(len(whole), len(both)):
        folder.csv.write_bytes(both[:end])
        assert folder.rows() == [_row(0)]
        # Only who writes repairs: a reader may look at a table of a search that is still running.
        assert folder.csv.read_bytes() == both[:end]
        folder.append(_row(2))
        assert folder.rows() == [_row(0), _row(2)]


def test_a_whole_table_is_not_touched_by_reading(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.append(_row(0))
    before = folder.csv.read_bytes()
    assert folder.rows() == folder.rows() == [_row(0)]
    assert folder.csv.read_bytes() == before


A, B, C = (f"input|{key}|output" for key in ("identity", "dropout", "batch_norm"))

RANKINGS: list[tuple[str, list[Row], bool, list[int]]] = [
    ("nothing", [], False, []),
    ("largest first", [_row(0, A, 0.1), _row(1, B, 0.9), _row(2, C, 0.5)], False, [1, 2, 0]),
    ("smallest first", [_row(0, A, 0.1), _row(1, B, 0.9), _row(2, C, 0.5)], True, [0, 2, 1]),
    ("the earlier of equals first", [_row(0, B, 0.5), _row(1, A, 0.5)], False, [0, 1]),
    ("the earlier of equals first", [_row(0, B, 0.5), _row(1, A, 0.5)], True, [0, 1]),
    ("failures left out", [_row(0, A, 9.0, status="failed"), _row(1, B, 0.2)], False, [1]),
    ("stopped ones count", [_row(0, A, 0.3, status="stopped"), _row(1, B, 0.2)], False, [0, 1]),
    (
        "a continuation replaces the line before it, upwards",
        [_row(0, A, 0.1), _row(1, B, 0.5), _row(2, A, 0.9, phase="momentum")],
        False,
        [2, 1],
    ),
    (
        "a continuation replaces the line before it, downwards",
        [_row(0, A, 0.9), _row(1, B, 0.5), _row(2, A, 0.1, phase="momentum")],
        False,
        [1, 2],
    ),
    (
        "a failed continuation leaves the line before it",
        [_row(0, A, 0.9), _row(1, B, 0.5), _row(2, A, 0.0, status="failed", phase="momentum")],
        False,
        [0, 1],
    ),
]


@pytest.mark.parametrize(("rows", "minimize", "expected"), [r[1:] for r in RANKINGS], ids=[r[0] for r in RANKINGS])
def test_the_ranking_takes_the_latest_line_of_every_candidate(
    rows: list[Row], minimize: bool, expected: list[int]
) -> None:
    assert [row.index for row in ranking(rows, minimize)] == expected


def test_the_best_is_the_first_of_the_ranking(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    for row in (_row(0, A, 0.1), _row(1, B, 0.9), _row(2, C, 0.5)):
        folder.append(row)
    assert folder.best().candidate == B
    assert folder.best(minimize=True).candidate == A


def test_missing_results_are_an_input_error_and_a_file_not_found_error(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    with pytest.raises(MissingResultsError, match="no results at") as caught:
        folder.best()
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, InputError)
    assert str(folder.csv) in str(caught.value)


def test_a_table_of_failures_has_no_best(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.append(_row(0, status="failed"))
    with pytest.raises(MissingResultsError, match="was evaluated without failing; look at its column reason"):
        folder.best()


def test_a_history_keeps_the_figures_of_every_epoch(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    evaluation = Evaluation(ARCH, "complete", 0.5, history=(EpochFigures(1, 0.7, 0.6, 0.5, 0.1 + 0.2),))
    folder.write_history("abc", evaluation)
    data = json.loads((folder.histories / "abc.json").read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps(evaluation.to_json()))
    assert data["history"][0]["val_accuracy"] == 0.1 + 0.2


def test_write_atomically_replaces_the_whole_text_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "a long old text")
    write_atomically(file, "né")
    assert file.read_text(encoding="utf-8") == "né"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_text(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "half of it \ud800")
    assert file.read_text(encoding="utf-8") == "old"


def test_a_write_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "state.json", "half of it \ud800")
    assert list(tmp_path.iterdir()) == []


def _fill(folder: ResultsFolder) -> None:
    for index in range(1, 1000):
        folder.append(_row(index))


def test_a_table_on_a_full_disk_is_whole_again_when_there_is_space(small_disk: Path) -> None:
    folder = ResultsFolder(small_disk, "search")
    folder.append(_row(0))
    (small_disk / "pad").write_bytes(bytes(385 * 1024))
    with pytest.raises(DiskFullError, match=r"make space, then go on \(--resume\)"):
        _fill(folder)
    with pytest.raises(DiskFullError):
        write_atomically(folder.state, "x" * 100_000)
    (small_disk / "pad").unlink()
    count = len(folder.rows())
    folder.append(_row(count))
    assert [row.index for row in folder.rows()] == list(range(count + 1))
    assert [path.name for path in folder.path.iterdir()] == ["search.csv"]


def test_the_checkpoints_of_one_candidate_are_dropped_and_those_of_others_stay(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.drop_checkpoints(ARCH)
    folder.checkpoints.mkdir(parents=True)
    other = folder.checkpoint("input|dropout|dropout|output", "train")
    for path in (other, *(folder.checkpoint(ARCH, purpose) for purpose in PURPOSES)):
        path.touch()
    assert len(list(folder.checkpoints.iterdir())) == 4
    folder.drop_checkpoints(ARCH)
    assert list(folder.checkpoints.iterdir()) == [other]
    folder.clear_checkpoints()
    folder.clear_checkpoints()
    assert not folder.checkpoints.exists()


def test_a_sweep_removes_what_dead_processes_left_half_written_and_nothing_else(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, "search")
    folder.sweep()
    ended = subprocess.Popen(["true"])
    ended.wait()
    places = (folder.path, folder.weights, folder.checkpoints, folder.histories, folder.outbox, folder.plots)
    stay: set[Path] = set()
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / f".tmp-{ended.pid}-abc-001.weights.h5").touch()
        (place / f".tmp-{os.getpid()}-state.json").touch()  # of this process's number, from before it began
        (place / f".tmp-{10**30}-state.json").touch()
        living = place / f".tmp-{os.getppid()}-state.json"
        stay |= {living, *(place / name for name in (".tmp-", ".tmp-x-1", f"tmp-{ended.pid}-x", ".lock", "abc.json"))}
    for path in stay:
        path.touch()
    folder_of_that_name = folder.path / f".tmp-{ended.pid}-folder"
    folder_of_that_name.mkdir()
    foreign = folder.path / "my own" / f".tmp-{ended.pid}-x"
    foreign.parent.mkdir()
    foreign.touch()
    folder.sweep()
    files = {path for path in folder.path.rglob("*") if path.is_file()}
    assert files == stay | {foreign}
    assert folder_of_that_name.is_dir()


@given(st.lists(st.dictionaries(st.integers(1, 4), st.floats(0, 1)), max_size=30))
def test_curves_give_what_was_seen_at_an_epoch_in_order(curves: list[dict[int, float]]) -> None:
    known = Curves(curves[:3])
    for curve in curves[3:]:
        known.add(curve)
    for epoch in range(6):
        assert list(known.at(epoch)) == sorted(curve[epoch] for curve in curves if epoch in curve)


def test_what_was_told_knows_the_latest_training_of_a_candidate_and_no_continuation() -> None:
    def told_row(index: int, candidate: str, accuracy: float, *, momentum: int = 0, failed: bool = False) -> Row:
        history = (EpochFigures(1, 1.0, 0.5, 1.0, accuracy),)
        evaluation = Evaluation(candidate, "failed" if failed else "complete", accuracy, history=history)
        return Row.of(Proposal(index, 0, "scout", 0, candidate, momentum_epochs=momentum), evaluation)

    rows = [told_row(0, "a", 0.2), told_row(1, "b", 0.1), told_row(2, "a", 0.3, momentum=1)]
    told = History(rows)
    told.extend([told_row(3, "c", 0.9, failed=True)])
    assert len(told) == 4
    assert told.trained("a") == rows[0]
    assert told.trained("b") == rows[1]
    assert told.trained("c") is None
    assert told.trained("") is None
    assert list(told.curves.at(1)) == [0.1, 0.2]
