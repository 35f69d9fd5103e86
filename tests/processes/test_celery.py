"""Celery's prefork pool: each process of it is profiled, from the parent on or from its own start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import spanheap
from tests.processes import memory
from tests.processes.background import TIMEOUT, Background

pytest.importorskip("celery", reason="NO TASK WORKER WAS TESTED: celery is not installed (extra test-frameworks)")

from tests.processes import jobs


@pytest.mark.parametrize("signal", ["worker_init", "worker_process_init"])
def test_the_processes_of_a_prefork_pool(tmp_path: Path, signal: str) -> None:
    """Started in the parent or in each process: the blocks of set-up and jobs, and a dump file a process."""
    client = jobs.application(tmp_path)
    arguments = [
        "celery", "--app=tests.processes.jobs", "worker", "--pool=prefork", f"--concurrency={jobs.PROCESSES}",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=warning",
    ]
    environment = {jobs.FOLDER: str(tmp_path), jobs.START: signal}
    with client, Background(arguments, tmp_path, **environment) as worker:
        results = [client.send_task("work", [str(tmp_path)]) for _ in range(jobs.PROCESSES)]
        worker.wait_for("done with the jobs", lambda: all(result.ready() for result in results) or None)
        reports: list[dict[str, Any]] = [result.get(timeout=TIMEOUT) for result in results]

    assert len({report["pid"] for report in reports}) == jobs.PROCESSES
    for report in reports:
        assert report["blocks"] == {"set up": jobs.INHERITED, "run work": jobs.KEPT_A_JOB}
        assert report["tick_threads"] == 1
        assert report["errors"] == 0
        dump = spanheap.open_dump(report["path"])
        assert Path(report["path"]).name == f"heap-{report['pid']}.pb.gz"
        assert dump.metadata["process.pid"] == str(report["pid"])
        assert dump.metadata["service.instance.id"] == report["instance"]
        if signal == "worker_process_init":
            assert report["instance"] == f"jobs-{report['pid']}"
    if signal == "worker_init":   # a seed is that of a process: those that start by themselves draw the same with it
        assert not memory.alike(reports[0]["sequence"], reports[1]["sequence"])
