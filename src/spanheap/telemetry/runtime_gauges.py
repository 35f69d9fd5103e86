"""CPython's own figures: pymalloc, asyncio, the pauses of the garbage collector."""

from __future__ import annotations

import sys
from typing import Any

from spanheap.telemetry.gc_pauses import GENERATION
from spanheap.telemetry.instrument import Instrument, Values, one, up_down_counter
from spanheap.telemetry.reading import Reading

GC_PAUSE = "cpython.gc.pause.duration"


def asyncio_tasks() -> int | None:
    """Tasks that exist, of all loops, done ones that something refers to included. None: asyncio is not in use, or keeps
    them elsewhere.

    `asyncio.all_tasks()` is for one loop and walks over all of them, which a collection has no time for. The set that it
    walks over is WeakSet `_all_tasks` until 3.11, `_scheduled_tasks` and, for those that are being run before they were ever
    scheduled, set `_eager_tasks` since. Of a WeakSet the length is a subtraction.
    """
    tasks: Any = sys.modules.get("asyncio.tasks")
    if tasks is None:
        return None
    found = [getattr(tasks, name, None) for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks")]
    counted = [len(tasks_of_a_kind) for tasks_of_a_kind in found if tasks_of_a_kind is not None]
    return sum(counted) if counted else None


def _tasks(_reading: Reading) -> Values:
    return one(asyncio_tasks())


INSTRUMENTS: tuple[Instrument, ...] = (
    up_down_counter("cpython.memory.allocated_blocks", "{block}", "Blocks that pymalloc has given out.",
                    lambda reading: one(reading.allocated_blocks())),
    up_down_counter("cpython.memory.arenas", "By", "Arenas that pymalloc has taken since the session started, and has.",
                    lambda reading: one(reading.counters()["arena_bytes"])),
    up_down_counter("cpython.asyncio.task.count", "{task}", "Tasks of all event loops.", _tasks),
    Instrument(GC_PAUSE, "histogram", "s", "For how long collections of garbage stopped the process.", None, (GENERATION,)),
)
