"""Which span a block is made for in what an event loop calls: callbacks, signal handlers, jobs of its executor."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context, trace

from ._blocks import Blocks

Run = Callable[[Coroutine[Any, Any, Any]], Any]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_a_callback_has_the_span_it_was_scheduled_in(blocks: Blocks, run: Run) -> None:
    """call_soon, call_later, call_soon_threadsafe, done callbacks: the context of the call, or the one given."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        empty = contextvars.Context()
        with blocks.tracer.start_as_current_span("scheduling"):
            loop.call_soon(blocks.make, "call_soon")
            loop.call_later(0.001, blocks.make, "call_later")
            loop.call_soon(blocks.make, "call_soon in an empty context", context=empty)
            future.add_done_callback(lambda _: blocks.make("done callback"))
            with ThreadPoolExecutor(1) as pool:
                await asyncio.wrap_future(pool.submit(loop.call_soon_threadsafe, blocks.make, "from a bare thread"))
        with blocks.tracer.start_as_current_span("later"):
            future.set_result(None)
            await asyncio.sleep(0.01)
            blocks.make("meanwhile")

    run(main())
    assert blocks.spans() == {
        "call_soon": "scheduling", "call_later": "scheduling", "call_soon in an empty context": "<no span>",
        "done callback": "scheduling", "from a bare thread": "<no span>", "meanwhile": "later",
    }


def test_signal_handlers(blocks: Blocks, run: Run) -> None:
    """A loop's handler has the span in which it was added; Python's own has that which it interrupts."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def handle() -> None:
            blocks.make("the loop's")
            done.set()

        with blocks.tracer.start_as_current_span("adding"):
            loop.add_signal_handler(signal.SIGUSR1, handle)
        with blocks.tracer.start_as_current_span("interrupted"):
            os.kill(os.getpid(), signal.SIGUSR1)
            await done.wait()
        loop.remove_signal_handler(signal.SIGUSR1)

    run(main())
    before = signal.signal(signal.SIGUSR1, lambda *_: blocks.make("Python's"))
    try:
        with blocks.tracer.start_as_current_span("interrupted"):
            os.kill(os.getpid(), signal.SIGUSR1)
            blocks.make("after it")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert blocks.spans() == {"the loop's": "adding", "Python's": "interrupted", "after it": "interrupted"}


def test_loops_that_follow_each_other(blocks: Blocks, run: Run) -> None:
    """A loop begins in the span it is run in, and leaves nothing of its spans behind."""

    async def work(i: int) -> None:
        blocks.make(f"begin {i}")
        span = blocks.tracer.start_span(f"span {i}")
        context.attach(trace.set_span_in_context(span))   # and never detached
        await asyncio.sleep(0)
        blocks.make(f"end {i}")
        span.end()

    run(work(0))
    with blocks.tracer.start_as_current_span("outer"):
        run(work(1))
        blocks.make("between")
    run(work(2))
    blocks.make("after")
    assert blocks.spans() == {
        "begin 0": "<no span>", "end 0": "span 0", "begin 1": "outer", "end 1": "span 1", "between": "outer",
        "begin 2": "<no span>", "end 2": "span 2", "after": "<no span>",
    }


def test_run_in_executor_has_the_span_of_a_copied_context_only(blocks: Blocks, run: Run) -> None:
    """In the default executor and in one of the application's."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with blocks.tracer.start_as_current_span("request"), ThreadPoolExecutor(1) as pool:
            for name, executor in (("default", None), ("own", pool)):
                await loop.run_in_executor(executor, blocks.make, f"{name}, bare")
                await loop.run_in_executor(executor, contextvars.copy_context().run, blocks.make, f"{name}, copied")
                await loop.run_in_executor(executor, blocks.make, f"{name}, bare again")
            await asyncio.to_thread(blocks.make, "to_thread")

    run(main())
    assert blocks.spans() == {
        f"{name}, {how}": span for name in ("default", "own")
        for how, span in (("bare", "<no span>"), ("copied", "request"), ("bare again", "<no span>"))
    } | {"to_thread": "request"}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(blocks: Blocks, backend: str) -> None:
    """Task groups, cancel scopes, threads and the way back from them, on both of its backends."""
    anyio = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    async def child(name: str) -> None:
        blocks.make(f"{name} begins")
        with blocks.tracer.start_as_current_span(name):
            try:
                await anyio.sleep(60)
            finally:
                blocks.make(f"{name} is cancelled")

    def in_a_thread(name: str) -> None:
        blocks.make(name)
        anyio.from_thread.run_sync(blocks.make, f"{name}, and back")

    async def request(name: str) -> None:
        with blocks.tracer.start_as_current_span(name):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(child, f"{name}'s child")
                    await anyio.sleep(0.001)
                    blocks.make(f"{name} goes on")
                    scope.cancel()
            await anyio.to_thread.run_sync(in_a_thread, f"{name}'s thread")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for i in range(3):
                group.start_soon(request, f"request {i}")

    anyio.run(main, backend=backend)
    expected = {}
    for i in range(3):
        name = f"request {i}"
        expected |= {
            f"{name}'s child begins": name, f"{name}'s child is cancelled": f"{name}'s child", f"{name} goes on": name,
            f"{name}'s thread": name, f"{name}'s thread, and back": name,
        }
    assert blocks.spans() == expected
    assert set(blocks.roots().values()) == {f"request {i}" for i in range(3)}
