"""Who holds what grows, as evidence: a walk over the heap, and a look at the container that it leads to.

The walk is spanheap.retention's. Of the ways it finds, that of most objects counts, and of ways that stay rather than
those that lead from running code. On it, the container with most entries is what grows; what kind it is, and what the
code of its module does with it (eviction.py), says whether anything ends that.
"""

from __future__ import annotations

import collections
import itertools
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.detection import eviction, probe
from spanheap.detection.blocks import BlockKey
from spanheap.detection.evidence import Bound, Evidence, Outside
from spanheap.detection.place import Place, home_of, is_library, place_of
from spanheap.detection.series import GroupKey
from spanheap.snapshot.application import OWN_FOLDER

MAX_WALK_MS = 250.0          # the GIL is held: a walk above the pause budget, once a verdict
MS_PER_OBJECT = 0.25e-3      # 250 ms a million
PATHS = 48                   # that are put into words, 20 us each
SPANS = 64                   # of a name, that are looked for
FEW_ENTRIES = 8              # a container that grows has more
STAYS_SHARE = 0.25           # of the paths: a way that stays is the answer even if most lead from running code
CHAIN = 8                    # objects, each holding the next
_CHAIN = "a chain of objects"
_TRANSIENT = frozenset(("variable", "the caller's variable", "exception being handled"))
_NO_CONTAINERS = (type, types.ModuleType, types.FunctionType)
_SUSPENDED = frozenset(("generator", "coroutine", "asynchronous generator"))
_QUEUES = ("queue", "asyncio.queues", "multiprocessing.queues")
_PLAIN = (dict, list, tuple, set, frozenset, collections.deque)
_SPAN_MODULES = ("opentelemetry.sdk.trace", "opentelemetry.trace", "opentelemetry.trace.span")
_SPAN_TYPES = frozenset(("Span", "_Span", "ReadableSpan"))


class Found(NamedTuple):
    """The result of a walk."""

    evidence: Evidence
    pause_ms: float   # the GIL was held


class _Way(NamedTuple):
    """A path, in words and as objects."""

    steps: Sequence[Any]      # retention.path.Step
    objects: Sequence[Any]
    root: int                 # _core.ROOT_…
    widest: int | None        # step of the container with most entries
    place: int                # of that container among the objects; of the last object where there is none
    code: Any                 # of the frame that it begins at, if it does
    start: Any                # retention.path.Root
    skipped: Sequence[int]    # left out before each object
    branch: Any = None        # where no container is: the object by which the ways part

    @property
    def shape(self) -> tuple[Any, ...]:
        if self.branch is not None:
            return ("branch", id(self.branch))
        end = len(self.steps) if self.widest is None else self.widest + 1
        return tuple(step.shape for step in self.steps[:end])


def available() -> bool:
    """Whether there is a walk."""
    return hasattr(_core, "walk_to_group")


def predicted_ms(live_objects: float) -> float:
    return 1.0 + live_objects * MS_PER_OBJECT


def of_group(key: GroupKey, since: float, until: float, budget_ms: float) -> Found:
    """What holds the live samples of a group that were born between these times of the clock."""
    _core.know_buffers(sys.modules)
    return _found(_core.walk_to_group(key, since, until, OWN_FOLDER, budget_ms / 1e3))


def of_question(key: GroupKey | BlockKey, since: float, until: float, budget_ms: float) -> Found:
    """What holds a group's live samples, or its largest block."""
    if isinstance(key, BlockKey):
        _core.know_buffers(sys.modules)
        walk = _core.walk_to_largest(GroupKey(*key[:3]), OWN_FOLDER, budget_ms / 1e3)
        return Found(judge(walk, single=True), 1e3 * walk[3][0])
    return of_group(key, since, until, budget_ms)


def of_spans(name: str, ended: bool, budget_ms: float) -> Found:
    """What holds the spans of this name that have ended, or those that have not."""
    from spanheap.spans import sdk

    watched = getattr(_core, "watched_spans", None)
    spans: Any = list(watched(name))[:SPANS] if watched is not None and ended else []
    if not spans:
        found = _core.instances(sdk.span_types(), sdk.SPAN_FIELDS[2], name, sdk.SPAN_END, SPANS, budget_ms / 1e3)
        spans = found[0 if ended else 2]
    if not spans:
        return Found(Evidence(Bound.UNKNOWN), 1.0)
    return _found(_core.walk_to_objects(tuple(spans), (spans,), OWN_FOLDER, budget_ms / 1e3))


def _found(walk: Any) -> Found:
    return Found(judge(walk), 1e3 * walk[3][0])


