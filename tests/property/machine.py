"""Runs a program: its control flow, in tasks, threads, generators and contexts, over a World.

A run of steps is a generator: at a Pause it yields None, elsewhere an awaitable, but only if it is inside a coroutine.
So one interpreter serves coroutines, plain code, and generators that are resumed by whoever comes along.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry import context, trace

import spanheap
from tests.property import blocks, program
from tests.property.program import Body
from tests.property.world import Locked, ProgramError, World

Run = Generator[Awaitable[Any] | None, None, None]
REMOTE = trace.SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
VARIABLES: list[contextvars.ContextVar[int]] = [contextvars.ContextVar(f"v{i}") for i in range(200)]
POOL = 256   # threads at most: each that waits for another must leave that one a place


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Programs misuse OpenTelemetry on purpose. Garbage is collected when they say so, and theirs alone: it takes 1 ms."""
    logger = logging.getLogger("opentelemetry")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.enable()
        logger.setLevel(level)


class Machine:
    """Runs one program, once."""

    def __init__(self) -> None:
        self._world = World()
        self._later: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._problems: list[BaseException] = []   # of threads

    def run(self, body: Body) -> Counter[str]:
        """What was done, by step and by owner of the blocks compared. Raises Mismatch."""
        world = self._world
        blocks.warm_up()
        with (
            _quietly(),
            spanheap.profile(
                sample_interval=1, max_samples=1 << 18, adaptive=False, tick=None, seed=1, tracer_provider=world.provider
            ) as world.session,
        ):
            try:
                world.begin()
                with ThreadPoolExecutor(POOL, thread_name_prefix="pool") as self._pool:
                    contextvars.Context().run(self._drain, body)
                    while self._later:
                        self._later.pop(0)()
                if self._problems:
                    raise self._problems[0]
                world.check()
                world.generators.clear()   # spans that they hold open end
                world.check()
                world.check_tables()
            finally:
                world.over = True
        return world.counts

    # ------------------------------------------------------------ drivers

    def _steps(self, body: Body, in_coroutine: bool) -> Run:
        for step in body:
            with self._world.lock:
                self._world.counts[type(step).__name__] += 1
            flow = getattr(self, f"_do_{type(step).__name__.lower()}", None)
            if flow is None:
                self._world.do(step)
            else:
                yield from flow(step, in_coroutine)

    def _whole(self, body: Body, in_coroutine: bool) -> Run:
        """What a task, a thread, a generator or a program does."""
        with contextlib.suppress(ProgramError):
            yield from self._steps(body, in_coroutine)

    def _drain(self, body: Body) -> None:
        for _ in self._whole(body, in_coroutine=False):
            time.sleep(0)   # another thread's turn

    async def _drive(self, body: Body) -> None:
        for awaitable in self._whole(body, in_coroutine=True):
            await (asyncio.sleep(0) if awaitable is None else awaitable)

    async def _generate(self, body: Body) -> AsyncGenerator[None, None]:
        for awaitable in self._whole(body, in_coroutine=True):
            if awaitable is None:
                yield
            else:
                await awaitable

    async def _loop(self, bodies: tuple[Body, ...]) -> None:
        await asyncio.gather(*map(self._drive, bodies))
        loop = asyncio.get_running_loop()
        while mine := [task for task in self._tasks if task.get_loop() is loop]:
            for task in mine:
                self._tasks.remove(task)
            await asyncio.gather(*mine)

    def _thread(self, body: Body) -> None:
        """A tick names threads; these end before the next one would come."""
        try:
            self._drain(body)
            self._world.session.force_flush()
        except BaseException as problem:
            self._problems.append(problem)

    def _run_threads(self, bodies: tuple[Body, ...], copied: bool) -> None:
        threads = [
            threading.Thread(
                target=contextvars.copy_context().run if copied else contextvars.Context().run,
                args=(self._thread, body), name=self._world.name("thread"),
            )
            for body in bodies
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # ------------------------------------------------------------ spans and contexts

    def _do_span(self, step: program.Span, in_coroutine: bool) -> Run:
        with Locked(self._world.lock, self._world.new_span(step)):
            yield from self._steps(step.body, in_coroutine)

    def _do_use(self, step: program.Use, in_coroutine: bool) -> Run:
        span = self._world.spans.get(step.slot, trace.INVALID_SPAN)
        with Locked(self._world.lock, trace.use_span(span, end_on_exit=step.end_on_exit)):
            del span   # whoever else has it may be the last to have it
            yield from self._steps(step.body, in_coroutine)

    def _do_remote(self, step: program.Remote, in_coroutine: bool) -> Run:
        with Locked(self._world.lock, trace.use_span(trace.NonRecordingSpan(REMOTE))):
            yield from self._steps(step.body, in_coroutine)

    def _do_incontext(self, step: program.InContext, in_coroutine: bool) -> Run:
        (contextvars.Context() if step.empty else contextvars.copy_context()).run(self._drain, step.body)
        yield from ()

    def _do_variables(self, step: program.Variables, in_coroutine: bool) -> Run:
        tokens = [(variable, variable.set(step.n)) for variable in VARIABLES[: step.n]]
        try:
            yield from self._steps(step.body, in_coroutine)
        finally:
            with contextlib.suppress(ValueError):   # a generator that ends in another context than it began in
                for variable, token in tokens:
                    variable.reset(token)

    def _do_baggage(self, step: program.Baggage, in_coroutine: bool) -> Run:
        carried = context.get_current()
        for i in range(step.n):
            carried = context.set_value(f"key {i}", i, carried)
        token = context.attach(carried)
        try:
            yield from self._steps(step.body, in_coroutine)
        finally:
            context.detach(token)

    # ------------------------------------------------------------ control

    def _do_try(self, step: program.Try, in_coroutine: bool) -> Run:
        with contextlib.suppress(ProgramError):
            yield from self._steps(step.body, in_coroutine)

    def _do_pause(self, step: program.Pause, in_coroutine: bool) -> Run:
        yield None

    def _do_generate(self, step: program.Generate, in_coroutine: bool) -> Run:
        make = self._generate if step.asynchronous else self._whole
        self._world.generators[step.slot] = make(step.body, *([] if step.asynchronous else [False]))
        yield from ()

    def _do_resume(self, step: program.Resume, in_coroutine: bool) -> Run:
        """Out of its slot while it runs, so that nobody else resumes it."""
        generators = self._world.generators
        generator = generators.pop(step.slot, None)
        if isinstance(generator, Generator):
            if next(generator, self) is not self:
                generators[step.slot] = generator
        elif generator is not None and in_coroutine:
            yield self._resume(step.slot, generator)

    async def _resume(self, slot: int, generator: AsyncGenerator[None, None]) -> None:
        with contextlib.suppress(StopAsyncIteration):
            await generator.__anext__()
            self._world.generators[slot] = generator

    def _do_close(self, step: program.Close, in_coroutine: bool) -> Run:
        generator = self._world.generators.pop(step.slot, None)
        if isinstance(generator, Generator):
            generator.close()
        elif generator is not None and in_coroutine:
            yield generator.aclose()

    def _do_gather(self, step: program.Gather, in_coroutine: bool) -> Run:
        if in_coroutine:
            yield asyncio.gather(*map(self._drive, step.bodies))
        elif _is_loop_running():
            for body in step.bodies:
                self._drain(body)
        else:
            asyncio.run(self._loop(step.bodies))

    def _do_task(self, step: program.Task, in_coroutine: bool) -> Run:
        if in_coroutine:
            self._tasks.append(asyncio.create_task(self._drive(step.body)))
        else:
            yield from self._do_gather(program.Gather((step.body,)), in_coroutine)

    def _do_threads(self, step: program.Threads, in_coroutine: bool) -> Run:
        self._run_threads(step.bodies, step.copied)
        yield from ()

    def _do_pool(self, step: program.Pool, in_coroutine: bool) -> Run:
        if in_coroutine and step.copied:
            yield asyncio.to_thread(self._thread, step.body)
        elif in_coroutine:
            yield asyncio.get_running_loop().run_in_executor(self._pool, self._thread, step.body)
        else:
            run = [contextvars.copy_context().run] if step.copied else []
            self._pool.submit(*run, self._thread, step.body).result()

    def _do_later(self, step: program.Later, in_coroutine: bool) -> Run:
        copy = contextvars.copy_context()
        if step.in_thread:
            self._later.append(lambda: copy.run(self._run_threads, (step.body,), True))
        else:
            self._later.append(lambda: copy.run(self._drain, step.body))
        yield from ()


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
