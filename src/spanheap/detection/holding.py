"""Who holds what grows, as evidence: a walk over the heap, and a look at the container that it leads to.

The walk is spanheap.retention's. Of the ways it finds, that of most objects counts, and of ways that stay rather than
those that lead from running code. On it, the container with most entries is what grows; what kind it is, and what the
code of its module does with it (eviction.py), says whether anything ends that.
"""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.detection import bounds, probe
from spanheap.detection.blocks import BlockKey
from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.series import GroupKey
from spanheap.detection.way import FEW_ENTRIES, Way, has_chain, is_transient, name_of, naming_step, object_of, through
from spanheap.snapshot.application import OWN_FOLDER

MAX_WALK_MS = 250.0          # the GIL is held: a walk above the pause budget, once a verdict
MS_PER_OBJECT = 0.25e-3      # 250 ms a million
PATHS = 48                   # that are put into words, 20 us each
SPANS = 64                   # of a name, that are looked for
UNSEEN_BLOCKS = 6            # looked for in the whole heap, and few of them were found: most are out of Python's reach
SEEN_SHARE = 0.25
STAYS_SHARE = 0.25           # of the paths: a way that stays is the answer even if most lead from running code


class Found(NamedTuple):
    """The result of a walk."""

    evidence: Evidence
    pause_ms: float   # the GIL was held


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
    steps, roots, hits, (_, _, complete, _, wanted, found) = walk
    if complete and wanted >= UNSEEN_BLOCKS and found <= SEEN_SHARE * wanted:
        return Evidence(Bound.UNSEEN)
    ways = _ways(steps, roots, hits, single=single)
    if not ways:
        return Evidence(Bound.UNKNOWN, None, "no way to it was found" if complete else "the walk was cut short")
    if not single:
        ways = _fanned_out(ways)
    chosen, way = _chosen(ways)
    chosen, way = [bounds.narrowed(w) for w in chosen], bounds.narrowed(way)
    found = bounds.bound_of(way)
    named = naming_step(way) if way.widest is not None else way.steps[0]
    words = " → ".join(_told_once(str(step) for step in way.steps))
    if way.branch is not None:
        words = f"{found.detail}: {words}"
    container = name_of(named)
    can_count = way.widest is not None and found.detail != bounds.CHAIN_OF_OBJECTS
    count, in_part = probe.of([(w.objects, w.place) for w in chosen]) if can_count else (None, False)
    if count is not None and found.limit is not None:   # which is one of a container's own entries
        count = count.flat() if not count.is_of_each() else None
    outside = bounds.outside_of(way) if found.bound is Bound.EVICTION else None
    is_estimate = count is not None and count.is_of_each()
    return Evidence(found.bound, words, found.detail or found.bound.value, container, count, found.limit, found.age, in_part,
                    is_estimate, outside, through(way))


def _chosen(ways: list[Way]) -> tuple[list[Way], Way]:
    """The ways that lead through what grows, and one that stands for them."""
    stay = [way for way in ways if not is_transient(way)]
    chained = [way for way in stay if has_chain(way.steps)]
    if len(chained) > max(len(stay) / 2, STAYS_SHARE * len(ways)):   # each leaves the chain elsewhere: no two are alike
        return chained, chained[0]
    groups: dict[tuple[Any, ...], list[Way]] = {}
    for way in ways:
        groups.setdefault(way.shape, []).append(way)
    ranked = sorted(groups.values(), key=lambda group: -len(group))
    staying = [g for g in ranked if not is_transient(g[0]) and len(g) >= STAYS_SHARE * len(ways)]
    chosen = (staying or ranked)[0]
    ends: dict[tuple[Any, ...], list[Way]] = {}   # below the container: the way that most take
    for way in chosen:
        ends.setdefault(tuple(step.shape for step in way.steps), []).append(way)
    return chosen, max(ends.values(), key=len)[0]


def _told_once(words: Iterable[str]) -> Iterator[str]:
    """Of several alike in a row the first, with their number."""
    for word, alike in itertools.groupby(words):
        number = sum(1 for _ in alike)
        yield word if number == 1 else f"{number} times {word}"


def _ways(steps: Any, roots: Any, hits: Sequence[int], *, single: bool) -> list[Way]:
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
            ways.append(Way(path, objects, root.kind, len(path) - 1, len(objects) - 1, root.code, root, skipped))
            continue
        sized = [(step.entries or 0, -i) for i, step in enumerate(path[:-1] or path)]
        entries, widest = max(sized)
        step = -widest if entries >= FEW_ENTRIES else None
        ways.append(Way(path, objects, root.kind, step, object_of(path, step, objects), root.code, root, skipped))
    return ways


def _fanned_out(ways: list[Way]) -> list[Way]:
    """Where no container is on most of the ways: the object by which they part is one, though its type does not say so.

    That of a pickler's memo, of a library's tree, of all modules; the last one if there are several.
    """
    from spanheap.retention import owner
    from spanheap.retention.path import Step

    without = [way for way in ways if way.widest is None and not is_transient(way)]
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


def _parting_at(way: Way, place: int) -> Way:
    """A container was passed over where what is in it goes by a name of its own: a logger, a module."""
    from spanheap.retention import owner
    from spanheap.retention.path import Namer

    o = way.objects[place]
    if (owner.entries(o) or 0) < FEW_ENTRIES:
        return way._replace(place=place, branch=o)
    path = Namer(dict(sys.modules)).path(way.start, way.objects[:place + 1], way.skipped[:place + 1])
    return way._replace(steps=(*path, *way.steps), widest=len(path) - 1, place=place)
