"""Gunicorn's workers, made by fork: each goes on with what the parent has kept, and is told apart from the others."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import memory, shop
from tests.processes.background import Background
from tests.processes.client import WORKERS, Client, check_dumps, check_report

pytest.importorskip("gunicorn", reason="NO PRE-FORK SERVER WAS TESTED: gunicorn is not installed (extra test-frameworks)")


@contextlib.contextmanager
def running(folder: Path, application: str, configuration: str, *arguments: str) -> Iterator[Client]:
    """The service on a free port, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        fd = listening.fileno()
        process = Background(
            ["gunicorn", f"tests.processes.{application}:app", f"--config=python:tests.processes.{configuration}",
             f"--bind=fd://{fd}", f"--workers={WORKERS}", "--graceful-timeout=5", "--log-level=warning", *arguments],
            folder, pass_fds=[fd], **{shop.DUMPS: str(folder / "heap-{pid}.pb.gz")},
        )
        with process:
            yield Client(process, address)


def has_ended(pid: int) -> bool | None:
    """Whether its parent knows it too; None: not yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return None


def check_sequences(reports: dict[int, dict[str, Any]]) -> None:
    """Nobody's random sequence is another's."""
    for first, second in itertools.combinations(reports.values(), 2):
        assert not memory.alike(first["sequence"], second["sequence"])


WORKER_CLASSES = [
    pytest.param(["--worker-class=sync"], id="sync"),
    pytest.param(["--worker-class=gthread", "--threads=3"], id="gthread"),
]


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_preloaded_workers_go_on_with_the_parents_session(tmp_path: Path, worker_class: list[str]) -> None:
    """Inherited blocks, own requests, random sequence and dump file; a killed worker's successor has all of it too."""
    inherited = {"load catalogue": shop.CATALOGUE}
    with running(tmp_path, "shop_preloaded", "gunicorn_preload", *worker_class) as service:
        service.ask_all("/keep")
        reports = service.ask_all("/report")
        for report in reports.values():
            assert report["requests"] > 0
            check_report(report, inherited)
        check_sequences(reports)
        check_dumps(service, tmp_path)

        victim = min(reports)
        os.kill(victim, signal.SIGKILL)
        service.process.wait_for("the end of the killed worker", lambda: has_ended(victim))
        later = service.ask_all("/report")
        assert victim not in later
        for report in later.values():
            check_report(report, inherited)
        check_sequences(reports | later)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
@pytest.mark.parametrize(
    ("application", "configuration"),
    [
        pytest.param("shop", "gunicorn_start_in_worker", id="all-in-worker"),
        pytest.param("shop_preloaded_bare", "gunicorn_provider_in_worker", id="provider-in-worker"),
    ],
)
def test_workers_with_a_provider_of_their_own(
    tmp_path: Path, application: str, configuration: str, worker_class: list[str]
) -> None:
    """Profiled from post_fork, or from the parent on: a worker's dump says which instance it is from."""
    with running(tmp_path, application, configuration, *worker_class) as service:
        service.ask_all("/keep")
        reports = service.ask_all("/report")
        for report in reports.values():
            assert report["requests"] > 0
            check_report(report, {})
        assert check_dumps(service, tmp_path) == {pid: f"shop-{pid}" for pid in reports}


def test_a_first_provider_that_is_made_in_the_worker_starts_its_ticks(tmp_path: Path) -> None:
    """Its metrics and names must not wait until somebody asks for a result."""
    with running(tmp_path, "shop_preloaded_bare", "gunicorn_provider_in_worker") as service:
        for _ in range(3):
            answers = service.ask_all("/keep")
        assert [answer["tick_threads"] for answer in answers.values()] == [1] * WORKERS
