"""Thumbnails kept up to a budget of 700 MB that is dropped from the oldest end, far from full in the first hour.

Seen in an image proxy.
"""

from __future__ import annotations

import random
from collections import OrderedDict

KIND = "growing_bound_unknown"
SPAN = "GET /thumbs/{id}"
SITE = "scale"
HOLDER = "_cache"
REQUESTS_PER_SECOND = 5
DURATION_S = 3000

BUDGET = 700 << 20


class ByteBudgetCache:
    def __init__(self, budget):
        self.budget = budget
        self.used = 0
        self._items = OrderedDict()

    def get(self, key):
        item = self._items.get(key)
        if item is not None:
            self._items.move_to_end(key)
        return item

    def put(self, key, item):
        self._items[key] = item
        self.used += len(item)
        while self.used > self.budget:
            _, oldest = self._items.popitem(last=False)
            self.used -= len(oldest)


_cache = None
_random = None
_pixels = bytes(range(256)) * 300


def scale(number, width):
    size = width * 60 + number % 977 * 4
    start = number * 13 % 9000
    return b"\xff\xd8\xff" + _pixels[start : start + size]


def thumbnail(number, width):
    key = number, width
    item = _cache.get(key)
    if item is None:
        item = scale(number, width)
        _cache.put(key, item)
    return item


def setup():
    global _cache, _random
    _cache = ByteBudgetCache(BUDGET)
    _random = random.Random(3)


def request(i, now):
    number = int(_random.paretovariate(0.35)) % 2_000_000
    return len(thumbnail(number, (120, 240, 320)[number % 3]))


def teardown():
    _cache._items.clear()
