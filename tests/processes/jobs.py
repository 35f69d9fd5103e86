"""A Celery application whose tasks keep memory. When the profiler starts, an environment variable says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, signals
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.processes import memory

FOLDER = "SPANHEAP_TEST_JOBS"    # where messages, results and dumps go
START = "SPANHEAP_TEST_START"    # the signal at which the profiler starts
PROCESSES = 2
INHERITED, KEPT_A_JOB = 10, 4    # blocks
TIMEOUT = 60.0                   # for the other process to be there

_kept: list[bytes] = []


def application(folder: Path) -> Celery:
    """Messages are files: those in memory do not leave a process."""
    for name in ("messages", "control", "results", "present"):
        (folder / name).mkdir(exist_ok=True)
    celery = Celery("jobs", broker="filesystem://", backend=(folder / "results").as_uri())
    celery.conf.update(
        broker_transport_options={
            "data_folder_in": str(folder / "messages"), "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"), "polling_interval": 0.05,
        },
        broker_connection_retry_on_startup=True,
    )
    return celery


def start(**_: Any) -> None:
    """Tracing, the profiler, and something that is there before the first job."""
    resource = Resource({"service.name": "jobs", "service.instance.id": f"jobs-{os.getpid()}"})
    trace.set_tracer_provider(TracerProvider(resource=resource))
    spanheap.start(**memory.OPTIONS)
    with trace.get_tracer("jobs").start_as_current_span("set up"):
        _kept.extend(memory.make(INHERITED))


def work(folder: str) -> dict[str, Any]:
    """Keep blocks in a span; ends when a job has begun in each of the processes, so that each gets one."""
    present = Path(folder, "present")
    present.joinpath(str(os.getpid())).touch()
    deadline = time.monotonic() + TIMEOUT
    while len(list(present.iterdir())) < PROCESSES and time.monotonic() < deadline:
        time.sleep(0.02)
    with trace.get_tracer("jobs").start_as_current_span("run work"):
        _kept.extend(memory.make(KEPT_A_JOB))
    session = spanheap.current()
    assert session is not None
    path = session.dump(Path(folder, "heap-{pid}.pb.gz"))
    return memory.report() | {"path": str(path), "sequence": memory.draw()}


if FOLDER in os.environ:   # the worker imports it; the test calls `application`
    app = application(Path(os.environ[FOLDER]))
    app.task(name="work")(work)
    getattr(signals, os.environ[START]).connect(start)
