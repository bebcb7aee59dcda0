from __future__ import annotations

from pathlib import Path

from hivenas.config import from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.storage import Stage, condition_of, open_search, read_state


def test_a_search_is_running_while_its_process_holds_it_and_ended_or_finished_after(tmp_path: Path) -> None:
    config = from_mapping({"name": "bees", "objective": "sphere_min", "results": {"dir": str(tmp_path)}})
    folder = ResultsFolder(tmp_path, "bees")
    assert condition_of(folder, read_state(folder)) == "adhoc"
    with open_search(config, 1) as ledger:
        ledger.save(strategy={"iteration": 0})
        assert condition_of(folder, read_state(folder)) == "running"
    assert condition_of(folder, read_state(folder)) == "interrupted"
    with open_search(config, 1, resume=True) as ledger:
        ledger.save(stage=Stage.DONE)
        assert condition_of(folder, read_state(folder)) == "finished"
    assert condition_of(folder, read_state(folder)) == "finished"


def test_a_folder_that_was_copied_without_its_lock_is_not_running(tmp_path: Path) -> None:
    config = from_mapping({"name": "bees", "objective": "sphere_min", "results": {"dir": str(tmp_path)}})
    with open_search(config, 1) as ledger:
        ledger.save(strategy={"iteration": 0})
    folder = ResultsFolder(tmp_path, "bees")
    folder.lock.unlink()
    assert condition_of(folder, read_state(folder)) == "interrupted"