def judge(walk: Any, *, single: bool = False) -> Evidence:
    """The evidence in the result of a walk. single: it was for one block, and what has that grows."""
    steps, roots, hits, (_, _, complete, *_) = walk
    ways = _ways(steps, roots, hits, single=single)
    if not ways:
        return Evidence(Bound.UNKNOWN, None, "no way to it was found" if complete else "the walk was cut short")
    if not single:
        ways = _fanned_out(ways)
    groups: dict[tuple[Any, ...], list[_Way]] = {}
    for way in ways:
        groups.setdefault(way.shape, []).append(way)
    ranked = sorted(groups.values(), key=lambda group: -len(group))
    staying = [g for g in ranked if not _is_transient(g[0]) and len(g) >= STAYS_SHARE * len(ways)]
    chosen = (staying or ranked)[0]
    ends: dict[tuple[Any, ...], list[_Way]] = {}   # below the container: the way that most take
    for way in chosen:
        ends.setdefault(tuple(step.shape for step in way.steps), []).append(way)
    chained = [way for way in chosen if _has_chain(way.steps)]
    way = chained[0] if len(chained) > len(chosen) / 2 else max(ends.values(), key=len)[0]
    found = _bound(way)
    named = _naming_step(way) if way.widest is not None else way.steps[0]
    words = " → ".join(_told_once(str(step) for step in way.steps))
    if way.branch is not None:
        words = f"{found.detail}: {words}"
    container = _named(named)
    can_count = way.widest is not None and found.detail != _CHAIN
    count, in_part = probe.of([(w.objects, w.place) for w in chosen]) if can_count else (None, False)
    if count is not None and found.limit is not None:   # which is one of its own entries
        count = count.flat()
    outside = _outside(way) if found.bound is Bound.EVICTION else None
    return Evidence(found.bound, words, found.detail or found.bound.value, container, count, found.limit, found.age, in_part,
                    outside, _through(way))


def _named(step: Any) -> str:
    return f"{step.owner}:{step.name}:{step.kind}"


def _told_once(words: Iterable[str]) -> Iterator[str]:
    """Of several alike in a row the first, with their number."""
    for word, alike in itertools.groupby(words):
        number = sum(1 for _ in alike)
        yield word if number == 1 else f"{number} times {word}"


def _ways(steps: Any, roots: Any, hits: Sequence[int], *, single: bool) -> list[_Way]:
    from spanheap.retention.holders import _evenly, _objects_to
    from spanheap.retention.path import Namer

    namer = Namer(dict(sys.modules))
    ways = []
    for place in _evenly(hits, PATHS):
        root, objects, skipped = _objects_to(place, steps, roots)
        path = namer.path(root, objects, skipped)
        if not path:
            continue
        if single:
            ways.append(_Way(path, objects, root.kind, len(path) - 1, len(objects) - 1, root.code, root, skipped))
            continue
        sized = [(step.entries or 0, -i) for i, step in enumerate(path[:-1] or path)]
        entries, widest = max(sized)
        step = -widest if entries >= FEW_ENTRIES else None
        ways.append(_Way(path, objects, root.kind, step, _object_of(path, step, objects), root.code, root, skipped))
    return ways


def _fanned_out(ways: list[_Way]) -> list[_Way]:
    """Where no container is on most of the ways: the object by which they part is one, though its type does not say so.

    That of a pickler's memo, of a library's tree, of all modules; the last one if there are several.
    """
    from spanheap.retention import owner
    from spanheap.retention.path import Step

    without = [way for way in ways if way.widest is None and not _is_transient(way)]
    if len(without) < max(FEW_ENTRIES, 0.5 * len(ways)):
        return ways
    parts: dict[int, set[int]] = {}
    for way in without:
        for o, below in zip(way.objects, way.objects[1:], strict=False):
            parts.setdefault(id(o), set()).add(id(below))
    modules = {id(way.objects[0]) for way in without if owner.is_a(way.objects[0], types.ModuleType)}
    if len(modules) >= max(FEW_ENTRIES, 0.5 * len(without)):   # each walk begins at all modules
        table = Step("sys", "global", "modules", "dict", len(sys.modules))
        return [
            way if way.widest is not None or not owner.is_a(way.objects[0], types.ModuleType)
            else way._replace(steps=(table, *way.steps), objects=(sys.modules, *way.objects), widest=0, place=0,
                              skipped=(0, *way.skipped))
            for way in ways
        ]
    branches = {o for o, below in parts.items() if len(below) >= max(FEW_ENTRIES, 0.5 * len(without))}
    found = []
    for way in ways:
        place = next((i for i, o in enumerate(way.objects) if id(o) in branches), None) if way.widest is None else None
        found.append(way if place is None else _parting_at(way, place))
    return found


