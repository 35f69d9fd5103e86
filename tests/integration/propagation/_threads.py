"""What these tests share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace

from spanheap.snapshot import NO_SPAN


def patched() -> tuple[int, int]:
    """Identify the two functions, as their classes hold them: a wrapper may say that it equals what it wraps."""
    return id(vars(ThreadPoolExecutor)["submit"]), id(vars(threading.Thread)["start"])


def current_name() -> str:
    """Return the name of the current span, as OpenTelemetry sees it."""
    return getattr(trace.get_current_span(), "name", NO_SPAN)


def in_thread(thread: threading.Thread) -> None:
    """Run it to its end."""
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
