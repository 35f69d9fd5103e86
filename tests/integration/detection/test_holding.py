"""What a holder proves: of real containers, in a module whose code takes from some of them."""

from __future__ import annotations

import asyncio
import gc

import pytest

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
])
def test_what_a_container_proves(case: str, bound: Bound, name: str) -> None:
    """Its bound and its name; and where names lead to it, its entries can be counted later on."""
    found = evidence(_holders.fill(case))
    assert found.bound is bound, found
    assert found.holder is not None and name in found.holder
    assert found.entries is not None and found.entries() == 50


def test_lists_in_a_table_are_not_counted_by_the_table() -> None:
    """Ten users' lists grow, and the table of users does not."""
    for _ in range(3):
        things = _holders.fill("nested")
    found = evidence(things)
    assert found.bound is Bound.NONE and found.entries is None


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
