"""What the code of a module does with a container, read from its bytecode."""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Iterator

import pytest

from spanheap.detection import eviction
from spanheap.detection.evidence import Bound

CASES = {
    "nothing": (Bound.NONE, "def put(k, v): box[k] = v\ndef get(k): return box.get(k) if k in box else len(box)"),
    "another's pop": (Bound.NONE, "def put(k, v):\n    box[k] = v\n    other.pop(k)"),
    "cleared at the end": (Bound.NONE, "def put(k, v): box[k] = v\ndef teardown(): box.clear()"),
    "released by key": (Bound.RELEASE, "def done(k): box.pop(k, None)"),
    "deleted by key": (Bound.RELEASE, "def done(k):\n    del box[k]"),
    "popitem": (Bound.EVICTION, "def put(k, v):\n    box[k] = v\n    if full: box.popitem()"),
    "oldest out": (Bound.EVICTION, "def put(k, v):\n    box[k] = v\n    if len(box) > 9: del box[next(iter(box))]"),
    "length and pop": (Bound.EVICTION, "def put(k, v):\n    box[k] = v\n    while len(box) > 9: box.pop(first)"),
    "sweep": (Bound.EVICTION, "def sweep(now):\n    for k, t in list(box.items()):\n        if t < now: del box[k]"),
    "sweep under another name": (
        Bound.EVICTION,
        "def sweep(now):\n    b = box\n    for k in [k for k in b]:\n        del b[k]\n    for k in b: pass"),
    "heap": (Bound.EVICTION, "def run():\n    import heapq\n    return heapq.heappop(box)"),
    "queue": (Bound.EVICTION, "def run(): return box.popleft()"),
    "emptied by a job": (Bound.EVICTION, "def flush():\n    send(box)\n    box.clear()"),
    "attribute": (
        Bound.EVICTION,
        "class Cache:\n    def put(self, k, v):\n        self.box[k] = v\n        if len(self.box) > 9: self.box.pop(k)"),
    "closure": (
        Bound.EVICTION,
        "def make():\n    box = {}\n    def put(k):\n        if len(box) > 3: box.popitem()\n    return put"),
    "static method": (Bound.RELEASE, "class A:\n    @staticmethod\n    def drop(k): box.pop(k)"),
    "property": (Bound.EVICTION, "class A:\n    @property\n    def one(self): return self.box.popitem()"),
}


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    """Make a module of this code."""
    made = types.ModuleType("eviction_case")
    made.__dict__["__name__"] = "eviction_case"
    sys.modules["eviction_case"] = made
    exec(textwrap.dedent(request.param), made.__dict__)
    yield made
    del sys.modules["eviction_case"]


@pytest.mark.parametrize(
    ("module", "bound"), [(code, bound) for bound, code in CASES.values()], ids=CASES, indirect=["module"],
)
def test_what_code_does_with_a_container(module: types.ModuleType, bound: Bound) -> None:
    """Nothing is run: the functions above would fail."""
    assert eviction.bound_of("eviction_case", "box") is bound


def test_a_module_that_is_not_there() -> None:
    """Where there is no code nothing is known."""
    assert eviction.bound_of("no_such_module", "box") is Bound.UNKNOWN


def test_classes_that_speak_of_a_bound() -> None:
    """By a method or an attribute of their own; those of the built-in containers say nothing."""
    import collections

    class Plain(collections.OrderedDict[int, int]):
        pass

    class Evicting(dict[int, int]):
        def evict(self) -> None: ...

    assert not eviction.class_evicts(Plain, {}) and not eviction.class_evicts(dict, None)
    assert eviction.class_evicts(Evicting, None)
    assert eviction.class_evicts(Plain, {"maxsize": 3})
