"""The smaller rules, each with hand-made series: kept spans, native growth, percent, pauses, filling, policy, clock."""

from __future__ import annotations

import random
from typing import Any

import pytest

from spanheap.detection.clock import Clock
from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.filling import POINTS, Filling
from spanheap.detection.kept_spans import MAX_NAMES, Kept, KeptKey, KeptSpans
from spanheap.detection.native import NativeGrowth
from spanheap.detection.pauses import PauseBudget
from spanheap.detection.percent import PercentRule
from spanheap.detection.policy import LeakPolicy
from spanheap.detection.trend import upper_bound

pytestmark = pytest.mark.once(reason="numbers only")
MIB = 1024 * 1024


def kept(spans: float, age: float, *, kind: Any = "retained_spans", name: str = "GET /") -> Kept:
    """Make a row of what the store says: 2,400 bytes a span."""
    return Kept(KeptKey(kind, name, name), spans, spans * 2400, age, [])


def test_spans_in_a_container_that_nothing_takes_from_are_found_in_seconds() -> None:
    """100 a second, first seen 6 s after the first of them ended: found within 12 s of that."""
    spans = KeptSpans()
    for now in range(6, 14, 2):
        spans.observe(now, [kept(100 * (now - 5), now)])
        for key in spans.questions():
            spans.answer(key, Evidence(Bound.NONE))
        if spans.found():
            break
    assert now <= 12
    [name] = spans.found()
    assert name.bytes_per_s == pytest.approx(240_000)


def test_a_buffer_of_spans_is_nothing() -> None:
    """A tail sampler keeps all spans for 30 seconds, in a container that it takes them from."""
    spans = KeptSpans()
    for now in range(6, 3000, 2):
        spans.observe(now, [kept(100 * min(now - 5, 25), min(now, 30))])
        for key in spans.questions():
            spans.answer(key, Evidence(Bound.EVICTION))
        assert spans.found() == []


