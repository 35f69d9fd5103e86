"""Counts what a container has, at each look. Runs no code of the application's.

Samples of a slow leak are few; the entries of the container that holds them are counted exactly. Where not the container
itself grows but what is in it (a list for each user), the lists are counted with it; where objects have the lists, those.
"""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, NamedTuple

from spanheap import _core
from spanheap.retention import owner

NESTED_SHARE = 0.25    # of the ways lead through a container in an object, which cannot be counted
NESTED_ENTRIES = 8     # and has at least so many: a record's own list has fewer
COUNTED = 64           # inner containers; of more these stand for all
PICKED = 32            # of what several ways lead through
MANY = 4096            # of those: more are not gone through at each look
INDEXED = 64           # of a list that is on the way, so many are looked through
LEVELS = 2             # of containers in each other, that are counted
_INNER = (list, set, collections.deque, dict)


class Step(NamedTuple):
    """From an object to the next on the way: its attribute, what it has under a key or at an index, its only entry, each."""

    kind: Literal["attribute", "item", "only", "each"]
    name: Any = None   # a str, int or bytes


@dataclass(frozen=True)
class Probe:
    """Finds a container again by the steps that lead to it. Calling it gives the number of entries, or None: it is gone.

    With a step to each: of all the containers that there are at the end."""

    module: str
    steps: tuple[Step, ...]
    type: Any
    deep: bool

    def flat(self) -> Probe:
        """That counts the container's own entries alone."""
        return replace(self, deep=False)

    def of_each(self) -> Probe:
        """Where it is picked out of a container: of all that are in that."""
        last = max((i for i, step in enumerate(self.steps) if step.kind == "item"), default=None)
        return self if last is None else replace(self, steps=(*self.steps[:last], Step("each"), *self.steps[last + 1:]))

    def is_of_each(self) -> bool:
        return any(step.kind == "each" for step in self.steps)

    def __call__(self) -> int | None:
        return self._entries(sys.modules.get(self.module), self.steps)

    def _entries(self, o: Any, steps: Sequence[Step]) -> int | None:
        for i, step in enumerate(steps):
            if o is None:
                return None
            if step.kind == "each":
                return self._entries_of_each(o, steps[i + 1:])
            o = _next(o, step)
        if type(o) is not self.type:
            return None
        entries = owner.entries(o)
        return entries if entries is None or not self.deep else entries + _inner_entries(o, LEVELS)

    def _entries_of_each(self, o: Any, steps: Sequence[Step]) -> int | None:
        """Estimated from some that are spread over all: the first in a table are the oldest."""
        there = owner.entries(o) if owner.is_a(o, (dict, list, tuple)) else None
        if there is None or there > MANY:
            return None
        values = _values(o, there, there // PICKED + 1)
        if values is None:
            return None
        counted = [self._entries(value, steps) or 0 for value in values]
        return round(sum(counted) * there / len(values)) if values else 0


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
    found = _probe(*min(ways, key=lambda way: way[1]), deep=deep > 0)
    if found is not None and len({id(objects[place]) for objects, place in ways}) > 1:
        found = found.of_each()   # ten users' lists grow: one of them is a tenth of it
    return found, out_of_reach > NESTED_SHARE * len(ways)


def _probe(objects: Sequence[Any], place: int, *, deep: bool) -> Probe | None:
    container = objects[place]
    start = max((i for i, o in enumerate(objects[:place]) if owner.is_a(o, types.ModuleType)), default=None)
    if start is None:
        return None
    module, holder = owner.module_name(objects[start]), objects[start]
    steps: list[Step] = []
    for o in objects[start + 1: place + 1]:
        if type(o) is dict and o is not container and _core.instance_dict(holder) is o:
            continue   # the namespace itself
        step = _step_to(holder, o)
        if step is None:
            return None
        steps.append(step)
        holder = o
    return Probe(module, tuple(steps), type(container), deep) if sys.modules.get(module) is objects[start] else None


def _step_to(holder: Any, o: Any) -> Step | None:
    if owner.is_a(holder, (dict, list, tuple)):
        if owner.entries(holder) == 1:
            return Step("only")
        # Of another type it may have a hash and an equality of the application's.
        key = _core.key_of(holder, o) if owner.is_a(holder, dict) else _index_of(holder, o)
        if type(key) in (str, int, bytes):
            return Step("item", key)
    name: Any
    if owner.is_a(holder, type):
        name = next((name for name, value in owner.namespace(holder).items() if value is o), None)
    else:
        name = _core.attribute_of(holder, o)
        if type(name) is not str:
            name = next((name for name, value in _slots(holder) if value is o), None)
    return Step("attribute", name) if name is not None else None


def _index_of(holder: Any, o: Any) -> int | None:
    return next((i for i, value in enumerate(islice(_items(holder), INDEXED)) if value is o), None)


def _next(o: Any, step: Step) -> Any:
    if step.kind == "attribute":
        return owner.namespace(o).get(step.name) if owner.is_a(o, type) else _attribute(o, step.name)
    if step.kind == "only":
        values = list(islice(dict.values(o) if owner.is_a(o, dict) else _items(o), 2)) if owner.is_a(
            o, (dict, list, tuple)) else []
        return values[0] if len(values) == 1 else None
    if owner.is_a(o, dict):
        return dict.get(o, step.name)
    return next(islice(_items(o), step.name, None), None) if owner.is_a(o, (list, tuple)) else None


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
    values = _values(o, COUNTED) or []
    inner = [value for value in values if any(type(value) is kind for kind in _INNER)]
    counted = sum(owner.entries(value) or 0 for value in inner)
    if levels > 1:
        counted += sum(_inner_entries(value, levels - 1) for value in inner)
    return round(counted * (owner.entries(o) or 0) / len(values)) if values else 0


def _values(o: Any, end: int, step: int = 1) -> list[Any] | None:
    """Of the first `end`, each `step`th. None: another thread has changed it meanwhile, or it cannot be walked."""
    try:
        return list(islice(dict.values(o) if owner.is_a(o, dict) else _items(o), 0, end, step))
    except (RuntimeError, StopIteration):
        return None


def _items(o: Any) -> Any:
    """An iterator by the built-in type's own method."""
    return next(kind.__iter__(o) for kind in (list, set, collections.deque, tuple) if owner.is_a(o, kind))
