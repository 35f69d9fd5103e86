"""The process in which one scenario runs once: a service in virtual time, profiled or traced.

    python -m benchmarks.leaks.driver MODE SEED SCENARIO RESULT

`profile` runs spanheap with its default options, and records what `session.leaks()` says each virtual second. `trace` runs
tracemalloc instead: the truth about leaked bytes, and the baselines. The result, JSON, goes to the file RESULT.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import json
import math
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

EXPORT_EVERY_S = 5.0    # as a BatchSpanProcessor does by default, in virtual time
EXPORT_PENDING = 400    # and before the batch of 512 would wake its thread, which lives in real time

# Requests that wait for one of the CONCURRENCY places; a server's backlog. Those beyond it are refused, and counted.
BACKLOG_PER_PLACE = 20


class Traffic:
    """How many requests a second brings, and to which endpoint: Poisson, from the seed alone."""

    def __init__(self, scenario: Any, seed: int) -> None:
        self._rng = random.Random(f"traffic {seed}")
        self._rate = scenario.requests_per_second
        self._multiplier = scenario.traffic
        self._names = [name for name, _ in scenario.endpoints]
        self._weights = [weight for _, weight in scenario.endpoints]

    def requests(self, second: int) -> int:
        mean = self._rate * float(self._multiplier(float(second)))
        if not 0 <= mean < 1e6:
            raise ValueError(f"traffic({second}) * REQUESTS_PER_SECOND must be between 0 and 1,000,000, not {mean!r}")
        if mean > 50:
            return max(0, round(self._rng.gauss(mean, math.sqrt(mean))))
        below, product, count = math.exp(-mean), self._rng.random(), 0
        while product > below:
            product *= self._rng.random()
            count += 1
        return count

    def endpoint(self) -> str:
        return self._names[0] if len(self._names) == 1 else self._rng.choices(self._names, self._weights)[0]


class Service:
    """Serves the scenario's requests, each in a span."""

    def __init__(self, scenario: Any, tracer: Any, traffic: Traffic) -> None:
        self._scenario = scenario
        self._tracer = tracer
        self._traffic = traffic
        self.requests = 0
        self.errors = 0
        self.rejected = 0
        self.last_error = ""

    def _arguments(self, now: float) -> tuple[str, tuple[Any, ...]]:
        endpoint = self._traffic.endpoint()
        self.requests += 1
        i = self.requests - 1
        return endpoint, ((i, now, endpoint) if self._scenario.has_endpoints else (i, now))

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"[:300]

    def close(self) -> None:
        """Nothing is left over from a synchronous service."""


class SyncService(Service):
    """One request after the other."""

    def second(self, second: int) -> None:
        count = self._traffic.requests(second)
        for k in range(count):
            self._serve(second + k / count)

    def _serve(self, now: float) -> None:
        endpoint, arguments = self._arguments(now)
        try:
            with self._tracer.start_as_current_span(endpoint):
                self._scenario.request(*arguments)
        except Exception as error:
            self._failed(error)


class AsyncService(Service):
    """Up to CONCURRENCY requests at a time in one loop, whose clock is virtual as well."""

    def __init__(self, scenario: Any, tracer: Any, traffic: Traffic) -> None:
        super().__init__(scenario, tracer, traffic)
        from benchmarks.leaks.clock import VirtualLoop

        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self._context = contextvars.copy_context()   # of the server: requests do not inherit each other's
        self._tasks: set[asyncio.Task[None]] = set()
        self._backlog: deque[None] = deque()

    def run(self, function: Callable[[], Any]) -> None:
        """setup() or teardown(), with the loop running: they may make tasks, and may be async themselves."""
        async def call() -> None:
            result = function()
            if inspect.isawaitable(result):
                await result

        self.loop.run_until_complete(call())

    def second(self, second: int) -> None:
        count = self._traffic.requests(second)
        for k in range(count):
            self.loop.call_at(second + k / count, self._arrive, context=self._context)
        self.loop.run_until_time(second + 1.0)

    def _arrive(self) -> None:
        if len(self._tasks) < self._scenario.concurrency:
            self._start()
        elif len(self._backlog) < self._scenario.concurrency * BACKLOG_PER_PLACE:
            self._backlog.append(None)
        else:
            self.rejected += 1

    def _start(self) -> None:
        task = self.loop.create_task(self._serve())
        self._tasks.add(task)
        task.add_done_callback(self._done, context=self._context)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error   # not the scenario's: the driver's own
        if self._backlog and not self.loop.is_closed():
            self._backlog.popleft()
            self._start()

    async def _serve(self) -> None:
        endpoint, arguments = self._arguments(self.loop.time())
        try:
            with self._tracer.start_as_current_span(endpoint):
                await self._scenario.request(*arguments)
        except Exception as error:
            self._failed(error)

    def close(self) -> None:
        from benchmarks.leaks.clock import cancel_all

        self._backlog.clear()
        cancel_all(self.loop)
        self.loop.close()


