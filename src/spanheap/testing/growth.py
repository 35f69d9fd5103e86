"""What calls leave behind, by line: measured over several rounds of them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.session import Session
from spanheap.snapshot import HeapSnapshot, Site

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
    with _repeated(call) as repeat:
        repeat(warmup)
        snapshots = [_settled(session)]
        for _ in range(rounds):
            repeat(calls)
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


@contextlib.contextmanager
def _repeated(call: Callable[[], Any]) -> Iterator[Callable[[int], None]]:
    """How to make so many calls; those of a coroutine function run one after the other in one event loop."""
    if not inspect.iscoroutinefunction(call):
        yield lambda times: _repeat(call, times)
        return
    loop = asyncio.new_event_loop()
    try:
        yield lambda times: _repeat(lambda: loop.run_until_complete(call()), times)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _repeat(call: Callable[[], Any], times: int) -> None:
    for _ in itertools.repeat(None, times):   # makes no objects of its own, as numbers would be
        call()


def _settled(session: Session) -> HeapSnapshot:
    with _core.Muted():
        for _ in range(_COLLECTIONS):
            if not gc.collect():
                break
        session.force_flush()
        snapshot = session.snapshot()
        snapshot.rows   # noqa: B018 - taken apart now: later the calls have changed what it is made from
        return snapshot


def _bytes_by_line(difference: HeapSnapshot) -> dict[str, float]:
    return {line.name: line.live_bytes for line in difference.by_line()}


def _line_of(site: Site) -> str:
    return str(site.application_frame or "")
