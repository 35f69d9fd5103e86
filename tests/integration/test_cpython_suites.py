"""CPython's own tests give the same results while every allocation is sampled (tests/cpython_suites.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.cpython
def test_a_suite_is_not_affected(cpython_suite: str) -> None:
    """Passed, failed and skipped tests of this suite are those of a run without spanheap."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cpython_suites", "--tests", cpython_suite], cwd=Path(__file__).parents[2],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert done.returncode == 0, done.stdout
