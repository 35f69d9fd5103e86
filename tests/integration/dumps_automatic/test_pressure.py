"""A process that runs out of memory gets its dump out; one that is killed while dumping leaves no half of one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.integration.dumps_automatic import _services

RLIMIT = pytest.mark.no_sanitizer(reason="the address space of a sanitizer is larger than any limit")


@RLIMIT
def test_at_95_percent_of_an_enforced_limit(tmp_path: Path) -> None:
    """The upper rung's dump, with the site that grew."""
    [dump] = _services.at_the_limit(tmp_path, 0.95)
    assert "reason=memory_limit" in dump.comments
    assert any(frame.function == "leak" for site in dump.sites(3) for frame in site.stack)


@RLIMIT
def test_with_the_heap_exhausted(tmp_path: Path) -> None:
    """Not one block of 64 bytes is to be had, and the dump is complete."""
    [dump] = _services.at_the_limit(tmp_path, 2.0, extra=48 << 20)
    assert "reason=memory_error" in dump.comments
    assert any(frame.function == "leak" for site in dump.sites(3) for frame in site.stack)


@pytest.mark.long
@RLIMIT
@pytest.mark.parametrize("fraction", [0.95, 2.0])
def test_twenty_of_twenty(tmp_path: Path, fraction: float, dump_runs: int) -> None:
    """At the limit, and beyond it."""
    found = [len(_services.at_the_limit(tmp_path / str(i), fraction)) for i in range(dump_runs)]
    assert found == [1] * dump_runs


def rounds(n: int, folder: Path) -> int:
    """So many kills; the number of whole files that were found."""
    rng, total = random.Random(5), 0
    for i in range(n):
        whole, problems = _services.killed_while_dumping(folder / str(i), rng)
        assert problems == []
        total += whole
    return total


def test_some_kills(tmp_path: Path) -> None:
    """At random moments."""
    assert rounds(3, tmp_path) > 0


@pytest.mark.long
@pytest.mark.once(reason="a file is a file")
def test_many_kills(tmp_path: Path, dump_kills: int) -> None:
    """No torn final file."""
    assert rounds(dump_kills, tmp_path) > dump_kills
