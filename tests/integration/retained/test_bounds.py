"""What is watched is bounded, and what is said of the rest is right on average."""

from __future__ import annotations

import statistics
import threading

import pytest

import spanheap
from spanheap import _core

from .conftest import Service


def test_the_list_is_bounded_however_many_spans_are_kept(service: Service) -> None:
    """80,000 retained: 2,048 are watched at the most, and their memory is counted."""
    before = service.session.stats().memory_bytes
    assert before > _core.watch_counts()["bytes"] > 100_000
    kept = []
    for _ in range(40):
        kept += [service.plain() for _ in range(2000)]
        service.wait(1)
    counts = _core.watch_counts()
    assert counts["watched"] <= counts["capacity"] == 2048 and counts["thinned"] > 0
    service.wait(7)
    assert abs(service.spans.retained()[0].spans / len(kept) - 1) < 0.2
    assert _core.watch_counts()["bytes"] < 700_000


@pytest.mark.once(reason="statistics of the list")
def test_estimates_are_unbiased_over_seeds() -> None:
    """The same spans under 40 keys: the mean of the estimates is the number of spans, of a rare name as of a common one."""
    service = Service()
    service.session.shutdown()
    common: list[float] = []
    rare: list[float] = []
    for seed in range(40):
        session = spanheap.start(tick=None, tracer_provider=service.provider, seed=seed)
        kept = []
        for now in range(8):
            kept += [service.plain("rare" if i % 20 == 0 else "common") for i in range(400)]
            for _ in range(400):
                service.plain("let go")
            session.tick(now)
        for now in range(8, 15):
            session.tick(now)
        found = {row.name: row.spans for row in session.spans.retained()}
        assert "let go" not in found
        common.append(found["common"])
        rare.append(found["rare"])
        session.shutdown()
    for estimates, truth in ((common, 8 * 380), (rare, 8 * 20)):
        error = statistics.stdev(estimates) / len(estimates) ** 0.5
        assert abs(statistics.mean(estimates) - truth) < 4 * error
        assert error < 0.05 * truth


def test_threads_start_end_keep_and_report_at_once(service: Service) -> None:
    """Eight threads and a ticking one: the list stays valid, nothing is raised, and what is kept is found."""
    kept: list[object] = []
    over = threading.Event()
    errors: list[BaseException] = []

    def serve(number: int) -> None:
        try:
            i = 0
            while not over.is_set():
                i += 1
                span = service.request(f"endpoint {number % 4}", attributes=1)
                if i % 50 == 0:
                    kept.append(span)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=serve, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        service.wait(1)
        service.spans.retained()
        service.spans.unended(age=0)
    over.set()
    for thread in threads:
        thread.join(30)
    service.wait(7)
    assert not errors and service.session.stats().processor_errors == 0
    found = sum(row.spans for row in service.spans.retained())
    assert 0 < found < 10 * len(kept)   # between two ticks they are thinned to a few


def test_a_service_that_never_ticks_stays_bounded(service: Service) -> None:
    """Between two ticks each doubling of the spans costs 128 watched ones; so many seconds without a tick do no harm."""
    for _ in range(10_000):
        service.plain()
    counts = _core.watch_counts()
    assert counts["watched"] <= 2048 and counts["seen"] == 10_000 and counts["level"] >= 5
    service.wait(2)
    assert _core.watch_counts()["watched"] == 0 and _core.watch_counts()["level"] == 0
