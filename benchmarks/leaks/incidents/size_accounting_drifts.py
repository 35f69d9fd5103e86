"""A cache with a budget in bytes subtracts a replaced value twice, so what it believes to hold drifts below what it holds.

It evicts all the time, oldest first, and grows all the time. Seen in size-aware LRU caches of our own making.
"""

from __future__ import annotations

from _sized import SizedCache
from _svc import crunch, page, spread

KIND = "leak"
SPAN = "GET /fragment"
SITE = "render"
HOLDER = "_entries"
REQUESTS_PER_SECOND = 5
DURATION_S = 4800


class FragmentCache(SizedCache):
    def put(self, key: str, value: str) -> None:
        old = self._entries.get(key)
        if old is not None:
            self._size -= len(old)   # and once more when it is removed
        super().put(key, value)


fragments: FragmentCache


def render(i: int) -> str:
    return page(i, 9000)


def setup() -> None:
    global fragments
    fragments = FragmentCache(3_000_000)


def request(i: int, now: float) -> None:
    x = spread(i)
    number = i if x % 100 < 56 else max(0, i - 1 - (x >> 8) % 40)
    fragments.put(f"fragment/{number}", render(i))
    crunch(i)


def teardown() -> None:
    """The cache goes with the process."""
