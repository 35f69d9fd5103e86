"""The limits that a user gives: which mean what, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from spanheap.throttle.thresholds import Thresholds, thresholds

pytestmark = pytest.mark.once(reason="arithmetic")

MIB = 1 << 20


@pytest.mark.parametrize(("soft", "hard", "expected"), [
    (None, None, Thresholds(0.75, 0.9, None)),
    (0.5, None, Thresholds(0.5, 0.9, None)),
    (None, 1, Thresholds(0.75, 1, None)),
    (0.5, 0.6, Thresholds(0.5, 0.6, None)),
    (300 * MIB, 400 * MIB, Thresholds(0.75, 1.0, 400 * MIB)),
    (100e6, 400e6, Thresholds(0.25, 1.0, 400_000_000)),
])
def test_bytes_or_parts_of_the_limit(soft: float | None, hard: float | None, expected: Thresholds) -> None:
    """Up to 1 it is a part, which may be left to the default; bytes are the limit themselves."""
    assert thresholds(soft, hard) == expected


def test_one_in_bytes_keeps_its_distance_to_the_other() -> None:
    """As 75 % is to 90 %, from either side."""
    by_hard, by_soft = thresholds(None, 900 * MIB), thresholds(750 * MIB, None)
    assert by_hard.bytes == by_soft.bytes == 900 * MIB
    assert by_hard.soft == pytest.approx(by_soft.soft) == pytest.approx(750 / 900)


@pytest.mark.parametrize("name", ["soft_limit", "hard_limit"])
@pytest.mark.parametrize(("value", "kind"), [
    (0, ValueError), (-1, ValueError), (-0.5, ValueError), (1.5, ValueError), (75, ValueError), (512, ValueError),
    (float("nan"), ValueError), (float("inf"), ValueError), (True, TypeError), ("75%", TypeError), ([], TypeError),
])
def test_what_is_neither_is_refused(name: str, value: Any, kind: type[Exception]) -> None:
    """By the name, with the value and what would be right."""
    with pytest.raises(kind, match=rf"{name} must be .*, not ") as raised:
        thresholds(**{name.removesuffix("_limit"): value, **{"hard" if name == "soft_limit" else "soft": None}})
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize(("soft", "hard"), [(0.9, 0.9), (0.95, None), (None, 0.5), (400 * MIB, 300 * MIB)])
def test_soft_is_below_hard(soft: float | None, hard: float | None) -> None:
    """Also where one is left to the default."""
    with pytest.raises(ValueError, match="soft_limit must be below hard_limit"):
        thresholds(soft, hard)


@pytest.mark.parametrize(("soft", "hard"), [(0.5, 300 * MIB), (300 * MIB, 0.9)])
def test_bytes_and_parts_are_not_mixed(soft: float, hard: float) -> None:
    """They are compared with different things."""
    with pytest.raises(ValueError, match="must both be"):
        thresholds(soft, hard)
