"""Which span a block is made for in coroutines, tasks and callbacks: where test_attribution.py does not go."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import Link

from ._blocks import Blocks, traced_blocks

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def blocks() -> Iterator[Blocks]:
    """Every allocation is sampled."""
    with traced_blocks() as blocks:
        yield blocks


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """`asyncio.run`, on both event loops."""
    new_loop = pytest.importorskip(request.param).new_event_loop

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        loop = new_loop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return run


def test_an_exception_is_handled_for_the_span_of_the_handler(blocks: Blocks, run: Run) -> None:
    """While it unwinds the span that failed has the blocks; who catches it in another task makes his own."""

    async def fails() -> None:
        with blocks.tracer.start_as_current_span("failing"):
            try:
                await asyncio.sleep(0)
                raise KeyError("the service's own")
            finally:
                blocks.make("unwinding")

    async def main() -> None:
        with blocks.tracer.start_as_current_span("parent"):
            try:
                await asyncio.create_task(fails())
            except KeyError:
                blocks.make("handled")

    run(main())
    assert blocks.spans() == {"unwinding": "failing", "handled": "parent"}
    assert blocks.roots() == {"unwinding": "parent", "handled": "parent"}


def test_a_cancelled_task_cleans_up_for_its_own_span(blocks: Blocks, run: Run) -> None:
    """Cancelled by another task or by a timeout: the clean-up is the span's, what follows is the canceller's."""

    async def waits(name: str) -> None:
        with blocks.tracer.start_as_current_span(name):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                blocks.make(f"{name} cleans up")
                await asyncio.sleep(0)
                blocks.make(f"{name} cleans up, later")
                raise

    async def main() -> None:
        with blocks.tracer.start_as_current_span("canceller"):
            task = asyncio.create_task(waits("cancelled"))
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            blocks.make("after cancelling")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(waits("timed out"), 0.001)
            blocks.make("after the timeout")

    run(main())
    assert blocks.spans() == {
        "cancelled cleans up": "cancelled", "cancelled cleans up, later": "cancelled", "after cancelling": "canceller",
        "timed out cleans up": "timed out", "timed out cleans up, later": "timed out", "after the timeout": "canceller",
    }
    assert blocks.session.spans.active() == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is new in 3.11")
def test_the_tasks_of_a_group_begin_in_the_span_that_made_them(blocks: Blocks, run: Run) -> None:
    """A child that fails cancels its siblings; each cleans up for its span, the group for its own."""

    async def child(name: str, fails: bool) -> None:
        blocks.make(f"{name} begins")
        with blocks.tracer.start_as_current_span(name):
            try:
                await asyncio.sleep(0 if fails else 60)
                if fails:
                    raise ValueError(name)
            finally:
                blocks.make(f"{name} ends")

    async def main() -> None:
        with blocks.tracer.start_as_current_span("group"):
            try:
                async with asyncio.TaskGroup() as group:   # type: ignore[attr-defined]
                    group.create_task(child("fails", True))
                    group.create_task(child("sibling", False))
            except BaseException as error:
                assert type(error).__name__ == "ExceptionGroup"
                blocks.make("handled")

    run(main())
    assert blocks.spans() == {
        "fails begins": "group", "fails ends": "fails", "sibling begins": "group", "sibling ends": "sibling",
        "handled": "group",
    }
    assert set(blocks.roots().values()) == {"group"}


def test_a_background_task_outlives_the_span_it_was_created_in(blocks: Blocks, run: Run) -> None:
    """The request has answered and ended; what it left running is still its own, but for spans that are opened there."""

    async def background() -> None:
        blocks.make("at once")
        await asyncio.sleep(0.01)
        blocks.make("later")
        with blocks.tracer.start_as_current_span("step"):
            await asyncio.sleep(0)
            blocks.make("step")
        blocks.make("last")

    async def main() -> None:
        with blocks.tracer.start_as_current_span("request"):
            task = asyncio.create_task(background())
        assert blocks.session.spans.active() == []
        with blocks.tracer.start_as_current_span("next request"):
            await task
            blocks.make("next request")

    run(main())
    assert blocks.spans() == {
        "at once": "request", "later": "request", "step": "step", "last": "request", "next request": "next request",
    }


@pytest.mark.skipif(sys.version_info < (3, 11), reason="create_task takes a context since 3.11")
def test_a_task_with_a_context_of_its_own_is_in_the_span_of_that(blocks: Blocks, run: Run) -> None:
    """Not in that of the one who creates it; two tasks in one context see each other's spans."""
    empty = contextvars.Context()

    async def work(name: str) -> None:
        blocks.make(name)

    async def opens() -> None:
        with trace.use_span(span, end_on_exit=False):
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    span = blocks.tracer.start_span("shared")

    async def main() -> None:
        with blocks.tracer.start_as_current_span("creator"):
            await asyncio.create_task(work("empty"), context=empty)   # type: ignore[call-arg]
            shared = contextvars.Context()
            task = asyncio.create_task(opens(), context=shared)   # type: ignore[call-arg]
            await asyncio.sleep(0)
            await asyncio.create_task(work("of the other task"), context=shared)   # type: ignore[call-arg]
            blocks.make("of the creator")
            await task

    run(main())
    span.end()
    assert blocks.spans() == {"empty": "<no span>", "of the other task": "shared", "of the creator": "creator"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_an_eager_task_has_its_own_context_from_its_first_step(blocks: Blocks) -> None:
    """Its first step runs inside create_task; the span it opens there is not its creator's."""

    async def child() -> None:
        blocks.make("inherited")
        with blocks.tracer.start_as_current_span("eager"):
            blocks.make("first step")
            await asyncio.sleep(0)
            blocks.make("second step")

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)   # type: ignore[attr-defined]
        with blocks.tracer.start_as_current_span("creator"):
            task = asyncio.create_task(child())
            blocks.make("creator")
            await task

    asyncio.run(main())
    assert blocks.spans() == {"inherited": "creator", "first step": "eager", "creator": "creator", "second step": "eager"}


