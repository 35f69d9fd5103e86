"""What it costs to keep the metadata of a span: SpanRing beside what people use.

    python -m benchmarks.ring [--rounds 60]

All in one run and in turns, in short samples with pauses: a machine that is shared slows down for seconds at a time. Times
are CPU times of a record less those of the empty loop, memory is what the resident set grows by in a process of its own. The
C program beside it, which has no Python at all, is built from native/benchmarks/span_ring.c.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cachetools import TTLCache

from spanheap import SpanRing, process

CAPACITY = 16_384
RECORDS = 5_000       # a sample: under a millisecond, so that most are not interrupted
PAUSE_S = 0.003
TTL_S = 300
MEMORY_RECORDS = 200_000

# A span's, as OpenTelemetry has them: random ids, and a name that is a constant of the code.
TRACE, SPAN, PARENT = (random.Random(1).getrandbits(bits) for bits in (128, 64, 64))
NAME, START_NS, DURATION_NS, THREAD, FLAGS = "GET /orders/{id}", time.time_ns(), 1_234_567, 1, 1

Append = Callable[[Any], None]   # one record for each item


def empty(items: Any) -> None:
    for _ in items:
        pass


def into_ring(start_ns: int = 0, **options: Any) -> Append:
    append = SpanRing(CAPACITY, **options).append

    def run(items: Any) -> None:
        trace, span, parent, name, start, duration, flags = TRACE, SPAN, PARENT, NAME, start_ns, DURATION_NS, FLAGS
        for _ in items:
            append(trace, span, parent, name, start, duration, flags)

    return run


def into_deque() -> Append:
    append, now = deque[Any](maxlen=CAPACITY).append, time.time_ns

    def run(items: Any) -> None:
        trace, span, parent, name, duration, thread, flags = TRACE, SPAN, PARENT, NAME, DURATION_NS, THREAD, FLAGS
        for _ in items:
            append((trace, span, parent, name, now(), duration, thread, flags))

    return run


def into_queue() -> Append:
    full: queue.Queue[Any] = queue.Queue(CAPACITY)
    put, get, now = full.put, full.get, time.time_ns
    for _ in range(CAPACITY):
        put(None)

    def run(items: Any) -> None:
        for _ in items:
            get()
            put((TRACE, SPAN, PARENT, NAME, now(), DURATION_NS, THREAD, FLAGS))

    return run


def into_ttl_cache() -> Append:
    cache: TTLCache[int, Any] = TTLCache(CAPACITY, TTL_S)
    lock, keys, now = threading.Lock(), itertools.count(), time.time_ns

    def run(items: Any) -> None:
        for _ in items:
            with lock:
                cache[next(keys)] = (TRACE, SPAN, PARENT, NAME, now(), DURATION_NS, THREAD, FLAGS)

    return run


RING, DEQUE, QUEUE, CACHE = "SpanRing.append", "deque(maxlen).append(tuple)", "queue.Queue get + put", "TTLCache, locked"
CASES: dict[str, Callable[[], Append]] = {
    RING: into_ring,
    "SpanRing.append, ttl": lambda: into_ring(ttl=TTL_S),
    "SpanRing.append, start given": lambda: into_ring(START_NS),
    DEQUE: into_deque,
    QUEUE: into_queue,
    CACHE: into_ttl_cache,
}


def sample(run: Append) -> float:
    """CPU time of a record."""
    items = itertools.repeat(None, RECORDS)
    start = time.process_time_ns()
    run(items)
    return (time.process_time_ns() - start) / RECORDS


def times(rounds: int) -> dict[str, list[float]]:
    runs = {name: make() for name, make in CASES.items()}
    for run in runs.values():
        run(itertools.repeat(None, 2 * CAPACITY))   # full, and specialised by the interpreter
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        loop = sample(empty)
        for name, run in runs.items():
            found[name].append(sample(run) - loop)
        time.sleep(PAUSE_S)
    return found


# --- memory

def fill(name: str) -> Any:
    """One of them with so many records of spans that all differ, and nothing else that is new."""
    new = random.Random(2).getrandbits
    if name == RING:
        ring = SpanRing(MEMORY_RECORDS)
        for _ in range(MEMORY_RECORDS):
            ring.append(new(128), new(64), new(64), NAME, 0, new(30), FLAGS)
        return ring
    records = ((new(128), new(64), new(64), NAME, time.time_ns(), new(30), THREAD, FLAGS) for _ in range(MEMORY_RECORDS))
    if name == DEQUE:
        return deque(records, maxlen=MEMORY_RECORDS)
    if name == QUEUE:
        full: queue.Queue[Any] = queue.Queue()
        for record in records:
            full.put(record)
        return full
    cache: TTLCache[int, Any] = TTLCache(MEMORY_RECORDS, TTL_S)
    for record in records:
        cache[record[1]] = record
    return cache


def resident() -> int:
    memory = process.memory()
    if memory is None:
        raise SystemExit("no /proc/self/statm here")
    return memory.resident


def print_memory(name: str) -> None:
    before = resident()
    kept = fill(name)
    print((resident() - before) / MEMORY_RECORDS)
    del kept


def memory_of(name: str) -> float:
    command = [sys.executable, "-m", "benchmarks.ring", "--memory", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# --- the C program

def c_times(rounds: int) -> dict[str, tuple[float, float]]:
    native = Path(__file__).parents[1] / "native"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "span_ring")
        sources = [str(native / "benchmarks/span_ring.c"), str(native / "src/span_ring.c")]
        subprocess.run(
            ["gcc", "-std=gnu11", "-O3", f"-I{native / 'include'}", "-o", str(program), *sources, "-lpthread"], check=True)
        lines = subprocess.run([str(program), str(rounds)], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: (float(p10), float(median)) for name, p10, median in (line.split("\t") for line in lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print_memory(arguments.memory)
        return
    found = times(arguments.rounds)
    rings_median = statistics.median(found[RING])
    bytes_of = {name: memory_of(name) for name in (RING, DEQUE, QUEUE, CACHE)}
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {version}, {arguments.rounds} rounds of {RECORDS:,} records, ns a record, ring of {CAPACITY:,}")
    print(f"{'':34}{'p10':>8}{'median':>8}{'to the ring':>13}{'bytes':>8}{'to the ring':>13}")
    for name, values in found.items():
        p10, median = statistics.quantiles(values, n=10)[0], statistics.median(values)
        ratio = statistics.median(v / r for v, r in zip(values, found[RING], strict=True))   # of the same round
        size = bytes_of.get(name)
        memory = f"{size:8.0f}{size / bytes_of[RING]:12.1f}x" if size is not None else ""
        print(f"{name:34}{p10:8.1f}{median:8.1f}{ratio:12.2f}x{memory}")
    print()
    print(f"{'C to C':34}{'p10':>8}{'median':>8}{'to one thread':>15}")
    c = c_times(arguments.rounds)
    one = c["one thread"]
    for name, (p10, median) in c.items():
        print(f"{name:34}{p10:8.1f}{median:8.1f}{median / one[1]:14.2f}x")
    print(f"{'from Python / C to C':34}{'':8}{rings_median / one[1]:8.1f}")


if __name__ == "__main__":
    main()
