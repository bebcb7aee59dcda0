"""Peak memory of a search of 20 and of 200 candidates.

    python benchmarks/memory.py [--candidates 20 200]

Runs `hivenas search` on 300 digits, one epoch a candidate, and samples the resident memory of the driver and of its
worker, and their sum, twice a second. Prints the peaks and their ratios.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

CONFIG = """
name: memory
dataset: {{name: digits, train_limit: 300}}
space: {{depth: 5, skip_rate: 0.1}}
evaluation: {{epochs: 1, stopping: none}}
colony: {{size: 10, iterations: {iterations}}}
full_train: {{enabled: false}}
"""


def main() -> None:
    """Runs both searches and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, nargs="+", default=[20, 200])
    peaks = {count: peak_of(count) for count in parser.parse_args().candidates}
    base = next(iter(peaks.values()))
    for count, peak in peaks.items():
        figures = "  ".join(f"{who} {peak[who]:.0f} MB ({peak[who] / base[who]:.2f}×)" for who in peak)
        print(f"{count:>4} candidates: {figures}")


def peak_of(candidates: int) -> dict[str, float]:
    """Peak resident memory, in MB, of the driver, of the largest worker and of all together."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "memory.yaml"
        config.write_text(CONFIG.format(iterations=candidates // 10))
        command = [sys.executable, "-m", "hivenas", "search", "--config", str(config)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        peaks = {"driver": 0.0, "worker": 0.0, "sum": 0.0}
        ended = threading.Event()
        threading.Thread(target=_wait, args=(process, ended), daemon=True).start()
        while not ended.wait(0.5):
            driver = _resident(process.pid)
            workers = [_resident(pid) for pid in _descendants(process.pid)]
            for who, now in (("driver", driver), ("worker", max(workers, default=0.0)), ("sum", driver + sum(workers))):
                peaks[who] = max(peaks[who], now)
        if process.returncode:
            sys.exit(f"the search failed with exit code {process.returncode}")
        return peaks


def _wait(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    process.wait()
    ended.set()


def _resident(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


if __name__ == "__main__":
    main()
