"""What a holder proves: of real containers, in a module whose code takes from some of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import types
from collections import deque
from typing import Any

import pytest

import spanheap
from spanheap import _core
from spanheap.detection import holding
from spanheap.detection.evidence import Bound, Evidence

from . import _holders


def evidence(things: list[_holders.Thing]) -> Evidence:
    """Who holds them, but for this test."""
    return holding.judge(_core.walk_to_objects(tuple(things), (things,), holding.OWN_FOLDER, 5.0))


@pytest.mark.parametrize(("case", "bound", "name"), [
    ("plain", Bound.NONE, "_holders:plain"),
    ("endless", Bound.NONE, "_holders:endless"),
    ("attribute", Bound.NONE, "Registry.things"),
    ("unbounded", Bound.NONE, "unbounded (lru_cache"),
    ("released", Bound.RELEASE, "_holders:released"),
    ("queue", Bound.RELEASE, "Queue.queue"),
    ("swept", Bound.EVICTION, "_holders:swept"),
    ("ordered", Bound.EVICTION, "_holders:ordered"),
    ("ring", Bound.EVICTION, "_holders:ring"),
    ("bounded", Bound.EVICTION, "bounded (lru_cache"),
    ("maxsize", Bound.EVICTION, "Cache.things"),
    ("generations", Bound.OUTER, "Generation.rows"),
])
def test_what_a_container_proves(case: str, bound: Bound, name: str) -> None:
    """Its bound and its name; and where names lead to it, its entries can be counted later on."""
    found = evidence(_holders.fill(case))
    assert found.bound is bound, found
    assert found.holder is not None and name in found.holder
    assert found.entries is not None and found.entries() == 50


def test_a_bound_of_tables_is_none_of_their_rows() -> None:
    """Twenty tables at the most, and any number of statements in each."""
    found = evidence(_holders.fill("tables"))
    assert found.bound is Bound.OUTER, found
    assert found.holder is not None and "_holders:statements (OrderedDict, 1 entry) → dict (50 entries)" in found.holder


def test_ever_more_caches_that_have_a_bound_each() -> None:
    """The table of them is told beside, and counted."""
    _holders.teardown()
    things = _holders.fill("hosts")   # nine, of six each
    for page in _holders.hosts.values():
        for i in range(10):
            things.append(_holders.Thing())
            page.put(100 + i, things[-1])
    found = evidence(things)
    assert found.bound is Bound.EVICTION and found.outside is not None, found
    assert found.outside.container.endswith(":hosts:global") and found.outside.entries() == 9


def test_a_chain_that_hangs_on_a_bounded_container() -> None:
    """It is the chain that grows, whatever bound the container has; and what repeats is told once."""
    link, things = None, []
    for _ in range(200):
        link = _holders.Link(link)
        things.append(link.thing)
        _holders.last_links.append(link)
    found = evidence(things)
    _holders.last_links.clear()
    assert found.bound is Bound.NONE and found.detail == "a chain of objects" and found.entries is None, found
    assert found.holder is not None and " times " in found.holder and found.holder.count("Link.before") < 3, found.holder


def test_the_lagging_side_of_a_tee() -> None:
    """A chain that each thing leaves at another place: no two ways are alike."""
    ahead, _holders.behind = itertools.tee(_holders.Thing() for _ in range(57 * 24))
    found = evidence(list(ahead)[::8])
    _holders.behind = None
    assert found.bound is Bound.NONE and found.detail == "a chain of objects", found
    assert found.holder is not None and "_holders:behind (_tee)" in found.holder, found.holder


def test_a_window_for_each_sensor_has_the_bound_of_a_window() -> None:
    """Forty windows of a hundred with twenty in each: the table has more entries, and nothing takes from it."""
    _holders.teardown()
    things = [_holders.Thing() for _ in range(800)]
    for i, thing in enumerate(things):
        _holders.windows.setdefault(i % 40, deque(maxlen=100)).append(thing)
    found = evidence(things)
    assert found.bound is Bound.EVICTION and found.entries is None, found
    assert found.outside is not None and found.outside.container.endswith(":windows:global")
    assert found.outside.entries() == 40
    _holders.teardown()


@pytest.mark.parametrize("events", [0, 20])
def test_the_events_of_each_span_in_a_queue_are_no_window(events: int) -> None:
    """Two hundred entries that have a `deque(maxlen)` each, empty or not: it is the queue that grows, or does not."""
    _holders.teardown()
    things = [_holders.Thing() for _ in range(200)]
    for i, thing in enumerate(things):
        _holders.windows[i] = deque([thing, *range(events)], maxlen=100)
    found = evidence(things)
    assert found.bound is Bound.NONE and found.outside is None, found
    _holders.teardown()


def test_what_is_assigned_to_a_descriptor_does_not_replace_it() -> None:
    """`self.total = …` is handed to it, and it has a table of all who were assigned to."""
    bills = [_holders.Bill(i) for i in range(50)]
    found = evidence(bills)
    assert found.bound is Bound.NONE, found
    assert found.holder is not None and "Amount.amounts (dict, 50 entries)" in found.holder
    _holders.teardown()


def test_lists_in_a_table_are_counted_all_together() -> None:
    """Ten users' lists grow, and the table of users does not."""
    _holders.teardown()
    for _ in range(3):
        things = _holders.fill("nested")
    found = evidence(things)
    assert found.bound is Bound.NONE and found.entries is not None and found.entries() == 150, found
    _holders.by_user[3].append(things[0])
    assert found.entries() == 151
    _holders.teardown()


