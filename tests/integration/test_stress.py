"""Everything at once: the stress run (tests/stress.py) ends well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def _stress(seconds: float) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.stress", "--seconds", str(seconds)], cwd=CHECKOUT, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert done.returncode == 0, done.stdout
    assert ", 0 failed" in done.stdout


def test_a_slice_of_the_stress_run_ends_well() -> None:
    """Five seconds of threads, tasks, forks, tracemalloc, snapshots and restarts: no crash, tables valid."""
    _stress(5)


@pytest.mark.long
def test_the_stress_run_ends_well(stress_seconds: float) -> None:
    """The same for as long as asked."""
    _stress(stress_seconds)
