"""A pytest plugin (-p tests.mutants.plugin): the tests see the build they are meant to see, or say so."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

IMPORTED_FROM = "SPANHEAP_IMPORTED_FROM"
OTHER_BUILD, NOTHING_RUN = 90, 91   # exit statuses that pytest does not use

_ran = 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import spanheap and look where it, and its extension, came from."""
    expected = os.environ[IMPORTED_FROM]
    for name in ("spanheap", "spanheap._core"):
        found = importlib.import_module(name).__file__
        if found is None or not Path(found).is_relative_to(expected):
            pytest.exit(f"{name} was imported from {found} instead of {expected}", returncode=OTHER_BUILD)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what was not skipped."""
    global _ran
    _ran += report.when == "call" and not report.skipped


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test has not passed."""
    if exitstatus == pytest.ExitCode.OK and not _ran:
        session.exitstatus = NOTHING_RUN