def test_lists_of_objects_in_a_table_are_counted_all_together() -> None:
    """Thirty-six matches with their events, of which half make room for new ones; not of thousands."""
    _holders.teardown()
    things = [_holders.Thing() for _ in range(36 * 40)]
    _holders.deep.update((f"match {i}", _holders.Shelf()) for i in range(36))
    for i, thing in enumerate(things):
        _holders.deep[f"match {i % 36}"].things.append(thing)
    found = evidence(things)
    assert found.entries is not None and found.is_estimate, found
    before = found.entries()
    assert before == pytest.approx(len(things), rel=0.06)   # every other is counted, and there is an empty one
    for i in range(18):
        _holders.deep[f"match {i}"] = _holders.Shelf()
    assert found.entries() == pytest.approx(len(things) / 2, rel=0.1)
    _holders.deep.update((f"match {i}", _holders.Shelf()) for i in range(36, 5000))
    assert found.entries() is None
    _holders.teardown()


def test_lists_in_a_wide_table_are_counted_with_it() -> None:
    """Sixty users stay sixty, and their lists grow."""
    _holders.teardown()
    things = [_holders.Thing() for _ in range(300)]
    for i, thing in enumerate(things):
        _holders.by_user.setdefault(i % 60, []).append(thing)
    found = evidence(things)
    assert found.entries is not None and found.entries() == 60 + 300 and not found.is_estimate
    for values in _holders.by_user.values():
        values.append(things[0])
    assert found.entries() == 60 + 360
    _holders.teardown()


def test_a_container_in_an_object_in_a_container_is_counted() -> None:
    """As a library has it: the only entry of a table, a table among others by its key, and a list at an index."""
    _holders.teardown()
    things = [_holders.Thing() for _ in range(40)]
    _holders.deep["only"].things.extend(things)
    only = evidence(things)
    assert only.entries is not None and only.entries() == 40, only
    _holders.deep["one more"] = _holders.Shelf()
    assert only.entries() is None   # which of them is not known
    by_key = evidence(things)
    assert by_key.entries is not None and by_key.entries() == 40, by_key
    _holders.shelves[1].things, _holders.deep["only"].things = _holders.deep["only"].things, []
    by_index = evidence(things)
    assert by_index.entries is not None and by_index.entries() == 40 and by_key.entries() == 0, by_index
    _holders.shelves.clear()
    assert by_index.entries() is None


def test_what_a_local_variable_has_is_transient() -> None:
    """It goes with the function that has it."""
    mine = {i: _holders.Thing() for i in range(50)}
    found = evidence(list(mine.values()))
    assert found.bound is Bound.TRANSIENT, found


