"""Exact attribution: at interval 1 each data block of random programs has the right site, size, span, root and thread."""

from __future__ import annotations

import pytest

from tests.property.search import never_done, search


def test_a_few_random_programs() -> None:
    """Sixty take some seconds; a seed makes them the same ones each time."""
    assert search(60, first_seed=0)["programs"] == 60


@pytest.mark.long
def test_many_random_programs(programs: int) -> None:
    """A thousand unless fewer are asked for, in which every kind of step and owner occurs."""
    totals = search(programs, first_seed=1)
    assert totals["programs"] == programs
    assert never_done(totals) == []
