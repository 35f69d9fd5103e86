"""The options of a ring, right and wrong."""

from __future__ import annotations

import math
import pickle
import sys
from typing import Any

import pytest

from spanheap import SpanRing


def test_the_options_can_be_read() -> None:
    """As given, and the defaults."""
    ring = SpanRing(1000)
    assert (ring.capacity, ring.ttl, ring.policy, ring.stripes, ring.clock) == (1000, None, "overwrite", 1, None)
    clock = int
    ring = SpanRing(7, ttl=1.5, policy="drop", stripes=4, clock=clock)
    assert (ring.capacity, ring.ttl, ring.policy, ring.stripes, ring.clock) == (7, 1.5, "drop", 4, clock)
    assert repr(ring) == "<SpanRing capacity=7 ttl=1.5 policy='drop' stripes=4>"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"capacity": 0}, ValueError, "capacity must be between 1 and 4,194,304, not 0"),
        ({"capacity": 2**22 + 1}, ValueError, "capacity must be between 1 and"),
        ({"capacity": 10.0}, TypeError, "capacity must be a whole number, not 10.0"),
        ({"capacity": True}, TypeError, "capacity must be a whole number, not True"),
        ({"ttl": 0}, ValueError, "ttl must be None or between 0.001 and 3,283,200 seconds, not 0"),
        ({"ttl": -1.0}, ValueError, "-1.0"),
        ({"ttl": 1e9}, ValueError, "1000000000.0"),
        ({"ttl": math.nan}, ValueError, "nan"),
        ({"ttl": "5"}, TypeError, "ttl must be None or seconds, not '5'"),
        ({"policy": "newest"}, ValueError, "policy must be 'overwrite' or 'drop', not 'newest'"),
        ({"stripes": 0}, ValueError, "stripes must be between 1 and 10, not 0"),
        ({"stripes": 3}, ValueError, "stripes must be a power of two, not 3"),
        ({"stripes": 16}, ValueError, "stripes must be between 1 and 10, not 16"),
        ({"capacity": 1000, "stripes": 128}, ValueError, "stripes must be between 1 and 64, not 128"),
        ({"path": "ring.bin"}, ValueError, "path must be None"),
        ({"clock": 5}, TypeError, "clock must be None or a callable"),
        ({"clock": lambda: None}, TypeError, "clock"),
        ({"clock": lambda: -1}, ValueError, "clock"),
        ({"clock": lambda: math.inf}, ValueError, "clock must return float seconds between 0 and 9.2e9"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """With its value and what would be right."""
    with pytest.raises(error) as raised:
        SpanRing(**({"capacity": 10} | options))
    assert words in str(raised.value)


def test_a_clock_that_raises_is_heard() -> None:
    """By the caller of what needs the time; nothing is appended."""
    times = [0]
    ring = SpanRing(2, ttl=1, clock=lambda: times.pop())
    calls = (lambda: ring.append(1, 1), lambda: ring.get(1), lambda: len(ring), ring.snapshot, ring.counts, ring.to_numpy)
    for call in calls:
        with pytest.raises(IndexError):
            call()
    times += [0]
    assert ring.counts().produced == 0


def test_a_ring_is_one_object() -> None:
    """It is neither copied by pickling nor subclassed."""
    with pytest.raises(TypeError):
        pickle.dumps(SpanRing(1))
    with pytest.raises(TypeError):
        type("Mine", (SpanRing,), {})


def test_memory_is_64_bytes_a_record() -> None:
    """All in: what is beside the records does not grow with them."""
    assert SpanRing(100_000).nbytes - SpanRing(50_000).nbytes == 64 * 50_000
    assert SpanRing(1).nbytes < 100_000
    ring = SpanRing(1000)
    assert ring.nbytes < sys.getsizeof(ring) < ring.nbytes + 2000   # itself, and where it remembers names
