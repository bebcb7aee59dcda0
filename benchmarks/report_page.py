"""The weight of a large search's report, and the time that it takes to write and to open.

Searches a recorded table until 500 candidates were evaluated, as `hivenas search` does it, writes the page several
times, and opens it in headless Chromium where there is one: the browser's own time from the start of the navigation
until the page has loaded and its script has run, and the wall time of a whole screenshot less that of an empty page.

    python benchmarks/report_page.py [--table FILE] [--evaluations 500] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from hivenas import api
from hivenas.config import Config, from_mapping
from hivenas.run.report import report_recorded

ROOT = Path(__file__).parent
REPEATS = 5
# Beside the page, not in it, so that it is measured as it is: the browser says when the frame has loaded.
PROBE = """<!doctype html><title>probe</title><script>const begin = performance.now();</script>
<iframe src="report.html" width="1280" height="900"
 onload="document.body.dataset.milliseconds = (performance.now() - begin).toFixed(1)"></iframe>"""


def search(table: Path, evaluations: int, folder: Path) -> Config:
    """A search of the table, cut to so many evaluations."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    config = from_mapping(
        {
            "name": "table",
            "objective": "table",
            "table": {"path": str(table)},
            "results": {"dir": str(folder)},
            "colony": {"size": 20, "iterations": evaluations // 20},
        }
    )
    api.search(config, overwrite=True, progress=False)
    return config


def find_browser() -> str | None:
    """The path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def load_milliseconds(browser: str, page: Path) -> list[float]:
    """The time that a headless browser takes to load the page, several times."""
    probe = page.with_name("probe.html")
    probe.write_text(PROBE, encoding="utf-8")
    times = []
    for _ in range(REPEATS):
        found = re.search(r'data-milliseconds="([\d.]+)"', run(browser, "--dump-dom", probe.as_uri()))
        assert found, "the browser has not loaded the page"
        times.append(float(found.group(1)))
    probe.unlink()
    return times


def screenshot_seconds(browser: str, url: str, folder: Path) -> float:
    """The time that a browser takes to start, to draw a page and to end; the shortest of several."""
    times = []
    for _ in range(REPEATS):
        begin = time.monotonic()
        run(browser, "--window-size=1280,900", f"--screenshot={folder}/probe.png", url)
        times.append(time.monotonic() - begin)
    (folder / "probe.png").unlink()
    return min(times)


def run(browser: str, *arguments: str) -> str:
    """The output of a headless browser."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=ROOT / "tables/digits.csv.gz")
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="keep the results there; without it they are removed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        config = search(given.table.resolve(), given.evaluations, folder)
        spent = []
        for _ in range(REPEATS):
            begin = time.process_time()
            result, page = report_recorded(config)
            spent.append(time.process_time() - begin)
        assert page
        print(f"evaluations          {len(result.trials):,}, candidates {len(result.ranked):,}")
        print(f"size                 {page.stat().st_size / 1e3:,.0f} kB")
        print(f"CPU s to write       {statistics.median(spent):.3f} (median of {REPEATS}; the first {spent[0]:.3f})")
        browser = find_browser()
        if browser is None:
            print("no Chromium here: not opened")
            return
        times = load_milliseconds(browser, page)
        print(f"ms to load           {statistics.median(times):.0f} (of {', '.join(f'{t:.0f}' for t in times)})")
        drawn, empty = (screenshot_seconds(browser, url, folder) for url in (page.as_uri(), "about:blank"))
        print(f"s to draw            {drawn - empty:.2f} (screenshot {drawn:.2f}, of an empty page {empty:.2f})")


if __name__ == "__main__":
    main()
