"""The scenarios are those that were frozen, in halves that nobody chose."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.leaks import frozen
from benchmarks.leaks.scenario import KINDS, declared, paths

pytestmark = pytest.mark.once(reason="files of the benchmark")


def test_files_are_as_frozen() -> None:
    """A change after tuning would make the held-out half worthless."""
    assert frozen.problems(frozen.read()) == []


def test_changed_added_and_removed_files_are_noticed(tmp_path: Path) -> None:
    """Each by its name."""
    for path in (*paths(frozen.FOLDER), *frozen.helpers()):
        shutil.copy(path, tmp_path)
    with (tmp_path / "lru_full.py").open("a") as file:
        file.write("# easier\n")
    (tmp_path / "ended_spans_map.py").rename(tmp_path / "another_name.py")
    found = "\n".join(frozen.problems(frozen.read(), tmp_path))
    assert "lru_full was changed" in found and "ended_spans_map was frozen and is gone" in found
    assert "another_name is not frozen" in found and len(found.splitlines()) == 3


def test_half_is_that_of_the_name() -> None:
    """Moving a line to the other half by hand is noticed."""
    entry = frozen.read()[0]
    moved = entry._replace(half=next(half for half in frozen.HALVES if half != entry.half))
    assert any("belongs to" in problem for problem in frozen.problems([moved]))


def test_halves_are_about_equal_with_every_kind_in_both() -> None:
    """At least 18 leaks, 10 bounded and 2 of unknown bound in all."""
    counts = Counter((declared(path)["KIND"], frozen.half_of(path.stem)) for path in paths(frozen.FOLDER))
    for kind, least in zip(KINDS, (18, 10, 2), strict=True):
        halves = [counts[kind, half] for half in frozen.HALVES]
        assert sum(halves) >= least and min(halves) >= 1
        assert max(halves) <= 2 * min(halves)
