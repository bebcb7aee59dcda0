from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest
from click.testing import CliRunner, Result

from hivenas import api
from hivenas.cli.commands import main
from hivenas.cli.errors import EndedError, _orderly_end
from hivenas.cli.views import JsonLines, Plain
from hivenas.config import registry
from hivenas.core.folder import ResultsFolder
from hivenas.core.interruption import ANNOUNCED
from hivenas.storage import read_ledger
from tests.core.test_output import full_disk, unread_pipe
from tests.processes import SPHERE, Place
from tests.running import Running
from tests.trials import trial

LAST_LINE = r"16/16 (employee|onlooker|scout)"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def objects(text: str) -> list[dict[str, Any]]:
    """One JSON object a line, and nothing else."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def bowl(tmp_path: Path, store: str) -> str:
    file = tmp_path / "bowl.yaml"
    file.write_text("name: bowl\nobjective: sphere_min\ncolony: {size: 4, iterations: 3}\n")
    return str(file)


@pytest.mark.process
def test_json_is_an_object_a_line_from_start_to_end(bowl: str) -> None:
    done = invoke("search", "--config", bowl, "--json")
    assert done.exit_code == 0, done.output
    started, *evaluated, finished = objects(done.stdout)
    assert started == {"event": "started", "planned": 12, "done": 0}
    assert [each["index"] for each in evaluated] == list(range(12))
    assert {each["event"] for each in evaluated} == {"evaluated"}
    assert {len(each["run_id"]) for each in evaluated} == {32}
    assert evaluated[-1]["best_fitness"] == min(each["fitness"] for each in evaluated) == finished["best"]["fitness"]
    assert evaluated[-1]["best_candidate"] == finished["best"]["candidate"]
    assert (finished["event"], finished["command"]) == ("finished", "search")
    assert [finished[count] for count in ("evaluations", "failed", "waiting")] == [12, 0, 0]
    assert len(finished["run_id"]) == 32

    note, again = objects(invoke("search", "--config", bowl, "--json", "--resume").stdout)
    assert (note["event"], note["level"]) == ("note", "info")
    assert again["best"] == finished["best"]

    refused = invoke("search", "--config", bowl, "--json")
    (failed,) = objects(refused.stdout)
    assert refused.exit_code == failed["exit_code"] == 2
    assert (failed["event"], failed["resume"]) == ("failed", "")
    assert refused.stderr == f"hivenas: {failed['reason']}\n"

    (synced,) = objects(invoke("sync", "--config", bowl, "--json").stdout)
    assert synced == {"event": "finished", "command": "sync", "taken": 0, "waiting": 0}


def test_what_waits_is_in_the_one_last_object_and_in_the_exit_code(bowl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "sync", lambda *arguments, **more: (2, 5))
    done = invoke("sync", "--config", bowl, "--json")
    (synced,) = objects(done.stdout)
    assert (synced["event"], synced["waiting"], done.exit_code) == ("finished", 5, 1)
    assert done.stderr == "hivenas: the MLflow store has not taken everything; try again when it answers\n"


def test_what_an_imported_module_prints_is_not_among_what_was_asked_for(
    bowl: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loud_module.py").write_text("print('registered')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_imported", {})
    done = invoke("check", "--config", bowl, "--json", "--import", "loud_module")
    assert len(objects(done.stdout)) == 1
    assert "registered\n" in done.stderr


@pytest.mark.process
def test_quiet_is_the_result_in_one_line(bowl: str) -> None:
    done = invoke("search", "--config", bowl, "--quiet")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(r"bowl: 12 evaluations, 0 failed, best \S+ \(.*\)\n", done.output)
    assert invoke("sync", "--config", bowl, "-q").output == "0 records taken, 0 still waiting\n"


def test_check_in_one_line_and_as_an_object(bowl: str) -> None:
    assert invoke("check", "--config", bowl, "-q").output == "bowl: 12 evaluations at the most, in a continuous space\n"
    (checked,) = objects(invoke("check", "--config", bowl, "--json").stdout)
    assert checked["configuration"]["colony"]["size"] == 4
    assert (checked["evaluations"], checked["space_size"]) == (12, None)
    both = invoke("check", "--config", bowl, "--json", "-q")
    assert both.exit_code == 2
    assert "exclude each other" in both.output


def test_a_figure_that_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    view = JsonLines("search")
    failed = trial(0, float("inf"), (1.0, 2.0), status="failed", reason="ValueError: \x1b[31mred")
    view.on_start(Running(1, [failed]))
    view.on_trial(failed)
    _, line = objects(capsys.readouterr().out)
    assert (line["fitness"], line["best_fitness"], line["status"]) == (None, None, "failed")


def test_what_others_print_does_not_get_between_the_objects(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonLines("search") as view:
        print("a library")
        view.note("a note")
    print("after")
    captured = capsys.readouterr()
    assert captured.err == "a library\n"
    assert captured.out == '{"event": "note", "level": "info", "text": "a note"}\nafter\n'


def test_lines_for_files_have_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    with Plain() as view:
        view.on_start(Running(2))
        view.on_trial(trial(0, 0.0, status="failed", reason="ValueError: \x1b[31mred\x1b[0m \x07"))
        view.warn("\x1b[1mbold")
    out = capsys.readouterr().out
    assert "   1/2 scout    failed: ValueError: �[31mred�[0m �" in out
    assert not CONTROLS.search(out)


def test_lines_for_files_follow_the_time_where_that_ends_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    search = Running(700)
    search.time_limit = (0.0, 600.0)
    with Plain() as view:
        view.on_start(search)
        view.on_trial(trial(0, 0.5))
        search.time_limit = (30.0, 600.0)
        view.on_trial(trial(1, 0.5))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "searching: 10 min 0 s or 700 evaluations at the most"
    assert said[1].startswith("   1/700 scout ")
    assert said[2].startswith("   2 in 30.0 s of 10 min 0 s scout ")


def in_a_terminal(place: Place, **variables: str) -> str:
    """The text that a search writes to a terminal of its own."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "hivenas", "search", "--config", str(place.config)]
    environment = {**os.environ, **place.environment, "TERM": "xterm-256color", "COLUMNS": "40", **variables}
    process = subprocess.Popen(command, cwd=place.folder, env=environment, stdout=its, stderr=its)
    os.close(its)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so that nobody has the other end any more
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    assert process.wait() == 0, written.decode()
    return written.decode()


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_real_terminal_is_drawn_in_unless_it_is_not_to_be(tmp_path: Path, template: Path, no_color: str) -> None:
    tracking = "none" if no_color else "mlflow"  # which takes longest: once is enough
    place = Place(tmp_path, SPHERE.format(name="sphere", seed=5, iterations=2) + f"tracking: {tracking}")
    place.share_store(template)
    place.environment = {"MLFLOW_TRACKING_URI": place.store_uri}
    written = in_a_terminal(place, NO_COLOR=no_color)
    if no_color:
        assert not CONTROLS.search(written.replace("\r\n", "\n"))
        assert re.search(LAST_LINE, written)
    else:
        assert "\x1b[1A\x1b[2K" in written
        assert written.count("is the best") > 0
        assert not re.search(LAST_LINE, written)
    assert "16 evaluations" in written


