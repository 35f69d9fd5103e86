"""Worker threads that never end fill a threading.local with prepared statements, one for each new query text.

Seen with database drivers whose statement cache is per thread and keyed by the full text, literals included.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "GET /report"
SITE = "prepare"
HOLDER = "statements"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

_local = threading.local()
_jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
_done: queue.Queue[None] = queue.Queue()


def prepare(i: int) -> None:
    statements: dict[str, Any] | None = getattr(_local, "statements", None)
    if statements is None:
        statements = _local.statements = {}
    statements[f"SELECT total FROM orders WHERE id = {i}"] = record(i, 1400)


def _worker() -> None:
    while (job := _jobs.get()) is not None:
        job()
        _done.put(None)


def setup() -> None:
    for number in range(4):
        threading.Thread(target=_worker, name=f"sql-{number}", daemon=True).start()


def request(i: int, now: float) -> None:
    context = contextvars.copy_context()   # as opentelemetry-instrumentation-threading carries it
    _jobs.put(lambda: context.run(prepare, i))
    work(i)
    _done.get(timeout=30)


def teardown() -> None:
    for _ in range(4):
        _jobs.put(None)
