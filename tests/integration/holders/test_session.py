"""`Session.holders`: of a site, of a span's name, of objects; and what it refuses."""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.snapshot import Site

SLOW = 60_000   # ms: what is tested does not depend on the machine


def _site_of(session: spanheap.Session, function: str) -> Site:
    """Return the largest site that was allocated directly in this function of the shop."""
    sites = [s for s in session.snapshot().sites() if s.stack and s.stack[0].function.endswith(function) and s.live_bytes]
    assert sites, "no site"
    return sites[0]


def test_objects(every_byte: spanheap.Session, shop: ModuleType) -> None:
    """One object, or several; each is counted."""
    first, second = shop.in_module_list(), shop.in_module_dict()
    (one,) = every_byte.holders(first, budget_ms=SLOW)
    assert str(one) == "shop:pending (list, 1 entry) → Kept" and one.objects == one.share == 1.0 and not one.incomplete
    both = every_byte.holders([first, second], budget_ms=SLOW)
    assert sorted(str(h) for h in both) == ["shop:orders (dict, 1 entry) → Kept", "shop:pending (list, 1 entry) → Kept"]
    assert [h.share for h in both] == [0.5, 0.5]
    assert len(every_byte.holders({first, second}, limit=1, budget_ms=SLOW)) == 1


def test_equal_shapes_are_one_holder(every_byte: spanheap.Session, shop: ModuleType) -> None:
    """A thousand objects in one map are one holder, whatever lies below each entry."""
    for i in range(1000):
        shop.orders[str(i)] = shop.Shop()
    (holder,) = every_byte.holders(list(shop.orders.values()), budget_ms=SLOW)
    assert str(holder) == "shop:orders (dict, 1,000 entries) → Shop" and holder.objects == 1000
    below = [o.items for o in shop.orders.values()] + list(shop.orders.values())
    (holder,) = every_byte.holders(below, budget_ms=SLOW)
    assert str(holder) == "shop:orders (dict, 1,000 entries) → Shop" and holder.objects == 2000


def test_site_of_instances(every_byte: spanheap.Session, shop: ModuleType) -> None:
    """The samples of a site are found as the objects they are; what they stand for is estimated."""
    code = "def make_orders():\n    for i in range(300): orders[str(i)] = Shop()\n"
    exec(compile(code, "shop_part.py", "exec"), shop.__dict__)
    shop.make_orders()
    site = _site_of(every_byte, "make_orders")
    found = every_byte.holders(site, budget_ms=SLOW)
    assert sorted(map(str, found[:2])) == ["shop:orders (dict, 300 entries) → Shop", "shop:orders (dict, 300 entries) → str"]
    assert sum(h.share for h in found) > 0.9
    assert abs(sum(h.objects for h in found) - site.live_objects) < 0.1 * site.live_objects


PARTS = {
    "a list's items": ("pending.append(None)\n    pending.extend([None] * 5000)", "shop:pending (list, 5,001 entries)"),
    "a dict's table": ("orders.update(dict.fromkeys(range(5000)))", "shop:orders (dict, 5,000 entries)"),
    "a set's table": ("seen.update(range(5000))", "shop:seen (set, 5,000 entries)"),
    "a deque's blocks": ("unbounded.extend([None] * 5000)", "shop:unbounded (deque, 5,000 entries)"),
    "a bytearray's bytes": ("data.extend(bytes(100_000))", "shop:data (bytearray)"),
    "a str": ("global text\n    text = 'x' * 100_000", "shop:text (str)"),
    "str that are keys": ("for i in range(2000): orders['%0200d' % i] = None", "shop:orders (dict, 2,000 entries)"),
    "str in an untracked tuple": ("global texts\n    texts = ('x' * 100_000,)", "shop:texts (tuple, 1 entry) → str"),
}


