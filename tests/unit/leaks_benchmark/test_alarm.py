"""What a detector says at each moment, as alarms."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.leaks.alarm import EPISODE_GAP_S, MAX_ALARMS, AlarmLog, Said, scenario_function, verdict_said
from spanheap.snapshot import Frame

pytestmark = pytest.mark.once(reason="bookkeeping of the benchmark")

FILE = Path("/srv/scenarios/map.py")


def test_what_goes_on_is_one_alarm() -> None:
    """Its end and its time in all move on, and a holder found later is added."""
    log = AlarmLog()
    for t in range(1, 101):
        log.observe(float(t), [Said("leak", "GET /", holder="finished" if t == 90 else None)] if t >= 40 else [])
    (one,) = log.alarms
    assert (one.at_s, one.until_s, one.active_s, one.holder) == (40.0, 100.0, 60.0, "finished")


def test_what_returns_after_a_break_is_a_new_alarm() -> None:
    """Within the gap it is the same; a gap does not count as time that it was said."""
    log = AlarmLog()
    log.observe(10.0, [Said("leak")])
    log.observe(500.0, [])
    log.observe(510.0, [Said("leak")])
    assert len(log.alarms) == 1 and log.alarms[0].active_s == 0.0
    log.observe(1000.0, [])
    log.observe(511.0 + EPISODE_GAP_S, [Said("leak")])
    assert [one.at_s for one in log.alarms] == [10.0, 511.0 + EPISODE_GAP_S]


def test_kind_name_and_site_tell_alarms_apart() -> None:
    """In the order in which they were said."""
    log = AlarmLog()
    said = [Said("leak", "a"), Said("leak", "b"), Said("growing", "a"), Said("leak", "a", site=["f"])]
    log.observe(1.0, said)
    log.observe(2.0, reversed(said))
    assert [(one.kind, one.span_name, one.site) for one in log.alarms] == [
        ("leak", "a", []), ("leak", "b", []), ("growing", "a", []), ("leak", "a", ["f"]),
    ]


def test_detector_gone_wild_is_bounded_and_counted() -> None:
    """The log stays small, whatever is said."""
    log = AlarmLog()
    log.observe(1.0, (Said("leak", str(i)) for i in range(MAX_ALARMS + 7)))
    assert len(log.alarms) == MAX_ALARMS and log.dropped == 7


def test_site_is_the_leaf_most_function_of_the_scenario() -> None:
    """Libraries below it and the driver above it are passed over, and comprehensions are the function around them."""
    stack = [
        Frame("dumps", "/lib/json.py", 1), Frame("store.<locals>.<listcomp>", str(FILE), 7), Frame("store", str(FILE), 7),
        Frame("request", str(FILE), 20), Frame("_serve", "/driver.py", 3),
    ]
    assert scenario_function(stack, FILE) == "store"
    assert scenario_function([Frame("<listcomp>", str(FILE), 7), *stack[2:]], FILE) == "store"   # CPython 3.10
    assert scenario_function(stack[:1], FILE) is None


def test_verdict_of_spanheap_as_an_alarm() -> None:
    """All fields but those of sizes; a verdict without a site has no site."""
    verdict = SimpleNamespace(
        kind="leak", site=SimpleNamespace(stack=[Frame("put", str(FILE), 3), Frame("main", "/m.py", 1)]), span_name="GET /",
        root_name="GET /", holder="finished", since=12.0,
    )
    said = verdict_said(verdict, FILE)
    assert (said.site, said.scenario_site, said.span_name, said.holder) == (["put", "main"], "put", "GET /", "finished")
    verdict.site = verdict.holder = None
    verdict.span_name = ""
    said = verdict_said(verdict, FILE)
    assert (said.site, said.scenario_site, said.span_name, said.holder) == ([], None, None, None)
