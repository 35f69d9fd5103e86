"""Consents in an LFU cache of 300,000 entries, made by hand with buckets by frequency; the run brings a few thousand."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from _svc import crunch, page, spread

KIND = "growing_bound_unknown"
SPAN = "GET /consent"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600
MAX_ENTRIES = 300_000


class LFU:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.uses: dict[str, int] = {}
        self.buckets: dict[int, dict[str, None]] = defaultdict(dict)

    def get(self, key: str) -> Any | None:
        if key not in self.values:
            return None
        uses = self.uses[key]
        del self.buckets[uses][key]
        self.uses[key] = uses + 1
        self.buckets[uses + 1][key] = None
        return self.values[key]

    def put(self, key: str, value: Any) -> None:
        if len(self.values) >= MAX_ENTRIES:
            least = min(uses for uses, keys in self.buckets.items() if keys)
            oldest = next(iter(self.buckets[least]))
            del self.buckets[least][oldest], self.values[oldest], self.uses[oldest]
        self.values[key] = value
        self.uses[key] = 1
        self.buckets[1][key] = None


cache: LFU


def setup() -> None:
    global cache
    cache = LFU()


def request(i: int, now: float) -> None:
    user = f"user-{int(400_000 * (spread(i) / 0x100000000) ** 2)}"
    if cache.get(user) is None:
        cache.put(user, {"purposes": [i % 3, i % 5], "text": page(i, 4500)})
    crunch(i)


def teardown() -> None:
    """The cache goes with the process."""
