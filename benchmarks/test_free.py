"""What each release in the RAW domain pays. Target: nothing that shows, however many samples are live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import spanheap
from spanheap import _core

BLOCKS = 100


@pytest.fixture(params=["off", "no samples", "8192 samples"])
def watched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing but what a stop leaves in place; an empty filter; a filter with 8,192 entries, of other blocks."""
    if request.param == "off":
        yield
        return
    full = request.param == "8192 samples"
    with spanheap.profile(tick=None, adaptive=False, sample_interval=1 if full else 1 << 40) as session:
        keep = [bytes(600) for _ in range(8192)] if full else []
        assert session.stats().samples_live == (8192 if full else 0)
        yield
        del keep


def blocks_of(size: int) -> tuple[tuple[list[bytes]], dict[str, object]]:
    """Arguments for a round; muted, since at an interval of 1 even small blocks would come from RAW."""
    with _core.Muted():
        return ([bytes(size - 33) for _ in range(BLOCKS)],), {}


@pytest.mark.usefixtures("watched")
def test_release_of_large_blocks(benchmark: Any) -> None:
    """Blocks of 600 bytes, none of them sampled: the filter says no, the C library does the rest."""
    benchmark.pedantic(list.clear, setup=lambda: blocks_of(600), rounds=2000)


@pytest.mark.usefixtures("watched")
def test_release_of_small_blocks(benchmark: Any) -> None:
    """Blocks of 100 bytes: pymalloc's own free, which is not hooked."""
    benchmark.pedantic(list.clear, setup=lambda: blocks_of(100), rounds=2000)
