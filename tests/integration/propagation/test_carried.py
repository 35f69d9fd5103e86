"""What is carried, and what is not."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import context, trace

import spanheap
from spanheap.snapshot import NO_SPAN
from spanheap.spans import propagation

from .._blocks import Blocks
from ._threads import in_thread


def test_executors_threads_and_timers_make_for_the_span_that_started_them(blocks: Blocks) -> None:
    """Also when it has ended before they run; what is started in no span has none."""
    event = threading.Event()

    def late(name: str) -> None:
        event.wait(60)
        blocks.make(name)

    with ThreadPoolExecutor(2) as pool:
        with blocks.tracer.start_as_current_span("request"):
            pool.submit(blocks.make, "submitted").result()
            list(pool.map(blocks.make, ["mapped 0", "mapped 1"]))
            in_thread(threading.Thread(target=blocks.make, args=("thread",)))
            in_thread(threading.Thread(target=blocks.make, kwargs={"name": "daemon"}, daemon=True))
            in_thread(threading.Timer(0.001, blocks.make, ("timer",)))
            thread = threading.Thread(target=late, args=("late",))
            thread.start()
        event.set()
        thread.join()
        pool.submit(blocks.make, "submitted outside").result()
        in_thread(threading.Thread(target=blocks.make, args=("thread outside",)))
    inside = ("submitted", "mapped 0", "mapped 1", "thread", "daemon", "timer", "late")
    outside = ("submitted outside", "thread outside")
    assert blocks.spans() == dict.fromkeys(inside, "request") | dict.fromkeys(outside, NO_SPAN)


def test_run_in_executor_of_interleaved_tasks(blocks: Blocks) -> None:
    """The loop's default executor and one of the application's: each job is its task's, in whatever worker it runs."""

    async def request(i: int, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        with blocks.tracer.start_as_current_span(f"request {i}"):
            await loop.run_in_executor(None, blocks.make, f"default {i}")
            await loop.run_in_executor(pool, blocks.make, f"own {i}")
            await asyncio.to_thread(blocks.make, f"to_thread {i}")

    async def main() -> None:
        with ThreadPoolExecutor(2) as pool:
            await asyncio.gather(*(request(i, pool) for i in range(10)))
            await asyncio.get_running_loop().run_in_executor(None, blocks.make, "outside")

    asyncio.run(main())
    expected = {f"{where} {i}": f"request {i}" for where in ("default", "own", "to_thread") for i in range(10)}
    assert blocks.spans() == expected | {"outside": NO_SPAN}


def test_labels_are_carried_with_and_without_a_span(blocks: Blocks) -> None:
    """Tenants are told apart in worker threads too; a worker keeps none."""
    kept = []
    with ThreadPoolExecutor(1) as pool:
        for tenant in ("acme", "globex"):
            with spanheap.labels(tenant=tenant):
                kept.append(pool.submit(bytes, 500_000).result())
                with blocks.tracer.start_as_current_span("request"):
                    in_thread(threading.Thread(target=lambda: kept.append(bytes(500_000))))
        kept.append(pool.submit(bytes, 500_000).result())
    live = {usage.name: usage.live_bytes for usage in blocks.session.snapshot().by_label("tenant")}
    assert {tenant: round(size / 500_000) for tenant, size in live.items()} == {"acme": 2, "globex": 2}


def test_a_thread_class_with_a_run_of_its_own(blocks: Blocks) -> None:
    """A subclass, one that calls start() its own way, and a `run` that was set on the object."""

    class Worker(threading.Thread):
        def run(self) -> None:
            blocks.make(f"{self.name} runs")
            super().run()

    class Announced(Worker):
        def start(self) -> None:
            blocks.make(f"{self.name} starts")
            super().start()

    special = threading.Thread()
    special.run = run = functools.partial(blocks.make, "special")   # type: ignore[method-assign]
    with blocks.tracer.start_as_current_span("request"):
        in_thread(Worker(name="first", target=blocks.make, args=("first target",)))
        in_thread(Announced(name="second"))
        in_thread(special)
    assert special.run is run
    assert set(blocks.spans().items()) == {
        (name, "request") for name in ("first runs", "first target", "second starts", "second runs", "special")
    }


def test_nothing_else_is_carried() -> None:
    """Context variables of the application stay where they are."""
    variable = contextvars.ContextVar("the application's", default="nothing")
    variable.set("set here")
    propagation.install()
    token = context.attach(context.set_value("baggage", 1))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(variable.get).result() == "nothing"
        assert pool.submit(context.get_value, "baggage").result() == 1
    context.detach(token)


def test_a_worker_with_a_context_of_its_own_keeps_it(blocks: Blocks) -> None:
    """What the pool's initializer has attached is in force for jobs that bring nothing."""
    with blocks.tracer.start_as_current_span("worker") as span:

        def initialize() -> None:
            context.attach(trace.set_span_in_context(span))

    with ThreadPoolExecutor(1, initializer=initialize) as pool:
        pool.submit(blocks.make, "first").result()
        with blocks.tracer.start_as_current_span("request"):
            pool.submit(blocks.make, "brought").result()
        pool.submit(blocks.make, "last").result()
    assert blocks.spans() == {"first": "worker", "brought": "request", "last": "worker"}
