"""Everything at once, for as long as asked: does spanheap ever crash, deadlock, or lose count?

    python -m tests.stress --seconds 600 [--seed 1]

Worker processes, one after the other, each with a seed and an allocator of its own: threads that allocate in all ways,
asyncio tasks with nested spans, forks, tracemalloc coming and going, garbage collections, snapshots and dumps, while
the main thread starts and stops sessions with options of all sorts. Checked at each stop and in each forked child:
the invariants of all tables, and that no error was swallowed. A worker that dies is reported with its signal and seed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import set_tracer_provider

import spanheap

ALLOCATORS = ("default", "malloc", "debug", "pymalloc_debug")
ROUND_S = 30.0
CHILD_S = 30       # a forked child that takes longer than this has deadlocked
HANG_S = 90.0      # the same for a worker
KEPT = 400         # objects a thread keeps at most


class Worker:
    """One process of the stress run."""

    def __init__(self, seconds: float, seed: int) -> None:
        self.end = time.monotonic() + seconds
        self.seed = seed
        self.totals: Counter[str] = Counter()
        self.failures: list[str] = []
        self.folder = tempfile.mkdtemp(prefix="spanheap-stress-")
        self.tracer: Any = None
        self.foreign: Any = None   # of a provider that nobody told spanheap of, half of whose traces are dropped
        # CPython itself crashes when tracemalloc stops while a thread without the GIL waits inside it, as zlib's may.
        self.without_gil = threading.Lock()
        # And a fork while another thread is inside tracemalloc leaves its lock held in the child, for ever.
        self.tracing = threading.Lock()

    # ------------------------------------------------------------ what the threads do

    def allocate(self, rng: random.Random, kept: list[object]) -> None:
        """Make something, keep some of it, let something else go."""
        kind, n = rng.randrange(9), rng.choice((1, 20, 300, 5_000))
        if kind == 0:
            made: Any = []
            for i in range(n):
                made.append(i)
        elif kind == 1:
            made = {i: str(i) for i in range(n)}
        elif kind == 2:
            made = bytearray()
            for _ in range(20):
                made += bytes(n)
        elif kind == 3:
            made = numpy.arange(n * 10, dtype=float) * 2
        elif kind == 4:
            made = [object() for _ in range(n)]
            made.append(made)   # for the collector
        elif kind == 5:
            scope: dict[str, Any] = {}
            source = f"def made_{n}(a):\n    return [str(a), [a] * {n}]\nmade = made_{n}({n})"
            exec(compile(source, "<dropped>", "exec"), scope)
            made = scope["made"]
        elif kind == 6:
            made = self.deep(rng.randrange(1, 400))
        elif kind == 7:
            made = list(x * 2.5 for x in range(n))  # noqa: C400 - a generator's frames
        else:
            made = getattr(self, "no_such_" + str(rng.random()), None)
        kept.append(made)
        if len(kept) > KEPT:
            del kept[: rng.randrange(KEPT)]
        self.totals["allocations"] += 1

    def deep(self, n: int) -> list[Any]:
        """Allocate at every depth of a recursion."""
        return [bytes(n), self.deep(n - 1)] if n else []

    def churn(self, rng: random.Random) -> None:
        """Allocate in and out of spans; some spans are never ended."""
        kept: list[object] = []
        while self.running():
            if rng.random() < 0.3:
                with self.tracer.start_as_current_span(f"outer {rng.randrange(50)}") as outer:
                    self.allocate(rng, kept)
                    with self.tracer.start_as_current_span("inner"):
                        self.allocate(rng, kept)
                    outer.update_name("renamed")
                self.totals["spans"] += 2
            elif rng.random() < 0.3:
                with (
                    spanheap.labels(tenant=f"tenant {rng.randrange(6_000)}", worker=threading.current_thread().name),
                    self.foreign.start_as_current_span("foreign"), self.foreign.start_as_current_span("child"),
                ):
                    self.allocate(rng, kept)
                self.totals["labels"] += 1
            elif rng.random() < 0.1:
                self.tracer.start_span("never ended")
            self.allocate(rng, kept)

    def tasks(self, rng: random.Random) -> None:
        """Interleave asyncio tasks with nested spans."""

        async def request(depth: int) -> None:
            with self.tracer.start_as_current_span(f"task {depth}"):
                kept: list[object] = []
                self.allocate(rng, kept)
                await asyncio.sleep(0)
                if depth:
                    await asyncio.gather(request(depth - 1), request(depth - 1))
                self.allocate(rng, kept)
                self.totals["spans"] += 1

        while self.running():
            asyncio.run(request(3))

    def exchange(self, rng: random.Random) -> None:
        """Let short-lived threads free what this one has made."""
        while self.running():
            blocks: list[Any] = [bytearray(rng.choice((10, 1_000, 100_000))) for _ in range(200)]
            thread = threading.Thread(target=blocks.clear)
            thread.start()
            thread.join()
            self.totals["threads"] += 1

    def forks(self, rng: random.Random) -> None:
        """Fork; the child allocates, looks at its heap and goes."""
        while self.running():
            time.sleep(rng.random() * 0.05)
            with self.tracing:
                pid = os.fork()
            if pid == 0:
                status = 3
                try:
                    status = self.child(rng)
                finally:
                    os._exit(status)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.totals["forks"] += 1
            if status:
                self.failures.append(f"a forked child ended with {status}")

    def child(self, rng: random.Random) -> int:
        """The life of a forked child."""
        faulthandler.register(signal.SIGALRM, chain=True)   # where it hangs, then the end
        signal.alarm(CHILD_S)
        kept: list[object] = []
        for _ in range(20):
            self.allocate(rng, kept)
        session = spanheap.current()
        if session is not None:
            with contextlib.suppress(spanheap.SpanheapError):   # it was being stopped
                if rng.random() < 0.5:
                    with self.tracer.start_as_current_span("in the child"):
                        self.allocate(rng, kept)
                session.snapshot().sites(5)
                if rng.random() < 0.3:
                    session.shutdown()
        return 0 if spanheap._core.valid() else 4

    def trace(self, rng: random.Random) -> None:
        """Let tracemalloc come and go, above us and beneath."""
        while self.running():
            time.sleep(rng.random() * 0.5)
            with self.tracing:
                tracemalloc.start(rng.randrange(1, 5))
                time.sleep(rng.random() * 0.2)
                with self.without_gil:
                    tracemalloc.stop()
            self.totals["tracemallocs"] += 1

    def look(self, rng: random.Random) -> None:
        """Take snapshots and dumps of whatever runs, and collect garbage."""
        while self.running():
            time.sleep(rng.random() * 0.02)
            session = spanheap.current()
            if session is None:
                continue
            try:
                if rng.random() < 0.3:
                    path = session.dump(self.folder)
                    with self.without_gil:
                        dump = spanheap.open_dump(path)
                    dump.sites(3)
                    path.unlink()
                    self.totals["dumps"] += 1
                else:
                    session.snapshot(collect=rng.random() < 0.1).by_span_name()
                    self.totals["snapshots"] += 1
                session.spans.active(5)
            except spanheap.SpanheapError as error:
                if "shut down" not in str(error):
                    self.failures.append(f"looking: {error}")
            if rng.random() < 0.1:
                gc.collect()

    # ------------------------------------------------------------ the main thread

    def running(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.end

    def guarded(self, body: Callable[[random.Random], None], seed: int) -> None:
        """Run one thread; what it raises is a failure."""
        try:
            body(random.Random(seed))
        except BaseException as error:
            self.failures.append(f"{body.__name__}: {error!r}")
            raise

    def sessions(self, rng: random.Random) -> None:
        """Start and stop with options of all sorts, and check at each stop."""
        while self.running() and not self.failures:
            session = spanheap.start(
                sample_interval=rng.choice((1, 10, 500, 10_000, 1 << 20)), max_samples=rng.choice((16, 100, 2_000, 8_192)),
                adaptive=rng.random() < 0.7, max_depth=rng.choice((1, 5, 64)), span_capacity=rng.choice((1, 20, 1_000)),
                seed=rng.randrange(1 << 64), tick=rng.choice((None, 0.01, 0.1)),
            )
            time.sleep(rng.random() * 0.5)
            session.force_flush()
            stats = session.stats()
            if not spanheap._core.valid():
                self.failures.append(f"the tables are not valid: {stats}")
            if stats.tick_errors or stats.processor_errors:
                self.failures.append(f"errors were swallowed: {stats}")
            self.totals["samples"] += stats.samples
            self.totals["thinned"] += stats.samples_thinned
            self.totals["hook_lost"] += stats.hook_lost
            self.totals[stats.hook] += 1
            session.shutdown()
            self.totals["sessions"] += 1
            if not spanheap._core.valid():
                self.failures.append(f"the tables are not valid after {stats}")

    def run(self) -> int:
        """The whole worker; returns its exit status."""
        self.foreign = TracerProvider(sampler=spanheap.NamingSampler(TraceIdRatioBased(0.5))).get_tracer("foreign")
        provider = TracerProvider()
        set_tracer_provider(provider)
        self.tracer = provider.get_tracer("stress")
        spanheap.start(tick=None).shutdown()   # valid() is of a profile that has been
        bodies = (self.churn, self.churn, self.tasks, self.exchange, self.forks, self.trace, self.look)
        threads = [
            threading.Thread(target=self.guarded, args=(body, self.seed + i), name=f"{body.__name__}-{i}")
            for i, body in enumerate(bodies)
        ]
        for thread in threads:
            thread.start()
        try:
            self.guarded(self.sessions, self.seed)
        finally:
            self.end = 0.0
            for thread in threads:
                thread.join()
            with contextlib.suppress(OSError):
                os.rmdir(self.folder)   # not empty: something was left behind, and is found below
        if Path(self.folder).exists():
            self.failures.append(f"dumps left files behind in {self.folder}")
        for failure in self.failures:
            print(f"FAILED: {failure}", flush=True)
        print("totals: " + " ".join(f"{name}={count}" for name, count in sorted(self.totals.items())), flush=True)
        return 1 if self.failures else 0


def work(seconds: float, seed: int) -> int:
    """A worker process."""
    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds + HANG_S, exit=True)
    warnings.filterwarnings("error")
    warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
    sys.setrecursionlimit(2_000)
    return Worker(seconds, seed).run()


def run_round(seconds: float, seed: int, allocator: str) -> tuple[int, Counter[str], str]:
    """Run one worker. Returns its exit status, its totals and its output."""
    command = [sys.executable, "-m", "tests.stress", "--seconds", str(seconds), "--seed", str(seed), "--worker"]
    with tempfile.TemporaryFile("w+", errors="replace") as output:   # no pipe: a hanging child would keep it open
        worker = subprocess.Popen(
            command, env=os.environ | {"PYTHONMALLOC": allocator}, cwd=Path(__file__).parents[1], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )
        try:
            status = worker.wait(seconds + 2 * HANG_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)   # its children too
        output.seek(0)
        text = output.read()
    totals: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("totals: "):
            totals.update({name: int(count) for name, count in (word.split("=") for word in line.split()[1:])})
    return status, totals, text


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="in all (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="of the first worker (default: drawn)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    if arguments.worker:
        return work(arguments.seconds, seed)

    length = min(ROUND_S, arguments.seconds / len(ALLOCATORS))
    rounds = round(arguments.seconds / length)
    totals: Counter[str] = Counter()
    failed = 0
    start = time.monotonic()
    for i in range(rounds):
        allocator = ALLOCATORS[i % len(ALLOCATORS)]
        status, counted, output = run_round(length, seed + i, allocator)
        totals += counted
        print(f"{time.monotonic() - start:6.0f} s  seed {seed + i}  {allocator:14} "
              f"{counted['sessions']} sessions, {counted['samples']:,} samples, {counted['forks']} forks", flush=True)
        if status or not counted["samples"]:
            failed += 1
            reason = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            print(f"FAILED with {reason}: PYTHONMALLOC={allocator} python -m tests.stress --worker "
                  f"--seconds {length:g} --seed {seed + i}\n{output[-8000:]}", flush=True)
    print(f"{rounds} workers, {failed} failed: "
          + ", ".join(f"{count:,} {name}" for name, count in sorted(totals.items())), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
