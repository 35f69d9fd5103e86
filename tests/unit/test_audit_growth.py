"""Growth without bound is told from numbers of entries alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spanheap.audit.growth import MIN_READINGS, Growth, Reading, growth, steps_of_work

pytestmark = pytest.mark.once(reason="arithmetic")


def told(entries: Callable[[float], float], looks: int = 9, spans: float = 1000, min_gain: int = 16) -> Growth | None:
    """Judge `looks` looks at a run of `spans` spans and a minute; `entries` of the share of the work that is done."""
    parts = [i / (looks - 1) for i in range(looks)]
    return growth([Reading(60 * p, round(spans * p), round(entries(p))) for p in parts], min_gain)


def test_growth_with_the_work_is_told_with_its_rates() -> None:
    """One entry for two spans: 500 for a thousand, 62.5 a look, 500 a minute."""
    per_look, rate = pytest.approx(62.5, abs=0.5), pytest.approx(500, rel=0.02)
    assert told(lambda p: 500 * p) == (500, per_look, rate, rate)


CASES: dict[str, tuple[Callable[[float], float], bool]] = {
    "linear": (lambda p: 1000 * p, True),
    "linear, from a full start": (lambda p: 5000 + 1000 * p, True),
    "ever faster": (lambda p: 1000 * p * p, True),
    "in half of the requests": (lambda p: 1000 * p + (7 if p % 0.25 else 0), True),
    "from the middle on": (lambda p: 4000 * max(0, p - 0.4), True),
    "slowly, after a great warm-up": (lambda p: min(2000, 20_000 * p) + 200 * p, True),
    "with a third evicted once": (lambda p: 1000 * p + (1500 * (p - 0.6) - 350) * (p >= 0.6), False),
    "in two jumps": (lambda p: 500 * (p > 0.35) + 500 * (p > 0.85), False),
    "constant": (lambda p: 1000, False),
    "filled in the warm-up": (lambda p: min(1000, 5000 * p), False),
    "levels off slowly": (lambda p: 1000 * (1 - 0.02 ** p), False),
    "filled in the middle": (lambda p: min(600, 1000 * p), False),
    "cleared now and then": (lambda p: 1000 * (p % 0.4), False),
    "cleared in the end": (lambda p: 1000 * p if p < 1 else 0, False),
    "too little": (lambda p: 15 * p, False),
    "a single jump": (lambda p: 1000 * (p > 0.6), False),
}


@pytest.mark.parametrize("case", CASES)
def test_levelling_off_is_told_from_growth(case: str) -> None:
    """Growth is found only if it goes on with the work up to the end."""
    entries, grows = CASES[case]
    assert (told(entries, looks=11) is not None) is grows


@pytest.mark.parametrize("looks", range(2, MIN_READINGS))
def test_too_few_looks_tell_nothing(looks: int) -> None:
    """Two points are a line, whatever lies between."""
    assert told(lambda p: 1000 * p, looks=looks) is None
    assert told(lambda p: 1000 * p, looks=MIN_READINGS) is not None


def test_idle_time_is_no_work() -> None:
    """Where spans are counted, looks without new ones neither count as looks nor as standing still."""
    busy = [Reading(t, 100 * t, 10 * t) for t in range(8)]
    idle = [Reading(7 + t, 700, 70) for t in range(1, 20)]
    assert growth(busy + idle, 16) is not None
    assert growth(busy[:4] + [Reading(3 + t, 300, 30) for t in range(20)], 16) is None
    assert steps_of_work(busy + idle) == 8


def test_time_is_the_work_without_spans() -> None:
    """A service that makes no spans is judged by the clock; so is one whose spans were counted late."""
    found = growth([Reading(t, 0, 50 * t) for t in range(8)], 16)
    assert found is not None and found.per_1000_spans is None and found.per_minute == pytest.approx(3000)
    assert growth([Reading(t, max(0, t - 6) * 100, 50 * t) for t in range(9)], 16) is not None


def test_new_containers_of_the_old_size_are_entries_of_another() -> None:
    """A cache of payloads of 20 fields each is one that grows, not two; lists that grow by themselves are found."""
    assert growth([Reading(t, 0, 20 * t, t) for t in range(12)], 16) is None
    assert growth([Reading(t, 0, 2000 * t + 20 * t * t, 100 * t) for t in range(12)], 16) is None   # that vary in size
    assert growth([Reading(t, 0, 100 + 50 * t, 2 + t // 6) for t in range(12)], 16) is not None
    assert growth([Reading(t, 0, 30 * t, 3) for t in range(12)], 16) is not None


def test_time_before_the_first_entry_does_not_count() -> None:
    """Imports and a slow start are no steps at which a cache stood still."""
    readings = [Reading(t, 0, 0) for t in range(10)] + [Reading(10 + t, 0, 20 * t) for t in range(6)]
    assert growth(readings, 16) is not None
