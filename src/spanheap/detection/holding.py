"""Who holds what grows, as evidence: a walk over the heap, and a look at the container that it leads to.

The walk is spanheap.retention's. Of the ways it finds, that of most objects counts, and of ways that stay rather than
those that lead from running code. On it, the container with most entries is what grows; what kind it is, and what the
code of its module does with it (eviction.py), says whether anything ends that.
"""

from __future__ import annotations

import collections
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.detection import eviction
from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.series import GroupKey
from spanheap.snapshot.application import OWN_FOLDER, Origin, file_origin

MAX_WALK_MS = 250.0          # the GIL is held: a walk above the pause budget, once a verdict
MS_PER_OBJECT = 0.25e-3      # 250 ms a million
PATHS = 48                   # that are put into words, 20 us each
SPANS = 64                   # of a name, that are looked for
FEW_ENTRIES = 8              # a container that grows has more
STAYS_SHARE = 0.25           # of the paths: a way that stays is the answer even if most lead from running code
CHAIN = 8                    # objects, each holding the next
_TRANSIENT = frozenset(("variable", "the caller's variable", "exception being handled"))
_NO_CONTAINERS = (type, types.ModuleType, types.FunctionType)
_QUEUES = ("queue", "asyncio.queues", "multiprocessing.queues")
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

    @property
    def shape(self) -> tuple[Any, ...]:
        end = len(self.steps) if self.widest is None else self.widest + 1
        return tuple(step.shape for step in self.steps[:end])


def available() -> bool:
    """Whether there is a walk."""
    return hasattr(_core, "walk_to_group")


def predicted_ms(live_objects: float) -> float:
    return 1.0 + live_objects * MS_PER_OBJECT


def of_group(key: GroupKey, since: float, until: float, budget_ms: float) -> Found:
    """What holds the live samples of a group that were born between these times of the clock."""
    return _found(_core.walk_to_group(key, since, until, OWN_FOLDER, budget_ms / 1e3))


def of_spans(name: str, budget_ms: float) -> Found:
    """What holds the ended spans of this name."""
    from spanheap.spans import sdk

    watched = getattr(_core, "watched_spans", None)
    spans: Any = list(watched(name))[:SPANS] if watched is not None else []
    if not spans:
        spans = _core.instances(sdk.span_types(), sdk.SPAN_FIELDS[2], name, sdk.SPAN_END, SPANS, budget_ms / 1e3)[0]
    if not spans:
        return Found(Evidence(Bound.UNKNOWN), 1.0)
    return _found(_core.walk_to_objects(tuple(spans), (spans,), OWN_FOLDER, budget_ms / 1e3))


def _found(walk: Any) -> Found:
    return Found(judge(walk), 1e3 * walk[3][0])


def judge(walk: Any) -> Evidence:
    """The evidence in the result of a walk."""
    steps, roots, hits, (_, _, complete, *_) = walk
    ways = _ways(steps, roots, hits)
    if not ways:
        return Evidence(Bound.UNKNOWN, None, "no way to it was found" if complete else "the walk was cut short")
    groups: dict[tuple[Any, ...], list[_Way]] = {}
    for way in ways:
        groups.setdefault(way.shape, []).append(way)
    ranked = sorted(groups.values(), key=lambda group: -len(group))
    staying = [g for g in ranked if not _is_transient(g[0]) and len(g) >= STAYS_SHARE * len(ways)]
    way = min((staying or ranked)[0], key=lambda w: len(w.steps))
    bound, detail = _bound(way)
    named = way.steps[way.widest if way.widest is not None else 0]
    words = " → ".join(str(step) for step in way.steps)
    container = f"{named.owner}:{named.name}:{named.kind}"
    return Evidence(bound, words, detail or bound.value, container, _probe(way))


def _ways(steps: Any, roots: Any, hits: Sequence[int]) -> list[_Way]:
    from spanheap.retention.holders import _evenly, _objects_to
    from spanheap.retention.path import Namer

    namer = Namer(dict(sys.modules))
    ways = []
    for place in _evenly(hits, PATHS):
        root, objects, skipped = _objects_to(place, steps, roots)
        path = namer.path(root, objects, skipped)
        if not path:
            continue
        sized = [(step.entries or 0, -i) for i, step in enumerate(path[:-1] or path)]
        entries, place = max(sized)
        ways.append(_Way(path, objects, root.kind, -place if entries >= FEW_ENTRIES else None))
    return ways


def _is_transient(way: _Way) -> bool:
    return way.steps[0].kind in _TRANSIENT or (way.root == _core.ROOT_TASK and not way.steps[0].owner)


def _bound(way: _Way) -> tuple[Bound, str]:
    if way.steps[0].kind == "held by C":
        return Bound.C, ""
    if way.root == _core.ROOT_GARBAGE:
        return Bound.GARBAGE, ""
    transient = _is_transient(way)
    if way.widest is None:
        if transient:
            return Bound.TRANSIENT, ""
        chain = any(step.skipped >= CHAIN for step in way.steps)
        return (Bound.NONE, "a chain of objects") if chain else (Bound.UNKNOWN, "no container that grows is on the way")
    container = _container(way)
    bound, detail = _of_container(way, container)
    if bound is Bound.NONE and transient:
        return Bound.TRANSIENT, f"{Bound.TRANSIENT.value}; {detail}"
    if bound is Bound.NONE and any(_is_span(o) for o in way.objects):
        return Bound.SPANS, Bound.SPANS.value
    return bound, detail


