from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.core.files import written_whole
from hivenas.core.records import EpochFigures, Evaluation, Proposal, Row
from hivenas.core.tracker import Child, Closing, NullTracker, Published, ServableModel, child_of
from hivenas.errors import TrackingError, TrackingRefusedError
from hivenas.storage.outbox import Letter, Outbox

ARCH = "input|identity|output"


class Reader(NullTracker):
    """Keeps what it is told; does not answer, or refuses, as it is told to."""

    def __init__(self) -> None:
        self.children: list[tuple[Child, bool]] = []
        self.closings: list[Closing] = []
        self.models: list[tuple[ServableModel, str]] = []
        self.fails: Exception | None = None

    def log_child(self, child: Child, *, again: bool = False) -> str:
        if self.fails:
            raise self.fails
        self.children.append((child, again))
        return f"run-{child.step}"

    def close_search(self, closing: Closing) -> None:
        self.closings.append(closing)

    def publish(self, model: ServableModel, run: str) -> Published:
        if isinstance(self.fails, TrackingError):
            raise self.fails
        self.models.append((model, run))
        return Published("models:/name@alias", "version 1 of name is the alias")


def letter(folder: Path, index: int, fitness: float = 0.1 + 0.2) -> Letter:
    history = (EpochFigures(1, 1 / 3, 0.5, float("inf"), fitness),)
    evaluation = Evaluation(ARCH, "complete", fitness, 1, filename="a.h5", history=history)
    proposal = Proposal(index, 0, "scout", 0, ARCH)
    weights = folder / "weights" / "a.h5"
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"weights")
    child = child_of(
        proposal,
        evaluation,
        search="s",
        phase="evaluate",
        params={"op_00": "identity"},
        weights=[weights],
        key=f"s:{index}",
    )
    return Letter(row=Row.of(proposal, evaluation), child=child)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def open_outbox(tmp_path: Path, reader: Reader, said: list[str]) -> Callable[[], Outbox]:
    return lambda: Outbox(tmp_path / "outbox", reader, said.append)


def test_a_letter_comes_back_exactly_in_another_process(tmp_path: Path, open_outbox: Callable[[], Outbox]) -> None:
    written = [letter(tmp_path, 0), letter(tmp_path, 1, float("inf"))]
    model = ServableModel(
        tmp_path / "weights/m.keras", tmp_path / "weights/m.npy", None, "champion", {"a": "b"}, "text"
    )
    closing = Closing(
        "run", "FINISHED", {"evaluations": 2.0}, "# note", artifacts=((tmp_path / "s.csv", ""),), end_ms=7
    )
    written += [Letter(child=written[0].child, model=model), Letter(closing=closing)]
    outbox = open_outbox()
    for each in written:
        outbox.write(each)
    read = open_outbox().letters()
    assert [without_files(each) for each in read] == [without_files(each) for each in written]
    assert read[2].model
    assert read[2].model.file == tmp_path / "weights/m.keras"
    assert read[3].closing
    assert read[3].closing.artifacts == ((tmp_path / "s.csv", ""),)


def without_files(each: Letter) -> Letter:
    return replace(each, child=each.child and replace(each.child, artifacts=()))


