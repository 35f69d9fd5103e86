"""What the leak detector and the automatic dumps cost a traced service, beside the core alone.

    python -m benchmarks.detection_cost [--seconds 20] [--pairs 8] [--requests 400]

A service in a process of its own answers so many requests a second at set times, each a span with two below it, from 600
lines that allocate; a cache with a bound keeps some of it. Runs with the core alone (`detect=None, dumps=None`) and with
the defaults and a memory limit, which is then read twice a second, take turns: off on on off. Two figures of each run, from
the end of the first seconds on, in which all is imported: the CPU time of the process, and that part of it that spanheap
measures of itself (`Stats.cpu_s`: taking samples, and the tick thread). The first is the truth and noisy: what runs of one
kind differ by is printed beside the difference. The second is steady, and leaves out caches gone cold for the service.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
LINES = 600
KEPT = 2_000                  # requests
SAMPLE_INTERVAL = 64 * 1024   # an eighth of the default: as many live samples as a service of half a gigabyte has
WARM_UP_S = 5.0
LIMIT = 8 << 30


class Result(NamedTuple):
    """Of one run, in shares of a core."""

    process: float
    spanheap: float
    samples: int
    longest_tick_ms: float


def service_lines() -> list[Any]:
    """Functions that allocate, each at a line of its own."""
    names: dict[str, Any] = {}
    source = "\n".join(f"def f{i}(n):\n    return [bytes(n % 3000) for n in range(n, n + 20)]" for i in range(LINES))
    exec(compile(source, __file__, "exec"), names)
    return [names[f"f{i}"] for i in range(LINES)]


def serve(on: bool, seconds: float, requests: float, folder: str) -> Result:
    from opentelemetry.sdk.trace import TracerProvider

    import spanheap

    provider = TracerProvider()
    tracer = provider.get_tracer("benchmark")
    options: dict[str, Any] = {"detect": None, "dumps": None}
    if on:
        options = {"dumps": spanheap.DumpPolicy(folder=folder, limit_bytes=LIMIT)}
    lines, cache = service_lines(), deque[Any](maxlen=KEPT)
    with spanheap.profile(tracer_provider=provider, sample_interval=SAMPLE_INTERVAL, seed=1, **options) as session:
        begin, number = time.monotonic(), 0
        before: tuple[float, float, float] | None = None
        while (due := begin + number / requests) < begin + WARM_UP_S + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            if before is None and due >= begin + WARM_UP_S:
                before = time.monotonic(), time.process_time(), session.stats().cpu_s
            with tracer.start_as_current_span(f"GET /{number % 7}"):
                for part in (1, 2):
                    with tracer.start_as_current_span(f"query {part}"):
                        made = lines[number * part % LINES](number)
            cache.append(made)
            number += 1
        assert before is not None
        wall, cpu, stats = time.monotonic() - before[0], time.process_time() - before[1], session.stats()
        return Result(cpu / wall, (stats.cpu_s - before[2]) / wall, stats.samples_live, stats.longest_tick_s * 1e3)


def measure(on: bool, seconds: float, requests: float) -> Result:
    """In a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.detection_cost", "--serve", json.dumps([on, seconds, requests, folder])],
            stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True, timeout=5 * (seconds + WARM_UP_S) + 60,
        )
    return Result(*json.loads(done.stdout))


def report(seconds: float, pairs: int, requests: float) -> None:
    machine = f"CPython {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(f"{datetime.date.today()}, {machine};",
          f"{requests:g} requests a second, runs of {seconds:g} s", flush=True)
    results: dict[bool, list[Result]] = {False: [], True: []}
    for pair in range(pairs):
        for on in ((False, True), (True, False))[pair % 2]:
            result = measure(on, seconds, requests)
            results[on].append(result)
            print(f"  {'detection and dumps' if on else 'core alone':20} {result.process:8.2%} of a core, spanheap "
                  f"{result.spanheap:7.3%}, {result.samples:,} samples, longest tick {result.longest_tick_ms:.1f} ms",
                  flush=True)
    for name in ("process", "spanheap"):
        off, on_ = ([getattr(result, name) for result in results[kind]] for kind in (False, True))
        differences = [b - a for a, b in zip(off, on_, strict=True)]
        error = statistics.stdev(differences) / math.sqrt(pairs) if pairs > 1 else math.nan
        print(f"{name:9} core alone {statistics.median(off):.3%} (from {min(off):.3%} to {max(off):.3%}), with both "
              f"{statistics.median(on_):.3%}: {statistics.median(differences):+.3%} of a core, standard error {error:.3%}")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def main() -> None:
    parser = argparse.ArgumentParser(description="The CPU time of detection and dumps.")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run, after a warm-up (default 20)")
    parser.add_argument("--pairs", type=int, default=8, help="of runs (default 8)")
    parser.add_argument("--requests", type=float, default=400.0, help="a second (default 400)")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        print(json.dumps(serve(*json.loads(options.serve))))
    else:
        report(options.seconds, options.pairs, options.requests)


if __name__ == "__main__":
    main()