@pytest.mark.parametrize("part", PARTS)
def test_site_of_parts(every_byte: spanheap.Session, shop: ModuleType, part: str) -> None:
    """Blocks that are not objects the collector knows are found by the object that owns them."""
    body, expected = PARTS[part]
    code = f"from collections import deque\nunbounded = deque()\ndata = bytearray()\ndef grow():\n    {body}\n"
    exec(compile(code, "shop_part.py", "exec"), shop.__dict__)
    shop.grow()
    gc.collect()   # untracks the tuple
    found = every_byte.holders(_site_of(every_byte, "grow"), budget_ms=SLOW)
    assert str(found[0]).startswith(expected) and found[0].share > 0.5


@pytest.mark.parametrize("keep", ["span", "readable"])
def test_span_name(every_byte: spanheap.Session, shop: ModuleType, keep: str) -> None:
    """Ended spans of a name are found by what keeps them; active ones only if there are none that ended."""
    provider = TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("shop")
    for i in range(20):
        span: Any = tracer.start_span("GET /orders")
        span.end()
        shop.orders[str(i)] = span if keep == "span" else span._readable_span()
    other = tracer.start_span("GET /other")
    shop.pending.append(other)
    del span
    (holder,) = every_byte.holders("GET /orders", budget_ms=SLOW)
    kind = {"span": "_Span", "readable": "ReadableSpan"}[keep]
    assert str(holder) == f"shop:orders (dict, 20 entries) → {kind}" and holder.objects == 20
    (active,) = every_byte.holders("GET /other", budget_ms=SLOW)
    assert str(active) == "shop:pending (list, 1 entry) → _Span"
    assert every_byte.holders("no such span") == []
    provider.shutdown()


def test_a_walk_that_found_nobody_in_time_says_so(every_byte: spanheap.Session, shop: ModuleType) -> None:
    """An empty list means that nobody holds it; with a larger budget the holder is there."""
    provider = TracerProvider(shutdown_on_exit=False)
    shop.in_the_way = [None] * 5_000_000
    code = "def make():\n    for i in range(100): orders[i] = Kept()\n"
    exec(compile(code, "shop_part.py", "exec"), shop.__dict__)
    shop.make()
    objects = list(shop.orders.values())
    shop.orders["span"] = span = provider.get_tracer("shop").start_span("GET /orders")
    span.end()
    del span
    for target, count in ((objects, 100), (_site_of(every_byte, "make"), 1), ("GET /orders", 0)):
        (unknown,) = every_byte.holders(target, budget_ms=1)
        assert str(unknown).startswith("unknown (the walk was cut short after ")
        assert str(unknown).endswith(" ms; a larger budget_ms looks on)")
        assert unknown.incomplete and unknown.share == 1.0 and unknown.objects >= count
        assert str(every_byte.holders(target, budget_ms=SLOW)[0]).startswith("shop:orders (dict, ")
    provider.shutdown()


@pytest.mark.parametrize(("target", "options", "error", "says"), [
    (None, {}, TypeError, "expected a Site of a snapshot, the name of a span, or objects"),
    ("", {}, ValueError, "expected the name of a span"),
    ([], {}, ValueError, "no objects"),
    (object(), {"limit": 0}, ValueError, "limit = 0"),
    (object(), {"limit": 1.5}, ValueError, "limit = 1.5"),
    (object(), {"budget_ms": 0}, ValueError, "budget_ms = 0: milliseconds must be 1 to 60,000"),
    (object(), {"budget_ms": "1"}, ValueError, "budget_ms = '1'"),
    (Site(stack=[], span_names=[], live_bytes=1, live_objects=1, allocated_bytes=1, allocated_objects=1, samples=1,
          variance=0), {}, ValueError, "a Site without a stack"),
])
def test_refused(every_byte: spanheap.Session, target: object, options: Any, error: type[Exception], says: str) -> None:
    """What cannot be answered raises, with the value and the way out."""
    with pytest.raises(error, match=says.replace("(", r"\(")):
        every_byte.holders(target, **options)


def test_after_shutdown() -> None:
    """A session that was shut down says so."""
    session = spanheap.start(tick=None)
    session.shutdown()
    with pytest.raises(spanheap.SpanheapError, match="shut down"):
        session.holders(object())


def test_holder_is_public() -> None:
    """`spanheap.Holder` is what is returned, and is imported when asked for."""
    assert spanheap.Holder._fields == ("path", "objects", "share", "incomplete")
