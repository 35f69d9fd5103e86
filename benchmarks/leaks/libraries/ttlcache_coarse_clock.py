"""A TTLCache without a size limit reads a coarse clock that a housekeeping tick moves on; the tick dies of an exception
after a quarter of an hour, time stands still for the cache and nothing expires any more.
"""

from __future__ import annotations

import logging
import math
import random

from cachetools import TTLCache

KIND = "leak"
SPAN = "GET /profiles/{user}"
SITE = "load_profile"
HOLDER = "_profiles"
REQUIRES = ["cachetools==8.0.2"]
REQUESTS_PER_SECOND = 8
DURATION_S = 6000

log = logging.getLogger("profiles")


class CoarseClock:
    def __init__(self):
        self.value = 0.0

    def read(self):
        return self.value


class Housekeeping:
    """Runs about once a second beside the requests, as a daemon thread would."""

    def __init__(self, clock):
        self.clock = clock
        self.alive = True
        self.lookups = 0
        self.window = []

    def tick(self, now):
        if not self.alive or now - self.clock.value < 1.0:
            return
        try:
            self.clock.value = now
            self.window.append(self.lookups)
            self.lookups = 0
            if len(self.window) >= 900:
                busy = [count for count in self.window if count > 1_000]
                self.window.clear()
                log.debug("mean of the busy seconds: %s", sum(busy) / len(busy))
        except ArithmeticError:
            self.alive = False
            log.debug("housekeeping stopped", exc_info=True)


_clock = CoarseClock()
_housekeeping = Housekeeping(_clock)
_profiles = TTLCache(maxsize=math.inf, ttl=240, timer=_clock.read)
_rng = random.Random(13)


def setup():
    logging.getLogger("profiles").addHandler(logging.NullHandler())


def load_profile(user):
    profile = {"user": user, "segments": [], "avatar": _rng.randbytes(2_500)}
    for n in range(12):
        profile["segments"].append({"name": f"segment-{user % 97}-{n}", "score": _rng.random()})
    return profile


def request(i, now):
    _housekeeping.tick(now)
    _housekeeping.lookups += 1
    user = _rng.randrange(40) if _rng.random() < 0.3 else _rng.randrange(5_000_000)
    profile = _profiles.get(user)
    if profile is None:
        profile = _profiles[user] = load_profile(user)
    return max(segment["score"] for segment in profile["segments"])


def teardown():
    _profiles.clear()
