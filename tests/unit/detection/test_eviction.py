"""What the code of a module does with a container, read from its bytecode."""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Iterator

import pytest

from spanheap.detection import eviction
from spanheap.detection.evidence import Bound
from spanheap.detection.place import Place

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
    "swapped for an empty one": (Bound.EVICTION, "def flush():\n    global box\n    batch, box = box, []\n    return batch"),
    "made anew": (Bound.EVICTION, "def flush():\n    global box\n    box = dict()"),
    "filtered": (Bound.EVICTION, "def sweep(now):\n    global box\n    box = [b for b in box if b > now]"),
    "added to by making anew": (Bound.NONE, "def put(k):\n    global box\n    box = [*box, k]"),
    "replaced by what has it": (Bound.NONE, "def put(k):\n    global box\n    box = Node(box, k)"),
    "made when it is asked for": (Bound.NONE, "def get():\n    global box\n    if box is None: box = {}\n    return box"),
    "cut by a slice": (Bound.EVICTION, "def put(k):\n    del box[:-100]"),
    "overwritten by a slice": (Bound.EVICTION, "def put(k):\n    box[:] = box[-100:]"),
    "a limit before it is filled": (Bound.EVICTION, "def put(k):\n    if len(box) < 250: box[k] = k"),
    "asked whether it is empty": (Bound.NONE, "def put(k):\n    if len(box) > 0: box[k] = k"),
    "emptied by a helper": (
        Bound.EVICTION, "def trim(c, n):\n    while len(c) > n: del c[next(iter(c))]\ndef put(k): trim(box, 9)"),
    "emptied by a helper in its second parameter": (
        Bound.EVICTION, "def trim(n, c):\n    c.popitem()\ndef put(k):\n    trim(9, box)"),
    "removed in a loop": (Bound.EVICTION, "def sweep(keys):\n    for k in keys:\n        box.pop(k, None)"),
    "a local variable of that name": (Bound.NONE, "def f(k):\n    box = {}\n    box.popitem()"),
    "an attribute of that name": (Bound.NONE, "class A:\n    def f(self): self.box.popitem()\ndef g(x): x.box.clear()"),
    "static method": (Bound.RELEASE, "class A:\n    @staticmethod\n    def drop(k): box.pop(k)"),
}
ATTRIBUTES = {
    "its own method": (Bound.EVICTION, """
        class Cache:
            def put(self, k, v):
                self.box[k] = v
                if len(self.box) > 9: self.box.pop(k)
        """),
    "a method of a class that inherits": (Bound.EVICTION, """
        class Cache:
            def put(self, k): self.box[k] = 1
        class Small(Cache):
            def trim(self): self.box.popitem()
        """),
    "a property": (Bound.EVICTION, "class Cache:\n    @property\n    def one(self): return self.box.popitem()"),
    "another class's attribute of that name": (Bound.NONE, """
        class Cache:
            def __init__(self): self.box = {}
            def put(self, k): self.box[k] = 1
        class Other:
            def __init__(self): self.box = {}
            def trim(self): self.box.popitem()
        def g(x): x.box.clear()
        """),
    "some object's, where no other class has one": (Bound.EVICTION, """
        class Cache:
            def __init__(self): self.box = {}
        def sweep(caches):
            for c in caches: c.box.clear()
        """),
    "a global of that name": (Bound.NONE, """
        box = {}
        class Cache:
            def put(self, k): self.box[k] = 1
        def sweep(): box.clear()
        """),
    "what the class is called by": (Bound.EVICTION, "class Cache: pass\ndef sweep(): Cache.box.clear()"),
    "a list's pop": (Bound.EVICTION, """
        class Cache:
            box = [1]
            def put(self, k): self.box.append(k)
            def take(self): return self.box.pop()
        """),
    "a helper method": (Bound.EVICTION, """
        class Cache:
            def trim(self, mapping): mapping.popitem()
            def put(self, k): self.trim(self.box)
        """),
    "made anew in a flush": (Bound.EVICTION, """
        class Cache:
            def __init__(self): self.box = []
            def flush(self):
                batch, self.box = self.box, []
                return batch
        """),
    "made when it is made": (Bound.NONE, """
        class Cache:
            def __init__(self): self.box = []
        """),
}


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    """Make a module of this code."""
    made = types.ModuleType("eviction_case")
    made.__dict__["__name__"] = "eviction_case"
    sys.modules["eviction_case"], sys.modules["imported"] = made, types.ModuleType("imported")
    exec(textwrap.dedent(request.param), made.__dict__)
    yield made
    del sys.modules["eviction_case"], sys.modules["imported"]


@pytest.mark.parametrize(
    ("module", "bound"), [(code, bound) for bound, code in CASES.values()], ids=CASES, indirect=["module"],
)
def test_what_code_does_with_a_global(module: types.ModuleType, bound: Bound) -> None:
    """Nothing is run: the functions above would fail. A name that is another's says nothing."""
    assert eviction.bound_of(Place("global", "box", module)).bound is bound


@pytest.mark.parametrize(
    ("module", "bound"), [(code, bound) for bound, code in ATTRIBUTES.values()], ids=ATTRIBUTES, indirect=["module"],
)
def test_what_code_does_with_an_attribute(module: types.ModuleType, bound: Bound) -> None:
    """Of this class, and of no other that has one of that name."""
    cache: type = module.__dict__["Cache"]
    container = cache.__dict__.get("box")
    assert eviction.bound_of(Place("attribute", "box", cache, container)).bound is bound


@pytest.mark.parametrize("module", [
    "def make():\n    box = {}\n    def put(k):\n        if len(box) > 3: box.popitem()\n    return put\nput = make()",
], indirect=True)
def test_what_code_does_with_a_variable_of_a_closure(module: types.ModuleType) -> None:
    """In the functions that were made with it."""
    assert eviction.bound_of(Place("closure", "box", module.__dict__["put"])).bound is Bound.EVICTION


