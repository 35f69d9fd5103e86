"""A service whose exporter stalls, with MemoryThrottledSpanProcessor and without.

    python -m benchmarks.throttle [--seconds 60] [--rounds 2] [--queue large default]

A service in a process of its own handles 200 requests a second of 10 spans each, at set times whether it is behind or
not; each hundredth span is an error. Its exporter does not come back until the requests of so many seconds are answered,
then it works again. (a) With a queue of 1,000,000 spans: the resident set, which the throttle is to keep below its hard
limit. (b) With the default queue of 2,048: the error spans that are exported in the end. Both: the 99th percentile of the
time that a request takes, the median of windows of 5 s. Three services run at once, so that they have the same machine, two
of them without the throttle: what these differ by is the A/A spread.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SERVICES = (False, True, False)   # throttled or not
REQUESTS_A_SECOND = 200
SPANS_A_REQUEST = 10
ERROR_EVERY = 100
WORKERS = 2
WINDOW_S = 5
AFTER_S = 5            # of load that goes on once the exporter is back
QUEUES = {"large": 1_000_000, "default": None}
MIB = 1 << 20


@dataclasses.dataclass
class Run:
    """One run of the service."""

    queue: str
    throttled: bool
    seconds: float
    hard_limit_mib: int = 200


@dataclasses.dataclass
class Result:
    """What it came to."""

    spans: int
    errors: int
    exported: int
    errors_exported: int
    p99_ms: float
    counts: dict[str, int]
    peak_rss: int = 0


# ---------------------------------------------------------------- the service, in its process


def serve(run: Run) -> Result:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    import spanheap

    begin = time.monotonic() + 0.5
    works = threading.Event()   # by requests, not by the clock: a machine that is busy is behind

    class Exporter(SpanExporter):
        exported = errors = 0

        def export(self, spans: Any) -> SpanExportResult:
            works.wait(10 * run.seconds)
            time.sleep(0.005)
            self.exported += len(spans)
            self.errors += sum(span.status.status_code is trace.StatusCode.ERROR for span in spans)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

    exporter = Exporter()
    batch: Any = BatchSpanProcessor(exporter, max_queue_size=QUEUES[run.queue])
    limit = run.hard_limit_mib * MIB if run.queue == "large" else None
    processor = spanheap.MemoryThrottledSpanProcessor(batch, hard_limit=limit) if run.throttled else batch
    provider = TracerProvider()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("benchmark")
    requests, spans = itertools.count(), itertools.count()
    latencies: list[list[float]] = [[] for _ in range(int((run.seconds + AFTER_S) / WINDOW_S) + 1)]
    errors = [0] * WORKERS

    def span_ends(span: Any, worker: int) -> None:
        span.set_attribute("http.route", "/orders/{id}")
        span.set_attribute("user.id", "u-123456")
        if next(spans) % ERROR_EVERY == ERROR_EVERY - 1:
            span.set_status(trace.StatusCode.ERROR, "refused")
            errors[worker] += 1

    def work(worker: int) -> None:
        while True:
            number = next(requests)
            due = begin + number / REQUESTS_A_SECOND
            if number >= run.seconds * REQUESTS_A_SECOND:
                works.set()
            if due >= begin + run.seconds + AFTER_S:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            started = time.monotonic()
            with tracer.start_as_current_span(f"GET /{number % 4}") as root:
                for i in range(SPANS_A_REQUEST - 1):
                    with tracer.start_as_current_span(f"query {i}") as child:
                        span_ends(child, worker)
                span_ends(root, worker)
            latencies[int((due - begin) / WINDOW_S)].append(time.monotonic() - started)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.shutdown()
    p99s = [statistics.quantiles(window, n=100)[98] for window in latencies if len(window) >= 100]
    counts = processor.counts()._asdict() if run.throttled else {}
    return Result(next(spans), sum(errors), exporter.exported, exporter.errors, statistics.median(p99s) * 1e3, counts)


# ---------------------------------------------------------------- around it


def measure(runs: list[Run]) -> list[Result]:
    """All at once."""
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(measure_one, runs))


def measure_one(run: Run) -> Result:
    """Run it in a process of its own, and watch that."""
    service = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.throttle", "--serve", json.dumps(dataclasses.asdict(run))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )
    deadline, peak = time.monotonic() + 3 * (run.seconds + AFTER_S) + 60, 0
    try:
        while service.poll() is None and time.monotonic() < deadline:
            peak = max(peak, resident(service.pid))
            time.sleep(0.05)
    finally:
        service.kill()
    out, error = service.communicate(timeout=10)
    if service.returncode:
        raise RuntimeError(f"the service ended with {service.returncode}:\n{error}")
    result = Result(**json.loads(out))
    result.peak_rss = peak
    return result


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):   # it has just ended
        return 0


def report(seconds: float, rounds: int, queues: list[str]) -> None:
    for queue in queues:
        p99s: dict[bool, list[list[float]]] = {False: [], True: []}
        limit = f", hard limit {Run.hard_limit_mib} MiB" if queue == "large" else ""
        print(f"queue of {QUEUES[queue] or 2048:,} spans, exporter stalls for {seconds:g} s{limit}", flush=True)
        print(f"  {'':9}{'spans':>9}{'exported':>10}{'errors':>8}{'exported':>10}{'':>9}{'peak RSS':>12}{'p99':>11}")
        for _ in range(rounds):
            results = measure([Run(queue, throttled, seconds) for throttled in SERVICES])
            for throttled, result in zip(SERVICES, results, strict=True):
                share = result.errors_exported / result.errors
                print(
                    f"  {'throttled' if throttled else 'without':9}{result.spans:>9,}{result.exported:>10,}"
                    f"{result.errors:>8,}{result.errors_exported:>10,}{share:>9.2%}"
                    f"{result.peak_rss / MIB:>8.0f} MiB{result.p99_ms:>8.2f} ms",
                    flush=True,
                )
                if throttled:
                    print(f"            {result.counts}", flush=True)
            for throttled in p99s:
                p99s[throttled].append([r.p99_ms for r, kind in zip(results, SERVICES, strict=True) if kind == throttled])
        against_a = [with_[0] / without[0] for with_, without in zip(p99s[True], p99s[False], strict=True)]
        spread = [without[1] / without[0] for without in p99s[False]]
        print(f"  p99 against that of the first without: throttled {texts(against_a)}; second without {texts(spread)}\n")


def texts(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description="A stalled exporter, with the throttle and without.")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the stall (default 60)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each kind (default 2)")
    parser.add_argument("--queue", nargs="+", choices=list(QUEUES), default=list(QUEUES), help="default both")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        print(json.dumps(dataclasses.asdict(serve(Run(**json.loads(options.serve))))))
    else:
        report(options.seconds, options.rounds, options.queue)


if __name__ == "__main__":
    main()
