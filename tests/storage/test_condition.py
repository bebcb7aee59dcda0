from __future__ import annotations

from pathlib import Path

from hivenas.config import from_mapping
from hivenas.core.folder import ResultsFolder
from hivenas.storage import condition_of, open_store, read_state


def test_a_search_is_running_while_its_process_holds_it_and_ended_or_finished_after(tmp_path: Path) -> None:
    config = from_mapping({"name": "bees", "objective": "sphere_min", "results": {"dir": str(tmp_path)}})
    folder = ResultsFolder(tmp_path, "bees")
    assert condition_of(folder, read_state(config)) == "loose"
    with open_store(config, 1) as store:
        store.save(colony={"iteration": 0})
        assert condition_of(folder, read_state(config)) == "running"
    assert condition_of(folder, read_state(config)) == "ended"
    with open_store(config, 1, resume=True) as store:
        store.save(stage="done")
        assert condition_of(folder, read_state(config)) == "finished"
    assert condition_of(folder, read_state(config)) == "finished"


def test_a_folder_that_was_copied_without_its_lock_is_not_running(tmp_path: Path) -> None:
    config = from_mapping({"name": "bees", "objective": "sphere_min", "results": {"dir": str(tmp_path)}})
    with open_store(config, 1) as store:
        store.save(colony={"iteration": 0})
    (tmp_path / "bees/.lock").unlink()
    assert condition_of(ResultsFolder(tmp_path, "bees"), read_state(config)) == "ended"