@pytest.mark.parametrize(("full_at", "said"), [(1500, False), (10_000, True)])
def test_rings_of_spans_that_are_full(full_at: float, said: bool) -> None:
    """The rarest of them after 25 minutes; from there on it is chance that there seem to be more of them now and then."""
    spans = KeptSpans()
    for now in range(6, 3600, 14):
        many = 700 * min(now, 300) / 300 + 350 * min(now, full_at) / full_at if full_at < 3600 else 0.4 * now
        spans.observe(now, [kept(many + now // 200, now)])
        for key in spans.questions():
            spans.answer(key, Evidence(Bound.EVICTION))
    assert bool(spans.found()) is said


def test_spans_that_are_let_go_of_end_the_verdict() -> None:
    """And so does it when there are no more of them for a while."""
    for after in ([], [kept(10, 2)], [kept(3000, 60)]):
        spans = KeptSpans()
        for now in range(6, 36, 2):
            spans.observe(now, [kept(100 * (now - 5), now)])
            for key in spans.questions():
                spans.answer(key, Evidence(Bound.NONE))
        assert spans.found()
        for now in range(36, 110, 2):
            spans.observe(now, after)
        assert spans.found() == []


def test_spans_that_never_end_are_found_when_ever_more_are_open() -> None:
    """A steady number of long streams is nothing."""
    for steady in (False, True):
        spans = KeptSpans()
        for now in range(60, 700, 2):
            number = 100 if steady else now
            spans.observe(now, [kept(number, now, kind="unended_spans")])
            for key in spans.questions():
                spans.answer(key, Evidence(Bound.UNKNOWN))
        assert bool(spans.found()) is not steady


def test_the_names_of_kept_spans_are_bounded() -> None:
    """Those that find no room are followed when there is some again."""
    spans = KeptSpans()
    for now in range(6, 14, 2):
        spans.observe(now, [kept(100 * now, now, name=f"n{i}") for i in range(1000)])
    assert len(spans.questions()) == MAX_NAMES


def test_native_growth_is_a_gap_that_rises() -> None:
    """Of 1 MiB a minute beside a flat Python heap; found within 40 minutes."""
    native = NativeGrowth()
    found = [now for now in range(0, 3600, 10) if native.observe(now, 200 * MIB + now / 60 * MIB * 2, 50 * MIB)]
    assert found and 1800 <= found[0] <= 2400
    assert native.trend is not None and native.trend.bytes_per_s == pytest.approx(2 * MIB / 60, rel=0.05)


@pytest.mark.parametrize(("arenas_grow", "said"), [(True, False), (False, True)])
def test_growth_of_arenas_beyond_the_heap_is_not_native(arenas_grow: bool, said: bool) -> None:
    """A few small blocks keep each arena: the process grows beside a flat heap, and it is pymalloc that has the memory."""
    native = NativeGrowth()
    found = [
        now for now in range(0, 3600, 10)
        if native.observe(now, 200 * MIB + now / 30 * MIB, 50 * MIB, 100 * MIB + (now / 30 * MIB if arenas_grow else 0))
    ]
    assert bool(found) is said


@pytest.mark.parametrize("shape", ["flat", "fragmented", "python grows", "sawtooth"])
def test_what_is_no_native_growth(shape: str) -> None:
    """A process that is large but not growing; one whose Python heap grows; one that goes up and down."""
    native = NativeGrowth()
    for now in range(0, 7200, 10):
        rss, heap = {
            "flat": (300, 50), "fragmented": (700, 600 if now < 1800 else 80),
            "python grows": (200 + now / 30, 100 + now / 30), "sawtooth": (300 + now % 1500 / 10, 50),
        }[shape]
        assert native.observe(now, rss * MIB, heap * MIB) is None, now


def test_the_percent_rule() -> None:
    """Six percent within a minute are more than five, four are not."""
    for percent, said in ((6, True), (4, False)):
        rule = PercentRule(5, 60)
        found = [rule.observe(now, 100 * MIB * (1 + percent / 100 * now / 60)) for now in range(0, 62, 2)]
        assert any(found) is said


def test_pauses_keep_to_their_budget() -> None:
    """Whatever is asked for: in ten minutes no more than the budget, but for one larger pause that each key has once."""
    budget = PauseBudget(50)
    spent = 0.0
    for now in range(0, 6000, 10):
        if budget.allows(20, now, first=True):
            budget.spend(20, now)
            spent += 20
    assert spent <= 50 * (1 + 6000 / 600) and spent > 400
    assert budget.refused > 0
    assert not PauseBudget(0).allows(1, 0, first=True)
    full = PauseBudget(50)
    assert not full.allows(200, 0, first=False)
    assert full.allows(200, 0, first=True)
    full.spend(200, 0)
    assert not full.allows(10, 1700, first=True)   # 150 ms below: half an hour and more to fill
    assert full.allows(10, 2400, first=True)


def test_a_container_that_fills_up_slows_down() -> None:
    """1,500 user agents do; a leak of one in three requests does not."""
    agents, leak = Filling(lambda: 0, 0), Filling(lambda: 0, 0)
    for requests in range(1000, 4000, 20):
        agents.add(requests, round(1500 * (1 - 0.9995**requests)))
        leak.add(requests, 5000 + requests // 3)
    assert agents.evenness() < 0.6 and agents.rises()
    assert 0.9 < leak.evenness() < 1.1 and leak.rises()
    assert len(agents.points) <= POINTS


def test_what_comes_in_bunches_is_counted_by_the_bunch() -> None:
    """A record with its four fields now and then, or one thing with each request."""
    rng, bunches, singly = random.Random(3), Filling(lambda: 0, 0), Filling(lambda: 0, 0)
    entries = 0
    for requests in range(0, 3000, 10):
        entries += 5 * sum(rng.random() < 0.1 for _ in range(10))
        bunches.add(float(requests), entries)
        singly.add(float(requests), requests)
    assert 0.5 * entries / 5 < bunches.events() < 2 * entries / 5
    assert singly.events() == singly.taken


@pytest.mark.parametrize(("before", "slows"), [(600, True), (300, False), (20, False)])
def test_a_fill_that_was_faster_before_it_was_counted(before: int, slows: bool) -> None:
    """Of 1,000 requests: 600, of which more would have been new then; 300, as now; 20, which a leak that began late has."""
    filling = Filling(lambda: 0, 0)
    for requests in range(1000, 2000, 20):
        filling.add(float(requests), before + round(0.3 * (requests - 1000)))
    assert filling.slows() is slows
    assert filling.keeps_pace() is (before == 300)


def test_an_estimate_may_be_less_even() -> None:
    """Ninety-four in the later half for a hundred in the first: too few of what was counted, not of what was estimated."""
    exact, estimate = Filling(lambda: 0, 0), Filling(lambda: 0, 0, is_estimate=True)
    for filling in (exact, estimate):
        for requests in range(1000, 2001, 20):
            filling.add(float(requests), 5000 + round(min(requests, 1500) - 1000 + 0.94 * max(0, requests - 1500)))
    assert estimate.is_even() and not exact.is_even()
    assert exact.slows() and not estimate.slows()


def test_a_pace_is_of_many() -> None:
    """Sixty as fast as the three hundred before may be chance."""
    filling = Filling(lambda: 0, 0)
    for requests in range(1000, 1200, 20):
        filling.add(float(requests), round(0.3 * requests))
    assert not filling.slows() and not filling.keeps_pace()


def test_upper_bounds_of_counts() -> None:
    """Those of the Poisson distribution, from its tables."""
    for count, bound in ((0, 3.00), (1, 4.74), (5, 10.51), (20, 29.06)):
        assert upper_bound(count) == pytest.approx(bound, rel=0.03)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"patience": 1}, "patience.*between 10 and.*not 1"),
    ({"patience": "long"}, "patience.*number.*'long'"),
    ({"percent": 0}, "percent.*not 0"),
    ({"percent": True}, "percent.*number"),
    ({"memory_limit": -5}, "memory_limit.*-5"),
    ({"holders": 1}, "holders.*True or False"),
    ({"min_growth_per_hour": float("nan")}, "min_growth_per_hour.*nan"),
])
def test_a_wrong_policy_names_the_value(arguments: dict[str, Any], message: str) -> None:
    """And the range it may have."""
    with pytest.raises((TypeError, ValueError), match=message):
        LeakPolicy(**arguments)


