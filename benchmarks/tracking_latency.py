"""The cost of a distant MLflow server to a search: its wall time against that with a sqlite file.

    python -m benchmarks.tracking_latency [--pairs 5] [--delay-ms 50] [--iterations 3] [--full-train] [--asleep S]

The same search of digits, one worker, again and again in turn: told to a sqlite file, and to a real `mlflow server` on
this machine behind a proxy that holds everything back for half of the delay, each way, connections too. Prints the
seconds of every pair, the median of their ratios, and how often which request was made, per evaluation.

Candidates in training are shown live, every --live seconds, in both.

On a machine with other work the seconds of a training vary more than what is looked for. With --asleep a worker thread
sleeps for so many seconds in the place of each training, of five epochs, and takes its outcome from a table: all else
is as it is. Then the seconds that it waited for its next candidate are printed too, and the ratios without the start
and the end.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import click

from tests.processes import Place
from tests.servers import Server

SEARCH = """
name: {name}
seed: 3
dataset: {{name: digits}}
space: {{depth: 3}}
evaluation: {{epochs: 5, batch_size: 32}}
colony: {{size: 7, iterations: {iterations}}}
full_train: {{enabled: {full_train}, epochs: 10}}
tracking_live_s: {live}
registry: {{register: false}}
"""


SLEEP = """
name: {name}
seed: 3
objective: table
table: {{path: {table}}}
tracking_live_s: {live}
colony: {{size: 7, iterations: {iterations}}}
"""
TABLE = Path(__file__).parent / "tables" / "digits.csv.gz"
# The command `hivenas` with another executor, and an objective that takes its time.
SLEEPER = """
import time
from concurrent.futures import ThreadPoolExecutor
from hivenas.execution import TaskExecutor
from hivenas.run import session
from hivenas.core.progress import Teller, telling
from hivenas.core.records import EpochFigures
from hivenas.objectives.table import TableObjective
from hivenas.cli.commands import main
look_up = TableObjective.run
times = []
def run(objective, proposal):
    times.append(time.monotonic())
    history = [EpochFigures(epoch, 1 / epoch, 0.5, 1.0, epoch / 10) for epoch in range(1, 6)]
    tell = Teller(0, 5)
    for epoch in range(1, 6):
        for quarter in range(1, 5):
            time.sleep({asleep} / 20)
            tell.inside(history[: epoch - 1], quarter / 4)
        tell(history[:epoch], ends=epoch == 5)
    times.append(time.monotonic())
    return look_up(objective, proposal)
TableObjective.run = run
class OneThread(TaskExecutor):
    def __init__(self):
        self.threads = ThreadPoolExecutor(1)
    def submit(self, task):
        return self.threads.submit(self.run, task)
    def run(self, task):
        with telling(lambda progress: self._hears(task.heard_as, progress) is None):
            return task.run()
    def shutdown(self, wait=True, *, cancel_futures=False):
        self.threads.shutdown(wait, cancel_futures=cancel_futures)
session.make_executor = lambda *_, **__: OneThread()
try:
    main()
finally:
    print("from first to last:", times[-1] - times[0], "of which idle:", sum(times[2::2]) - sum(times[1:-1:2]))
"""


class Distance:
    """A TCP proxy that is far away from its server.

    Args:
        port: of the server, on this machine.
        delay_s: seconds that a question and its answer take longer.
    """

    def __init__(self, port: int, delay_s: float) -> None:
        self._server = port
        self._half = delay_s / 2
        self.requests: Counter[str] = Counter()
        self.uri = ""
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        proxy = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.uri = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        self._ready.set()
        await proxy.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * self._half)
        answers, questions = await asyncio.open_connection("127.0.0.1", self._server)
        await asyncio.gather(self._carry(reader, questions, count=True), self._carry(answers, writer, count=False))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, count: bool) -> None:
        """Passes on what comes, each piece so much later, without holding back those behind it."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    break
                target.write(piece)
                await target.drain()
            target.close()

        delivery = asyncio.create_task(deliver())
        try:
            while piece := await source.read(65536):
                if count:
                    self._note(piece)
                pieces.put_nowait((loop.time() + self._half, piece))
        except ConnectionError:
            pass
        pieces.put_nowait((loop.time() + self._half, b""))
        await asyncio.gather(delivery, return_exceptions=True)

    def _note(self, piece: bytes) -> None:
        method, _, rest = piece.partition(b" ")
        if method in {b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"}:
            path = rest.partition(b" ")[0].partition(b"?")[0].decode()
            kind = path.partition("mlflow-artifacts/")[1] or path.rpartition("mlflow/")[2]
            self.requests[f"{method.decode()} {kind}"] += 1


def seconds(folder: Path, text: str, uri: str, asleep: float) -> tuple[float, float]:
    """Wall time of a search in a fresh process: of all, or with a sleeping worker from its first to its last work."""
    place = Place(folder, text, {"MLFLOW_TRACKING_URI": uri})
    command = [sys.executable, "-c", SLEEPER.format(asleep=asleep), "search", "--config", str(place.config)]
    process = place.start(command=command if asleep else ())
    assert process.wait() == 0, process.output
    found = re.search(r"from first to last: (\S+) of which idle: (\S+)", process.output)
    return (float(found[1]), float(found[2])) if found else (process.seconds, 0.0)


@click.command(help=__doc__)
@click.option("--pairs", type=click.IntRange(1), default=5, show_default=True)
@click.option("--delay-ms", type=click.FloatRange(0), default=50.0, show_default=True)
@click.option("--iterations", type=click.IntRange(1), default=3, show_default=True, help="Of seven evaluations.")
@click.option("--full-train", is_flag=True, help="Train the best fully and publish the model, too.")
@click.option("--asleep", type=click.FloatRange(0), default=0.0, help="Seconds that stand for a training.")
@click.option("--live", default="5", show_default=True, help="The key tracking_live_s: seconds, or null.")
def main(pairs: int, delay_ms: float, iterations: int, full_train: bool, asleep: float, live: str) -> None:
    """Searches in turn, and prints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder)
        server.start()
        try:
            distance = Distance(urlsplit(server.uri).port or 0, delay_ms / 1000)
            near = f"sqlite:///{folder}/near.db"
            ratios = []
            for number in range(-1, pairs):
                warms_up = number < 0  # both stores are made, and what is read from the disk is read
                distance.requests.clear()
                spent = []
                for kind, uri in (("near", near), ("far", distance.uri)):
                    text = (SLEEP if asleep else SEARCH).format(
                        name=f"{kind}{number}".replace("-", "w"),
                        table=TABLE,
                        iterations=1 if warms_up else iterations,
                        full_train=str(full_train).lower(),
                        live=live,
                    )
                    spent.append(seconds(folder / f"{kind}-{number}", text, uri, asleep))
                if not warms_up:
                    (near_s, near_idle), (far_s, far_idle) = spent
                    ratios.append(far_s / near_s)
                    idle = f"   idle {near_idle:.2f} s, {far_idle:.2f} s" if asleep else ""
                    click.echo(f"sqlite {near_s:6.1f} s   server {far_s:6.1f} s   {ratios[-1]:.3f}{idle}")
        finally:
            server.kill()
    click.echo(f"median of {pairs}: {statistics.median(ratios):.3f}")
    evaluations = 7 * iterations
    click.echo(f"requests for an evaluation: {sum(distance.requests.values()) / evaluations:.1f}, of them")
    for kind, count in distance.requests.most_common():
        click.echo(f"{count / evaluations:6.2f} {kind}")


if __name__ == "__main__":
    main()
