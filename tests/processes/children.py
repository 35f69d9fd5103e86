"""What the scripts of test_multiprocessing.py are made of. A module: spawned children import it."""

from __future__ import annotations

import ast
import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.processes import memory

__all__ = [
    "MADE", "Path", "ProcessPoolExecutor", "TemporaryDirectory", "child_report", "fork", "in_child", "inherit", "memory",
    "multiprocessing", "os", "spanheap", "start", "sys", "threading", "trace",
]

INHERITED, MADE = 10, 4   # blocks
_kept: list[bytes] = []


def inherit(**options: Any) -> dict[str, int]:
    """Start a session and keep blocks under a span. Returns what any process should say of these."""
    trace.set_tracer_provider(TracerProvider())
    spanheap.start(**memory.OPTIONS | options)
    with trace.get_tracer("t").start_as_current_span("before"):
        _kept.extend(memory.make(INHERITED))
    return {"before": INHERITED}


def child_report(name: str = "in child") -> dict[str, Any] | None:
    """Keep blocks under a span of this name, and tell of it; None: this process is not profiled."""
    if spanheap.current() is None:
        return None
    sequence = memory.draw()
    with trace.get_tracer("t").start_as_current_span(name):
        _kept.extend(memory.make(MADE))
    return memory.report() | {"sequence": sequence}


def start() -> None:
    """Tracing and the profiler, in a child that inherits neither."""
    assert spanheap.current() is None
    trace.set_tracer_provider(TracerProvider())
    spanheap.start(**memory.OPTIONS)


def fork(body: Callable[[], Any]) -> int:
    """Call body in a forked child, which then ends by os._exit. Returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def in_child(body: Callable[[], Any]) -> Any:
    """What body returns in a forked child, by its repr."""
    read, write = os.pipe()
    pid = fork(lambda: os.write(write, repr(body()).encode()))
    os.close(write)
    with open(read) as pipe:
        answer = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return ast.literal_eval(answer)
