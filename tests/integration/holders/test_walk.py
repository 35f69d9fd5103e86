"""The walk itself: real and shortest paths, within its bounds, and without a trace."""

from __future__ import annotations

import functools
import gc
import random
import sys
import threading
import time
import weakref
from collections import deque
from types import ModuleType
from typing import Any

import pytest

from spanheap import _core
from spanheap.retention import holders

SECONDS = 60.0   # a budget that no test uses up: what is tested does not depend on the machine


class Box:
    """A node of a graph, with inline values or a dict."""


def _graph(random: random.Random, n: int) -> list[Any]:
    """Make n containers of all kinds that refer to each other at random; not all can be reached from the first."""
    nodes: list[Any] = []
    for _ in range(n):
        kind = random.randrange(6)
        some = random.sample(nodes, min(len(nodes), random.randrange(4)))
        nodes.append([list, dict, Box, deque, tuple, list][kind](*([some] if kind in (3, 4) else [])))
    for _ in range(2 * n):
        parent, child = random.choice(nodes), random.choice(nodes)
        if type(parent) in (list, deque):
            parent.append(child)
        elif type(parent) is dict:
            parent[random.random()] = child
        elif type(parent) is Box:
            setattr(parent, f"field_{random.randrange(5)}", child)
            if random.random() < 0.2:
                parent.__dict__   # noqa: B018 - makes it
    return nodes


def _distances(entry: object) -> dict[int, int]:
    """Breadth first, by what the collector is told; the oracle."""
    found, queue = {id(entry): 0}, deque([entry])
    while queue:
        parent = queue.popleft()
        for child in gc.get_referents(parent):
            if id(child) not in found and not isinstance(child, (type, ModuleType)):
                found[id(child)] = found[id(parent)] + 1
                queue.append(child)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_paths_are_real_and_shortest(seed: int) -> None:
    """Each step of each path is a reference that exists, and no path from the module is longer than the oracle's."""
    module = ModuleType("graph")
    sys.modules["graph"] = module
    try:
        nodes = _graph(random.Random(seed), 200)
        module.entry = nodes[0]   # type: ignore[attr-defined]
        distances = _distances(nodes[0])
        wanted = tuple(node for node in nodes if node != ())
        steps, roots, hits, figures = _core.walk_to_objects(wanted, (nodes,), "", SECONDS, _core.MAX_NODES)
        assert figures[2:3] == (True,) and len(hits) == figures[5]
        seen = 0
        for place in hits:
            path = []
            while place >= 0:
                path.append(steps[place][0])
                assert steps[place][2] == 0
                place = steps[place][1]
            for child, parent in zip(path, path[1:], strict=False):
                assert any(child is o for o in gc.get_referents(parent))
            if id(path[0]) in distances:
                seen += 1
                assert roots[-1 - place][0] == _core.ROOT_MODULE
                # the module, its dict, the entry, and from there on as the oracle says
                assert path[-1] is module and len(path) == 3 + distances[id(path[0])]
            else:
                assert roots[-1 - place][0] > _core.ROOT_THREAD
        assert seen == sum(id(node) in distances for node in {id(node): node for node in wanted}.values())
    finally:
        del sys.modules["graph"]


def test_long_chain_keeps_its_ends() -> None:
    """Of a linked list of 100,000 nodes the two ends are told, and how many are between."""
    module = ModuleType("chain")
    sys.modules["chain"] = module
    try:
        last = node = Box()
        for _ in range(100_000):
            node, inner = Box(), node
            node.next = inner   # type: ignore[attr-defined]
        module.head = node   # type: ignore[attr-defined]
        del node, inner
        (holder,) = holders.search((last,), budget_ms=SECONDS * 1e3).holders
        assert str(holder).startswith("chain:head (Box) → holders.test_walk.Box.next (Box) → ")
        assert 99_000 < sum(step.skipped for step in holder.path) < 210_000
        assert len(holder.path) < 50
    finally:
        while module.__dict__.pop("head", None) is not None:
            pass
        del sys.modules["chain"]


def test_budget_ends_the_walk() -> None:
    """A walk that may visit few objects says that it is incomplete, visits no more, and calls nothing garbage."""
    kept = [[object()] for _ in range(1000)]
    wanted = tuple(o for inner in kept for o in inner)
    for most in (1, 10, 1000, 3000):
        _, roots, _, figures = _core.walk_to_objects(wanted, (), "", SECONDS, most)
        assert figures[1] <= most and not figures[2]
        assert not any(root[0] >= _core.ROOT_C for root in roots)


def test_time_ends_the_walk() -> None:
    """With no time at all the walk ends at the first look at the clock."""
    heap = [[i] for i in range(50_000)]
    absent = object()
    _, _, hits, figures = _core.walk_to_objects((absent,), (), "", 0.0)
    assert not figures[2] and figures[1] < 20_000 and hits == [] and len(heap) == 50_000


