"""Each example under load: the planted leak is named, responses are right, workers come and go, the end is clean."""

from __future__ import annotations

import json
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

# ruff: noqa: E402 - what the next lines look for has to be there

for _package in ("fastapi", "uvicorn", "flask", "gunicorn", "celery", "opentelemetry.distro"):
    pytest.importorskip(_package, reason=f"NO EXAMPLE WAS TESTED: {_package} is not installed (extra test-frameworks)")

from tests.examples.example import ALL, CELERY, FASTAPI, FLASK, SOON, Example, Running, check_verdict

pytestmark = [
    pytest.mark.once(reason="whole services; their parts are tested on each CPython"),
    pytest.mark.no_sanitizer(reason="a detector that waits for growth, in a service that is slowed down tenfold"),
]
# What a server's status is after SIGTERM: uvicorn, once it has shut down, ends by the signal it got.
ENDS = {FASTAPI: (0, -signal.SIGTERM), FLASK: (0,), CELERY: (0,)}


def check_log(log: str) -> None:
    """Nothing of spanheap's but verdicts and dumps; no traceback of anybody."""
    said = [line for line in log.splitlines() if "spanheap: " in line]
    assert all(re.search("spanheap: (leak: |dump written to )", line) for line in said), log
    assert "Traceback" not in log and "Failed to auto initialize" not in log, log


def run(example: Example, folder: Path) -> None:
    """Load until the verdict; the end."""
    with Running(example, folder, **SOON) as service:
        service.wait_until_it_serves()
        requests, failed = service.load(90, until=service.verdicts)
        assert requests > 100 and failed == 0, service.log()
        check_verdict(service.verdicts(), example)
        status = service.stop()
        assert status in ENDS[example], service.log()
        check_log(service.log())


def test_the_planted_leak_of_each_example_is_named(tmp_path: Path) -> None:
    """By line, endpoint and holder, within seconds; all three at the same time, for want of them."""
    with ThreadPoolExecutor(len(ALL)) as pool:
        for result in [pool.submit(run, example, tmp_path / example.module) for example in ALL]:
            result.result()


def test_a_wrong_variable_keeps_no_instrumentor_from_its_work(tmp_path: Path) -> None:
    """A line in the log for each, and the default: Flask's spans are there, and spanheap's samples in them."""
    p = "OTEL_PYTHON_SPANHEAP_"
    variables = {p + "TICK": "fast", p + "SAMPEL_INTERVAL": "1KiB", p + "DETECT": "perhaps", p + "SAMPLE_INTERVAL": "4KiB"}
    with Running(FLASK, tmp_path / "wrong", "--workers=1", **variables) as service:
        service.wait_until_it_serves()
        _, failed = service.load(1)
        (worker,) = service.workers()
        assert FLASK.endpoint in {usage.name for usage in service.dump_of(worker).by_root_name()}
        assert failed == 0 and service.stop() == 0, service.log()
        named = re.findall(rf"spanheap: .*?{p}(\w+)", service.log())
        assert sorted(named) == ["DETECT", "SAMPEL_INTERVAL", "TICK"], service.log()
        assert "Traceback" not in service.log() and "Failed to" not in service.log()


def restart(example: Example, folder: Path, *more: str) -> None:
    """Load until a worker was replaced; the one that came after it is profiled, and knows the endpoint."""
    variables = {"OTEL_PYTHON_SPANHEAP_SAMPLE_INTERVAL": "4KiB", "OTEL_PYTHON_SPANHEAP_DETECT": "false"}
    with Running(example, folder, *more, **variables) as service:
        service.wait_until_it_serves()
        requests, failed = service.load(1)
        first = service.workers()
        if example is FASTAPI:
            service.end_workers()
        deadline = time.monotonic() + 90
        while not (later := service.workers() - first) and time.monotonic() < deadline:
            failed += service.load(1)[1]
        assert later, service.log()
        usages: set[str] = set()
        while example.endpoint not in usages and time.monotonic() < deadline:   # until it has had its first request
            failed += service.load(1)[1]
            if not (there := service.workers() - first):
                continue   # between two of Celery's
            for pid in there:
                try:
                    dump = service.dump_of(pid)
                except ProcessLookupError:   # it, too, was replaced
                    continue
                assert dump.metadata["process.pid"] == str(pid)
                usages |= {usage.name for usage in dump.by_root_name()}
        assert example.endpoint in usages, service.log()
        assert requests > 0 and failed == 0, service.log()


