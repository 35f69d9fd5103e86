"""What each allocation pays. Target: at most 2.5 % of any workload."""

from __future__ import annotations

from typing import Any


def test_small_objects(benchmark: Any, profiler: str) -> None:
    """Tuples, floats, strings, dicts: nearly all time is allocation."""

    def work() -> None:
        rows = [(i, i * 0.5, f"row-{i}") for i in range(1000, 1400)]
        {name: [n, {"w": w}] for n, w, name in rows}

    benchmark.extra_info["profiler"] = profiler
    benchmark(work)


def test_growing_list(benchmark: Any, profiler: str) -> None:
    """Realloc: first inside pymalloc, then in RAW."""

    def work() -> None:
        grown: list[None] = []
        for _ in range(1000):
            grown.append(None)

    benchmark(work)


def test_large_blocks(benchmark: Any, profiler: str) -> None:
    """16 KiB at a time: the RAW hook's countdown, and its filter at the release."""
    benchmark(lambda: [bytes(16384) for _ in range(100)])
