"""What the curve of live bytes says about a scenario."""

from __future__ import annotations

import pytest

from benchmarks.leaks.truth import Truth

from ._verdicts import steady_leak

pytestmark = pytest.mark.once(reason="arithmetic of the benchmark")

TIMES = [10.0 * i for i in range(361)]
MIB = 2**20


def test_what_is_freed_again_was_not_leaked() -> None:
    """A saw on top of a leak: leaked is what the valleys gain."""
    truth = Truth(TIMES, [t / 60 * MIB + (t % 600) / 600 * 20 * MIB for t in TIMES])
    assert truth.leaked_at(3600) == pytest.approx(60 * MIB, rel=0.02)
    assert truth.leaked_at(1750) <= 30.5 * MIB


def test_onset_is_where_memory_begins_to_stay() -> None:
    """Not where it first rises."""
    truth = Truth(TIMES, [50 * MIB * (300 <= t < 600) + max(0.0, t - 1200) / 60 * MIB for t in TIMES])
    assert truth.onset_s == pytest.approx(1200, abs=1)
    assert truth.leaked_at(600) == 0


def test_bytes_between_two_readings_are_interpolated() -> None:
    """And before the first and after the last they stand still."""
    truth = Truth([0.0, 100.0, 200.0], [0.0, 0.0, 20_000.0])
    assert truth.onset_s == pytest.approx(100.0)
    assert truth.leaked_at(150) == pytest.approx(10_000)
    assert truth.leaked_at(-5) == 0 and truth.leaked_at(1e9) == pytest.approx(20_000)


@pytest.mark.parametrize(
    ("kind", "curve", "contradiction"),
    [
        ("leak", lambda t: t / 60 * MIB, ""),
        ("growing_bound_unknown", lambda t: t / 60 * MIB, ""),
        ("bounded", lambda t: t / 60 * MIB, "last third"),
        ("bounded", lambda t: min(t, 1200) / 60 * MIB, ""),
        ("bounded", lambda t: (t % 600) / 30 * MIB, ""),
        ("leak", lambda t: min(t, 1200) / 60 * MIB, "does not go on"),
        ("leak", lambda t: (t % 600) / 30 * MIB, "keeps"),
        ("leak", lambda t: t * 100, "keeps"),
    ],
    ids=["steady", "steady, unknown", "steady, bounded", "warm-up", "saw", "warm-up, leak", "saw, leak", "immaterial"],
)
def test_kind_is_checked_against_the_curve(kind: str, curve: object, contradiction: str) -> None:
    """A leak goes on, and what is bounded stops."""
    assert callable(curve)
    said = Truth(TIMES, [float(curve(t)) for t in TIMES]).contradiction(kind)
    assert contradiction in said and bool(said) == bool(contradiction)


def test_few_spans_kept_are_not_the_leak() -> None:
    """Those in flight at the end; two in a hundred requests are."""
    trace = {"curve": [[0.0, 0], [10.0, 100]], "python_growth": 20, "requests": 10_000}
    truth = Truth.of({**trace, "retained": {"a": 199, "b": 200}, "unended": {"c": 16}})
    assert truth.retained == {"b"} and truth.unended == set()
    assert truth.python_share == pytest.approx(0.2)
    assert steady_leak().retained == set()