@dataclass(frozen=True)
class _Probe:
    """Finds a container again by the names that lead to it, and counts its entries. Runs no code of the application's."""

    module: str
    names: tuple[str, ...]
    type: Any

    def __call__(self) -> int | None:
        from spanheap.retention import owner

        o: Any = sys.modules.get(self.module)
        for name in self.names:
            if o is None:
                return None
            o = owner.namespace(o).get(name) if owner.is_a(o, type) else _core.attribute(o, name)
        return owner.entries(o) if type(o) is self.type else None


def _probe(way: _Way) -> _Probe | None:
    """None: no chain of names leads from a module to the container."""
    from spanheap.retention import owner

    if way.widest is None:
        return None
    container = _container(way)
    place = next((i for i, o in enumerate(way.objects) if o is container), 0)
    start = max((i for i, o in enumerate(way.objects[:place]) if owner.is_a(o, types.ModuleType)), default=None)
    if start is None:
        return None
    module, holder = owner.module_name(way.objects[start]), way.objects[start]
    names: list[str] = []
    for o in way.objects[start + 1: place + 1]:
        if type(o) is dict and o is not container and _core.instance_dict(holder) is o:
            continue   # the namespace itself
        name = _name_in(holder, o)
        if name is None:
            return None
        names.append(name)
        holder = o
    return _Probe(module, tuple(names), type(container)) if sys.modules.get(module) is way.objects[start] else None


def _name_in(holder: Any, o: Any) -> str | None:
    from spanheap.retention import owner

    if owner.is_a(holder, type):
        return next((name for name, value in owner.namespace(holder).items() if value is o), None)
    name = _core.attribute_of(holder, o)
    return name if type(name) is str else None


def _is_span(o: Any) -> bool:
    cls = type(o)
    return cls.__name__ in _SPAN_TYPES and cls.__module__ == "opentelemetry.sdk.trace"


def _container(way: _Way) -> Any:
    """The object that the widest step stands for."""
    from spanheap.retention import owner

    entries = way.steps[way.widest or 0].entries
    return next((o for o in way.objects if owner.entries(o) == entries), None)


def _of_container(way: _Way, container: Any) -> tuple[Bound, str]:
    from spanheap.retention import owner

    if owner.is_a(container, owner.LruCache):
        return _of_lru_cache(container)
    if owner.is_a(container, collections.deque) and collections.deque.__dict__["maxlen"].__get__(container) is not None:
        return Bound.EVICTION, "a deque with maxlen"
    place = next((i for i, o in enumerate(way.objects) if o is container), 0)
    for o in (container, *way.objects[max(0, place - 3):place]):
        cls = type(o)
        if cls.__module__ in _QUEUES:
            return Bound.RELEASE, "a queue, which somebody is to read"
        if not owner.is_a(o, _NO_CONTAINERS) and eviction.class_evicts(cls, _core.instance_dict(o)):
            return Bound.EVICTION, f"{cls.__qualname__} has a bound of its own"
    name, module = _named(way)
    if not name:
        return Bound.UNKNOWN, "a container without a name"
    bound = eviction.bound_of(module, name)
    if bound is Bound.RELEASE and _is_library(module):   # to take entries out is the application's duty, and it has not
        return Bound.NONE, f"entries of {name} are taken out by {module} only when asked to"
    return bound, ""


def _of_lru_cache(cache: Any) -> tuple[Bound, str]:
    parameters = _core.attribute(cache, "cache_parameters")   # functools' own function, put there by its decorator
    if type(parameters) is not types.FunctionType or parameters.__module__ != "functools":
        return Bound.EVICTION, "an lru_cache"
    size = parameters()["maxsize"]
    return (Bound.NONE, "an lru_cache with maxsize=None") if size is None else (Bound.EVICTION, f"an lru_cache of {size:,}")


def _named(way: _Way) -> tuple[str, str]:
    """Name of the container, or of the nearest that it is in, and the module whose code knows that name."""
    for step in reversed(way.steps[: (way.widest or 0) + 1]):
        if step.name and step.owner:
            return step.name, _module_of_class(step.owner, way.objects) or _module_of(step.owner)
    return "", ""


def _module_of_class(name: str, objects: Sequence[Any]) -> str:
    """Of the class of this name that is on the way or has an instance there."""
    from spanheap.retention import owner

    for o in objects:
        cls = o if owner.is_a(o, type) else type(o)
        if owner.type_name(cls) == name:
            module = cls.__dict__.get("__module__")
            return module if type(module) is str else ""
    return ""


def _module_of(name: str) -> str:
    """The module in a dotted name: the longest that is imported."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if (module := ".".join(parts[:n])) in sys.modules:
            return module
    return ""


def _is_library(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and file_origin(file) is not Origin.APPLICATION
