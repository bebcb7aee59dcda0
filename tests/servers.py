"""A real `mlflow server` that can be killed, frozen and started again."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

_PATIENCE_S = 120.0
# To this machine, and from the moment on in which they are made: a server looks for new ones once a minute.
_WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}


class Server:
    """An MLflow server on this machine, with its sqlite store and its artifacts in a folder.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Starts it where it does not run, and waits until it answers."""
        if self._process:
            return
        store = f"sqlite:///{self._folder}/mlflow.db"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "artifacts"), "--port", str(self._port)]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | _WEBHOOKS
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        started = time.monotonic()
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            assert time.monotonic() - started < _PATIENCE_S
            time.sleep(0.1)

    def kill(self) -> None:
        """Kills it with all its processes."""
        if self._process:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Has it neither answer nor refuse."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Has it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextlib.contextmanager
def answering(status: int, body: str, others: Mapping[str, tuple[int, str]] | None = None) -> Iterator[str]:
    """A server, not MLflow's, that gives every request one answer; yields its address.

    Args:
        status: of the answer.
        body: likewise.
        others: by a part of the paths that get another one.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = next((other for part, other in (others or {}).items() if part in self.path), (status, body))
            self.send_response(given[0])
            self.send_header("Content-Length", str(len(given[1].encode())))
            self.end_headers()
            self.wfile.write(given[1].encode())

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
