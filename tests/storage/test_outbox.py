"""Messages to MLflow: posted with what they tell, sent in order, kept while the store does not answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hivenas.config import Config, from_mapping
from hivenas.core.children import Child, RunContext, UsedData, child_of
from hivenas.core.files import written_whole
from hivenas.core.publication import Published, ServableModel
from hivenas.core.records import EpochFigures, Evaluation, Proposal, Trial
from hivenas.core.search_run import Closing
from hivenas.core.tracker import NullTracker
from hivenas.errors import TrackingConfigError, TrackingDeniedError, TrackingError, TrackingRefusedError
from hivenas.storage import Ledger, Message, MessageStatus, Outbox, open_search, read_ledger

ARCH = "input|identity|output"


class Reader(NullTracker):
    """Keeps what it is told; does not answer, or refuses, as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[tuple[Child, bool]] = []
        self.closings: list[Closing] = []
        self.models: list[tuple[ServableModel, str]] = []
        self.fails: Exception | None = None
        self.denied: TrackingDeniedError | None = None  # a model

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
        if self.denied:
            raise self.denied
        self.models.append((model, run))
        return Published("models:/name@alias", "version 1 of name is the alias")


def config(folder: Path) -> Config:
    return from_mapping({"name": "s", "results": {"dir": str(folder)}})


def trial(index: int, fitness: float = 0.1 + 0.2) -> Trial:
    history = (EpochFigures(1, 1 / 3, 0.5, float("inf"), fitness),)
    evaluation = Evaluation(ARCH, "complete", fitness, 1, filename="a.h5", history=history)
    return Trial(Proposal(index, 0, "scout", 0, ARCH), evaluation)


def message(ledger: Ledger, index: int, fitness: float = 0.1 + 0.2) -> Message:
    weights = ledger.folder.weights / "a.h5"
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"weights")
    context = RunContext(
        search="s",
        phase="evaluate",
        params={"op_00": "identity"},
        weights=[weights],
        key=f"s:{index}",
        used=UsedData({"name": "digits", "digest": "abc", "shape": [8, 8, 1]}, ("training", "validation")),
    )
    told = trial(index, fitness)
    return Message(trial=index, child=child_of(told.proposal, told.evaluation, context))


def post(ledger: Ledger, outbox: Outbox, index: int) -> None:
    """Records a trial with its message, as a search does."""
    with ledger.transaction():
        ledger.record(trial(index), {"evaluations": index + 1, "iteration": 0, "reused": 0})
        outbox.post(message(ledger, index))


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_search(config(tmp_path), 1) as opened:
        opened.save(strategy={"evaluations": 0, "iteration": 0, "reused": 0})
        yield opened


@pytest.fixture
def open_outbox(ledger: Ledger, reader: Reader) -> Callable[[], Outbox]:
    return lambda: Outbox(ledger, reader)


def attached(ledger: Ledger) -> list[str]:
    return sorted(path.name for path in ledger.folder.attachments.glob("*"))


def test_a_message_comes_back_exactly_in_another_process(ledger: Ledger, open_outbox: Callable[[], Outbox]) -> None:
    folder = ledger.folder.path
    first = message(ledger, 0)
    model = ServableModel(folder / "weights/m.keras", folder / "weights/m.npy", None, "champion", {"a": "b"}, "text")
    closing = Closing("run", "FINISHED", {"evaluations": 2.0}, "# note", artifacts=((folder / "s.csv", ""),), end_ms=7)
    posted = [first, message(ledger, 1, float("inf"))]
    posted += [Message(child=first.child, model=model), Message(closing=closing)]
    outbox = open_outbox()
    for each in posted:
        outbox.post(each)
    read = open_outbox().messages()
    assert [without_files(each) for each in read] == [without_files(each) for each in posted]
    assert read[2].model
    assert read[2].model.file == folder / "weights/m.keras"
    assert read[3].closing
    assert read[3].closing.artifacts == ((folder / "s.csv", ""),)


def without_files(each: Message) -> Message:
    return replace(each, child=each.child and replace(each.child, artifacts=()))


