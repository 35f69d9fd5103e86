"""The memory limit's rungs, and what counts as the same dump."""

from __future__ import annotations

import pytest

from spanheap.dumps.trigger import Ladder, shows_the_same

pytestmark = pytest.mark.once(reason="pure functions")


def asked(ladder: Ladder, readings: list[tuple[float, float]]) -> list[str | None]:
    """What asks at each, everything being served at once."""
    result = []
    for now, fraction in readings:
        rung = ladder.observe(now, fraction)
        if rung is not None:
            ladder.done(rung)
        result.append(rung)
    return result


def test_lower_rung_asks_only_while_memory_grows() -> None:
    """A service that sits at 70 % of its limit is dumped once it moves."""
    flat = [(float(t), 0.70) for t in range(120)]
    assert asked(Ladder(0.6, 0.85), flat) == [None] * 120
    assert asked(Ladder(0.6, 0.85), [(0, 0.59), (1, 0.595), (2, 0.61), (3, 0.62)]) == [None, None, "full", None]


def test_upper_rung_asks_whether_memory_grows_or_not() -> None:
    """Above 85 % there may be no time to find out; and the lower one has nothing to add."""
    assert asked(Ladder(0.6, 0.85), [(0, 0.95), (1, 0.97), (2, 0.84)]) == ["aggregates", None, None]


def test_a_rung_asks_again_after_memory_was_given_back() -> None:
    """Ten points below: not at each wave around the rung."""
    around = [(0, 0.86), (1, 0.84), (2, 0.86), (3, 0.5), (4, 0.9)]
    assert asked(Ladder(None, 0.85), around) == ["aggregates", None, None, None, "aggregates"]


def test_a_rung_that_was_not_served_goes_on_asking() -> None:
    """The cooldown may have held it up."""
    ladder = Ladder(0.6, None)
    assert [ladder.observe(t, 0.5 + t / 10) for t in (0, 2, 3)] == [None, "full", "full"]


def test_a_clock_set_back_hides_no_growth() -> None:
    """Readings from the future are forgotten."""
    ladder = Ladder(0.6, 0.85)
    ladder.observe(10_000, 0.8)
    assert asked(ladder, [(0, 0.62), (1, 0.64)]) == [None, "full"]


@pytest.mark.parametrize(
    ("last", "now", "same"),
    [
        ({1: 100.0, 2: 10.0}, {1: 150.0, 2: 15.0}, True),    # more of the same
        ({1: 100.0}, {1: 100.0, 3: 50.0}, False),            # another site
        ({1: 100.0}, {1: 210.0}, False),                     # twice as much
        ({1: 100.0}, {1: 100.0, 3: 2.0}, True),              # noise
        ({}, {}, True),
        ({}, {1: 5.0}, False),
    ],
)
def test_same_means_same_sites_of_the_growth(last: dict[int, float], now: dict[int, float], same: bool) -> None:
    """However large the heap beneath that does not grow."""
    base = {9: 1e9}
    assert shows_the_same(base, {**base, **last}, {**base, **now}) is same
