"""uvicorn's workers are spawned: each is profiled by what its import of the application starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.processes import shop
from tests.processes.background import Background
from tests.processes.client import WORKERS, Client, check_dumps, check_report

pytest.importorskip("uvicorn", reason="NO SPAWNING SERVER WAS TESTED: uvicorn is not installed (extra test-frameworks)")


def test_the_workers_of_uvicorn(tmp_path: Path) -> None:
    """A session, a provider and a dump file a worker."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        arguments = [
            "uvicorn", "tests.processes.shop_asgi:app", f"--fd={listening.fileno()}", f"--workers={WORKERS}",
            "--lifespan=off", "--log-level=warning",
        ]
        environment = {shop.DUMPS: str(tmp_path / "heap-{pid}.pb.gz")}
        with Background(arguments, tmp_path, pass_fds=[listening.fileno()], **environment) as process:
            service = Client(process, listening.getsockname())
            service.ask_all("/keep")
            reports = service.ask_all("/report")
            for report in reports.values():
                assert report["requests"] > 0
                check_report(report, {})
            assert check_dumps(service, tmp_path) == {pid: f"shop-{pid}" for pid in reports}
