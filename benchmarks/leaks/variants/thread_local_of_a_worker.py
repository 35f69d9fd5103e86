"""A worker thread that lives for ever keeps a "request cache" in a threading.local, which nobody resets."""

from __future__ import annotations

import contextvars
import queue
import threading
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /resize"
SITE = "resize"
HOLDER = "local"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

local = threading.local()
inbox: queue.Queue[Any] = queue.Queue()
done: queue.Queue[Any] = queue.Queue()


def resize(i: int) -> None:
    cache = local.__dict__.setdefault("cache", {})
    cache[i] = parts(i, 2000)


def worker() -> None:
    while (job := inbox.get()) is not None:
        context, i = job
        done.put(context.run(resize, i))


def setup() -> None:
    threading.Thread(target=worker, daemon=True).start()


def request(i: int, now: float) -> None:
    inbox.put((contextvars.copy_context(), i))
    done.get(timeout=10)
    work(i)


def teardown() -> None:
    inbox.put(None)
