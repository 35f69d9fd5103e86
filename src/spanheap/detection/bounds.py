"""What ends the growth of what a way leads to: the container on it, what that is in, or nothing."""

from __future__ import annotations

import collections
import sys
import types
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.detection import eviction, probe
from spanheap.detection.evidence import Bound, Outside
from spanheap.detection.place import home_of, is_library, place_of
from spanheap.detection.way import (
    FEW_ENTRIES,
    Way,
    has_chain,
    has_ended,
    is_span,
    is_transient,
    name_of,
    naming_step,
    object_of,
    place_of_container,
)

CHAIN_OF_OBJECTS = "a chain of objects"
WINDOW_SHARE = 0.25   # of the entries around it: what has so many, and a bound, is what grows
_NO_CONTAINERS = (type, types.ModuleType, types.FunctionType)
_SUSPENDED = frozenset(("generator", "coroutine", "asynchronous generator"))
_QUEUES = ("queue", "asyncio.queues", "multiprocessing.queues")


class Judged(NamedTuple):
    """What ends the growth of what a way leads to."""

    bound: Bound
    detail: str = ""
    limit: float | None = None   # of entries
    age: float | None = None     # seconds, of an entry


def narrowed(way: Way) -> Way:
    """To the container that has a bound by itself, in one that has more entries: a window for each sensor.

    Not to what each of many entries has a few things in: the events of the spans in a queue."""
    if way.widest is None:
        return way
    least = max(FEW_ENTRIES, WINDOW_SHARE * (way.steps[way.widest].entries or 0))
    for s in range(way.widest + 1, len(way.steps)):
        if (way.steps[s].entries or 0) >= least:
            place = object_of(way.steps, s, way.objects)
            if place > way.place and _own_bound(way.objects[place]) is not None:
                return way._replace(widest=s, place=place)
    return way


def bound_of(way: Way) -> Judged:
    if way.steps[0].kind == "held by C":
        return Judged(Bound.C)
    if way.root == _core.ROOT_GARBAGE:
        return Judged(Bound.GARBAGE)
    from spanheap.retention import owner

    transient = is_transient(way)
    if way.widest is None and transient:
        return Judged(Bound.TRANSIENT)
    if has_chain(way.steps):   # whatever bound a container on the way has
        return Judged(Bound.NONE, CHAIN_OF_OBJECTS)
    if way.widest is None:
        if way.root in (_core.ROOT_INTERPRETER, _core.ROOT_THREAD, _core.ROOT_CONTEXT):
            return Judged(Bound.C, "held by the interpreter itself")   # exit hooks, codecs, contexts: lists in C
        if way.branch is not None:
            return Judged(Bound.BRANCH, f"{owner.short_type_name(type(way.branch))} holds ever more of them")
        return Judged(Bound.UNKNOWN, "no container that grows is on the way")
    found = _of_container(way)
    if found.bound is Bound.UNKNOWN and way.root == _core.ROOT_INTERPRETER:
        return Judged(Bound.C, "held by the interpreter itself")
    if found.bound in (Bound.NONE, Bound.UNKNOWN) and (transient or naming_step(way).kind in _SUSPENDED):
        return Judged(Bound.TRANSIENT, f"{Bound.TRANSIENT.value}; {found.detail}")
    if found.bound is Bound.NONE and any(is_span(o) and has_ended(o) for o in way.objects):
        return Judged(Bound.SPANS, Bound.SPANS.value)
    if found.bound is Bound.NONE and (outer := _let_go_outside(way)):
        return Judged(Bound.OUTER, f"{outer} is let go in time, it is said, with all that is in it")
    return found


def _let_go_outside(way: Way) -> str:
    """A name on the way to the container whose object, with the container in it, the code lets go of; "" for none."""
    named = naming_step(way)
    for step in way.steps[:way.widest]:
        if step is named or not (step.name and step.owner) or step.kind not in ("attribute", "global"):
            continue
        at = next((i for i, o in enumerate(way.objects[:way.place]) if _is_told_by(o, step)), None)
        if at is None or _is_descriptor(way.objects[at]):   # an assignment to what goes by its name is handed to it
            continue
        place = place_of(step, way.objects, at, way.code)
        if place is not None and not is_library(home_of(place)) and eviction.is_let_go(place):
            return str(step.name)
    return ""


def _is_descriptor(o: Any) -> bool:
    from spanheap.retention import owner

    return any("__set__" in owner.namespace(cls) for cls in owner.mro(type(o)))