@pytest.mark.long
def test_workers_that_are_replaced_go_on(tmp_path: Path) -> None:
    """`--max-requests` and the like, or a worker that was ended: by fork (gunicorn, Celery) and by spawn (uvicorn)."""
    more = {
        # A busy machine takes more than its 5 seconds to import what a worker needs.
        FASTAPI: ["--workers=2", "--timeout-worker-healthcheck=10"],
        FLASK: ["--max-requests=200"], CELERY: ["--max-tasks-per-child=100"],
    }
    with ThreadPoolExecutor(len(ALL)) as pool:
        for result in [pool.submit(restart, example, tmp_path / example.module, *more[example]) for example in ALL]:
            result.result()


def succeed(example: Example, folder: Path, *more: str) -> None:
    """Its workers end, of which none has a verdict yet; then load until one that came after them has it."""
    with Running(example, folder, *more, **SOON) as service:
        service.wait_until_it_serves()
        _, failed = service.load(1)
        first = service.workers()
        service.end_workers()
        failed += service.load(90, until=service.named_by)[1]
        assert service.named_by() and not service.named_by() & first, service.log()
        check_verdict(service.verdicts(), example)
        assert failed == 0, service.log()


@pytest.mark.long
def test_a_worker_that_replaced_another_names_the_leak(tmp_path: Path) -> None:
    """As the first would have: a later fork of gunicorn's, a new interpreter of uvicorn's.

    Celery's is a fork as well; a child of its pool that is ended from outside can leave the queue locked."""
    more = {FASTAPI: ["--workers=2", "--timeout-worker-healthcheck=10"], FLASK: []}
    with ThreadPoolExecutor(len(more)) as pool:
        for result in [pool.submit(succeed, example, tmp_path / example.module, *more[example]) for example in more]:
            result.result()


@pytest.mark.long
def test_the_workers_of_a_preloaded_application_name_the_leak(tmp_path: Path) -> None:
    """gunicorn's arbiter has imported it, and is profiled as well: each of its two workers speaks for itself."""
    with Running(FLASK, tmp_path / "preloaded", "--preload", **SOON) as service:
        service.wait_until_it_serves()
        _, failed = service.load(90, until=lambda: len(service.named_by()) >= 2)
        assert service.named_by() == service.workers(), service.log()
        check_verdict(service.verdicts(), FLASK)
        assert failed == 0 and service.stop() == 0, service.log()
        check_log(service.log())


@pytest.mark.long
@pytest.mark.parametrize("example", ALL, ids=lambda example: example.module)
def test_a_minute_at_the_defaults(tmp_path: Path, example: Example, example_seconds: float) -> None:
    """As users run it: the leak is named, by the defaults; without the leak there is no verdict."""
    with Running(example, tmp_path / "leaky") as leaky:
        leaky.wait_until_it_serves()
        _, failed = leaky.load(example_seconds)
        assert failed == 0, leaky.log()
        if example_seconds >= 60:   # at the defaults 32 MiB have to be lost before it is said at once
            check_verdict(leaky.verdicts(), example)
        assert leaky.stop() in ENDS[example]
        check_log(leaky.log())
    with Running(example, tmp_path / "healthy", leak=False) as healthy:
        healthy.wait_until_it_serves()
        _, failed = healthy.load(example_seconds / 2)
        assert failed == 0, healthy.log()
        assert not healthy.verdicts(), healthy.log()
        assert healthy.stop() in ENDS[example]


def examine(example: Example, folder: Path) -> None:
    """Some load under the doctor, as it is without the leak."""
    found = folder.with_suffix(".json")
    # In the process that the doctor runs in: Celery's pool would be another.
    more = ["--pool=solo"] if example is CELERY else []
    with Running(example, folder, *more, leak=False, doctor=found, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="4096") as service:
        service.wait_until_it_serves()
        _, failed = service.load(2)
        assert failed == 0, service.log()
        assert service.stop() == 0, service.log()
        report = json.loads(found.read_text())
        assert report["findings"] == [] and not report["cannot_tell"] and report["providers"] > 0, service.log()


@pytest.mark.long
def test_the_doctor_finds_nothing_wrong_with_the_examples(tmp_path: Path) -> None:
    """In the environment that their README gives; all three at the same time."""
    with ThreadPoolExecutor(len(ALL)) as pool:
        for result in [pool.submit(examine, example, tmp_path / example.module) for example in ALL]:
            result.result()
