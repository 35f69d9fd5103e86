"""The resistant line behind growth and the time to the limit."""

from __future__ import annotations

import random

import pytest

from spanheap.telemetry.growth import FAR, WINDOW_S, Growth

pytestmark = pytest.mark.once(reason="pure Python")


def fed(values: dict[float, float]) -> Growth:
    """Shown all of these readings."""
    growth = Growth()
    for now, value in values.items():
        growth.observe(now, value)
    return growth


def test_a_line_has_its_slope() -> None:
    """Whatever its level, and downwards too."""
    for slope in (3.0, -2.0, 0.0):
        assert fed({t: 1000 + slope * t for t in range(0, 300, 5)}).rate() == pytest.approx(slope)


def test_nothing_is_said_too_early() -> None:
    """Not before 30 seconds, nor of fewer than six readings."""
    assert Growth().rate() is None
    assert fed({t: t for t in range(0, 30, 5)}).rate() is None
    assert fed({0: 0, 40: 1, 80: 2}).rate() is None
    assert fed({t: t for t in range(0, 31, 5)}).rate() == pytest.approx(1)


def test_readings_that_are_old_or_too_near_do_not_count() -> None:
    """Of ten minutes, one every five seconds: memory and time are bounded."""
    growth = fed({t / 10: (0 if t < 10_000 else t) for t in range(30_000)})
    assert growth.rate() == pytest.approx(10)
    assert len(growth._points) <= WINDOW_S / 5 + 1


def test_peaks_do_not_move_it() -> None:
    """A tenth of the readings doubled, and a sawtooth of garbage on top of all."""
    draw = random.Random(7)
    flat = {t: 1e6 + 1e4 * (t % 35) + (1e6 if draw.random() < 0.1 else 0) for t in range(0, 600, 5)}
    growing = {t: value + 5_000 * t for t, value in flat.items()}
    assert abs(fed(flat).rate() or 0) < 250
    assert fed(growing).rate() == pytest.approx(5_000, rel=0.05)


def test_time_to_a_limit() -> None:
    """What is left by the rate; nothing where it does not rise throughout, shrinks, or has a month left."""
    growing = fed({t: 100.0 * t for t in range(0, 300, 5)})
    assert growing.time_to(100_000, 40_000) == pytest.approx(600)
    assert growing.time_to(100_000, 120_000) == 0
    assert growing.time_to(100 * FAR + 50_000, 40_000) is None
    assert fed({t: -100.0 * t for t in range(0, 300, 5)}).time_to(1e6, 0) is None
    assert fed({t: (1e9 if 100 < t < 200 else t) for t in range(0, 300, 5)}).time_to(1e5, 0) is None
    assert fed({}).time_to(1, 0) is None


def test_a_clock_that_is_set_back_begins_anew() -> None:
    """And nothing waits for it to catch up."""
    growth = fed({t: t for t in range(10_000, 10_100, 5)})
    growth.observe(50, 7)
    assert growth.rate() is None
    for t in range(55, 100, 5):
        growth.observe(t, 7 + 3 * (t - 50))
    assert growth.rate() == pytest.approx(3)


def test_a_gap_is_no_trend() -> None:
    """A process that was stopped for most of the window has no middle."""
    assert fed({**{t: t for t in range(0, 30, 5)}, **{t: t for t in range(500, 530, 5)}}).rate() is None
