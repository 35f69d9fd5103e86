"""Counts what a container has, at each look. Runs no code of the application's.

Samples of a slow leak are few; the entries of the container that holds them are counted exactly. Where not the container
itself grows but what is in it (a list for each user), the lists are counted with it.
"""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from spanheap import _core
from spanheap.retention import owner

NESTED_SHARE = 0.25    # of the ways lead through a container in an object, which cannot be counted
NESTED_ENTRIES = 8     # and has at least so many: a record's own list has fewer
COUNTED = 64           # inner containers; of more these stand for all
LEVELS = 2             # of containers in each other, that are counted
_INNER = (list, set, collections.deque, dict)


@dataclass(frozen=True)
class Probe:
    """Finds a container again by the names that lead to it. Calling it gives the number of entries, or None: it is gone."""

    module: str
    names: tuple[str, ...]
    type: Any
    deep: bool

    def flat(self) -> Probe:
        """That counts the container's own entries alone."""
        return replace(self, deep=False)

    def __call__(self) -> int | None:
        o: Any = sys.modules.get(self.module)
        for name in self.names:
            if o is None:
                return None
            o = owner.namespace(o).get(name) if owner.is_a(o, type) else _attribute(o, name)
        if type(o) is not self.type:
            return None
        entries = owner.entries(o)
        return entries if entries is None or not self.deep else entries + _inner_entries(o, LEVELS)


def of(ways: Sequence[tuple[Sequence[Any], int]]) -> tuple[Probe | None, bool]:
    """ways: (objects from a root on, place of the container among them). None: no chain of names leads to it. True:
    there are containers in it that cannot be counted, so that its entries are not all that may grow."""
    out_of_reach = deep = 0
    for objects, place in ways:
        entries = owner.entries(objects[place])
        below = list(objects[place + 1:-1])
        while below and owner.entries(below[0]) == entries:   # that is a part of the container
            del below[0]
        within = 0
        while within < min(len(below), LEVELS) and owner.is_a(below[within], _INNER):
            within += 1
        deep += within > 0
        out_of_reach += any(
            owner.is_a(o, _INNER) and (owner.entries(o) or 0) >= NESTED_ENTRIES for o in below[within:])
    return _probe(*min(ways, key=lambda way: way[1]), deep=deep > 0), out_of_reach > NESTED_SHARE * len(ways)


def _probe(objects: Sequence[Any], place: int, *, deep: bool) -> Probe | None:
    container = objects[place]
    start = max((i for i, o in enumerate(objects[:place]) if owner.is_a(o, types.ModuleType)), default=None)
    if start is None:
        return None
    module, holder = owner.module_name(objects[start]), objects[start]
    names: list[str] = []
    for o in objects[start + 1: place + 1]:
        if type(o) is dict and o is not container and _core.instance_dict(holder) is o:
            continue   # the namespace itself
        name = _name_in(holder, o)
        if name is None:
            return None
        names.append(name)
        holder = o
    return Probe(module, tuple(names), type(container), deep) if sys.modules.get(module) is objects[start] else None


def _name_in(holder: Any, o: Any) -> str | None:
    if owner.is_a(holder, type):
        return next((name for name, value in owner.namespace(holder).items() if value is o), None)
    name = _core.attribute_of(holder, o)
    if type(name) is str:
        return name
    return next((name for name, value in _slots(holder) if value is o), None)


def _attribute(holder: Any, name: str) -> Any:
    value = _core.attribute(holder, name)
    return value if value is not None else next((value for slot, value in _slots(holder) if slot == name), None)


def _slots(o: Any) -> list[tuple[str, Any]]:
    found = []
    for cls in owner.mro(type(o)):
        for name, member in owner.namespace(cls).items():
            if type(member) is types.MemberDescriptorType and type(name) is str:
                try:
                    found.append((name, member.__get__(o)))
                except (AttributeError, TypeError):
                    continue
    return found


def _inner_entries(o: Any, levels: int) -> int:
    """Of all containers in this one, estimated from the first."""
    try:
        values = list(islice(dict.values(o) if owner.is_a(o, dict) else _items(o), COUNTED))
    except (RuntimeError, StopIteration):   # another thread has changed it meanwhile; it cannot be walked
        return 0
    inner = [value for value in values if any(type(value) is kind for kind in _INNER)]
    counted = sum(owner.entries(value) or 0 for value in inner)
    if levels > 1:
        counted += sum(_inner_entries(value, levels - 1) for value in inner)
    return round(counted * (owner.entries(o) or 0) / len(values)) if values else 0


def _items(o: Any) -> Any:
    """An iterator by the built-in type's own method."""
    return next(kind.__iter__(o) for kind in (list, set, collections.deque) if owner.is_a(o, kind))
