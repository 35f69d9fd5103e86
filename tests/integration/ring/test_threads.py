"""Rings under threads: nothing is lost, nothing is torn, whoever comes and goes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from spanheap import SpanRing


@pytest.fixture(autouse=True)
def _short_turns() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run(threads: int, work: Callable[[int], None]) -> None:
    """Run this in so many threads at once; an exception in one fails the test."""
    problems: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as problem:
            problems.append(problem)

    started = [threading.Thread(target=guarded, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert problems == []


@pytest.mark.parametrize(("stripes", "policy"), [(1, "overwrite"), (4, "overwrite"), (2, "drop")])
def test_all_is_accounted_for(stripes: int, policy: str) -> None:
    """With readers of every kind at work; a record's fields belong together."""
    ring = SpanRing(500, stripes=stripes, policy=policy, ttl=0.002)   # type: ignore[arg-type]
    accepted = [0] * 6

    def work(number: int) -> None:
        if number < 6:
            for i in range(5000):
                key = number * 10_000 + i
                accepted[number] += ring.append(key << 64 | key, key, key + 1, f"n{key % 7}", key + 2, key + 3, key % 999)
            return
        for _ in range(100):
            for r in ring.snapshot():
                key = r.span_id
                assert tuple(r)[:6] == (key << 64 | key, key, key + 1, f"n{key % 7}", key + 2, key + 3)
                assert r.flags == key % 999
            counts = ring.counts()
            assert counts.produced == sum(counts[1:])
            array = ring.to_numpy()
            assert (array["span_id"] + 1 == array["parent_id"]).all()

    run(8, work)
    counts = ring.counts()
    assert counts.produced == 30_000 == sum(counts[1:]) and counts.in_flight == 0 and ring.valid()
    assert sum(accepted) == 30_000 - counts.dropped
    assert counts.overwritten == 0 if policy == "drop" else counts.dropped == 0


def test_a_large_ring_is_read_while_it_is_written() -> None:
    """Its readers let the others go on; what they give is whole and in order."""
    ring = SpanRing(50_000)

    def work(number: int) -> None:
        if number < 2:
            for i in range(60_000):
                ring.append(i, number, i, start_ns=i + 1)
            return
        for _ in range(10):
            array = ring.to_numpy()
            assert (array["trace_low"] == array["parent_id"]).all() and (array["start_ns"] == array["trace_low"] + 1).all()
            for producer in range(2):
                own = array["trace_low"][array["span_id"] == producer]
                assert (own[1:] > own[:-1]).all()
            counts = ring.counts()
            assert counts.produced == sum(counts[1:]) <= 120_000

    run(4, work)
    assert ring.counts() == (120_000, 50_000, 70_000, 0, 0, 0)


def test_a_thousand_threads_come_and_go() -> None:
    """Some at a time; each has its records, and the ring is as large as before."""
    ring = SpanRing(20_000, stripes=4)
    before = ring.nbytes
    for group in range(50):
        run(20, lambda number, group=group: [ring.append(group * 20 + number, i) for i in range(10)])   # type: ignore[misc]
    counts = ring.counts()
    assert counts.produced == 10_000 and counts.in_flight == 0 and counts.dropped == 0 and ring.valid()
    assert counts.retained + counts.overwritten == 10_000
    by_thread: dict[int, list[int]] = {}
    for r in ring.snapshot():
        by_thread.setdefault(r.trace_id, []).append(r.span_id)
    assert all(span_ids == list(range(10)) for span_ids in by_thread.values()) and len(by_thread) == 1000
    assert ring.nbytes == before


def test_a_clock_may_use_the_ring() -> None:
    """It is called before the ring is touched."""
    def clock() -> int:
        if len(depth) < 3:
            depth.append(0)
            ring.append(1, len(depth))
        return 1

    depth: list[int] = [0] * 3
    ring = SpanRing(10, ttl=1, clock=clock)
    depth.clear()
    ring.append(1, 99)
    assert [r.span_id for r in ring.snapshot()] == [3, 2, 1, 99]
