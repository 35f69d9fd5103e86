"""What the processes of these tests make, and what they say about it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace

import spanheap

BLOCK = 400_000
SIZE = bytes(BLOCK).__sizeof__()   # with its header
# Twenty intervals a block: each is sampled (all but 2 in 10⁹), and small allocations still are by chance.
INTERVAL = 20_000
DRAWS = 1_000   # of 1,000 to 2,000 bytes: some 75 samples
OPTIONS: dict[str, Any] = {
    "sample_interval": INTERVAL, "max_samples": 1 << 16, "adaptive": False, "tick": 0.05, "seed": 7,
}


def make(blocks: int) -> list[bytes]:
    """Allocate that many blocks, each of which is sampled."""
    return [bytes(BLOCK) for _ in range(blocks)]


def draw() -> list[int]:
    """Which allocations of a fixed loop are sampled: the random sequence of this process."""
    session = spanheap.current()
    assert session is not None
    smallest = bytes(DRAWS).__sizeof__()
    kept = [bytes(DRAWS + i) for i in range(DRAWS)]   # known by their sizes
    rows = session.snapshot().rows
    del kept
    mine = [row for row in rows if any(frame.function == draw.__name__ for frame in row.stack[:2])]
    return sorted({row.size - smallest for row in mine if smallest <= row.size < smallest + DRAWS and row.samples})


def alike(first: Sequence[int], second: Sequence[int]) -> bool:
    """The same sequence, also if other allocations have shifted it by one. By chance a quarter agrees, not half."""
    fewest = min(len(first), len(second))
    assert 30 < fewest < 200
    return 2 * sum(any(abs(i - j) <= 1 for j in second) for i in first) > fewest


def blocks_by_root() -> dict[str, int]:
    """Live blocks of `make` in this process, by the root span that they belong to."""
    session = spanheap.current()
    assert session is not None
    found: dict[str, float] = {}
    for row in session.snapshot().rows:
        if any(frame.function == make.__name__ for frame in row.stack[:2]) and row.size == SIZE:
            found[row.root_span_name] = found.get(row.root_span_name, 0.0) + row.live_objects
    return {name: round(count) for name, count in found.items() if round(count)}


def tick_threads() -> int:
    """How many there are in this process."""
    return sum(thread.name == "spanheap-tick" for thread in threading.enumerate())


def instance() -> str | None:
    """What the tracer provider calls this process; recent SDKs give a child a new name."""
    resource = getattr(trace.get_tracer_provider(), "resource", None)
    return None if resource is None else resource.attributes.get("service.instance.id")


def report() -> dict[str, Any]:
    """What this process says of itself."""
    session = spanheap.current()
    assert session is not None
    blocks = blocks_by_root()
    stats = session.stats()
    return {
        "pid": os.getpid(),
        "instance": instance(),
        "blocks": blocks,
        "by_root_name": {usage.name: usage.live_bytes for usage in session.snapshot().by_root_name()},
        "tick_threads": tick_threads(),
        "errors": stats.tick_errors + stats.processor_errors + stats.samples_dropped,
    }
