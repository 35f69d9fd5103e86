"""The stacks of generators and coroutines, which come and go with whoever runs them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import operator
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from ._witness import Witness, witnessing


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Every allocation is sampled, with as much of its stack as can be had."""
    with witnessing() as witness:
        yield witness


def test_generators(witness: Witness) -> None:
    """A generator stands on whoever runs it at the moment: next, send, throw, close, delegation, a C function."""

    def inner() -> Generator[bool, bool, bool]:
        try:
            while True:
                witness()
                if (yield witness()):
                    return witness()
        except KeyError:
            yield witness()
        finally:
            witness()

    def delegate() -> Generator[bool, bool, None]:
        witness()
        yield from inner()
        witness()

    def drain(generator: Generator[bool, bool, Any]) -> None:
        next(generator)
        generator.send(False)

    drain(inner())                      # closed when it is let go of
    stepped = delegate()
    drain(stepped)
    stepped.throw(KeyError())           # from another line than the others
    stepped.close()
    finished = delegate()
    next(finished)
    with contextlib.suppress(StopIteration):
        finished.send(True)
    sum(witness() for _ in range(3))
    sorted((witness() for _ in range(3)), key=witness)
    list(map(operator.truth, (witness() for _ in range(2))))
    witness.check(5 + (1 + 4 + 1 + 1) + (1 + 2 + 2 + 1) + 3 + 6 + 2)


def test_coroutines_and_async_generators(witness: Witness) -> None:
    """The stack is the chain of awaits down to the event loop; a task's is its own."""

    class Manager:
        async def __aenter__(self) -> None:
            await asyncio.sleep(0)
            witness()

        async def __aexit__(self, *exception: object) -> None:
            witness()

    class Awaitable:
        def __await__(self) -> Generator[Any, None, bool]:
            yield from asyncio.sleep(0).__await__()
            return witness()

    async def steps() -> AsyncIterator[bool]:
        try:
            for _ in range(2):
                witness()
                await asyncio.sleep(0)
                yield witness()
        finally:
            await asyncio.sleep(0)
            witness()

    async def work(depth: int) -> bool:
        if depth:
            return await work(depth - 1) and witness()
        async with Manager():
            async for _ in steps():
                witness()
        abandoned = steps()
        await abandoned.__anext__()
        await abandoned.aclose()
        return await Awaitable() and all([witness() async for _ in steps()])

    async def main() -> None:
        asyncio.get_running_loop().call_soon(witness)
        await asyncio.gather(*(work(depth) for depth in range(4)), asyncio.to_thread(witness))

    asyncio.run(main())
    each = 2 + 7 + 3 + 1 + 7
    witness.check(1 + 4 * each + (1 + 2 + 3) + 1)


def test_a_generator_let_go_of_elsewhere_ends_there(witness: Witness) -> None:
    """In the frame, the thread or the collection that happens to drop it."""

    def held() -> Iterator[object]:
        cycle = [held]
        try:
            yield cycle
        finally:
            witness()

    dropped = held()
    next(dropped)

    def drop(holder: list[Iterator[object]]) -> None:
        holder.clear()

    holder = [dropped]
    del dropped
    thread = threading.Thread(target=drop, args=(holder,))
    thread.start()
    thread.join()
    cyclic = held()
    next(cyclic).append(cyclic)   # type: ignore[attr-defined]
    del cyclic
    gc.collect()
    witness.check(2)
    assert witness.functions()[1] == ["held"]


def test_a_generator_that_has_not_begun(witness: Witness) -> None:
    """An exception thrown into it arises in it, as its traceback says: at its first line."""

    def untouched() -> Iterator[None]:
        yield

    tracebacks = []
    for _ in range(50):
        try:
            untouched().throw(KeyError())
        except KeyError as error:
            assert error.__traceback__ is not None
            tracebacks.append(error.__traceback__.tb_next)
    [line] = {inner.tb_lineno for inner in tracebacks if inner is not None}
    mine = [
        row for row in witness.session.snapshot().rows
        if row.is_live and row.size == sys.getsizeof(tracebacks[0]) and row.stack[0].function.endswith("untouched")
    ]
    assert len(mine) == len(tracebacks) and {row.stack[0].line for row in mine} == {line}
