"""Snapshot, tick and dump with 8,192 live samples. Targets: 5 ms and 1 ms with the GIL held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import spanheap
from spanheap import _core


def deep(depth: int) -> object:
    return bytes(2000) if depth == 0 else deep(depth - 1)


@pytest.fixture
def full() -> Iterator[spanheap.Session]:
    """A session with 8,192 live samples in stacks of 1 to 40 frames."""
    with spanheap.profile(tick=None, sample_interval=1, adaptive=False) as session:
        keep = [deep(i % 40) for i in range(9000)]
        assert session.stats().samples_live == 8192
        yield session
        del keep


def test_capture(benchmark: Any, full: spanheap.Session) -> None:
    """The part of a snapshot that holds the GIL throughout."""
    benchmark(_core.Capture)


def test_snapshot_by_site(benchmark: Any, full: spanheap.Session) -> None:
    """Capture, rows and a view: Python code, which other threads interrupt."""
    benchmark(lambda: full.snapshot().sites())


def test_tick(benchmark: Any, full: spanheap.Session) -> None:
    """The tick with nothing new to fold."""
    benchmark(full.tick, 0.0)


def test_sums(benchmark: Any, full: spanheap.Session) -> None:
    """What a gauge reads."""
    benchmark(_core.sums)


def test_dump(benchmark: Any, full: spanheap.Session, tmp_path: Path) -> None:
    """All of a dump, sync included."""
    benchmark(full.dump, tmp_path / "heap.pb.gz")