def _parting_at(way: _Way, place: int) -> _Way:
    """A container was passed over where what is in it goes by a name of its own: a logger, a module."""
    from spanheap.retention import owner
    from spanheap.retention.path import Namer

    o = way.objects[place]
    if (owner.entries(o) or 0) < FEW_ENTRIES:
        return way._replace(place=place, branch=o)
    path = Namer(dict(sys.modules)).path(way.start, way.objects[:place + 1], way.skipped[:place + 1])
    return way._replace(steps=(*path, *way.steps), widest=len(path) - 1, place=place)


def _object_of(path: Sequence[Any], step: int | None, objects: Sequence[Any]) -> int:
    """The object that this step of the path tells of; the last where there is no such step."""
    from spanheap.retention import owner

    if step is not None:
        entries, shown = path[step].entries, path[step].type
        for i, o in enumerate(objects):
            if owner.entries(o) == entries and owner.short_type_name(type(o)) == shown:
                return i
    return len(objects) - 1


def _is_transient(way: _Way) -> bool:
    return way.steps[0].kind in _TRANSIENT or (way.root == _core.ROOT_TASK and not way.steps[0].owner)


class _Judged(NamedTuple):
    """What ends the growth of what a way leads to."""

    bound: Bound
    detail: str = ""
    limit: float | None = None   # of entries
    age: float | None = None     # seconds, of an entry


def _bound(way: _Way) -> _Judged:
    if way.steps[0].kind == "held by C":
        return _Judged(Bound.C)
    if way.root == _core.ROOT_GARBAGE:
        return _Judged(Bound.GARBAGE)
    from spanheap.retention import owner

    transient = _is_transient(way)
    if way.widest is None and transient:
        return _Judged(Bound.TRANSIENT)
    if _has_chain(way.steps):   # whatever bound a container on the way has
        return _Judged(Bound.NONE, _CHAIN)
    if way.widest is None:
        if way.root in (_core.ROOT_INTERPRETER, _core.ROOT_THREAD, _core.ROOT_CONTEXT):
            return _Judged(Bound.C, "held by the interpreter itself")   # exit hooks, codecs, contexts: lists in C
        if way.branch is not None:
            return _Judged(Bound.BRANCH, f"{owner.short_type_name(type(way.branch))} holds ever more of them")
        return _Judged(Bound.UNKNOWN, "no container that grows is on the way")
    found = _of_container(way)
    if found.bound in (Bound.NONE, Bound.UNKNOWN) and (transient or _naming_step(way).kind in _SUSPENDED):
        return _Judged(Bound.TRANSIENT, f"{Bound.TRANSIENT.value}; {found.detail}")
    if found.bound is Bound.NONE and any(_is_span(o) and _has_ended(o) for o in way.objects):
        return _Judged(Bound.SPANS, Bound.SPANS.value)
    if found.bound is Bound.NONE and (outer := _let_go_outside(way)):
        return _Judged(Bound.OUTER, f"{outer} is let go in time, it is said, with all that is in it")
    return found


def _has_chain(steps: Sequence[Any]) -> bool:
    """Whether there are many objects alike, each holding the next."""
    in_a_row = max((sum(1 for _ in alike) for _, alike in itertools.groupby(steps, key=str)), default=0)
    return in_a_row >= CHAIN or any(step.skipped >= CHAIN for step in steps)


def _let_go_outside(way: _Way) -> str:
    """A name on the way to the container whose object, with the container in it, the code lets go of; "" for none."""
    named = _naming_step(way)
    for step in way.steps[:way.widest]:
        if step is named or not (step.name and step.owner) or step.kind not in ("attribute", "global"):
            continue
        at = next((i for i, o in enumerate(way.objects[:way.place]) if _is_told_by(o, step)), None)
        place = place_of(step, way.objects, at, way.code) if at is not None else None
        if place is not None and not is_library(home_of(place)) and eviction.is_let_go(place):
            return str(step.name)
    return ""


def _outside(way: _Way) -> Outside | None:
    """The nearest container around the one with a bound, if it has many entries and no bound."""
    for s in range((way.widest or 0) - 1, -1, -1):
        if (way.steps[s].entries or 0) < FEW_ENTRIES:
            continue
        around = way._replace(widest=s, place=_object_of(way.steps, s, way.objects))
        count, _ = probe.of([(around.objects, around.place)])
        if count is None or _of_container(around).bound is not Bound.NONE:
            return None
        return Outside(_named(_naming_step(around)), count.flat())
    return None


def _is_told_by(o: Any, step: Any) -> bool:
    from spanheap.retention import owner

    return owner.short_type_name(type(o)) == step.type and (step.entries is None or owner.entries(o) == step.entries)


def _is_span(o: Any) -> bool:
    cls = type(o)
    return cls.__name__ in _SPAN_TYPES and cls.__module__ == "opentelemetry.sdk.trace"


def _has_ended(span: Any) -> bool:
    from spanheap.spans import sdk

    return _core.attribute(span, sdk.SPAN_END) is not None


