"""Which span a block is made for in coroutines and tasks: where test_attribution.py does not go."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import Link

from ._blocks import Blocks

Run = Callable[[Coroutine[Any, Any, Any]], Any]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


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
