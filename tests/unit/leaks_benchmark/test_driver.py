"""The service that a scenario runs in: virtual time, concurrency, and traffic from the seed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.leaks.clock import VirtualLoop, cancel_all
from benchmarks.leaks.driver import BACKLOG_PER_PLACE, AsyncService, SyncService, Traffic

pytestmark = pytest.mark.once(reason="the driver of the benchmark")


class _Tracer:
    """Writes down which spans were opened."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @contextmanager
    def start_as_current_span(self, name: str) -> Iterator[None]:
        self.names.append(name)
        yield


def scenario(**values: Any) -> Any:
    """What the driver needs of one."""
    defaults = {
        "requests_per_second": 5.0, "traffic": lambda t: 1.0, "endpoints": (("GET /", 1.0),), "has_endpoints": False,
        "concurrency": 10, "request": lambda i, now: None,
    }
    return SimpleNamespace(**{**defaults, **values})


def test_sleep_takes_virtual_time_only() -> None:
    """Ten hours pass in no time; the clock shows them, and stops where it was told to."""
    loop = VirtualLoop()
    woken: list[float] = []

    async def sleeper() -> None:
        for _ in range(10):
            await asyncio.sleep(3600)
            woken.append(loop.time())

    started = time.monotonic()
    task = loop.create_task(sleeper())
    for second in range(0, 36_000, 100):
        loop.run_until_time(float(second))
        assert loop.time() == pytest.approx(second)
    loop.run_until_time(36_001.0)
    assert woken == pytest.approx([3600.0 * hour for hour in range(1, 11)])
    assert task.done() and time.monotonic() - started < 3600
    loop.close()


def test_what_waits_for_ever_is_cancelled_at_the_end() -> None:
    """The loop can be closed in silence."""
    loop = VirtualLoop()
    task = loop.create_task(asyncio.Event().wait())
    loop.run_until_time(5.0)
    cancel_all(loop)
    assert task.cancelled()
    loop.close()


def test_traffic_is_poisson_and_follows_its_curve() -> None:
    """Means over an hour, at a low and a high rate; the same again with the same seed, and not with another."""
    for rate in (0.5, 5.0, 200.0):
        traffic, same, other = (Traffic(scenario(requests_per_second=rate), seed) for seed in (1, 1, 2))
        counts = [traffic.requests(second) for second in range(3600)]
        assert sum(counts) / 3600 == pytest.approx(rate, rel=0.1)
        mean = sum(counts) / 3600
        assert sum((count - mean) ** 2 for count in counts) / 3600 == pytest.approx(rate, rel=0.15)
        assert counts == [same.requests(second) for second in range(3600)]
        assert counts != [other.requests(second) for second in range(3600)]
    ramp = Traffic(scenario(traffic=lambda t: 5.0 if t >= 1800 else 0.0), 1)
    assert sum(ramp.requests(second) for second in range(1800)) == 0
    assert sum(ramp.requests(second) for second in range(1800, 3600)) / 1800 == pytest.approx(25, rel=0.1)
    with pytest.raises(ValueError, match=r"traffic\(7\)"):
        Traffic(scenario(traffic=lambda t: -1.0), 1).requests(7)


def test_endpoints_are_chosen_by_weight() -> None:
    """And request() is told which."""
    seen: list[str] = []
    two = scenario(
        endpoints=(("a", 1.0), ("b", 3.0)), has_endpoints=True, request=lambda i, now, endpoint: seen.append(endpoint)
    )
    tracer = _Tracer()
    service = SyncService(two, tracer, Traffic(two, 1))
    for second in range(400):
        service.second(second)
    assert seen == tracer.names and len(seen) == service.requests
    assert seen.count("b") / len(seen) == pytest.approx(0.75, abs=0.05)


def test_requests_of_a_second_are_spread_over_it() -> None:
    """`now` rises, within the second; a request that fails is counted, and the next one served."""
    times: list[float] = []

    def request(i: int, now: float) -> None:
        times.append(now)
        if i % 2:
            raise KeyError(i)

    one = scenario(request=request)
    service = SyncService(one, _Tracer(), Traffic(one, 1))
    for second in range(50):
        before = len(times)
        service.second(second)
        assert all(second <= now < second + 1 for now in times[before:])
    assert times == sorted(set(times)), "two at the same time"
    assert service.errors == service.requests // 2 and service.last_error.startswith("KeyError")


def test_async_requests_overlap_up_to_the_limit() -> None:
    """Each takes two virtual seconds: three at a time serve 1.5 a second of five; the rest waits, and is then refused."""
    running = most = 0

    async def request(i: int, now: float) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(2.0)
        running -= 1

    one = scenario(request=request, concurrency=3)
    tracer = _Tracer()
    service = AsyncService(one, tracer, Traffic(one, 1))
    for second in range(200):
        service.second(second)
    assert most == 3
    assert service.requests == len(tracer.names) == pytest.approx(300, abs=5)
    arrived = service.requests + service.rejected + 3 * BACKLOG_PER_PLACE
    assert arrived == pytest.approx(1000, rel=0.15) and service.rejected > 0
    service.close()
    asyncio.set_event_loop(None)
