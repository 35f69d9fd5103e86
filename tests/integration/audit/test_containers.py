"""What a look sees of the heap: the widest containers, by name, and what is in them."""

from __future__ import annotations

import collections
import functools
import queue
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from spanheap import _core
from spanheap.audit.bounds import bound
from spanheap.audit.sizes import Sizes
from spanheap.spans import sdk

tracer = TracerProvider().get_tracer("tests")


@pytest.fixture
def shop() -> Iterator[ModuleType]:
    """Return an imported module of an application."""
    module = ModuleType("shop")
    sys.modules["shop"] = module
    yield module
    module.__dict__.clear()
    del sys.modules["shop"]


def seen() -> dict[str, int]:
    """Entries of all containers of the application `shop`."""
    entries = Sizes(test_run=True).look(60).entries
    return {name: n for name, n in entries.items() if name.startswith("shop")}


def span(ended: bool = True) -> Any:
    """Return a span of an SDK."""
    made = tracer.start_span("GET /items")
    if ended:
        made.end()
    return made


def contents(o: Any) -> Any:
    """Return what a look sees in a container."""
    return _core.container_contents(o, sdk.span_types(), sdk.SPAN_FIELDS[2], sdk.SPAN_END)


def test_containers_go_by_their_names(shop: ModuleType) -> None:
    """Dicts, lists, sets and deques are counted, those in a container together; small and immutable ones are not."""
    shop.a_dict, shop.a_list, shop.a_set = dict.fromkeys(range(20)), [0] * 21, set(range(22))
    shop.a_deque = collections.deque(range(23))
    shop.by_tenant = {name: [0] * 30 for name in "abc"}
    shop.small, shop.fixed, shop.frozen = [0] * 15, (0,) * 100, frozenset(range(100))
    assert seen() == {
        "shop:a_dict (dict)": 20, "shop:a_list (list)": 21, "shop:a_set (set)": 22, "shop:a_deque (deque)": 23,
        "shop:by_tenant (dict) → list": 90,
    }


def test_namespaces_are_no_containers(shop: ModuleType) -> None:
    """Globals and the attributes of a class or instance are what a programmer wrote, unless they are hundreds."""
    names = [f"name_{i}" for i in range(50)]
    shop.__dict__.update(dict.fromkeys(names))
    shop.Shop = type("Shop", (), {"__module__": "shop", **dict.fromkeys(names)})
    shop.one = shop.Shop()
    shop.one.__dict__.update({f"request_{i}": i for i in range(300)})
    assert seen() == {"shop:one (Shop)": 300}


def test_widest_are_chosen_where_there_are_too_many(shop: ModuleType) -> None:
    """The room goes to the containers with most entries; how many there are is told."""
    shop.kept = [[0] * n for n in (200_000, 900_000, 400_000, 100_000, 800_000, 300_000)]
    (steps, _, hits, _), total = _core.widest_containers(2, 4, "", 60, 1 << 20)
    widest = sorted(_core.container_entries(steps[hit][0]) for hit in hits)
    assert widest == [300_000, 400_000, 800_000, 900_000] and total > 6
    assert sum(len(_core.widest_containers(2, room, "", 60)[0][2]) for room in (0, 1, 5)) == 6


def test_look_within_a_budget_says_that_it_is_incomplete() -> None:
    """What a look had no time for is not taken for gone."""
    assert not Sizes(test_run=False).look(1e-6).complete
    assert Sizes(test_run=False).look(60).complete


def test_contents_tell_entries_that_lead_to_an_ended_span() -> None:
    """As key or value, in a tuple, dict or object in it; not spans that are active, nor those three objects deep or more."""
    class Record:
        def __init__(self, kept: Any) -> None:
            self.span = kept

    for ended in ([span()], [(1, span())], [{"span": span()}], [Record(span())], {span(): 1}, {"a": span()}, {span()},
                  collections.deque([(0, [span()])])):
        assert contents(ended)[1:3] == (1, 1) and contents(ended)[4] == "GET /items", ended
    for other in ([span(ended=False)], [tracer], [{"name": "GET /items"}], [[[[[span()]]]]], [span], {}):
        assert contents(other)[2] == 0 and contents(other)[4] is None, other
    assert contents((span(),)) is None


