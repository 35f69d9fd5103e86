"""Who keeps objects alive: a walk over the heap, and its paths put into words.

The walk itself (native/python/heap_walk.h) holds the GIL, for `budget_ms` at most, and runs no code of the application.
Naming what it found comes after, with the GIL given up as usual, and looks at the objects of the paths alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.retention.path import Namer, Root, Step, told
from spanheap.snapshot import Site
from spanheap.spans import sdk

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PATHS_NAMED = 1024   # some 20 µs each; more objects say no more about the shares


class Holder(NamedTuple):
    """One way by which objects are kept alive."""

    path: tuple[Step, ...]   # from something that has a name to the objects
    objects: float           # that are held by it; estimated when they are those of a site
    share: float             # of all that were asked about, 0 to 1
    incomplete: bool         # the budget ended the walk: there may be shorter ways, and other holders

    def __str__(self) -> str:
        return told(self.path)


class Search(NamedTuple):
    """The result of a walk."""

    holders: list[Holder]    # most objects first
    pause_s: float           # the GIL was held for
    visited: int             # objects
    complete: bool           # False: budget or memory ended the walk
    memory_bytes: int        # at the most
    wanted: int              # objects or blocks looked for
    found: int
    asked: float             # objects that these stand for


def search(objects: Sequence[object], limit: int = 10, budget_ms: float = 250, *, borrowed: object = None,
           count: float | None = None) -> Search:
    """Who keeps these objects alive; at most `limit` holders.

    borrowed: the container in which the caller has the objects, which is not an answer. count: how many objects these
    stand for. At most `_core.MAX_TARGETS` objects, evenly chosen, are looked for.
    """
    chosen = tuple({id(o): o for o in _evenly(objects, _core.MAX_TARGETS)}.values())
    found = _core.walk_to_objects(chosen, (objects, borrowed), _OWN_FOLDER, budget_ms / 1e3)
    return _search(found, limit, len(objects) if count is None else count)


def search_site(site: Site, limit: int = 10, budget_ms: float = 250) -> Search:
    """Who keeps the live samples of a site alive, and so what was allocated there."""
    found = _core.walk_to_site(tuple(site.stack), _OWN_FOLDER, budget_ms / 1e3)
    return _search(found, limit, site.live_objects)


def search_spans(name: str, limit: int = 10, budget_ms: float = 250) -> Search:
    """Who keeps ended spans of this name alive; where there are none, active ones."""
    begin = time.monotonic()
    ended, all_ended, active, all_active, complete = _core.instances(
        sdk.span_types(), sdk.SPAN_FIELDS[2], name, sdk.SPAN_END, _core.MAX_TARGETS, budget_ms / 1e3
    )
    spans, count = (ended, all_ended) if ended else (active, all_active)
    left_ms = max(budget_ms - (time.monotonic() - begin) * 1e3, 0)
    found = search(spans, limit, left_ms, count=count)
    holders = [holder._replace(incomplete=holder.incomplete or not complete) for holder in found.holders]
    return found._replace(holders=holders, complete=found.complete and complete)


def _search(walk: tuple[list[Any], list[Any], list[int], tuple[Any, ...]], limit: int, count: float) -> Search:
    steps, roots, hits, (pause_s, visited, complete, memory_bytes, wanted, found) = walk
    groups: dict[tuple[object, ...], tuple[tuple[Step, ...], int]] = {}
    named = _evenly(hits, _PATHS_NAMED)
    namer = Namer(dict(sys.modules))
    for place in named:
        path = namer.path(*_objects_to(place, steps, roots))
        shape = tuple(step.shape for step in _up_to_widest(path))
        shortest, n = groups.get(shape, (path, 0))
        groups[shape] = (min(path, shortest, key=len), n + 1)
    share_of_one = found / wanted / len(named) if named else 0.0
    holders = [
        Holder(path, count * n * share_of_one, n * share_of_one, not complete)
        for path, n in sorted(groups.values(), key=lambda group: (-group[1], str(group[0])))
    ]
    return Search(holders[:limit], pause_s, visited, complete, memory_bytes, wanted, found, count)


def _objects_to(place: int, steps: list[Any], roots: list[Any]) -> tuple[Root, list[Any], list[int]]:
    objects, skipped = [], []
    while place >= 0:
        o, parent, left_out = steps[place]
        objects.append(o)
        skipped.append(left_out)
        place = parent
    objects.reverse()
    skipped.reverse()
    return Root(*roots[-1 - place]), objects, skipped


def _up_to_widest(path: tuple[Step, ...]) -> tuple[Step, ...]:
    """To the container with most entries and one step into it: what is below is kept by the same holder."""
    widest = max(range(len(path)), key=lambda i: path[i].entries or 0, default=0)
    return path[: widest + 2] if path and path[widest].entries else path


def _evenly(items: Sequence[Any], n: int) -> Sequence[Any]:
    return items if len(items) <= n else [items[i * len(items) // n] for i in range(n)]


def targets(target: object) -> tuple[Sequence[object], object]:
    """What a user's target asks for, and the container to be passed over: one object, or a list, tuple or set of them."""
    if type(target) in (list, tuple, set, frozenset):
        many: Iterable[object] = target  # type: ignore[assignment]
        return tuple(many), target
    return (target,), None


def checked(limit: int, budget_ms: float) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit = {limit!r}: the number of holders must be an int of 1 or more")
    if isinstance(budget_ms, bool) or not isinstance(budget_ms, (int, float)) or not 1 <= budget_ms <= 60_000:
        raise ValueError(f"budget_ms = {budget_ms!r}: milliseconds must be 1 to 60,000; 250 is enough for a million objects")


def of_session(target: object, limit: int, budget_ms: float) -> Search:
    """What `Session.holders` asks for: no holders are told only where nobody is one. Raises ValueError or TypeError for a
    target that cannot be."""
    checked(limit, budget_ms)
    begin = time.monotonic()
    found = _of_target(target, limit, budget_ms)
    if found.holders or found.complete:
        return found
    spent_ms = (time.monotonic() - begin) * 1e3
    why = f"the walk was cut short after {spent_ms:,.0f} ms"
    if spent_ms >= budget_ms:   # else memory ended it, or a collection that runs
        why += "; a larger budget_ms looks on"
    return found._replace(holders=[Holder((Step("", "unknown", why, "", None),), found.asked, 1.0, True)])


def _of_target(target: object, limit: int, budget_ms: float) -> Search:
    if isinstance(target, Site):
        if not target.stack:
            raise ValueError("target: a Site without a stack: its samples cannot be told from others")
        return search_site(target, limit, budget_ms)
    if isinstance(target, str):
        if not target:
            raise ValueError("target = '': expected the name of a span, a Site of a snapshot, or objects")
        return search_spans(target, limit, budget_ms)
    if target is None:
        raise TypeError("target = None: expected a Site of a snapshot, the name of a span, or objects")
    objects, borrowed = targets(target)
    if not objects:
        raise ValueError("target: no objects; expected a Site of a snapshot, the name of a span, or objects")
    return search(objects, limit, budget_ms, borrowed=borrowed)


__all__ = ["Holder", "Search", "Step", "search", "search_site", "search_spans"]
