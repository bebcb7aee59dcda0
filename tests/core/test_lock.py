from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hivenas.core.lock import BusyError, is_locked, locked

HOLDER = """
import pathlib, sys, time
from hivenas.core.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("holds it", flush=True)
    time.sleep(600)
"""


def test_who_opens_it_again_is_somebody_else_in_the_same_thread_too(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path):
        assert is_locked(path)
        with pytest.raises(BusyError, match=r"somebody else holds .*\.lock"), locked(path):
            raise AssertionError("two hold it")
    assert not is_locked(path)
    with locked(path):
        pass


def test_of_many_threads_one_at_a_time_holds_it(tmp_path: Path) -> None:
    inside: list[int] = []

    def hold(number: int) -> int:
        with locked(tmp_path / ".lock", wait=True):
            inside.append(number)
            assert inside == [number]
            inside.remove(number)
        return number

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(hold, range(32))) == list(range(32))


@pytest.mark.process
def test_the_lock_of_a_process_that_was_killed_is_free_though_its_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds it\n"
        assert is_locked(path)
        with pytest.raises(BusyError), locked(path):
            raise AssertionError("two hold it")
        os.kill(holder.pid, signal.SIGKILL)
    assert path.exists()
    assert not is_locked(path)
    with locked(path):
        pass


def test_to_ask_makes_no_file_and_keeps_nobody_away(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not is_locked(path)
    assert not is_locked(tmp_path / "absent" / ".lock")
    assert list(tmp_path.iterdir()) == []
    asking = True

    def ask() -> None:
        while asking:
            is_locked(path)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(200):
            with locked(path):
                pass
    finally:
        asking = False
        thread.join()