def test_contents_are_a_sample_of_all_entries() -> None:
    """At most 64 entries are looked at, evenly: half of them spans is half; where most were removed, none is met twice."""
    kept = span()
    entries, looked, with_span, size, _ = contents({i: kept if i >= 5000 else "text" for i in range(10_000)})
    assert entries == 10_000 and 32 <= looked <= 64 and with_span == pytest.approx(looked / 2, abs=1) and size > 0
    for container in ([0] * 1000 + [kept] * 1000, collections.deque([0] * 1000 + [kept] * 1000)):
        _, looked, with_span, _, _ = contents(container)
        assert 32 <= looked <= 64 and with_span == pytest.approx(looked / 2, abs=1)
    evicted = {i: kept if i == 990 else None for i in range(1000)}
    for i in range(990):
        del evicted[i]
    assert contents(evicted)[:3] == (10, 10, 1)


def test_no_code_of_the_application_runs(shop: ModuleType) -> None:
    """A container with methods of its own is counted and looked into without them."""
    def never(*args: Any) -> Any:
        raise AssertionError("code of the application ran")

    names = ("__len__", "__iter__", "__getitem__", "__contains__", "__sizeof__", "__getattribute__", "__eq__")
    methods = dict.fromkeys(names, never)
    shop.cache = type("Cache", (dict,), {**methods, "__hash__": never})()
    item = type("Item", (), {**methods, "__hash__": object.__hash__})()
    for i in range(30):
        dict.__setitem__(shop.cache, i, item)
    sight = Sizes(test_run=True).look(60)
    assert sight.entries["shop:cache (Cache)"] == 30
    assert sight.contents("shop:cache (Cache)").bytes > 30 * 8


class Cache:
    def __init__(self, maxsize: object) -> None:
        self.maxsize, self.data = maxsize, {1: 2}


class BoundedDict(dict[int, int]):
    capacity = 0


def test_bounds_are_read_where_they_are_kept() -> None:
    """maxlen, lru_cache's maxsize, and an attribute of the container or its object; a class attribute is not looked for."""
    limited, unlimited = functools.lru_cache(maxsize=5)(str), functools.lru_cache(maxsize=None)(str)
    waiting: queue.Queue[int] = queue.Queue(7)
    own = BoundedDict()
    own.capacity = 9
    assert bound(collections.deque(maxlen=3), None) == 3 and bound(collections.deque(), None) is None
    assert bound({}, limited) == 5 and bound({}, unlimited) is None
    assert bound(waiting.queue, waiting) == 7 and bound(queue.Queue().queue, queue.Queue()) is None
    assert bound({}, Cache(11)) == 11 and bound({}, Cache(None)) is bound({}, Cache(True)) is None
    assert bound(own, None) == 9 and bound(BoundedDict(), None) is None and bound([], own) is None


def test_bound_counts_only_while_it_is_kept(shop: ModuleType) -> None:
    """A container with more entries than it says to have is not bounded by what it says."""
    shop.kept, shop.broken = Cache(100), Cache(20)
    shop.kept.data, shop.broken.data = dict.fromkeys(range(50)), dict.fromkeys(range(50))
    Cache.__module__ = "shop"
    sizes = Sizes(test_run=True)
    assert {name for name in sizes.look(60).entries if "shop" in name} == {"shop:broken (Cache) → shop.Cache.data (dict)"}
    shop.kept.data.update(dict.fromkeys(range(101)))
    assert sizes.look(60).entries["shop:kept (Cache) → shop.Cache.data (dict)"] == 101


def test_what_tests_collect_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of a test module is seen in a service, not in a test run, which this process is."""
    module = ModuleType("test_shop")
    module.results = [0] * 100  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "test_shop", module)
    assert "test_shop:results (list)" in Sizes(test_run=False).look(60).entries
    assert "test_shop:results (list)" not in Sizes().look(60).entries