def test_a_letters_files_are_kept_as_they_were_whatever_takes_their_place(
    tmp_path: Path, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    (tmp_path / "m.keras").write_bytes(b"first model")
    model = ServableModel(tmp_path / "m.keras", tmp_path / "none.npy", None, "alias", {}, "")
    outbox = open_outbox()
    outbox.write(Letter(child=letter(tmp_path, 0).child, model=model))
    for file in (tmp_path / "m.keras", tmp_path / "weights" / "a.h5"):
        with written_whole(file) as temporary:
            temporary.write_bytes(b"second")
    delivered = open_outbox().deliver()
    ((child, _),) = reader.children
    assert [(file.name, file.read_bytes(), folder) for file, folder in child.artifacts] == [
        ("a.h5", b"weights", "weights")
    ]
    ((told, _),) = reader.models
    assert told.file.name == "m.keras"
    assert told.file.read_bytes() == b"first model"
    outbox.forget(delivered)
    assert list((tmp_path / "outbox").iterdir()) == []


def test_files_of_a_letter_that_a_kill_kept_from_being_written_are_removed(
    tmp_path: Path, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    outbox.write(letter(tmp_path, 0))
    outbox.write(letter(tmp_path, 1))
    (tmp_path / "outbox" / "00000001.json").unlink()
    open_outbox()
    assert {path.name for path in (tmp_path / "outbox").iterdir()} == {"00000000", "00000000.json"}


def test_letters_are_delivered_once_in_their_order(
    tmp_path: Path, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    for index in range(3):
        outbox.write(letter(tmp_path, index))
    delivered = outbox.deliver()
    assert [each.run_id for each in delivered] == ["run-0", "run-1", "run-2"]
    assert outbox.deliver() == []
    assert [again for _, again in reader.children] == [False] * 3
    outbox.forget(delivered)
    assert open_outbox().waiting == 0


def test_a_letter_that_was_delivered_but_not_forgotten_is_handed_over_as_a_repetition(
    tmp_path: Path, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    outbox.write(letter(tmp_path, 0))
    outbox.deliver()
    after = open_outbox()
    after.write(letter(tmp_path, 1))
    after.deliver()
    assert [(child.step, again) for child, again in reader.children] == [(0, False), (0, True), (1, False)]


def test_what_cannot_be_delivered_waits_and_is_said_once(
    tmp_path: Path, reader: Reader, said: list[str], open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    reader.fails = TrackingError("the store does not answer")
    for index in range(3):
        outbox.write(letter(tmp_path, index))
        assert outbox.deliver(force=True) == []
    assert outbox.waiting == 3
    assert len(said) == 1
    reader.fails = None
    assert outbox.deliver() == [], "there is a pause after a failure"
    assert [each.run_id for each in outbox.deliver(force=True)] == ["run-0", "run-1", "run-2"]
    # Only what was tried may be there already, and has to be looked for.
    assert [again for _, again in reader.children] == [True, False, False]
    assert len(said) == 2
    assert "taken the 3 records" in said[1]


def test_what_is_refused_for_good_is_put_aside_and_holds_nothing_up(
    tmp_path: Path, reader: Reader, said: list[str], open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    reader.fails = TrackingRefusedError("no such run")
    outbox.write(letter(tmp_path, 0))
    assert outbox.deliver() == []
    reader.fails = None
    outbox.write(letter(tmp_path, 1))
    assert [each.run_id for each in outbox.deliver()] == ["run-1"]
    assert (tmp_path / "outbox" / "refused" / "00000000.json").exists()
    assert "no such run" in said[0]
    assert "refused/00000000.json" in said[0]


def test_what_was_refused_is_tried_again_in_its_place_when_asked_for(
    tmp_path: Path, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    reader.fails = TrackingRefusedError("no such run")
    outbox.write(letter(tmp_path, 0))
    outbox.deliver()
    later = open_outbox()
    later.write(letter(tmp_path, 1))
    later.deliver()
    assert {file.name for file in (tmp_path / "outbox" / "refused").iterdir()} == {"00000000.json", "00000001.json"}
    reader.fails = None
    later.write(letter(tmp_path, 2))
    later.retry_refused()
    assert [each.run_id for each in later.deliver()] == ["run-0", "run-1", "run-2"]
    assert [again for _, again in reader.children] == [True, True, False]


def test_a_letter_of_another_version_is_put_aside(
    tmp_path: Path, reader: Reader, said: list[str], open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    outbox.write(letter(tmp_path, 0))
    outbox.write(letter(tmp_path, 1))
    (tmp_path / "outbox" / "00000000.json").write_text('{"row": {"colour": "red"}}')
    after = open_outbox()
    assert len(after.letters()) == 1
    assert [each.run_id for each in after.deliver()] == ["run-1"]
    assert "00000000.json cannot be read" in said[0]


def test_what_comes_before_any_letter_is_done_once_the_store_answers(
    tmp_path: Path, reader: Reader, said: list[str], open_outbox: Callable[[], Outbox]
) -> None:
    done: list[str] = []
    answers = False

    def opening() -> None:
        if not answers:
            raise TrackingError("no answer")
        done.append("opened")

    outbox = open_outbox()
    outbox.open_with(opening)
    outbox.write(letter(tmp_path, 0))
    assert outbox.deliver(force=True) == []
    assert reader.children == []
    answers = True
    assert len(outbox.deliver(force=True)) == 1
    outbox.deliver(force=True)
    assert done == ["opened"]


@pytest.mark.parametrize(("finished", "delivered"), [(False, ["FINISHED"]), (True, [])])
def test_a_search_that_goes_on_is_not_closed_by_what_an_earlier_end_left(
    reader: Reader, open_outbox: Callable[[], Outbox], finished: bool, delivered: list[str]
) -> None:
    outbox = open_outbox()
    for status in ("KILLED", "FINISHED", "FAILED"):
        outbox.write(Letter(closing=Closing("run", status, {}, "")))
    outbox.drop_closings(finished=finished)
    outbox.deliver()
    assert [closing.status for closing in reader.closings] == delivered


def test_a_model_is_published_on_the_run_of_its_training(
    tmp_path: Path, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    model = ServableModel(tmp_path / "m.keras", tmp_path / "m.npy", "name", "alias", {}, "")
    outbox = open_outbox()
    outbox.write(Letter(child=letter(tmp_path, 5).child, model=model))
    (delivered,) = outbox.deliver()
    assert (delivered.run_id, delivered.published.uri) == ("run-5", "models:/name@alias")
    assert reader.models == [(model, "run-5")]


def test_a_results_folder_may_be_moved_with_its_letters(tmp_path: Path, reader: Reader) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    Outbox(here / "outbox", reader, print).write(letter(here, 0))
    shutil.move(here, there)
    Outbox(there / "outbox", reader, print).deliver()
    ((child, _),) = reader.children
    ((file, folder_),) = child.artifacts
    assert file.resolve().is_relative_to(there)
    assert (file.name, file.read_bytes(), folder_) == ("a.h5", b"weights", "weights")
