"""A process that runs out of memory gets its dump out; one that is killed while dumping leaves no half of one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import spanheap
from tests.integration._cgroup import memory_cgroup
from tests.integration.dumps_automatic import _services

LIMIT = 96 << 20
RLIMIT = pytest.mark.no_sanitizer(reason="the address space of a sanitizer is larger than any limit")


@RLIMIT
def test_at_95_percent_of_an_enforced_limit(tmp_path: Path) -> None:
    """The upper rung's dump, with the site that grew."""
    [dump] = _services.at_the_limit(tmp_path, 0.95)
    assert "reason=memory_limit" in dump.comments
    assert any(frame.function == "leak" for site in dump.sites(3) for frame in site.stack)


def in_a_cgroup(folder: Path) -> list[spanheap.Dump]:
    """What a process leaves that the kernel kills at the limit of its cgroup."""
    with memory_cgroup(LIMIT) as enter:
        if enter is None:
            pytest.skip("no cgroup v1 that can be made here; RLIMIT_AS is the limit in the test above")
        return _services.in_a_cgroup(folder, enter, LIMIT)


@RLIMIT
def test_at_95_percent_of_a_cgroup(tmp_path: Path) -> None:
    """The kernel kills it a moment later; the dump is there."""
    [dump] = in_a_cgroup(tmp_path)
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


@pytest.mark.long
@RLIMIT
def test_twenty_of_twenty_in_a_cgroup(tmp_path: Path, dump_runs: int) -> None:
    """Before the kernel's kill."""
    assert [len(in_a_cgroup(tmp_path / str(i))) for i in range(dump_runs)] == [1] * dump_runs


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
