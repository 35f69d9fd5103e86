"""A cache of fragments with a budget of twenty megabytes that counts right: full before the half, then one for one."""

from __future__ import annotations

from _sized import SizedCache
from _svc import crunch, page, spread

KIND = "bounded"
SPAN = "GET /fragment"
REQUESTS_PER_SECOND = 5
DURATION_S = 4200

fragments: SizedCache


def render(i: int) -> str:
    return page(i, 7000 + i % 4000)


def setup() -> None:
    global fragments
    fragments = SizedCache(20_000_000)


def request(i: int, now: float) -> None:
    x = spread(i)
    number = i if x % 100 < 50 else max(0, i - 1 - (x >> 8) % 40)
    fragments.put(f"fragment/{number}", render(i))
    crunch(i)


def teardown() -> None:
    """The cache goes with the process."""
