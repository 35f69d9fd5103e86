"""What calls leave behind, by line: measured over several rounds of them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import inspect
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.errors import SpanheapError
from spanheap.session import Session
from spanheap.snapshot import HeapSnapshot, Site
from spanheap.spans import providers, sdk

_COLLECTIONS = 3   # what a finalizer lets go of is found by the next


class GrowingLine(NamedTuple):
    """A line of the application's own code below which more is allocated after each round, and not released."""

    name: str                   # function, file and line
    bytes_per_call: float
    objects_per_call: float
    span_names: list[str]       # of the spans it was allocated for, most bytes first
    site: Site                  # the stack below this line that grew most


def growing_lines(
    session: Session, call: Callable[[], Any], *, warmup: int, calls: int, rounds: int, allowed: float
) -> list[GrowingLine]:
    """Lines that grew by more than `allowed` bytes a call, the fastest first.

    Growth is judged over all rounds, and has to be there in all of them but one: what a container sets aside for later
    comes in steps, and what is made once comes once.
    """
    with contextlib.closing(_Loop()) as loop:
        _repeat(call, warmup, loop)
        snapshots = [_settled(session)]
        for _ in range(rounds):
            _repeat(call, calls, loop)
            snapshots.append(_settled(session))
    steps = [_bytes_by_line(later.diff(earlier)) for earlier, later in itertools.pairwise(snapshots)]
    whole = snapshots[-1].diff(snapshots[0])
    rounds_grown = collections.Counter(line for step in steps for line, grown in step.items() if grown > 0)
    sites = collections.defaultdict(list)
    for site in whole.sites():
        sites[_line_of(site)].append(site)
    return [
        GrowingLine(
            line.name, line.live_bytes / (calls * rounds), line.live_objects / (calls * rounds), line.span_names,
            max(sites[line.name], key=lambda site: site.live_bytes),
        )
        for line in whole.by_line()
        if line.live_bytes > allowed * calls * rounds and rounds_grown[line.name] >= max(rounds - 1, 1)
        and sites[line.name]
    ]


class _Loop:
    """An event loop of our own, made when there is something to await."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[Any]) -> None:
        if self._loop is None:
            _require_no_loop(awaitable)
            with _core.Muted():
                self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(awaitable)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


def _require_no_loop(awaitable: Awaitable[Any]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if inspect.iscoroutine(awaitable):
        awaitable.close()   # it is not to be complained about as never awaited
    raise SpanheapError(
        "assert_no_growth runs what is async in an event loop of its own, and one is running in this thread; call it from a "
        "test that is not async, or by `await asyncio.to_thread(assert_no_growth, ...)`"
    )


def _repeat(call: Callable[[], Any], times: int, loop: _Loop) -> None:
    for _ in itertools.repeat(None, times):   # makes no objects of its own, as numbers would be
        _run(call(), loop)


def _run(result: Any, loop: _Loop) -> None:
    """A call is over when what it returned to be run has run."""
    if inspect.isawaitable(result):
        loop.run(result)
    elif inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(
            f"the call returned {result.__qualname__}, a generator none of whose code has run; pass a function that goes "
            "through it, such as lambda: list(...)"
        )


def _settled(session: Session) -> HeapSnapshot:
    """The heap without what waits for an exporter or for a collection, and without what the profiler keeps alive."""
    with _core.Muted():
        _flush_exporters()
        _core.release_references()
        for _ in range(_COLLECTIONS):
            if not gc.collect():
                break
        session.force_flush()
        snapshot = session.snapshot()
        snapshot.rows   # noqa: B018 - taken apart now: later the calls have changed what it is made from
        return snapshot


def _flush_exporters() -> None:
    """Spans and logs wait in the queues of batch processors for seconds, and calls take milliseconds."""
    for processor in providers.known_processors():
        processor.force_flush()
    logs = sdk.global_logger_provider()
    if logs is not None:
        logs.force_flush()


def _bytes_by_line(difference: HeapSnapshot) -> dict[str, float]:
    return {line.name: line.live_bytes for line in difference.by_line()}


def _line_of(site: Site) -> str:
    return str(site.application_frame or "")