def outside_of(way: Way) -> Outside | None:
    """The nearest container around the one with a bound, if it has many entries and no bound."""
    for s in range((way.widest or 0) - 1, -1, -1):
        if (way.steps[s].entries or 0) < FEW_ENTRIES:
            continue
        around = way._replace(widest=s, place=object_of(way.steps, s, way.objects))
        count, _ = probe.of([(around.objects, around.place)])
        if count is None or _of_container(around).bound is not Bound.NONE:
            return None
        return Outside(name_of(naming_step(around)), count.flat())
    return None


def _is_told_by(o: Any, step: Any) -> bool:
    from spanheap.retention import owner

    return owner.short_type_name(type(o)) == step.type and (step.entries is None or owner.entries(o) == step.entries)


def _of_container(way: Way) -> Judged:
    """Of the container at way.place."""
    from spanheap.retention import owner

    container = way.objects[way.place]
    if container is sys.modules:
        return Judged(Bound.NONE, "modules are made and registered")
    if (own := _own_bound(container)) is not None:
        return own
    for o in (container, *way.objects[max(0, way.place - 3):way.place]):
        cls = type(o)
        if cls.__module__ in _QUEUES:
            return Judged(Bound.RELEASE, "a queue, which somebody is to read")
        if owner.type_name(cls) == "weakref.WeakKeyDictionary":
            return Judged(Bound.RELEASE, "values live as long as their keys do")
        if owner.is_a(o, _NO_CONTAINERS) or not _is_near(way, o):
            continue
        attributes = {name: _core.attribute(o, name) for name in eviction.BOUND_ATTRIBUTES}
        if eviction.class_evicts(cls) or any(map(eviction.is_bound, attributes.values())):
            place = place_of_container(way)
            age = eviction.age_of(attributes) or (eviction.bound_of(place).age if place is not None else None)
            return Judged(Bound.EVICTION, f"{cls.__qualname__} has a bound of its own", eviction.limit_of(attributes), age)
    place = place_of_container(way)
    if place is None:
        return Judged(Bound.NONE) if _is_in_context(way) else Judged(Bound.UNKNOWN, "a container without a name")
    bound, limit, age, inner = eviction.bound_of(place)
    module = home_of(place)
    if bound is Bound.RELEASE and is_library(module):   # to take entries out is the application's duty, and it has not
        return Judged(Bound.NONE, f"entries of {place.name} are taken out by {module} only when asked to")
    # A length that a library asks for need not be a limit.
    if bound is Bound.EVICTION and is_library(module):   # when they are due, or stale, or asked for
        return Judged(Bound.RELEASE, f"{module} takes entries of {place.name} out when it is their turn")
    if bound is Bound.EVICTION and inner is Bound.NONE:   # of containers, which are let go whole
        return Judged(Bound.OUTER, f"{place.name} has an eviction, the containers in it have none", None, age)
    return Judged(bound, "", limit, age)


def _own_bound(container: Any) -> Judged | None:
    """What it was made with; None: nothing."""
    from spanheap.retention import owner

    if owner.is_a(container, owner.LruCache):
        return _of_lru_cache(container)
    if owner.is_a(container, collections.deque):
        maxlen = collections.deque.__dict__["maxlen"].__get__(container)
        if maxlen is not None:
            return Judged(Bound.EVICTION, "a deque with maxlen", float(maxlen))
    return None


def _is_near(way: Way, o: Any) -> bool:
    """Whether what o says of a bound can be about the container: it is the container, or has it as an attribute."""
    from spanheap.retention import owner

    i = next(i for i, other in enumerate(way.objects) if other is o)
    between = way.objects[i + 1: way.place]
    return i == way.place or all(owner.is_a(b, dict) and _core.instance_dict(o) is b for b in between)


def _is_in_context(way: Way) -> bool:
    step = naming_step(way)
    return step.kind in ("context variable", "default of context variable")


def _of_lru_cache(cache: Any) -> Judged:
    parameters = _core.attribute(cache, "cache_parameters")   # functools' own function, put there by its decorator
    if type(parameters) is not types.FunctionType or parameters.__module__ != "functools":
        return Judged(Bound.EVICTION, "an lru_cache")
    size = parameters()["maxsize"]
    if size is None:
        return Judged(Bound.NONE, "an lru_cache with maxsize=None")
    return Judged(Bound.EVICTION, f"an lru_cache of {size:,}", float(size))
