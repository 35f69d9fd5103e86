"""From readings of the memory to levels, with made-up readings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spanheap.memory_limit import Limit, Usage
from spanheap.throttle.pressure import Level, MemoryPressure
from spanheap.throttle.thresholds import Thresholds

pytestmark = pytest.mark.once(reason="arithmetic")

LIMIT = Limit(1_000_000, "given")


def levels(*fractions: float | None) -> list[Level]:
    """The level at each of these uses of the limit, a second apart; None: it could not be read."""
    left = list(fractions)

    def read(limits: Sequence[Limit]) -> Usage | None:
        assert limits == [LIMIT]
        fraction = left.pop(0)
        return None if fraction is None else Usage(round(fraction * LIMIT.bytes), LIMIT)

    pressure = MemoryPressure(Thresholds(0.75, 0.9, None), find=lambda: [LIMIT], read=read)
    return [pressure.look(now).level for now in range(len(fractions))]


def test_levels() -> None:
    """Open below soft, soft between, hard above; back again as the use falls."""
    assert levels(0.5, 0.74, 0.75, 0.8, 0.82, 0.9, 1.2, 0.88, 0.8, 0.7) == [0, 0, 1, 1, 1, 2, 2, 1, 1, 0]


def test_hard_is_declared_before_it_is_reached() -> None:
    """When growth as since the last look would reach it by the next, and within a sixty-fourth of it."""
    assert levels(0.76, 0.83) == [Level.SOFT, Level.HARD]
    assert levels(0.80, 0.83) == [Level.SOFT, Level.SOFT]
    assert levels(0.885, 0.887) == [Level.SOFT, Level.HARD]
    assert levels(0.887) == [Level.HARD]


def test_below_soft_all_is_open() -> None:
    """However fast it grew to there: a model that is loaded says nothing of the next second."""
    assert levels(0.2, 0.74, 0.74) == [Level.OPEN, Level.OPEN, Level.OPEN]


def test_what_cannot_be_read_is_no_pressure() -> None:
    """And what was read before it is forgotten: growth over a gap is not that of a second."""
    assert levels(0.95, None, 0.80) == [Level.HARD, Level.OPEN, Level.SOFT]


def test_room() -> None:
    """Bytes until hard is declared, 0 above; None without a limit."""
    used = [0.5]
    pressure = MemoryPressure(
        Thresholds(0.75, 0.9, None), find=lambda: [LIMIT], read=lambda _: Usage(round(used[0] * LIMIT.bytes), LIMIT)
    )
    assert pressure.look(0).room == pytest.approx((0.9 * 63 / 64 - 0.5) * LIMIT.bytes, abs=1)
    used[0] = 0.95
    assert pressure.look(1).room == 0
    assert MemoryPressure(Thresholds(0.75, 0.9, None), find=list).look(0) == (Level.OPEN, None)


def test_limits_are_looked_for_once_a_minute() -> None:
    """One that is set later is found; another limit's use is no growth."""
    found: list[list[Limit]] = [[], [LIMIT], [Limit(2 * LIMIT.bytes, "given")]]
    times: list[float] = []
    now = 0.0

    def find() -> list[Limit]:
        times.append(now)
        return found.pop(0)

    pressure = MemoryPressure(
        Thresholds(0.75, 0.9, None), find=find, read=lambda limits: Usage(1_600_000, limits[0]) if limits else None
    )
    seen = []
    for now in (0.0, 1.0, 59.0, 60.0, 61.0, 121.0):
        seen.append(pressure.look(now).level)
    assert times == [0.0, 60.0, 121.0]
    assert seen == [Level.OPEN] * 3 + [Level.HARD] * 2 + [Level.SOFT]


def test_given_bytes_are_the_limit() -> None:
    """The resident set of this process against them."""
    for size, level in ((1 << 40, Level.OPEN), (1 << 20, Level.HARD)):
        assert MemoryPressure(Thresholds(0.8, 1.0, size)).look(0).level == level