def _through(way: _Way) -> str:
    """What stands between the container and the span: a task, a token, an object of the application's; "" for nothing."""
    from spanheap.retention import owner

    spans = [i for i, o in enumerate(way.objects) if _is_span(o)]
    for o in way.objects[way.place + 1: spans[0]] if spans else ():
        if type(o) not in _PLAIN and type(o).__module__ not in _SPAN_MODULES:
            return owner.short_type_name(type(o))
    return ""


def _of_container(way: _Way) -> _Judged:
    """Of the container at way.place."""
    from spanheap.retention import owner

    container = way.objects[way.place]
    if container is sys.modules:
        return _Judged(Bound.NONE, "modules are made and registered")
    if owner.is_a(container, owner.LruCache):
        return _of_lru_cache(container)
    if owner.is_a(container, collections.deque):
        maxlen = collections.deque.__dict__["maxlen"].__get__(container)
        if maxlen is not None:
            return _Judged(Bound.EVICTION, "a deque with maxlen", float(maxlen))
    for o in (container, *way.objects[max(0, way.place - 3):way.place]):
        cls = type(o)
        if cls.__module__ in _QUEUES:
            return _Judged(Bound.RELEASE, "a queue, which somebody is to read")
        if owner.type_name(cls) == "weakref.WeakKeyDictionary":
            return _Judged(Bound.RELEASE, "values live as long as their keys do")
        if owner.is_a(o, _NO_CONTAINERS) or not _is_near(way, o):
            continue
        attributes = {name: _core.attribute(o, name) for name in eviction.BOUND_ATTRIBUTES}
        if eviction.class_evicts(cls) or any(map(eviction.is_bound, attributes.values())):
            place = _place(way)
            age = eviction.age_of(attributes) or (eviction.bound_of(place).age if place is not None else None)
            return _Judged(Bound.EVICTION, f"{cls.__qualname__} has a bound of its own", eviction.limit_of(attributes), age)
    place = _place(way)
    if place is None:
        return _Judged(Bound.NONE) if _is_in_context(way) else _Judged(Bound.UNKNOWN, "a container without a name")
    bound, limit, age, inner = eviction.bound_of(place)
    module = home_of(place)
    if bound is Bound.RELEASE and is_library(module):   # to take entries out is the application's duty, and it has not
        return _Judged(Bound.NONE, f"entries of {place.name} are taken out by {module} only when asked to")
    # A length that a library asks for need not be a limit.
    if bound is Bound.EVICTION and is_library(module):   # when they are due, or stale, or asked for
        return _Judged(Bound.RELEASE, f"{module} takes entries of {place.name} out when it is their turn")
    if bound is Bound.EVICTION and inner is Bound.NONE:   # of containers, which are let go whole
        return _Judged(Bound.OUTER, f"{place.name} has an eviction, the containers in it have none", None, age)
    return _Judged(bound, "", limit, age)


def _is_near(way: _Way, o: Any) -> bool:
    """Whether what o says of a bound can be about the container: it is the container, or has it as an attribute."""
    from spanheap.retention import owner

    i = next(i for i, other in enumerate(way.objects) if other is o)
    between = way.objects[i + 1: way.place]
    return i == way.place or all(owner.is_a(b, dict) and _core.instance_dict(o) is b for b in between)


def _is_in_context(way: _Way) -> bool:
    step = _naming_step(way)
    return step.kind in ("context variable", "default of context variable")


def _of_lru_cache(cache: Any) -> _Judged:
    parameters = _core.attribute(cache, "cache_parameters")   # functools' own function, put there by its decorator
    if type(parameters) is not types.FunctionType or parameters.__module__ != "functools":
        return _Judged(Bound.EVICTION, "an lru_cache")
    size = parameters()["maxsize"]
    if size is None:
        return _Judged(Bound.NONE, "an lru_cache with maxsize=None")
    return _Judged(Bound.EVICTION, f"an lru_cache of {size:,}", float(size))


def _place(way: _Way) -> Place | None:
    """Where the container is found, or the nearest that it is in which has a name."""
    from spanheap.retention import owner

    step = _naming_step(way)
    if not (step.name and step.owner) and step.kind != "thread-local":
        return None
    at = way.place
    if step is not way.steps[way.widest or 0]:   # the last object that is what this step tells of
        at = next((i for i in range(way.place - 1, -1, -1) if owner.short_type_name(type(way.objects[i])) == step.type), 0)
    found = place_of(step, way.objects, at, way.code)
    return found._replace(nested=at != way.place) if found is not None else None


def _naming_step(way: _Way) -> Any:
    """The step of the container, or of the nearest that it is in, which has a name."""
    up_to = way.steps[: (way.widest or 0) + 1]
    return next((step for step in reversed(up_to) if step.name and (step.owner or step.kind != "item")), up_to[-1])
