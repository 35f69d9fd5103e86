"""What the integration tests share: a session in which every byte counts, and scripts in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

import spanheap

Script = Callable[..., str]


@pytest.fixture
def every_byte() -> Iterator[spanheap.Session]:
    """A session that samples every allocation, ticks only when told to, and knows no tracer provider yet."""
    with spanheap.profile(sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None, seed=1) as session:
        yield session


@pytest.fixture
def script() -> Script:
    """Runs code in a process of its own; returns what it printed. A crash or an exception fails the test."""

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore::DeprecationWarning", "-c",
             textwrap.dedent(code)],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