def test_what_waiting_tasks_have_is_transient() -> None:
    """Until the future comes."""
    async def main() -> Evidence:
        future = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(_holders.wait(future, _holders.Thing())) for _ in range(20)]
        await asyncio.sleep(0)
        found = evidence([o for o in gc.get_objects() if type(o) is _holders.Thing and o not in known])
        future.set_result(None)
        await asyncio.gather(*tasks)
        return found

    known = [o for o in gc.get_objects() if type(o) is _holders.Thing]
    assert asyncio.run(main()).bound is Bound.TRANSIENT


def test_a_container_that_is_gone_has_no_entries() -> None:
    """What its name means now may be another thing."""
    found = evidence(_holders.fill("plain"))
    assert found.entries is not None and found.entries() == 50
    before, _holders.plain = _holders.plain, None   # type: ignore[assignment]
    try:
        assert found.entries() is None
    finally:
        _holders.plain = before


def largest(block: Any) -> Evidence:
    """Who holds this object, as the owner of one block that grows."""
    return holding.judge(_core.walk_to_objects((block,), (), holding.OWN_FOLDER, 5.0), single=True)


def test_one_block_that_grows_has_a_name() -> None:
    """And code that cuts it back counts."""
    found = largest(_holders.audit)
    assert found.bound is Bound.NONE and found.holder is not None and "_holders:audit (bytearray" in found.holder
    assert largest(_holders.truncated).bound is Bound.EVICTION


def test_data_of_arrays_is_held_by_who_holds_the_array() -> None:
    """Also where it is a view that is kept, and the array is not. The collector knows neither."""
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    with spanheap.profile(tick=None, sample_interval=1, dumps=None) as session:
        session.tick(1.0)
        _holders.arrays.extend(numpy.zeros(5000)[:7] for _ in range(20))
        for second in range(2, 9):
            session.tick(float(second))
        try:
            [site] = [
                s for s in session.snapshot().sites() if s.live_bytes > 500_000 and s.application_frame is not None
                and s.application_frame.filename == __file__
            ]
            assert any("_holders:arrays (list, 20 entries)" in str(holder) for holder in session.holders(site))
        finally:
            _holders.arrays.clear()


def test_an_object_that_holds_many_is_told() -> None:
    """It is no container that is known by its type: the ways part there."""
    things = [_holders.Thing() for _ in range(50)]
    for i, thing in enumerate(things):
        setattr(_holders.many, f"thing{i}", thing)
    found = evidence(things)
    _holders.teardown()
    assert found.bound in (Bound.NONE, Bound.BRANCH), found   # it has a dict of its own, or has not
    assert found.holder is not None and "_holders:many (Thing" in found.holder


def test_loggers_are_held_by_the_table_of_loggers() -> None:
    """Each goes by its own name, and what grows is the table."""
    import logging

    things = [_holders.Thing() for _ in range(50)]
    for i, thing in enumerate(things):
        logging.getLogger(f"tests.holding.job{i}").__dict__["thing"] = thing
    found = evidence(things)
    for i in range(50):
        del logging.root.manager.loggerDict[f"tests.holding.job{i}"]
    assert found.bound is Bound.NONE and found.holder is not None and "loggerDict" in found.holder, found


def test_modules_are_held_by_the_table_of_modules() -> None:
    """A walk begins at each of them: what grows is how many there are."""
    things = [_holders.Thing() for _ in range(50)]
    for i, thing in enumerate(things):
        module = sys.modules[f"plugin_{i}"] = types.ModuleType(f"plugin_{i}")
        module.__dict__["thing"] = thing
    found = evidence(things)
    for i in range(50):
        del sys.modules[f"plugin_{i}"]
    assert found.bound is Bound.NONE and found.holder is not None and "sys:modules (dict" in found.holder, found


def test_spans_that_a_token_holds() -> None:
    """What is kept is the token: the span is held through it."""
    from opentelemetry import context, trace
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    spans = [tracer.start_span("GET /") for _ in range(20)]
    for span in spans:
        _holders.tokens.append(context.attach(trace.set_span_in_context(span)))
        span.end()
    contexts = [token.old_value for token in _holders.tokens[1:]]
    found = holding.judge(_core.walk_to_objects(tuple(spans[:-1]), (spans, contexts), holding.OWN_FOLDER, 5.0))
    for token in reversed(_holders.tokens):
        context.detach(token)
    _holders.teardown()
    assert found.bound is Bound.SPANS and found.through == "Token", found