@pytest.mark.parametrize(("module", "limit"), [
    ("def put(k):\n    if len(box) < 250: box[k] = k", 250), ("N = 99\ndef put(k):\n    if N > len(box): box[k] = k", 99),
    ("def put(k):\n    n = len(box)\n    if n < 64: box[k] = k", 64),
    ("def put(k):\n    if len(box) > limit(): box.clear()", None),
], indirect=["module"])
def test_the_limit_that_code_compares_with(module: types.ModuleType, limit: int | None) -> None:
    """A constant, or what a name means now."""
    assert eviction.bound_of(Place("global", "box", module)).limit == limit


SWEEP = "def sweep(now):\n    for k, t in list(box.items()):\n        if {condition}: del box[k]\n"


@pytest.mark.parametrize(("module", "seconds"), [
    (SWEEP.format(condition="now - t > 600"), 600),
    ("TTL = 900\n" + SWEEP.format(condition="t < now") + "def put(k, now): box[k] = now + TTL", 900),
    ("TTL = 900\n" + SWEEP.format(condition="now - t > TTL") + "def do(now):\n    if now - swept_at > 60: sweep(box)", 960),
    ("from datetime import timedelta\n" + SWEEP.format(condition="t < now - timedelta(minutes=15)"), 900),
    ("from datetime import timedelta\nTTL = timedelta(hours=1)\n" + SWEEP.format(condition="t < now - TTL"), 3600),
    (SWEEP.format(condition="now - t > ttl(k)"), None),
    (SWEEP.format(condition="now_ms - t > 900_000"), None),
    (SWEEP.format(condition="now // 300 > t"), None),
    (SWEEP.format(condition="count(k) > 600"), None),
    (SWEEP.format(condition="t[7] < now"), None),
    (SWEEP.format(condition="is_old(t, now, True)"), None),
    (SWEEP.format(condition="call(k, now, timeout=30) > 9"), None),
    ("def put(k, now):\n    box[k] = call(k)\n    if len(box) > 9: box.popitem()\ndef get(k, now):\n"
     "    if now - refreshed > 300: load()\n    return box[k]", None),
    ("def put(k, now):\n    deadline = now + 30\n    box[k] = call(deadline)\n    if len(box) > 9: box.popitem()", None),
    ("def put(k, now):\n    if now - t > 600: other.clear()\n    box[k] = 1", None),
], indirect=["module"])
def test_the_age_at_which_code_lets_go(module: types.ModuleType, seconds: int | None) -> None:
    """Numbers that times are compared with or that are added to them, in seconds; with what passes between two sweeps."""
    assert eviction.bound_of(Place("global", "box", module)).age == seconds


@pytest.mark.parametrize(("module", "inner"), [
    ("def put(a, b):\n    box.setdefault(a, {})[b] = 1\n    if len(box) > 9: box.popitem()", Bound.NONE),
    ("def put(a, b):\n    inner = box.get(a)\n    inner[b] = 1\n    while len(box) > 9: box.popitem()", Bound.NONE),
    ("def put(a, b):\n    inner = box[a]\n    if len(inner) > 9: inner.popitem()", Bound.EVICTION),
    ("def put(a, b):\n    box[a].clear()", Bound.EVICTION),
    ("def put(a, b):\n    del box[a][b]", Bound.RELEASE),
    ("def put(a, b):\n    del box[a]", Bound.NONE),
], indirect=["module"])
def test_what_code_does_with_what_is_nested(module: types.ModuleType, inner: Bound) -> None:
    """As long as the outer container keeps it."""
    assert eviction.bound_of(Place("global", "box", module, nested=True)).inner is inner


@pytest.mark.parametrize(("module", "is_let_go"), [
    ("class Cache:\n    def __init__(self): self.box = Table()", False),
    ("class Cache:\n    def start(self): self.box = Table()", False),
    ("class Cache:\n    def get(self):\n        if self.box is None: self.box = Table()\n        return self.box", False),
    ("class Cache:\n    def refresh(self): self.box = Table()", True),
    ("class Cache:\n    def step(self):\n        if self.box is None: self.box = Table()\n"
     "        else: self.old, self.box = self.box, None", True),
    ("class Cache:\n    box = []\n    def step(self):\n        self.box.append(1)\n        self.box.pop(0)", True),
], indirect=["module"])
def test_whether_code_lets_go_of_an_object(module: types.ModuleType, is_let_go: bool) -> None:
    """And of all that is in it: puts another there."""
    cache: type = module.__dict__["Cache"]
    assert eviction.is_let_go(Place("attribute", "box", cache, cache.__dict__.get("box"))) is is_let_go


@pytest.mark.parametrize("module", ["import imported\ndef f(): imported.box.clear()"], indirect=True)
def test_code_of_another_module_that_knows_it(module: types.ModuleType) -> None:
    """By the module's name, or by its own."""
    assert eviction.bound_of(Place("global", "box", sys.modules["imported"])).bound is Bound.EVICTION


def test_a_place_without_code() -> None:
    """Where there is no code nothing is known."""
    assert eviction.bound_of(Place("global", "box", types.ModuleType("empty"))).bound is Bound.UNKNOWN


def test_classes_that_speak_of_a_bound() -> None:
    """By a method or an attribute of their own; those of the built-in containers say nothing."""
    import collections

    class Plain(collections.OrderedDict[int, int]):
        pass

    class Evicting(dict[int, int]):
        def evict(self) -> None: ...

    assert not eviction.class_evicts(Plain) and not eviction.class_evicts(dict)
    assert eviction.class_evicts(Evicting)
