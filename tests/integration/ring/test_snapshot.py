"""Reading a ring: lists, arrays, one trace, counts, time to live."""

from __future__ import annotations

import gc
import sys
import time
import weakref

import numpy as np
import pytest

from spanheap import SpanCounts, SpanRing
from spanheap.spans.arrays import RECORD

from ._clock import Clock


def ids(ring: SpanRing) -> list[int]:
    """Return the span ids that are retained, oldest first."""
    return [r.span_id for r in ring.snapshot()]


@pytest.mark.parametrize("capacity", [1, 2, 3, 1000, 1024, 20_000])
def test_the_newest_stay(capacity: int) -> None:
    """Exactly as many as asked for, whatever number that is, oldest first."""
    ring = SpanRing(capacity)
    for i in range(capacity * 5 // 2):
        assert ring.append(1, i)
    assert ids(ring) == list(range(capacity * 5 // 2 - capacity, capacity * 5 // 2))
    assert len(ring) == capacity and ring.valid()
    assert ring.counts() == SpanCounts(capacity * 5 // 2, capacity, capacity * 5 // 2 - capacity, 0, 0, 0)


def test_drop_keeps_what_is_there() -> None:
    """And says so; room comes with the first that expires."""
    clock = Clock()
    ring = SpanRing(2, policy="drop", ttl=1, clock=clock)
    assert ring.append(1, 1)
    clock.ms = 500
    assert ring.append(1, 2) and not ring.append(1, 3)
    clock.ms = 1000
    assert ring.append(1, 4) and not ring.append(1, 5)
    assert ids(ring) == [2, 4] and ring.counts() == SpanCounts(5, 2, 0, 1, 2, 0)


def test_records_expire_without_a_sweeper() -> None:
    """By the age since their append, not by their start; each is counted once, whoever finds it."""
    clock = Clock(10_000)
    ring = SpanRing(3, ttl=0.25, clock=clock)
    ring.append(1, 1, start_ns=1)
    clock.ms += 249
    ring.append(2, 2, start_ns=10**18)
    assert ids(ring) == [1, 2] and len(ring) == 2
    clock.ms += 1
    assert ids(ring) == [2] and ring.get(1) == [] and len(ring.to_numpy()) == 1
    assert ring.counts() == SpanCounts(2, 1, 0, 1, 0, 0)
    clock.ms -= 100   # set back: what has expired stays so
    assert ids(ring) == [2] and ring.counts() == SpanCounts(2, 1, 0, 1, 0, 0)
    clock.ms += 1000
    for i in range(3, 6):   # the writers find the second
        ring.append(1, i)
    assert ring.counts() == SpanCounts(5, 3, 0, 2, 0, 0)


def test_float_clocks_are_seconds() -> None:
    """time.monotonic serves."""
    now = [100.0]
    ring = SpanRing(3, ttl=2, clock=lambda: now[0])
    ring.append(1, 1)
    now[0] = 101.998
    assert ids(ring) == [1] and ring.snapshot()[0].start_ns == 100 * 10**9
    now[0] = 102.001
    assert ids(ring) == []
    ring = SpanRing(3, ttl=1000, clock=time.monotonic)
    ring.append(1, 1)
    assert ids(ring) == [1]


def test_real_time_expires() -> None:
    """Without a clock of the user's."""
    ring = SpanRing(3, ttl=0.05)
    ring.append(1, 1)
    assert len(ring) == 1
    time.sleep(0.06)
    assert len(ring) == 0 and ring.counts().expired == 1


def test_get_finds_a_trace() -> None:
    """All 128 bits count."""
    ring = SpanRing(100)
    for i in range(100):
        ring.append(2**100 * (i % 3) + i % 2, i)
    assert [r.span_id for r in ring.get(2**100 * 2 + 1)] == [i for i in range(100) if i % 3 == 2 and i % 2 == 1]
    assert ring.get(2**127) == []
    with pytest.raises(ValueError, match="trace_id"):
        ring.get(2**128)
    with pytest.raises(TypeError, match="trace_id"):
        ring.get("1")   # type: ignore[arg-type]


def test_arrays_have_what_lists_have() -> None:
    """One structured array over one buffer, which is the snapshot's own; names by number."""
    ring = SpanRing(50)
    for i in range(70):
        ring.append(2**64 * i + 5, i, i + 1, f"n{i % 3}", 10**18 + i, i, i)
    array, names = ring.to_numpy(), ring.names()
    assert array.dtype == RECORD and array.shape == (50,) and RECORD.itemsize == 56
    assert isinstance(array.base, memoryview | bytearray) and array.flags.writeable
    assert [
        (int(row["trace_high"]) << 64 | int(row["trace_low"]), int(row["span_id"]), int(row["parent_id"]),
         names[row["name"]], int(row["start_ns"]), int(row["duration_ns"]), int(row["thread"]), int(row["flags"]))
        for row in array
    ] == [tuple(r) for r in ring.snapshot()]
    array["span_id"] = 0
    ring.append(1, 1)
    assert (array["span_id"] == 0).all() and ids(ring)[0] == 21
    assert np.median(ring.to_numpy()["duration_ns"]) > 0
    assert SpanRing(5).to_numpy().shape == (0,)


def test_a_nearly_empty_ring_gives_a_small_array() -> None:
    """The buffer is cut to what is retained."""
    ring = SpanRing(1_000_000)
    ring.append(1, 1)
    array = ring.to_numpy()
    buffer = array.base.obj if isinstance(array.base, memoryview) else array.base
    assert len(array) == 1 and sys.getsizeof(buffer) < 10_000


def test_stripes_share_the_capacity() -> None:
    """The capacity is the total; one thread has its stripe of it."""
    ring = SpanRing(10, stripes=4)
    for i in range(100):
        ring.append(1, i)
    assert ring.counts().produced == 100 and len(ring) in (2, 3) and ring.valid()
    assert ids(ring) == list(range(100 - len(ring), 100))


def test_a_ring_goes_when_it_is_released() -> None:
    """Also when its clock refers to it."""
    class Owner:
        def now(self) -> int:
            return 0

    owner = Owner()
    ring = SpanRing(10, clock=owner.now)
    owner.ring = ring   # type: ignore[attr-defined]
    ring.append(1, 1, name="some name")
    gone = weakref.ref(ring)
    del ring, owner
    gc.collect()
    assert gone() is None


def test_many_rings_leave_nothing() -> None:
    """Neither memory nor references to names."""
    name = "a name of this test".upper()
    before = sys.getrefcount(name)
    for _ in range(300):
        ring = SpanRing(10_000)
        for i in range(10):
            ring.append(1, i, name=name)
    del ring
    assert sys.getrefcount(name) == before
