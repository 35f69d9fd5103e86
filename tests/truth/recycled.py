"""python -m tests.truth.recycled: whole workloads line by line, every allocation sampled, beside tracemalloc.

tracemalloc is told when an object is made of a block from its type's free list, spanheap is not: there the block stands at
the line of its first use, or nowhere if that was before the session.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import json
import platform
import tracemalloc
from collections.abc import Callable

import numpy as np
from opentelemetry.sdk.trace import TracerProvider

import spanheap

Lines = collections.Counter[tuple[str, int]]

_document = json.dumps([
    {"id": i, "name": f"item {i}", "cost": i * 1.25, "tags": [f"t{j}" for j in range(i % 7)], "at": {"x": i / 7, "y": i / 3}}
    for i in range(300)
])
_tracer = TracerProvider(shutdown_on_exit=False).get_tracer("workload")


def small_objects() -> object:
    """Tuples, dicts, lists, floats and strings; of 20 batches the last 5 stay."""
    live: collections.deque[object] = collections.deque(maxlen=5)
    for _ in range(20):
        rows = [(i, i * 0.5, f"row-{i}") for i in range(1000, 1400)]
        live.append((rows, {name: [n, {"w": w}] for n, w, name in rows}))
    return live


def json_documents() -> object:
    """Of 50 parsed documents, of 300 records each, the last 5 stay."""
    live: collections.deque[object] = collections.deque(maxlen=5)
    for _ in range(50):
        live.append(json.loads(_document))
    return live


def handle() -> str:
    """What a request does besides its span."""
    rows = [{"id": j, "name": f"item-{j}", "tags": [j, str(j)]} for j in range(100)]
    rows.sort(key=lambda row: str(row["name"]))
    return ",".join([f"{row['id']}:{row['name']}" for row in rows])


def traced_requests() -> object:
    """500 requests; 1 ended span in 5 stays, as in a service that leaks."""
    live = []
    for i in range(500):
        with _tracer.start_as_current_span("GET /items", attributes={"item.id": i, "http.route": "/items/{id}"}) as span:
            span.set_attribute("size", len(handle()))
        if i % 5 == 0:
            live.append(span)
    return live


def asyncio_tasks() -> object:
    """300 tasks, each in the middle of its work; before them, 300 that ended."""
    loop = asyncio.new_event_loop()

    async def client(gate: asyncio.Event) -> str:
        body = handle()
        await gate.wait()
        return body

    async def run(finish: bool) -> object:
        gate = asyncio.Event()
        tasks = [loop.create_task(client(gate)) for _ in range(300)]
        await asyncio.sleep(0)
        if finish:
            gate.set()
            await asyncio.gather(*tasks)
        return tasks

    loop.run_until_complete(run(True))
    return loop, loop.run_until_complete(run(False))


def numpy_arrays() -> object:
    """200 results of a computation, 8 KiB each."""
    base = np.ones(1024)
    return [base * i + 1 for i in range(200)]


def by_tracemalloc(work: Callable[[], object]) -> Lines:
    """Live bytes by line, with those that numpy reports."""
    tracemalloc.start(1)
    kept = work()
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    lines = Lines()
    for trace in snapshot.traces:
        if trace.traceback[0].filename != tracemalloc.__file__:
            lines[trace.traceback[0].filename, trace.traceback[0].lineno] += trace.size
    end(kept)
    return lines


def by_spanheap(work: Callable[[], object]) -> tuple[Lines, float]:
    """Live bytes by line, and the share of samples that had no thread state."""
    with spanheap.profile(sample_interval=1, max_samples=1 << 20, adaptive=False, tick=None) as session:
        kept = work()
        snapshot = session.snapshot()
        stats = session.stats()
    lines = Lines()
    for row in snapshot.rows:
        if row.is_live:
            lines[row.stack[0].filename, row.stack[0].line] += row.size
    end(kept)
    return lines, stats.samples_without_thread_state / stats.samples


def end(kept: object) -> None:
    """Close the loop of unfinished tasks without a warning."""
    if isinstance(kept, tuple):
        loop, tasks = kept
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


def compare(work: Callable[[], object]) -> tuple[int, float, float, float]:
    """Live bytes; as shares of them, those not seen and those seen at another line; samples without a thread state."""
    for _ in range(2):
        end(work())
    gc.collect()   # which empties the free lists: tracemalloc has not seen what is in them either
    expected = by_tracemalloc(work)
    found, stateless = by_spanheap(work)   # the free lists are now as the work has left them, as in a service that runs
    # A profiler's own lines differ, and asyncio's set of all tasks, whose table stays from run to run.
    lines = [line for line in expected.keys() | found.keys()
             if "spanheap" not in line[0] and "_weakrefset" not in line[0]]
    total = sum(expected[line] for line in lines)
    unseen = max(0.0, 1 - sum(found[line] for line in lines) / total)
    missing = sum(max(0, expected[line] - found[line]) for line in lines) / total
    return total, unseen, max(0.0, missing - unseen), stateless


if __name__ == "__main__":
    spanheap.start(tick=None).shutdown()   # what a first start imports
    print(f"CPython {platform.python_version()}, numpy {np.__version__}")
    print("| workload | live KiB | not seen | seen at the line of an earlier use | without a thread state |")
    print("|---|---|---|---|---|")
    for work in (small_objects, json_documents, traced_requests, asyncio_tasks, numpy_arrays):
        total, *shares = compare(work)
        cells = " | ".join(f"{share:.1%}" for share in shares)
        print(f"| {work.__name__.replace('_', ' ')} | {total / 1024:.0f} | {cells} |", flush=True)
