"""functools.cache over map points, whose class defines neither __eq__ nor __hash__: every lookup is a miss.

Seen wherever a namedtuple was replaced by a plain class and a memoized function took it as its argument.
"""

from __future__ import annotations

import functools

from _svc import crunch, page, spread

KIND = "leak"
SPAN = "GET /elevation"
SITE = "profile_at"
HOLDER = "profile_at"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000


class Point:
    def __init__(self, lat: float, lon: float) -> None:
        self.lat = lat
        self.lon = lon


@functools.lru_cache(maxsize=None)
def profile_at(point: Point) -> str:
    return page(int(point.lat * 100), 9000)


def setup() -> None:
    profile_at.cache_clear()


def request(i: int, now: float) -> None:
    x = spread(i)
    profile_at(Point(x % 60, (x >> 8) % 120))
    crunch(i)


def teardown() -> None:
    profile_at.cache_clear()
