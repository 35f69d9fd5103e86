"""Hotel availability cached for ten minutes under traffic that comes in waves.

Seen in a travel portal.
"""

from __future__ import annotations

import math
from collections import OrderedDict

KIND = "bounded"
SPAN = "GET /hotels/{id}/availability"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 7
DURATION_S = 7200

TTL_S = 600


def traffic(t):
    return 1 - 0.8 * math.cos(2 * math.pi * t / 2400)


class TtlCache:
    def __init__(self, ttl):
        self.ttl = ttl
        self._entries = OrderedDict()
        self.hits = 0

    def get(self, key, now):
        entry = self._entries.get(key)
        if entry is None or entry[0] <= now:
            return None
        self.hits += 1
        return entry[1]

    def put(self, key, value, now):
        self._entries.pop(key, None)
        self._entries[key] = now + self.ttl, value
        self.expire(now)

    def expire(self, now):
        while self._entries:
            key, (expires, _) = next(iter(self._entries.items()))
            if expires > now:
                break
            del self._entries[key]


_cache = None


def ask_supplier(hotel, arrival):
    return [
        {"room": f"{hotel}-{room}", "free": (hotel + room + arrival) % 5, "price": 60 + room * 12.5}
        for room in range(10 + hotel % 8)
    ]


def setup():
    global _cache
    _cache = TtlCache(TTL_S)


def request(i, now):
    key = i * 7919 % 60013, i // 3 % 30
    rooms = _cache.get(key, now)
    if rooms is None:
        rooms = ask_supplier(*key)
        _cache.put(key, rooms, now)
    return sum(1 for room in rooms if room["free"])


def teardown():
    _cache._entries.clear()
