"""The rungs of a real limit, and what becomes of the dump that lies ready when its folder goes away or its disk is full."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import spanheap

from ._files import START, base, fill, resident, written

Make = Callable[..., spanheap.Session]


@pytest.fixture
def kept() -> Iterator[list[bytes]]:
    """What fills the memory, until the end of the test."""
    blocks: list[bytes] = []
    yield blocks
    blocks.clear()


def test_the_rungs_of_a_limit(start: Make, tmp_path: Path, kept: list[bytes]) -> None:
    """A full dump on the way up, one without holders near the end; both readable."""
    limit = resident() * 2
    session = start(full_at=0.6, aggregates_at=0.85, limit_bytes=limit)
    session.tick(START)
    for second, fraction in enumerate((0.61, 0.7, 0.8, 0.86, 0.9, 0.95), 1):
        fill(kept, fraction * limit)
        session.tick(START + second)
    full, last = (spanheap.open_dump(path) for path in written(tmp_path))
    assert "reason=memory_limit" in full.comments and 0.6 <= float(full.metadata["memory_limit_used"]) < 0.7
    assert "reason=memory_limit" in last.comments and "-emergency" in str(last.path)
    assert 0 < full.live_bytes < last.live_bytes and 0.2 * limit < last.live_bytes < 0.95 * limit
    assert base(full.path).exists() and base(last.path).exists()
    assert session.stats().dumps_by_reason == {"written.memory_limit": 2}


@pytest.mark.parametrize("ticks", [[], [1.0], [40.0]], ids=["at once", "a tick later", "later"])
def test_the_folder_may_go_away(start: Make, tmp_path: Path, kept: list[bytes], ticks: list[float]) -> None:
    """Cleaners of /tmp do that, while a dump lies ready in it."""
    limit = resident() * 4 // 3
    session = start(aggregates_at=0.85, limit_bytes=limit)
    session.tick(START)
    shutil.rmtree(tmp_path / "dumps")
    for at in ticks:
        session.tick(START + at)
    fill(kept, 0.86 * limit)
    for second in (41, 42):
        session.tick(START + second)
    [path] = written(tmp_path)
    assert "reason=memory_limit" in spanheap.open_dump(path).comments and base(path).exists()
    assert session.stats().dumps_by_reason["written.memory_limit"] == 1


@pytest.mark.no_sanitizer(reason="the address space of a sanitizer is larger than any limit")
def test_the_folder_may_go_away_as_memory_is_refused(start: Make, tmp_path: Path) -> None:
    """No look at it comes in between: the next tick makes it anew."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    session = start(on_memory_error=True)
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + (256 << 20), before[1]))
    try:
        session.tick(START)
        shutil.rmtree(tmp_path / "dumps")
        with pytest.raises(MemoryError):
            bytearray(300 << 20)
        for second in (1, 2, 3):
            session.tick(START + second)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    [path] = written(tmp_path)
    assert "reason=memory_error" in spanheap.open_dump(path).comments and base(path).exists()
    assert session.stats().dumps_by_reason == {"failed.memory_error": 1, "written.memory_error": 1}


def test_a_full_disk_is_asked_again(
    start: Make, tmp_path: Path, kept: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Every half a minute: one warning, a count, no torn file, and a dump as soon as there is room."""
    limit = resident() * 4 // 3
    session = start(aggregates_at=0.85, limit_bytes=limit, baseline_after=1000)   # no file is to be made by that
    session.tick(START)
    fill(kept, 0.86 * limit)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, unlimited[1]))
    try:
        for second in range(1, 60):
            session.tick(START + second)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert written(tmp_path) == [] and len(caplog.records) == 1
    assert session.stats().dumps_by_reason == {"failed.memory_limit": 2, "refused.failed": 1}
    for second in range(60, 92):
        session.tick(START + second)
    [path] = written(tmp_path)
    assert spanheap.open_dump(path).live_bytes > 0 and base(path).exists()
