"""What calls leave behind, by line: measured over several rounds of them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import inspect
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
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
    calls: int                  # over which this was seen


def growing_lines(
    session: Session, call: Callable[[], Any], *, warmup: int, calls: int, rounds: int, allowed: float, ignore: Sequence[str]
) -> list[GrowingLine]:
    """Lines that grew by more than `allowed` bytes a call, the fastest first.

    Growth has to be there in all rounds but one: what a container sets aside for later comes in steps, and what is made once
    comes once. Where it is, rounds of twice as many calls have to confirm it: caches have filled by then, and what is tidied
    up now and then has been.
    """
    grown: list[GrowingLine] = []
    with contextlib.closing(_Loop()) as loop:
        _repeat(call, warmup, loop)
        snapshots = [_settled(session)]
        made = 0
        for times in (calls, 2 * calls):
            for _ in range(rounds):
                _repeat(call, times, loop)
                snapshots.append(_settled(session))
            made += times * rounds
            steady = _steady(snapshots[-rounds - 1:], least=allowed * times / 2)
            grown = [
                line for line in _grown(snapshots[-1].diff(snapshots[0]), made, allowed)
                if line.name in steady and not any(text in line.name for text in ignore)
            ]
            if not grown:
                break
    return grown


def _steady(snapshots: Sequence[HeapSnapshot], *, least: float) -> set[str]:
    """Lines that grew by more than that much in each round but one, and shrank by it in none, as what has a bound does."""
    grew: collections.Counter[str] = collections.Counter()
    shrank: set[str] = set()
    for earlier, later in itertools.pairwise(snapshots):
        lines = later.diff(earlier).by_line()
        grew.update(line.name for line in lines if line.live_bytes > least)
        shrank.update(line.name for line in lines if line.live_bytes < -least)
    return {name for name, rounds in grew.items() if rounds >= max(len(snapshots) - 2, 1)} - shrank


def _grown(difference: HeapSnapshot, calls: int, allowed: float) -> Iterator[GrowingLine]:
    sites = collections.defaultdict(list)
    for site in difference.sites():
        sites[_line_of(site)].append(site)
    for line in difference.by_line():
        if line.live_bytes > allowed * calls and sites[line.name]:
            largest = max(sites[line.name], key=lambda site: site.live_bytes)
            yield GrowingLine(line.name, line.live_bytes / calls, line.live_objects / calls, line.span_names, largest, calls)


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
        re.purge()   # up to 512 patterns, which calls that make ever new ones do not fill
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


def _line_of(site: Site) -> str:
    return str(site.application_frame or "")