def run_into(output: TextIO, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of a command whose standard output is this."""
    with monkeypatch.context() as patched, output:
        patched.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
    return int(end.value.code or 0)


@pytest.mark.process
def test_tables_of_reports_and_comparisons_fit_the_window(bowl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke("search", "--config", bowl, "--set", "tracking=none")
    monkeypatch.setenv("COLUMNS", "50")
    for arguments in (["report", "--config", bowl], ["compare", "results/bowl", bowl]):
        ours, theirs = pty.openpty()
        assert run_into(os.fdopen(theirs, "w"), monkeypatch, *arguments) == 0
        table = os.read(ours, 2**16).decode().replace("\r\n", "\n").partition("wrote")[0]
        os.close(ours)
        assert max(map(len, table.splitlines())) <= 50
        assert "fitness" in table


@pytest.mark.process
def test_a_warning_of_a_report_is_hivenas_own(bowl: str) -> None:
    invoke("search", "--config", bowl, "--set", "tracking=none")
    Path("results/bowl/report.html").unlink()
    Path("results/bowl/report.html/in the way").mkdir(parents=True)
    done = invoke("report", "--config", bowl)
    assert done.exit_code == 1
    assert done.stderr.startswith("hivenas: results/bowl/report.html could not be made (")


@pytest.mark.process
@pytest.mark.parametrize(
    ("opened", "mode"),
    [(unread_pipe, ()), (full_disk, ()), (unread_pipe, ("--json",)), (full_disk, ("--quiet",))],
    ids=["unread", "full", "unread JSON", "full and quiet"],
)
def test_a_search_outlives_its_standard_output(
    opened: Callable[[], TextIO],
    mode: tuple[str, ...],
    bowl: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_into(opened(), monkeypatch, "search", "--config", bowl, *mode) == 0
    assert capsys.readouterr().err.count("the standard output takes nothing any more") == 1
    assert len(read_ledger(ResultsFolder("results", "bowl"))[1]) == 12


@pytest.mark.parametrize(("opened", "code"), [(unread_pipe, 0), (full_disk, 1)])
@pytest.mark.parametrize("arguments", [("check", "--config", "BOWL"), ("--help",), ("check", "--help")])
def test_a_command_that_prints_ends_quietly_without_a_reader_and_fails_on_a_full_disk(
    opened: Callable[[], TextIO],
    code: int,
    arguments: tuple[str, ...],
    bowl: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [bowl if each == "BOWL" else each for each in arguments]
    assert run_into(opened(), monkeypatch, *given) == code
    said = capsys.readouterr().err.splitlines()
    assert len(said) == code
    assert all("No space left on device" in line for line in said)


@pytest.mark.parametrize("number", ANNOUNCED)
def test_what_announces_an_end_ends_work_in_order_and_may_come_again(number: signal.Signals) -> None:
    def end() -> None:
        with _orderly_end():
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)

    with pytest.raises(EndedError, match=f"ended by {number.name}") as ended:
        end()
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", ANNOUNCED)
def test_what_is_ignored_as_under_nohup_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with _orderly_end():
            signal.raise_signal(number)
            assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
