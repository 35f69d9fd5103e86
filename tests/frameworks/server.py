"""A server with its processes, as the test sees it: started, asked, put under load, stopped."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from tests.frameworks.service import SETTINGS

ROOT = Path(__file__).parents[2]
CONNECTIONS = 4    # as many requests at a time
TIMEOUT = 60.0     # of whatever is waited for: imports on a busy machine take seconds


class Server:
    """A server process and its workers, each of which has told us what it serves. Leave the `with` block to stop them."""

    def __init__(self, command: Sequence[str], workers: int, **settings: Any) -> None:
        self._command = command
        self._workers = workers
        self._settings = settings
        self._numbers = itertools.count()

    def __enter__(self) -> Server:
        key = secrets.token_bytes(16)
        with (
            socket.create_server(("127.0.0.1", 0), backlog=128) as accepting,
            Listener(("127.0.0.1", 0), backlog=self._workers, authkey=key) as listener,
        ):
            self.address: tuple[str, int] = accepting.getsockname()
            settings = self._settings | {
                "address": listener.address, "key": key.hex(), "preloaded": "--preload" in self._command,
            }
            # Its own group: what it starts ends with it. A file: nobody has to read a pipe that fills.
            self._log = tempfile.TemporaryFile("w+")
            self._process = subprocess.Popen(
                [sys.executable, "-m", *(part.format(fd=accepting.fileno()) for part in self._command)],
                cwd=ROOT, env=os.environ | {SETTINGS: json.dumps(settings), "PYTHONPATH": str(ROOT)},
                pass_fds=[accepting.fileno()], stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self.workers = [self._accept(listener) for _ in range(self._workers)]
                self.endpoints: list[dict[str, Any]] = self.ask("endpoints")[0]
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _accept(self, listener: Listener) -> Connection:
        listening: socket.socket = listener._listener._socket   # type: ignore[attr-defined]
        listening.settimeout(0.5)   # between looks at the server
        deadline = time.monotonic() + TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return listener.accept()
        raise AssertionError(f"a worker is missing after {TIMEOUT:.0f} s, or the server has ended:\n{self.log()}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)   # a graceful end waits for requests; there are none
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for worker in getattr(self, "workers", ()):
            worker.close()
        self._log.close()

    def log(self) -> str:
        """What the server printed."""
        self._log.seek(0)
        return self._log.read()

    def ask(self, question: str) -> list[Any]:
        """Every worker's answer."""
        for worker in self.workers:
            worker.send(question)
        return [self._answer(worker) for worker in self.workers]

    def _answer(self, worker: Connection) -> Any:
        assert worker.poll(TIMEOUT), f"a worker has not answered for {TIMEOUT:.0f} s:\n{self.log()}"
        try:
            return worker.recv()
        except (EOFError, OSError):
            raise AssertionError(f"a worker has ended:\n{self.log()}") from None

    def load(self, turns: int) -> None:
        """Ask for each endpoint that often, all interleaved, on several connections at once; wait for the last block."""
        before = sum(self.ask("kept"))
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            shares = [turns // CONNECTIONS + (i < turns % CONNECTIONS) for i in range(CONNECTIONS)]
            list(pool.map(self._send, range(CONNECTIONS), shares))   # list: raises what they raise
        # Background tasks and the ends of dependencies come after the response.
        expected = before + turns * sum(endpoint["blocks"] for endpoint in self.endpoints)
        deadline = time.monotonic() + TIMEOUT
        while (kept := sum(self.ask("kept"))) != expected:
            assert kept < expected and time.monotonic() < deadline, f"{kept} blocks kept, not {expected}:\n{self.log()}"
            time.sleep(0.02)

    def _send(self, first: int, turns: int) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        try:
            for endpoint in self._order(first, turns):
                path = endpoint["url"].format(n=next(self._numbers))
                connection.request(endpoint["method"], path)   # reconnects where the server closes after each response
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, f"{endpoint['method']} {path}: {response.status} {body!r}\n{self.log()}"
        finally:
            connection.close()

    def _order(self, first: int, turns: int) -> Iterator[dict[str, Any]]:
        """Of the connections' requests: each begins elsewhere, so that different ones meet."""
        shift = first * len(self.endpoints) // CONNECTIONS
        for _ in range(turns):
            yield from self.endpoints[shift:] + self.endpoints[:shift]