def test_an_async_generator_is_its_consumers(blocks: Blocks, run: Run) -> None:
    """Held across requests, each step is for the request that asks for it; so is its clean-up."""

    async def produce() -> AsyncIterator[int]:
        i = 0
        try:
            while True:
                blocks.make(f"step {i}")
                await asyncio.sleep(0)
                yield i
                i += 1
        finally:
            blocks.make("closed")

    async def main() -> None:
        held = produce()

        async def request(name: str) -> None:
            with blocks.tracer.start_as_current_span(name):
                await held.__anext__()

        for name in ("first", "second"):
            await asyncio.create_task(request(name))
        with blocks.tracer.start_as_current_span("closing"):
            await held.aclose()   # type: ignore[attr-defined]

    run(main())
    assert blocks.spans() == {"step 0": "first", "step 1": "second", "closed": "closing"}


def test_an_abandoned_async_generator_cleans_up_for_the_span_that_let_go_of_it(blocks: Blocks, run: Run) -> None:
    """The loop closes it in a task, made in the context of the release; one that outlives the loop has no span."""

    async def produce(name: str) -> AsyncIterator[None]:
        try:
            while True:
                yield
        finally:
            await asyncio.sleep(0)
            blocks.make(name)

    kept = []

    async def main() -> None:
        with blocks.tracer.start_as_current_span("opened"):
            abandoned, outlives = produce("abandoned"), produce("outlives")
            await abandoned.__anext__()
            await outlives.__anext__()
            kept.append(outlives)
        with blocks.tracer.start_as_current_span("let go"):
            del abandoned
            gc.collect()
            await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)

    run(main())
    assert blocks.spans() == {"abandoned": "let go", "outlives": "<no span>"}


