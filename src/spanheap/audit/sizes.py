"""One look at all containers of the heap that have a name: how many entries each has, and what is in it.

Containers that are reached in the same way are one: the lists in a dict of lists are counted together. The walk holds the
GIL for the budget at most (native/python/heap_containers.h); names are found afterwards, and only of containers that have
changed since the look before. Nothing is kept alive from one look to the next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.audit.bounds import bound
from spanheap.audit.ownership import is_reported, is_test_run
from spanheap.retention import edge, owner
from spanheap.retention.path import Namer, Root, Step, told
from spanheap.spans import sdk

MIN_ENTRIES = 16          # smaller ones are many, and say nothing yet
ROOM = 4096               # the containers with most entries: naming one takes 30 to 50 us, in the first look all of them
_MEASURED = 16            # containers of one name, in which entries are looked at
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Contents(NamedTuple):
    """What is in the containers of one name."""

    type: str             # "dict", "lru_cache", "shop.Cache", …
    entries: int
    bytes: int            # about: the tables, and what the entries alone refer to
    span_share: float     # of the entries, that lead to an ended span; 0 to 1
    span_name: str        # of one of these; ""


class Sight:
    """What one look sees. It holds the containers: for as long as it is needed, no longer."""

    def __init__(self, complete: bool, pause_s: float) -> None:
        self.complete = complete   # False: there may be containers that were not seen
        self.pause_s = pause_s     # the GIL was held
        self.entries: dict[str, int] = {}
        self.several: dict[str, int] = {}   # containers of a name, where there is more than one
        self._containers: dict[str, list[tuple[Any, str]]] = {}

    def add(self, name: str, container: Any, entries: int, shown_type: str) -> None:
        self.entries[name] = self.entries.get(name, 0) + entries
        containers = self._containers.setdefault(name, [])
        containers.append((container, shown_type))
        if len(containers) > 1:
            self.several[name] = len(containers)

    def keep(self, names: Collection[str]) -> None:
        """Let go of all others: what is held here as well does not count as owned by those that are to be measured."""
        self._containers = {name: self._containers[name] for name in names}

    def contents(self, name: str) -> Contents:
        """What is in the containers of this name; the bytes are those of a sample, and scaled."""
        containers = self._containers[name]
        widest = sorted(containers, key=lambda c: -_core.container_entries(c[0]))[:_MEASURED]
        measured = size = with_span = looked_at = 0.0
        span_name = ""
        for container, _ in widest:
            found = _core.container_contents(container, sdk.span_types(), sdk.SPAN_FIELDS[2], sdk.SPAN_END)
            if found is None:
                continue
            entries, looked, spans, owned, a_name = found
            measured += entries
            size += _own_bytes(container) + (owned / looked * entries if looked else 0)
            looked_at, with_span = looked_at + looked, with_span + spans
            span_name = span_name or a_name or ""
        all_entries = self.entries[name]
        scale = all_entries / measured if measured else 0.0
        share = with_span / looked_at if looked_at else 0.0
        return Contents(widest[0][1], all_entries, round(size * scale), share, span_name)


class _Known(NamedTuple):
    type_id: int
    entries: int
    name: str             # "": not reported
    shown_type: str


class Sizes:
    """Looks, and knows again what a look before has named."""

    def __init__(self, test_run: bool | None = None) -> None:
        """`test_run`: whether tests and their tools are left out; None: if this process runs some."""
        self._given_test_run = test_run
        self._test_run = False
        self._known: dict[int, _Known] = {}   # by address; numbers and names alone

    def look(self, budget_s: float) -> Sight:
        """See the containers as they are now; the GIL is held for `budget_s` seconds at most."""
        (steps, roots, hits, figures), total = _core.widest_containers(MIN_ENTRIES, ROOM, _OWN_FOLDER, budget_s)
        self._test_run = is_test_run() if self._given_test_run is None else self._given_test_run
        sight = Sight(complete=figures[2] and total <= len(hits), pause_s=figures[0])
        namer = Namer(dict(sys.modules))
        known: dict[int, _Known] = {}
        for hit in hits:
            container = steps[hit][0]
            entries = _core.container_entries(container)
            before = self._known.get(id(container))
            if before is None or before.type_id != id(type(container)) or before.entries != entries:
                found = self._named(namer, hit, steps, roots, entries)
                # A container that has grown goes by its old name, though a shorter way may lead to it now.
                if before and before.name and found.name and found.type_id == before.type_id and entries > before.entries:
                    found = found._replace(name=before.name)
                before = found
            known[id(container)] = before
            if before.name:
                sight.add(before.name, container, entries, before.shown_type)
        self._known = known
        return sight

    def _named(self, namer: Namer, place: int, steps: list[Any], roots: list[Any], entries: int) -> _Known:
        objects: list[Any] = []
        skipped: list[int] = []
        container = steps[place][0]
        while place >= 0:
            o, parent, left_out = steps[place]
            objects.append(o)
            skipped.append(left_out)
            place = parent
        objects.reverse()
        skipped.reverse()
        root = Root(*roots[-1 - place])
        nothing = _Known(id(type(container)), entries, "", "")
        most = bound(container, _holder(objects))
        if root.kind in (_core.ROOT_GARBAGE, _core.ROOT_EXCEPTION) or (most is not None and entries <= most):
            return nothing
        while len(objects) > 1 and edge.is_transparent(objects[-2], objects[-1]):   # the dict of an instance or lru_cache
            objects.pop()
            skipped.pop()
        path = namer.path(root, objects, skipped)
        if not path or not is_reported(path, self._test_run):
            return nothing
        shown = "lru_cache" if owner.is_a(objects[-1], owner.LruCache) else owner.type_name(type(objects[-1]))
        return nothing._replace(name=_name(path), shown_type=shown)


def _holder(objects: list[Any]) -> Any:
    """Who has the last object: the instance, not the dict of its attributes."""
    if len(objects) > 2 and _core.instance_dict(objects[-3]) is objects[-2]:
        return objects[-3]
    return objects[-2] if len(objects) > 1 else None


def _name(path: tuple[Step, ...]) -> str:
    """The way without what changes: numbers of entries, threads."""
    return told([step._replace(entries=None, thread="", skipped=0) for step in path])


def _own_bytes(container: Any) -> int:
    for cls in owner.CONTAINERS:
        if owner.is_a(container, cls):
            return int(cls.__sizeof__(container))
    return 0
