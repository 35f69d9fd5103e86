"""What goes into a ring comes out of it, and what may not go in is refused by name."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest

from spanheap import SpanCounts, SpanRecord, SpanRing

from ._clock import MS, Clock

MAX_TRACE, MAX_64, MAX_NS = 2**128 - 1, 2**64 - 1, 2**63 - 1


def test_every_field_comes_back() -> None:
    """Also at the ends of its range."""
    ring = SpanRing(3)
    assert ring.append(1, 2, 3, "GET /", 4, 5, 6)
    assert ring.append(MAX_TRACE, MAX_64, MAX_64, "", MAX_NS, 2**48 - 1, 65535)
    assert ring.append(0, 0, start_ns=1)
    first, second, third = ring.snapshot()
    assert first == SpanRecord(1, 2, 3, "GET /", 4, 5, first.thread, 6)
    assert second == SpanRecord(MAX_TRACE, MAX_64, MAX_64, "", MAX_NS, 2**48 - 1, first.thread, 65535)
    assert third == SpanRecord(0, 0, 0, "", 1, 0, first.thread, 0)


def test_random_ids_come_back() -> None:
    """Of every length in bits: ints have one to five digits inside."""
    chosen = random.Random(1)
    ids = [(chosen.getrandbits(bits), chosen.getrandbits(min(bits, 64)), chosen.getrandbits(min(bits, 63)))
           for bits in range(1, 129) for _ in range(10)]
    ring = SpanRing(len(ids))
    for trace_id, span_id, start in ids:
        assert ring.append(trace_id, span_id, parent_id=span_id ^ 1, start_ns=start + 1, duration_ns=start)
    assert [(r.trace_id, r.span_id, r.parent_id, r.start_ns, r.duration_ns) for r in ring.snapshot()] == [
        (trace_id, span_id, span_id ^ 1, start + 1, min(start, 2**48 - 1)) for trace_id, span_id, start in ids
    ]


def test_a_long_duration_saturates() -> None:
    """48 bits of it are kept; the neighbouring fields are not touched."""
    ring = SpanRing(1)
    assert ring.append(1, 2, 3, "n", 4, MAX_NS, 65535)
    [record] = ring.snapshot()
    assert record.duration_ns == 2**48 - 1 and record.flags == 65535 and record.start_ns == 4


def test_start_0_is_now() -> None:
    """By the ring's clock, or in real time."""
    ring = SpanRing(1, clock=Clock(7))
    ring.append(1, 1)
    assert ring.snapshot()[0].start_ns == 7 * MS
    before = time.time_ns()
    ring = SpanRing(1)
    ring.append(1, 1)
    assert before <= ring.snapshot()[0].start_ns <= time.time_ns()


def test_numpy_integers_are_taken() -> None:
    """What to_numpy() gives can go back in."""
    ring = SpanRing(2)
    assert ring.append(np.uint64(MAX_64), np.uint64(3), np.int32(4), "n", np.int64(5), np.int64(6), np.uint16(7))
    [record] = ring.snapshot()
    assert record == SpanRecord(MAX_64, 3, 4, "n", 5, 6, record.thread, 7)


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("trace_id", MAX_TRACE + 1, ValueError), ("trace_id", -1, ValueError), ("trace_id", "1f", TypeError),
        ("trace_id", None, TypeError), ("span_id", MAX_64 + 1, ValueError), ("span_id", -1, ValueError),
        ("span_id", 1.0, TypeError), ("parent_id", -(2**200), ValueError), ("start_ns", -1, ValueError),
        ("start_ns", MAX_NS + 1, ValueError), ("start_ns", 1.5e18, TypeError), ("duration_ns", -1, ValueError),
        ("duration_ns", MAX_NS + 1, ValueError), ("flags", 65536, ValueError), ("flags", -1, ValueError),
        ("name", b"GET", TypeError), ("name", None, TypeError),
    ],
)
def test_a_wrong_argument_is_named(argument: str, value: Any, error: type[Exception]) -> None:
    """With its value; and nothing is appended or counted."""
    ring = SpanRing(4)
    with pytest.raises(error) as raised:
        ring.append(**({"trace_id": 1, "span_id": 2} | {argument: value}))
    assert argument in str(raised.value) and repr(value) in str(raised.value)
    assert ring.counts() == SpanCounts(0, 0, 0, 0, 0, 0)
    assert ring.names() == ["", "<other>"]


def test_a_wrong_number_of_arguments_is_refused() -> None:
    """As of any method."""
    ring: Any = SpanRing(1)
    calls = [((), {}), ((1,), {}), ((1, 2, 3, "n", 4, 5, 6, 7), {}), ((1, 2), {"span_id": 3}), ((1, 2), {"colour": 3})]
    for arguments, named in calls:
        with pytest.raises(TypeError):
            ring.append(*arguments, **named)
    assert ring.counts().produced == 0


def test_names_are_bounded() -> None:
    """Names past the table's room are "<other>" and counted; those before keep their text."""
    ring = SpanRing(20_000)
    for i in range(10_000):
        ring.append(1, i, name=f"GET /items/{i}")
    records = ring.snapshot()
    kept = [r.name for r in records if r.name != "<other>"]
    assert kept == [f"GET /items/{i}" for i in range(len(kept))] and 1000 < len(kept) < 10_000
    assert ring.names_overflowed == 10_000 - len(kept)
    ring.append(1, 1, name="GET /items/5")
    assert ring.snapshot()[-1].name == "GET /items/5"
    overflowed = ring.names_overflowed
    for _ in range(3):
        ring.append(1, 1, name="one more")
    assert ring.names_overflowed == overflowed + 3
    assert ring.nbytes < 20_000 * 64 + 500_000


def test_names_are_told_apart_by_value() -> None:
    """Equal strings are one name, whatever objects they are; an object's address used again is not its name."""
    ring = SpanRing(30_000)
    expected = []
    for i in range(10_000):
        name = "route " + str(i % 1000)   # made anew each time, at addresses that were others' before
        ring.append(1, i, name=name)
        expected.append(name)
    assert [r.name for r in ring.snapshot()] == expected
    assert len(ring.names()) == 1000 + 2

    class Name(str):
        pass

    ring.append(1, 1, name=Name("route 1"))
    ring.append(1, 1, name="é" * 2000)
    assert ring.names_overflowed == 0
    ring.append(1, 1, name="\ud800")
    assert [r.name for r in ring.snapshot()[-3:]] == ["route 1", "é" * 512, "<other>"]
    assert ring.names_overflowed == 1   # it has no UTF-8 form


def test_the_thread_is_recorded() -> None:
    """Two threads have two numbers, each the same for all that it appends."""
    import threading

    ring = SpanRing(10)

    def append() -> None:
        ring.append(1, 1)
        ring.append(1, 2)

    append()
    thread = threading.Thread(target=append)
    thread.start()
    thread.join()
    numbers = [r.thread for r in ring.snapshot()]
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]