class Export:
    """A provider with a batch processor, whose exports happen in virtual time."""

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

        class Exporter(SpanExporter):
            """Looks at each span and lets it go; the network is left out."""

            def export(self, spans: Any) -> Any:
                for span in spans:
                    span.get_span_context()
                return SpanExportResult.SUCCESS

            def shutdown(self) -> None:
                pass

        self.provider = TracerProvider(resource=Resource.create({"service.name": "leaks"}), shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(Exporter(), schedule_delay_millis=3_600_000)
        self.provider.add_span_processor(self._processor)
        trace.set_tracer_provider(self.provider)
        self._last = 0.0
        self._requests = 0

    def at(self, now: float, requests: int) -> None:
        if now - self._last >= EXPORT_EVERY_S or requests - self._requests >= EXPORT_PENDING:
            self._processor.force_flush()
            self._last, self._requests = now, requests


def run(scenario: Any, seed: int, mode: str) -> dict[str, Any]:
    """The scenario from setup() to teardown(). Raises what setup() raises, and when no request succeeds."""
    from benchmarks.leaks.watch import WATCHES

    export = Export()
    watch = WATCHES[mode](scenario, export.provider, seed)
    tracer = export.provider.get_tracer("benchmarks.leaks")
    is_async = inspect.iscoroutinefunction(scenario.request)
    traffic = Traffic(scenario, seed)
    service = AsyncService(scenario, tracer, traffic) if is_async else SyncService(scenario, tracer, traffic)
    call = service.run if isinstance(service, AsyncService) else _plain
    started, cpu = time.monotonic(), time.process_time()
    with watch:
        call(scenario.setup)
        watch.begin()
        for second in range(math.ceil(scenario.duration_s)):
            service.second(second)
            now = float(second + 1)
            export.at(now, service.requests)
            watch.at(now)
        watch.end()
        result: dict[str, Any] = watch.result()
    run_s, cpu_s = time.monotonic() - started, time.process_time() - cpu
    call(scenario.teardown)
    service.close()
    if service.requests and service.errors == service.requests:
        raise RuntimeError(f"all {service.requests} requests failed, the last with {service.last_error}")
    return result | {
        "requests": service.requests, "errors": service.errors, "last_error": service.last_error,
        "rejected": service.rejected, "run_s": round(run_s, 3), "cpu_s": round(cpu_s, 3),
    }


def _plain(function: Callable[[], Any]) -> None:
    result = function()
    if inspect.isawaitable(result):
        asyncio.run(_await(result))


async def _await(result: Any) -> None:
    await result


@contextlib.contextmanager
def _result_of(path: Path) -> Iterator[dict[str, Any]]:
    """Whatever happens, the file says what."""
    from benchmarks.leaks.scenario import declared

    result: dict[str, Any] = {"declared": declared(path)}
    try:
        yield result
    except Exception as error:
        import traceback

        traceback.print_exc()
        result["failed"] = f"{type(error).__name__}: {error}"


def main(mode: str, seed: str, path: str, out: str) -> int:
    from benchmarks.leaks import scenario as contract

    file = Path(path).resolve()
    with _result_of(file) as result:
        missing = contract.missing_requirements(result["declared"].get("REQUIRES", ()))
        if missing:
            result["skipped"] = "needs " + ", ".join(missing)
        else:
            random.seed(int(seed))
            scenario = contract.load(file)
            result["scenario"] = {
                name: getattr(scenario, name) for name in ("name", "kind", "span", "site", "holder", "duration_s")
            }
            result |= run(scenario, int(seed), mode)
    Path(out).write_text(json.dumps(result))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)   # threads and garbage that a scenario leaves behind are not waited for


if __name__ == "__main__":
    main(*sys.argv[1:])