def test_the_clock_never_goes_back() -> None:
    """A system clock that is set back stops it for that moment only."""
    clock = Clock()
    assert [clock.advance(t) for t in (1000.0, 1001.0, 5.0, 6.0, 8.0)] == [1.0, 2.0, 2.0, 3.0, 5.0]
    assert clock.absolute(5.0) == 8.0


def test_entries_that_stand_are_no_leak() -> None:
    """A ring of slots: what is new takes the place of something."""
    filling = Filling(lambda: 4000, 0.0)
    for traffic in range(10):
        filling.add(float(traffic + 1), 4000)
    assert filling.stands()
    filling.add(20.0, 4001)
    assert not filling.stands()


def test_a_limit_is_reached_at_the_rate_so_far() -> None:
    """50 entries a span, of which 1,000 fit in."""
    filling = Filling(lambda: 0, 0.0)
    for traffic in range(1, 6):
        filling.add(float(traffic), 50 * traffic)
    assert filling.left(1000) == pytest.approx(15)


def test_spans_that_tasks_hold_are_left_to_the_detector() -> None:
    """It says which task's line makes them, and is given time for that."""
    for through, first in (("", 10), ("Task", 900)):
        spans = KeptSpans()
        for now in range(6, 1200, 2):
            spans.observe(now, [kept(100 * (now - 5), now)])
            for key in spans.questions():
                spans.answer(key, Evidence(Bound.SPANS, through=through))
            if spans.found():
                break
        assert now == pytest.approx(first, abs=12)


def test_unended_spans_of_work_under_way_have_time() -> None:
    """Long polls of ten minutes, at a service that has just started."""
    for bound, seconds in ((Bound.NONE, 300), (Bound.TRANSIENT, 1800)):
        spans = KeptSpans()
        for now in range(6, 2400, 2):
            spans.observe(now, [kept(10 * now, now, kind="unended_spans")])
            for key in spans.questions():
                spans.answer(key, Evidence(bound))
            if spans.found():
                break
        assert now == pytest.approx(seconds, abs=12)
