"""Which span a block is made for in generators and async generators."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from opentelemetry import trace

from ._blocks import Blocks

Run = Callable[[Coroutine[Any, Any, Any]], Any]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


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
