"""One budget for all processes that a crash loop starts."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ._files import written
from ._services import environment

# Wants a dump, and dies.
_RESTARTED = """
import os, signal, sys, time
import spanheap
trigger = {"signal": signal.SIGUSR2} if sys.argv[2] == "signal" else {"limit_bytes": 1, "aggregates_at": 0.85}
policy = {"full_at": None, "aggregates_at": None} | trigger
session = spanheap.start(tick=None, detect=None, dumps=spanheap.DumpPolicy(
    folder=sys.argv[1], min_free_bytes=0, cooldown_s=0, max_per_day=5, **policy))
kept = [bytes(100_000) for _ in range(100)]
if sys.argv[2] == "signal":
    os.kill(os.getpid(), signal.SIGUSR2)
session.tick(time.time())
print(*(f"{what}={n}" for what, n in session.stats().dumps_by_reason.items()), flush=True)
os._exit(1)
"""


def restarts(folder: Path, trigger: str, times: int) -> Counter[str]:
    """What became of the dump of each."""
    return Counter(
        subprocess.run(
            [sys.executable, "-c", _RESTARTED, str(folder), trigger], env=environment(), timeout=60, capture_output=True,
            text=True,
        ).stdout.strip() for _ in range(times))


@pytest.mark.parametrize("times", [8, pytest.param(50, marks=pytest.mark.long)])
def test_restarts_share_one_budget(tmp_path: Path, times: int) -> None:
    """Four of the five a day, then an emergency has the last one, and none is left for a second."""
    folder = tmp_path / "dumps"
    assert restarts(folder, "signal", times) == {"written.signal=1": 4, "refused.budget=1": times - 4}
    assert restarts(folder, "limit", 2) == {"written.memory_limit=1": 1, "refused.budget=1": 1}
    assert len(written(tmp_path)) == 5
