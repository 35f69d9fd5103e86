"""A service whose every span can be told from a torn one, and which ends as it is told to. A process of its own:

    python -m tests.recorder.service PATH --end HOW

It prints one line of JSON when it is up, with what it found of its predecessor.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

import spanheap

ROOT = Path(__file__).parents[2]
NAMES = 40
THREADS = 2
TICK_S = 0.05
CAPACITY = 256
_MASK = (1 << 64) - 1
ENDS = ("kill", "clean", "raise", "segv", "abort", "term", "exit", "leak", "serve")


def trace_of(span_id: int) -> int:
    """The trace that a span of this id is in."""
    return ((span_id * 0x9E3779B97F4A7C15 & _MASK) << 64 | span_id * 0xC2B2AE3D27D4EB4F & _MASK) or 1


def name_of(span_id: int) -> str:
    """Its name."""
    return f"operation-{span_id % NAMES}"


class Ids(IdGenerator):
    """Span ids 1, 2, … and what follows from each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def generate_span_id(self) -> int:
        with self._lock:
            self._last += 1
            return self._last

    def generate_trace_id(self) -> int:
        """The SDK asks for the trace first; every span here is the first of its trace."""
        with self._lock:
            return trace_of(self._last + 1)


class Lock:
    """One start at a time: two ids that belong together."""

    def __init__(self, tracer: trace.Tracer, ids: Ids) -> None:
        self._lock = threading.Lock()
        self._tracer, self._ids = tracer, ids

    def start(self) -> trace.Span:
        with self._lock:
            return self._tracer.start_span(name_of(self._ids._last + 1), context=Context())


def work(spans: Lock, kept: list[bytes], stop: threading.Event) -> None:
    """Spans, some of which stay active for a while, and memory that stays."""
    active: list[trace.Span] = []
    while not stop.is_set():
        span = spans.start()
        with trace.use_span(span, end_on_exit=False):
            kept.append(bytes(3000))
        active.append(span)
        if len(active) > 20:
            active.pop(0).end()
        time.sleep(0.0002)


class Counting:
    """Kills this process before the n-th call of what it is put around: the points at which a kill is most telling."""

    def __init__(self, n: int) -> None:
        self._left = n

    def around(self, owner: Any, *names: str) -> None:
        for name in names:
            original = getattr(owner, name)

            def call(*args: Any, _original: Any = original, **options: Any) -> Any:
                self._left -= 1
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return _original(*args, **options)

            setattr(owner, name, call)


class Methods:
    """The methods of the native recorder, as an object whose attributes can be replaced."""

    def __init__(self, native: Any) -> None:
        for name in ("attach", "detach", "write", "end", "valid"):
            setattr(self, name, getattr(native, name))
        self.nbytes, self.ring_memory = native.nbytes, native.ring_memory


def put_points(n: int) -> None:
    """Kill at the n-th of: each step of claiming the file, of reporting, of writing, of ending."""
    from spanheap.recorder import place, predecessor, writer

    counting = Counting(n)
    counting.around(place, "_take", "_rotate", "is_ours", "claim")
    counting.around(place.os, "rename", "pwrite", "fchmod")
    counting.around(predecessor, "_of_file", "_mark_reported", "report")
    original = writer.FlightRecorder.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self.native = self.memory   # the store's ring is in it
        methods = Methods(self.memory)
        counting.around(methods, "attach", "detach", "write", "end")
        self.methods = methods

    writer.FlightRecorder.__init__ = init   # type: ignore[method-assign]
    for name in ("open", "write", "close"):
        with_methods(writer.FlightRecorder, name)


def with_methods(owner: Any, name: str) -> None:
    """Let this method call the replaced ones."""
    original = getattr(owner, name)

    def call(self: Any, *args: Any) -> Any:
        self.memory = self.methods
        return original(self, *args)

    setattr(owner, name, call)


def serve(path: str, how: str, seconds: float, point: int | None) -> None:
    """Until told to end."""
    if point is not None:
        put_points(point)
    ids = Ids()
    provider = TracerProvider(id_generator=ids, resource=Resource.create({"service.name": "orders"}))
    tick = TICK_S if how != "leak" else 0.2
    session = spanheap.start(
        recorder=path, tick=tick, sample_interval=4096, span_capacity=CAPACITY, tracer_provider=provider)
    spans = Lock(provider.get_tracer("service"), ids)
    kept: list[bytes] = []
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(spans, kept, stop), daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    stats = session.stats()
    deaths = [death._asdict() for death in session.predecessor_deaths]
    print(json.dumps({"pid": os.getpid(), "recorder": stats.recorder, "deaths": deaths}), flush=True)
    time.sleep(seconds)
    if how == "leak":
        with trace.use_span(spans.start(), end_on_exit=True):
            while True:
                kept.append(bytearray(1 << 20))   # type: ignore[arg-type]
                time.sleep(0.02)
    if how == "serve":
        sys.stdin.read()   # until the parent goes away
    stop.set()
    for thread in threads:
        thread.join()
    end(how)


def end(how: str) -> None:
    """End so."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    elif how == "segv":
        ctypes.string_at(8)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        sys.exit(3)
    elif how == "raise":
        raise LookupError("a text that is the service's own")


def command(path: Path, how: str, *, seconds: float = 0.3, point: int | None = None) -> list[str]:
    """The command line of such a service."""
    return [sys.executable, "-m", "tests.recorder.service", str(path), "--end", how, "--seconds", str(seconds),
            *(() if point is None else ("--point", str(point)))]


def run_once(path: Path, how: str, *, seconds: float = 0.3, point: int | None = None) -> tuple[int, str, str]:
    """Start one, and wait for its end: exit status (negative: by that signal), output, errors."""
    done = subprocess.run(command(path, how, seconds=seconds, point=point), capture_output=True, text=True, timeout=120,
                          check=False, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--end", choices=ENDS, default="clean")
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--point", type=int)
    options = parser.parse_args()
    signal.alarm(120)   # nobody is left behind
    serve(options.path, options.end, options.seconds, options.point)


if __name__ == "__main__":
    main()