def test_a_messages_files_are_kept_as_they_were_whatever_takes_their_place(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    file = ledger.folder.path / "m.keras"
    file.write_bytes(b"first model")
    model = ServableModel(file, ledger.folder.path / "none.npy", None, "alias", {}, "")
    outbox = open_outbox()
    outbox.post(Message(child=message(ledger, 0).child, model=model))
    for each in (file, ledger.folder.weights / "a.h5"):
        with written_whole(each) as temporary:
            temporary.write_bytes(b"second")
    seen: list[bytes] = []
    reader.publish = lambda model, run: seen.append(model.file.read_bytes()) or Published()  # type: ignore[method-assign,func-returns-value]
    reader.log_child = lambda child, *, again=False: seen.extend(f.read_bytes() for f, _ in child.artifacts) or "r"  # type: ignore[method-assign,func-returns-value]
    assert len(open_outbox().send()) == 1
    assert seen == [b"weights", b"first model"]
    assert attached(ledger) == []


def test_what_takes_the_place_of_messages_leaves_their_files_until_it_is_written(
    ledger: Ledger, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    outbox.post(message(ledger, 0))
    before = attached(ledger)

    def killed() -> None:
        with ledger.transaction():
            outbox.post_instead([message(ledger, 1)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    (waits,) = open_outbox().messages()
    assert waits.child
    assert [file.read_bytes() for file, _ in waits.child.artifacts] == [b"weights"]
    assert attached(ledger) == before

    outbox = open_outbox()
    with ledger.transaction():
        outbox.post_instead([message(ledger, 2)])
    outbox.sweep()
    assert [each.trial for each in outbox.messages()] == [2]
    assert len(attached(ledger)) == outbox.waiting == 1


def test_a_trial_and_its_message_are_written_together_or_not_at_all(
    ledger: Ledger, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()

    def torn() -> None:
        with ledger.transaction():
            ledger.record(trial(0), {"evaluations": 1, "iteration": 0, "reused": 0})
            outbox.post(message(ledger, 0))
            raise KeyError("killed here")

    with pytest.raises(KeyError):
        torn()
    assert ledger.trials == read_ledger(ledger.folder)[1] == []
    assert ledger.state.strategy == {"evaluations": 0, "iteration": 0, "reused": 0}
    assert ledger.messages(*MessageStatus) == []
    open_outbox()  # finds a folder of a message that was never posted
    assert attached(ledger) == []


def test_the_run_of_a_trial_is_written_with_the_end_of_its_message(
    ledger: Ledger, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    for index in range(3):
        post(ledger, outbox, index)
    outbox.send()
    assert [each.run_id for each in ledger.trials] == ["run-0", "run-1", "run-2"]
    assert read_ledger(ledger.folder)[1] == ledger.trials
    assert ledger.messages(*MessageStatus) == []


def test_messages_are_sent_once_in_their_order(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    for index in range(3):
        post(ledger, outbox, index)
    assert [each.run_id for each in outbox.send()] == ["run-0", "run-1", "run-2"]
    assert outbox.send() == []
    assert [again for _, again in reader.children] == [False] * 3
    assert open_outbox().waiting == 0


def test_what_another_process_may_have_sent_is_sent_as_a_repetition(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    post(ledger, open_outbox(), 0)
    after = open_outbox()
    post(ledger, after, 1)
    after.send()
    assert [(child.step, again) for child, again in reader.children] == [(0, True), (1, False)]


def test_what_cannot_be_sent_waits_and_is_said_once(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    reader.fails = TrackingError("the store does not answer")
    for index in range(3):
        post(ledger, outbox, index)
        assert outbox.send(force=True) == []
    assert outbox.waiting == 3
    assert len(caplog.records) == 1
    reader.fails = None
    assert outbox.send() == [], "there is a pause after a failure"
    assert [each.run_id for each in outbox.send(force=True)] == ["run-0", "run-1", "run-2"]
    # Only what was tried may be there already, and has to be looked for.
    assert [again for _, again in reader.children] == [True, False, False]
    assert len(caplog.records) == 2
    assert "taken the 3 records" in caplog.text


def test_what_is_refused_for_good_is_put_aside_and_holds_nothing_up(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox()
    reader.fails = TrackingRefusedError("no such run")
    post(ledger, outbox, 0)
    assert outbox.send() == []
    reader.fails = None
    post(ledger, outbox, 1)
    assert [each.run_id for each in outbox.send()] == ["run-1"]
    assert len(ledger.messages(MessageStatus.REFUSED)) == 1
    assert "no such run" in caplog.text
    assert attached(ledger), "its files are kept"


def test_what_was_refused_is_tried_again_in_its_place_when_asked_for(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    outbox = open_outbox()
    reader.fails = TrackingRefusedError("no such run")
    post(ledger, outbox, 0)
    outbox.send()
    later = open_outbox()
    post(ledger, later, 1)
    later.send()
    assert len(ledger.messages(MessageStatus.REFUSED)) == 2
    reader.fails = None
    post(ledger, later, 2)
    later.retry_refused()
    assert [each.run_id for each in later.send()] == ["run-0", "run-1", "run-2"]
    assert [again for _, again in reader.children] == [True, True, False]


def test_a_message_of_another_version_is_put_aside(
    ledger: Ledger, open_outbox: Callable[[], Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    ledger.post('{"child": {"colour": "red"}}')
    post(ledger, open_outbox(), 0)
    after = open_outbox()
    assert len(after.messages()) == 1
    assert [each.run_id for each in after.send()] == ["run-0"]
    assert "cannot be read" in caplog.text


def test_what_comes_before_any_message_is_done_once_the_store_answers(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    done: list[str] = []
    answers = False

    def opening() -> None:
        if not answers:
            raise TrackingError("no answer")
        done.append("opened")

    outbox = open_outbox()
    outbox.open_with(opening)
    post(ledger, outbox, 0)
    assert outbox.send(force=True) == []
    assert reader.children == []
    answers = True
    assert len(outbox.send(force=True)) == 1
    outbox.send(force=True)
    assert done == ["opened"]


@pytest.mark.parametrize("refusal", [TrackingDeniedError, TrackingConfigError])
def test_a_store_that_takes_nothing_is_said_once_and_keeps_every_message(
    ledger: Ledger,
    reader: Reader,
    open_outbox: Callable[[], Outbox],
    refusal: type[TrackingError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = open_outbox()
    reader.fails = refusal("refuses it")
    for index in range(3):
        post(ledger, outbox, index)
        assert outbox.send(force=index == 2) == []
    assert outbox.waiting == 3
    (said,) = (each.getMessage() for each in caplog.records)
    assert said.startswith("refuses it. Nothing is lost meanwhile")
    reader.fails = None
    assert outbox.send() == []  # not asked again of its own accord
    assert [each.number for each in outbox.send(force=True)] == [1, 2, 3]


@pytest.mark.parametrize("refusal", [TrackingDeniedError, TrackingRefusedError])
def test_a_refusal_ends_a_search_before_it_has_begun_and_not_after(
    ledger: Ledger, open_outbox: Callable[[], Outbox], refusal: type[TrackingError]
) -> None:
    says: list[TrackingError] = [refusal("no"), TrackingError("away"), refusal("no")]

    def opening() -> None:
        raise says.pop(0)

    first, later = open_outbox(), open_outbox()
    first.open_with(opening)
    with pytest.raises(refusal):
        first.send(force=True)
    later.open_with(opening)
    assert later.send(force=True) == []
    assert later.send(force=True) == []


@pytest.mark.parametrize(("finished", "sent"), [(False, ["FINISHED"]), (True, [])])
def test_a_search_that_goes_on_is_not_closed_by_what_an_earlier_end_left(
    reader: Reader, open_outbox: Callable[[], Outbox], finished: bool, sent: list[str]
) -> None:
    outbox = open_outbox()
    for status in ("KILLED", "FINISHED", "FAILED"):
        outbox.post(Message(closing=Closing("run", status, {}, "")))
    outbox.drop_closings(finished=finished)
    outbox.send()
    assert [closing.status for closing in reader.closings] == sent


def test_an_end_that_was_refused_is_not_told_once_the_search_goes_on(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(closing: Closing) -> None:
        raise TrackingRefusedError("its run was deleted")

    outbox = open_outbox()
    outbox.post(Message(closing=Closing("run", "KILLED", {}, "")))
    with monkeypatch.context() as patch:
        patch.setattr(reader, "close_search", refuses)
        outbox.send()
    assert outbox.refused == 1
    outbox.drop_closings(finished=False)
    outbox.retry_refused()
    outbox.send()
    assert (reader.closings, outbox.refused) == ([], 0)


def test_a_model_is_published_on_the_run_of_its_training_and_its_message_kept(
    ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    model = ServableModel(ledger.folder.path / "m.keras", ledger.folder.path / "m.npy", "name", "alias", {}, "")
    outbox = open_outbox()
    outbox.post(Message(child=message(ledger, 5).child, model=model, keep_after_send=True))
    (sent,) = outbox.send()
    assert (sent.run_id, sent.published.uri) == ("run-5", "models:/name@alias")
    assert ledger.state.model == "models:/name@alias"
    assert [told for told, _ in reader.models] == [model]
    again = open_outbox()
    assert again.waiting == 0
    assert [each.model for each in again.messages()] == [model]
    again.forget_kept()
    assert ledger.messages(*MessageStatus) == []


@pytest.mark.parametrize("denied", [TrackingDeniedError("PERMISSION_DENIED"), TrackingConfigError("no such server")])
def test_a_model_that_is_denied_holds_up_nothing_after_it(
    denied: TrackingDeniedError, ledger: Ledger, reader: Reader, open_outbox: Callable[[], Outbox]
) -> None:
    model = ServableModel(ledger.folder.path / "m.keras", ledger.folder.path / "m.npy", "name", "alias", {}, "")
    outbox = open_outbox()
    with ledger.transaction():
        ledger.record(trial(0))
        outbox.post(replace(message(ledger, 0), model=model, keep_after_send=True))
    outbox.post(Message(closing=Closing("parent", "FINISHED", {}, "done")))
    reader.denied = denied
    outbox.send(force=True)
    assert (len(reader.children), len(reader.closings), outbox.waiting, outbox.refused) == (1, 1, 0, 1)
    assert ledger.trials[0].run_id == "run-0"
    reader.denied = None
    outbox.retry_refused()
    (sent,) = outbox.send(force=True)
    assert (sent.published.uri, outbox.refused) == ("models:/name@alias", 0)


def test_a_results_folder_may_be_moved_with_its_messages(tmp_path: Path, reader: Reader) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    with open_search(config(here), 1) as ledger:
        ledger.save(strategy={"evaluations": 0, "iteration": 0, "reused": 0})
        post(ledger, Outbox(ledger, reader), 0)
    shutil.move(here, there)
    seen: list[Path] = []
    reader.log_child = lambda child, *, again=False: seen.extend(file for file, _ in child.artifacts) or "r"  # type: ignore[method-assign,func-returns-value]
    with open_search(config(there), 1, resume=True) as ledger:
        Outbox(ledger, reader).send()
    (file,) = seen
    assert file.resolve().is_relative_to(there)