def test_incomplete_walk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a walk found before its budget ended it comes marked."""
    module = ModuleType("big")
    sys.modules["big"] = module   # the last module: walked first
    try:
        module.first = found = Box()   # type: ignore[attr-defined]
        monkeypatch.setattr(_core, "walk_to_objects", functools.partial(_core.walk_to_objects, max_nodes=5000))
        search = holders.search((found, object()))
        assert [str(h) for h in search.holders] == ["big:first (Box)"]
        assert search.holders[0].incomplete and not search.complete
        assert search.holders[0].share == search.holders[0].objects / 2 == 0.5
    finally:
        del sys.modules["big"]


def test_memory_is_a_few_words_an_object() -> None:
    """At most 40 bytes an object, so 40 MiB for a million, in pages of its own."""
    heap = [[i] for i in range(200_000)]
    search = holders.search((object(),), budget_ms=SECONDS * 1e3)
    assert search.visited > len(heap) and search.memory_bytes <= 40 * search.visited


def test_nothing_is_left_behind() -> None:
    """No reference count changes, and what was looked for can go."""
    kept = Box()
    module = ModuleType("holding")
    sys.modules["holding"] = module
    try:
        module.kept = [kept]   # type: ignore[attr-defined]
        objects = [module, module.__dict__, module.kept, kept, Box, test_nothing_is_left_behind.__code__]
        holders.search((kept,))   # imports, caches
        before = [sys.getrefcount(o) for o in objects]
        for _ in range(10):
            holders.search((kept,))
        assert [sys.getrefcount(o) for o in objects] == before
        gone = weakref.ref(kept)
        module.kept.clear()
        objects.clear()
        del kept
        assert gone() is None
    finally:
        del sys.modules["holding"]


def test_other_threads_go_on() -> None:
    """Walks beside threads that build and drop containers, generators and frames."""
    stop = threading.Event()

    def churn() -> None:
        def rows(n: int) -> Any:
            kept = [Box() for _ in range(n)]
            for i in range(n):
                yield {i: kept[i]}

        while not stop.is_set():
            generator = rows(50)
            table = {i: next(generator) for i in range(20)}
            table.clear()
            list(map(functools.partial(max, 1), range(100)))

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        kept = Box()
        end = time.monotonic() + 1.0
        walks = 0
        while time.monotonic() < end:
            steps, _, hits, _ = _core.walk_to_objects((kept,), (), "", SECONDS, _core.MAX_NODES)   # with its invariants
            assert len(hits) == 1 and steps[hits[0]][0] is kept
            walks += 1
        assert walks
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_asked_by_a_finalizer() -> None:
    """While the collector is at work, its lists are in pieces: what no root leads to is then not looked at."""
    answers: list[holders.Search] = []

    class Last:
        def __del__(self) -> None:
            answers.append(holders.search((object(),), budget_ms=SECONDS * 1e3))

    cycle = Last()
    cycle.me = cycle   # type: ignore[attr-defined]
    del cycle
    gc.collect()
    assert [(a.holders, a.complete) for a in answers] == [([], False)]


calls: list[str] = []


def _record(name: str) -> Any:
    def method(self: object, *args: object) -> Any:
        calls.append(name)
        raise RuntimeError(name)

    return method


class HostileMeta(type):
    """A class whose own attributes must not be asked for."""

    __getattribute__ = _record("meta __getattribute__")
    __eq__ = _record("meta __eq__")
    __hash__ = type.__hash__
    __instancecheck__ = _record("meta __instancecheck__")
    __repr__ = _record("meta __repr__")


def _hostile_class() -> Any:
    names = "repr", "str", "eq", "getattribute", "getattr", "len", "iter", "bool", "getitem"
    methods = {f"__{name}__": _record(name) for name in names}
    return methods | {"__hash__": object.__hash__, "__class__": property(_record("__class__"))}


def test_no_code_of_the_application_runs() -> None:
    """Neither the walk nor the naming calls a method, property or metaclass of what it comes across."""
    hostile = HostileMeta("Hostile", (), _hostile_class())
    hostile_dict = HostileMeta("HostileDict", (dict,), _hostile_class())
    box, table = object.__new__(hostile), dict.__new__(hostile_dict)
    kept = Box()
    object.__setattr__(box, "table", table)
    dict.__setitem__(table, "kept", kept)
    sys.modules["hostile"] = box   # not even a module
    calls.clear()
    try:
        found = [str(holder) for holder in holders.search((kept,), budget_ms=SECONDS * 1e3).holders]
    finally:
        made = calls[:]
        del sys.modules["hostile"]
    assert made == []
    assert found == ["holders.test_walk.Hostile.table (HostileDict, 1 entry) → Box"]
