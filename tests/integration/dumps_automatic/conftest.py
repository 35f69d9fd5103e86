"""A session that dumps into the test's folder, ticked by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spanheap

Make = Callable[..., spanheap.Session]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Make]:
    """Start one; arguments are the policy's, but for three. What has no trigger named has none."""
    started = []

    def make(
        detect: spanheap.LeakPolicy | None = None, pause_budget_ms: float = 60_000, tracer_provider: Any = None,
        **policy: Any,
    ) -> spanheap.Session:
        defaults: dict[str, Any] = {
            "folder": tmp_path / "dumps", "min_free_bytes": 0, "full_at": None, "aggregates_at": None, "baseline_after": 5,
            "on_memory_error": False,
        }
        session = spanheap.start(
            sample_interval=4096, tick=None, seed=3, pause_budget_ms=pause_budget_ms, detect=detect,
            tracer_provider=tracer_provider, dumps=spanheap.DumpPolicy(**(defaults | policy)))
        started.append(session)
        return session

    yield make
    for session in started:
        session.shutdown()
