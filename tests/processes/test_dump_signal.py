"""A dump signal that a server takes for itself is not sent: it would end a worker, or start another server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanheap.server import entry
from tests.examples.example import CELERY, FLASK, INSTRUMENT, Example, Running

pytestmark = pytest.mark.skipif(
    INSTRUMENT is None, reason="NO DUMP SIGNAL WAS TESTED: opentelemetry-instrument is missing (extra test-frameworks)")


@pytest.mark.parametrize(("example", "processes"), [(FLASK, 3), (CELERY, 1)], ids=["gunicorn", "celery"])
def test_a_signal_whose_handler_the_server_has_replaced_is_not_sent(
    tmp_path: Path, example: Example, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGUSR2: gunicorn's arbiter would execute itself anew, its workers and those of Celery would end."""
    pytest.importorskip(example.server[0], reason="needs spanheap[test-frameworks]")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    sockets = tmp_path / "sockets"
    with Running(
        example, tmp_path / "service", OTEL_PYTHON_SPANHEAP_DUMPS_SIGNAL="SIGUSR2", OTEL_PYTHON_SPANHEAP_TICK="0.1",
        OTEL_PYTHON_SPANHEAP_DEBUG_SERVER=f"unix:{sockets}/{{pid}}.sock",
    ) as running:
        running.wait_until_it_serves()
        running.load(1)   # a worker's server begins with its first span
        process = running._process

        def replaced() -> list[int] | None:
            """The workers' numbers, and the arbiter's; None: not known of all yet."""
            pids = [one.pid for one in entry.all_of(os.geteuid()) if not one.dump_signal]
            return pids if len(pids) == processes else None

        pids = process.wait_for("entries without a signal", replaced)
        for socket in sockets.iterdir():
            socket.unlink()
        for pid in pids:
            done = subprocess.run([sys.executable, "-m", "spanheap", "dump", str(pid), "--timeout=2"], capture_output=True,
                                  text=True, timeout=60, check=False)
            assert done.returncode == 1 and "there is no such socket" in done.stderr and "SIGUSR2" not in done.stderr
        workers = running.workers()
        assert workers == set(pids) - {process.pid} and "no dump on SIGUSR2 any more" in running.log()
        running.load(1)
        assert running.workers() == workers, running.log()
