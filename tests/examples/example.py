"""An example under `opentelemetry-instrument`: its server, its load, what spanheap says in its log."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import spanheap
from tests.processes.background import ROOT, TIMEOUT, Background

INSTRUMENT = shutil.which("opentelemetry-instrument", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
# No exporters, and dumps on a signal that gunicorn and Celery leave alone.
QUIET = {
    "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_SPANHEAP_DUMPS_SIGNAL": "SIGIO", "OTEL_PYTHON_SPANHEAP_DUMPS_COOLDOWN_S": "0",
    "OTEL_PYTHON_SPANHEAP_DUMPS_MAX_PER_DAY": "1000",
}
# So that a leak is found in some 10 seconds instead of a minute.
SOON = {
    "OTEL_PYTHON_SPANHEAP_SAMPLE_INTERVAL": "32KiB", "OTEL_PYTHON_SPANHEAP_DETECT_URGENT_BYTES": "2MiB",
    "OTEL_PYTHON_SPANHEAP_TICK": "0.5", "OTEL_PYTHON_SPANHEAP_PAUSE_BUDGET_MS": "5000",
}


@dataclass(frozen=True)
class Example:
    """What is in the file, as the test expects to find it."""

    module: str
    server: tuple[str, ...]   # {port}: a free one
    leaks_in: str             # a function, which has the planted line
    endpoint: str             # the root span of the request that does it
    holder: str               # how the name of what keeps it begins

    @property
    def path(self) -> Path:
        return ROOT / "examples" / f"{self.module}.py"

    def is_planted(self, line: int) -> bool:
        """Whether it is one of the function."""
        functions = [n for n in ast.walk(ast.parse(self.path.read_text())) if isinstance(n, ast.FunctionDef)]
        (function,) = (function for function in functions if function.name == self.leaks_in)
        return function.lineno < line <= (function.end_lineno or 0)


FASTAPI = Example(
    "fastapi_orders",
    ("uvicorn", "--app-dir=examples", "--host=127.0.0.1", "--port={port}", "--log-level=warning", "fastapi_orders:app"),
    "confirm", "POST /orders", "fastapi_orders:answers",
)
FLASK = Example(
    "flask_reports",
    ("gunicorn", "--chdir=examples", "--workers=2", "--bind=127.0.0.1:{port}", "--log-level=warning", "flask_reports:app"),
    "render", "GET /reports/<int:customer>", "flask_reports:cached",
)
CELERY = Example(
    "celery_thumbnails",
    ("celery", "--workdir=examples", "--app=celery_thumbnails", "worker", "--concurrency=1", "--without-mingle",
     "--without-gossip", "--loglevel=warning"),
    "scale", "run/thumbnail", "celery_thumbnails:thumbnail",
)
ALL = (FASTAPI, FLASK, CELERY)


class Running:
    """The server of an example, until the end of the `with` block."""

    def __init__(
        self, example: Example, folder: Path, *more: str, leak: bool = True, doctor: Path | None = None, **variables: str,
    ) -> None:
        """more: options of the server. doctor: it runs under `spanheap doctor`, which writes its findings there."""
        assert INSTRUMENT is not None
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.example, self._folder = example, folder
        self._environment = {"EXAMPLE_BROKER": str(folder / "broker")}
        name, *arguments = (part.format(port=self._port) for part in example.server)
        # Options go before what they are for: uvicorn and gunicorn take the application last.
        command = [name, *arguments[:-1], *more, arguments[-1]]
        if doctor is not None:
            command = [sys.executable, "-m", "spanheap", "doctor", f"--json={doctor}", "-m", *command]
        path = f"{Path(INSTRUMENT).parent}{os.pathsep}{os.environ['PATH']}"
        folders = {"XDG_STATE_HOME": str(folder / "state"), "PATH": path}
        self._process = Background(
            command, folder, program=[INSTRUMENT],
            **QUIET | folders | self._environment | {"EXAMPLE_LEAK": str(int(leak))} | variables)

    def __enter__(self) -> Running:
        self._process.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.__exit__(*exception)   # type: ignore[arg-type]

    def wait_until_it_serves(self) -> None:
        """Celery's worker takes jobs from its folder whenever it comes up."""
        def accepts() -> bool | None:
            with socket.socket() as client:
                return True if client.connect_ex(("127.0.0.1", self._port)) == 0 else None

        if self.example is not CELERY:
            self._process.wait_for("a server", accepts)

    def load(self, seconds: float, *, until: Callable[[], object] | None = None) -> tuple[int, int]:
        """As the README says; returns (requests, failed ones). until: Ctrl-C once this is true."""
        where = [] if self.example is CELERY else [f"http://127.0.0.1:{self._port}", "--connections=2"]
        with subprocess.Popen(
            [sys.executable, str(self.example.path), *where, f"--seconds={seconds}"], env=os.environ | self._environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as process:
            try:
                while until is not None and process.poll() is None:
                    if until():
                        process.send_signal(signal.SIGINT)
                        break
                    time.sleep(0.2)
                output, _ = process.communicate(timeout=seconds + 2 * TIMEOUT)
            except BaseException:
                process.kill()
                raise
        found = re.search(r"(\d+) (?:requests|jobs), (\d+) failed", output)
        assert found, output + self.log()
        return int(found[1]), int(found[2])

    def log(self) -> str:
        return self._process.log()

    def verdicts(self) -> list[tuple[str, int, str, str]]:
        """(function, line, endpoint, holder) of each `leak` in the log."""
        pattern = rf"spanheap: leak: .* at (\S+) \(\S*{self.example.module}\.py:(\d+)\), root span '(.*?)'; held by (.*)"
        return [(function, int(line), span, holder) for function, line, span, holder in re.findall(pattern, self.log())]

    def named_by(self) -> set[int]:
        """The processes that have written a dump for a verdict of theirs."""
        return set(map(int, re.findall(r"spanheap: dump written to \S+-auto-(\d+)-\S+ \(leak\)", self.log())))

    def workers(self) -> set[int]:
        """The processes that the server has made, and that are there."""
        children = set()
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():   # that has forked them
            with contextlib.suppress(OSError):
                children |= set(map(int, thread.joinpath("children").read_text().split()))
        return {pid for pid in children if b"resource_tracker" not in _command_line(pid)}

    def dump_of(self, pid: int) -> spanheap.Dump:
        """Asked for by the signal."""
        os.kill(pid, signal.SIGIO)
        name = re.compile(rf"dump written to (\S+-{pid}-\S+) \(signal\)")
        found = self._process.wait_for(f"a dump of {pid}", lambda: name.search(self.log()))
        return spanheap.open_dump(found[1])

    def end_workers(self) -> None:
        """All there are, by SIGTERM."""
        for pid in self.workers():
            os.kill(pid, signal.SIGTERM)

    def stop(self) -> int:
        """As its supervisor would; the status."""
        return self._process.stop()


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"resource_tracker"   # gone


def check_verdict(verdicts: Sequence[tuple[str, int, str, str]], example: Example) -> None:
    """One names the planted line, its endpoint, and who keeps it; none names anything else."""
    assert verdicts
    for function, line, endpoint, holder in verdicts:
        assert function.startswith(example.leaks_in) and example.is_planted(line)
        assert endpoint == example.endpoint
        assert holder.startswith(example.holder)
