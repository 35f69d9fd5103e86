"""Single blocks that grow, by their size at given times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spanheap.detection.blocks import MAX_BLOCKS, BlockKey, Blocks, Seen
from spanheap.detection.series import GroupKey

pytestmark = pytest.mark.once(reason="numbers only")
MIB = 1024 * 1024
KEY = GroupKey(1, 2, 3)


def found(size: Callable[[int], float], seconds: int = 1800, per_second: Callable[[int], float] = lambda t: 4.0) -> set[int]:
    """The times at which a block of this size is said to grow."""
    blocks, said, traffic = Blocks(), set(), 0.0
    for now in range(2, seconds, 2):
        traffic += 2 * per_second(now)
        blocks.observe(now, traffic, [Seen(KEY, int(size(now)), now, True)] if size(now) >= MIB else [])
        said |= {now for key, _ in blocks.found(now) if key == BlockKey(*KEY)}
    return said


def by_eighths(size: float) -> float:
    """What a list or a bytearray of so many bytes has taken."""
    taken = MIB / 4
    while taken < size:
        taken *= 1.125
    return taken


def test_a_buffer_that_is_appended_to_grows() -> None:
    """By an eighth at a time, 5 kB a second; to its end."""
    said = found(lambda t: by_eighths(5000 * t))
    assert min(said) < 900 and max(said) > 1700


def test_a_buffer_that_is_emptied_does_not_grow() -> None:
    """Each ten minutes: what comes after is not added to what was before."""
    assert {t for t in found(lambda t: by_eighths(20_000 * (t % 600))) if 12 < t % 600 < 60} == set()


def test_a_buffer_that_was_cut_back_is_followed_anew() -> None:
    """What it had before says nothing of how it grows since."""
    said = found(lambda t: 20 * MIB if t < 600 else by_eighths(2 * MIB + 5000 * (t - 600)))
    assert said and min(said) > 700


def test_a_buffer_of_a_size_does_not_grow() -> None:
    """Nor one that was filled up once: it stops being said."""
    assert found(lambda t: 50 * MIB) == set()
    assert max(found(lambda t: by_eighths(min(20_000 * t, 8 * MIB))) or {0}) < 900


def test_a_buffer_that_grows_with_its_first_traffic_only() -> None:
    """What levels off is no leak."""
    assert max(found(lambda t: by_eighths(MIB * (2 + 4 * t / (t + 200))))  or {0}) < 1500


def test_the_number_of_blocks_is_bounded() -> None:
    """Those that were there first are followed, until they are gone."""
    blocks = Blocks()
    for now in range(2, 200, 2):
        rows = [Seen(GroupKey(i, 1, 1), (2 + now) * MIB, now, True) for i in range(2 * MAX_BLOCKS)]
        blocks.observe(now, now, rows)
    assert len(list(blocks.found(198))) == MAX_BLOCKS
    blocks.observe(10_000, 10_000, [])
    assert list(blocks.found(10_000)) == []
