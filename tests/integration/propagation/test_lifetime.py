"""No thread keeps a span that has ended."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import Span

from spanheap.snapshot import NO_SPAN

from .._blocks import Blocks
from ._threads import current_name, in_thread


def ended_span(blocks: Blocks, use: Callable[[], object]) -> weakref.ref[Span]:
    """A span in which something is done and which has ended; by its weak reference."""
    with blocks.tracer.start_as_current_span("gone") as span:
        use()
    return weakref.ref(span)


def assert_gone(blocks: Blocks, span: weakref.ref[Span]) -> None:
    """Nothing keeps it alive."""
    blocks.session.force_flush()   # the profiler itself holds on to ended spans that it meets until then
    gc.collect()
    assert span() is None


def test_an_idle_pool_thread_keeps_no_span(blocks: Blocks) -> None:
    """Not the span in which it was started, nor that of its last job, returned or raised; and it is in none."""
    with ThreadPoolExecutor(1) as pool:
        started = ended_span(blocks, lambda: pool.submit(blocks.make, "first"))
        pool.submit(blocks.make, "between").result()
        last = ended_span(blocks, lambda: pool.submit(int, "no number").exception())
        assert pool.submit(current_name).result() == NO_SPAN
        assert_gone(blocks, started)
        assert_gone(blocks, last)
    assert blocks.spans() == {"first": "gone", "between": NO_SPAN}


def test_pools_of_the_library_are_not_in_the_span_that_made_them(blocks: Blocks) -> None:
    """ThreadPool, logging's listener, and a loop that a thread serves: their threads are for everybody."""
    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(f"{record.msg}: {current_name()}")

    from logging.handlers import QueueListener

    loop = asyncio.new_event_loop()
    listener = QueueListener(queue.SimpleQueue(), Handler())
    made: list[Any] = []

    def make() -> None:
        made.append(ThreadPool(1))
        listener.start()
        made.append(threading.Thread(target=loop.run_forever))
        made[1].start()

    span = ended_span(blocks, make)
    pool, thread = made
    assert pool.apply(current_name) == NO_SPAN
    pool.terminate()
    pool.join()
    listener.queue.put(logging.makeLogRecord({"msg": "record"}))   # type: ignore[attr-defined]
    listener.stop()
    assert records == [f"record: {NO_SPAN}"]
    with blocks.tracer.start_as_current_span("asks"):
        seen: Future[str] = Future()
        loop.call_soon_threadsafe(lambda: seen.set_result(current_name()))
        assert seen.result(60) == "asks"   # a callback has the context of its scheduling
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert_gone(blocks, span)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_worker_threads_of_anyio_keep_no_span(blocks: Blocks, backend: str) -> None:
    """They bring each job's context themselves, and outlive it."""
    anyio = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    async def main() -> None:
        with blocks.tracer.start_as_current_span("gone") as span:
            await anyio.to_thread.run_sync(blocks.make, "in its span")
            ended = weakref.ref(span)
        del span
        await anyio.to_thread.run_sync(blocks.make, "outside")
        assert_gone(blocks, ended)

    anyio.run(main, backend=backend)
    assert blocks.spans() == {"in its span": "gone", "outside": NO_SPAN}


def test_a_thread_that_has_ended_keeps_no_span(blocks: Blocks) -> None:
    """Though its object, the exception that ended it, or a future's exception, is kept."""
    kept: list[Any] = []
    hook = threading.excepthook
    threading.excepthook = lambda args: kept.append(args.exc_value)
    try:
        threads = [threading.Thread(target=blocks.make, args=("returned",)), threading.Thread(target=int, args=("raised",))]
        spans = [ended_span(blocks, functools.partial(in_thread, thread)) for thread in threads]
    finally:
        threading.excepthook = hook
    with ThreadPoolExecutor(1) as pool:
        spans.append(ended_span(blocks, lambda: kept.append(pool.submit(int, "raised").exception())))
        assert [type(error) for error in kept] == [ValueError, ValueError]
        for span in spans:
            assert_gone(blocks, span)
    assert [thread.name for thread in threads if "run" in vars(thread)] == []


def test_a_job_that_never_runs_keeps_no_span(blocks: Blocks) -> None:
    """Cancelled while it waits."""
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go.wait, 60)
        jobs: list[Future[None]] = []
        span = ended_span(blocks, lambda: jobs.append(pool.submit(blocks.make, "never")))
        assert jobs[0].cancel()
        go.set()
    assert_gone(blocks, span)
    assert blocks.spans() == {}


def test_work_that_leaves_its_own_span_attached(blocks: Blocks) -> None:
    """What a job forgets to detach is gone with the job."""
    with ThreadPoolExecutor(1) as pool:

        def careless() -> None:
            context.attach(trace.set_span_in_context(blocks.tracer.start_span("careless")))
            blocks.make("careless")

        with blocks.tracer.start_as_current_span("request"):
            pool.submit(careless).result()
        pool.submit(blocks.make, "next").result()
    assert blocks.spans() == {"careless": "careless", "next": NO_SPAN}
