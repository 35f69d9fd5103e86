"""The fixture, found by pytest without being asked to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = '''
from spanheap.testing import assert_no_growth

kept = []

def test_with_the_fixture(spanheap_session):
    kept.append(bytes(5_000))
    assert spanheap_session.snapshot().live_bytes >= 5_000
    assert_no_growth(lambda: None)

def test_without():
    import spanheap
    assert spanheap.current() is None

def test_that_leaks():
    assert_no_growth(lambda: kept.append(bytes(1000)))
'''


def test_a_suite_that_uses_the_fixture(tmp_path: Path) -> None:
    """The session is the test's, and ends with it; a leak fails with its message."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )
    assert "2 passed" in done.stdout and "1 failed" in done.stdout, done.stdout + done.stderr
    assert "each call of test_that_leaks.<locals>.<lambda> leaves 1,04" in done.stdout
    assert "held by test_suite:kept (list, " in done.stdout