def test_a_span_opened_inside_a_generator_is_current_for_its_consumer(blocks: Blocks) -> None:
    """A generator has no context of its own: OpenTelemetry says so, and so do the blocks."""

    def produce() -> Iterator[None]:
        with blocks.tracer.start_as_current_span("opened by the generator"):
            yield

    def consume() -> None:
        with blocks.tracer.start_as_current_span("consumer"):
            steps = produce()
            next(steps)
            assert getattr(trace.get_current_span(), "name", None) == "opened by the generator"
            blocks.make("between the steps")
            steps.close()   # type: ignore[attr-defined]
            blocks.make("after")

    contextvars.copy_context().run(consume)
    assert blocks.spans() == {"between the steps": "opened by the generator", "after": "consumer"}


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


def test_a_queue_worker_makes_for_the_span_it_began_in(blocks: Blocks, run: Run) -> None:
    """Not for those who put items into the queue; unless it takes their context, item by item."""

    async def worker(queue: asyncio.Queue[Any]) -> None:
        while (item := await queue.get()) is not None:
            name, span = item
            blocks.make(name)
            with trace.use_span(span, end_on_exit=False):
                await asyncio.sleep(0)
                blocks.make(f"{name}, in its span")

    async def main() -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.create_task(worker(queue))
        for i in range(3):
            with blocks.tracer.start_as_current_span(f"request {i}") as span:
                await queue.put((f"item {i}", span))
        await queue.put(None)
        await task

    run(main())
    expected = {f"item {i}": "<no span>" for i in range(3)}
    assert blocks.spans() == expected | {f"item {i}, in its span": f"request {i}" for i in range(3)}


def test_a_span_that_another_task_ends_while_it_is_current(blocks: Blocks, run: Run) -> None:
    """All blocks get the name it ended with, those before and those after its end; it is active no longer."""

    async def main() -> None:
        span = blocks.tracer.start_span("first name")

        async def ends() -> None:
            span.update_name("final name")
            span.end()

        with trace.use_span(span, end_on_exit=False):
            blocks.make("before")
            await asyncio.create_task(ends())
            blocks.make("after")
            with blocks.tracer.start_as_current_span("child"):
                blocks.make("of a child")

    run(main())
    assert blocks.spans() == {"before": "final name", "after": "final name", "of a child": "child"}
    assert blocks.session.spans.active() == []


def test_one_span_current_in_several_tasks_and_twice_in_one(blocks: Blocks, run: Run) -> None:
    """Leaving the inner block leaves the outer one's span; the other tasks do not notice."""

    async def main() -> None:
        span = blocks.tracer.start_span("shared")

        async def work(i: int) -> None:
            with trace.use_span(span, end_on_exit=False):
                await asyncio.sleep(0)
                with trace.use_span(span, end_on_exit=False):
                    blocks.make(f"inner {i}")
                    await asyncio.sleep(0.001 * i)
                blocks.make(f"outer {i}")
            blocks.make(f"outside {i}")

        await asyncio.gather(*(work(i) for i in range(3)))
        span.end()

    run(main())
    assert blocks.spans() == {
        f"{where} {i}": "<no span>" if where == "outside" else "shared"
        for where in ("inner", "outer", "outside") for i in range(3)
    }


def test_links_give_no_memory_away(blocks: Blocks, run: Run) -> None:
    """A batch that is linked to the requests it serves has its blocks itself, and is its own root."""

    async def main() -> None:
        links = []
        for i in range(3):
            with blocks.tracer.start_as_current_span(f"producer {i}") as span:
                links.append(Link(span.get_span_context()))
                blocks.make(f"producer {i}")
        with blocks.tracer.start_as_current_span("batch", links=links):
            await asyncio.sleep(0)
            blocks.make("batch")

    run(main())
    expected = {f"producer {i}": f"producer {i}" for i in range(3)} | {"batch": "batch"}
    assert blocks.spans() == expected and blocks.roots() == expected


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
