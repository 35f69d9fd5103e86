"""A bitmap of active users whose pages are made when first touched: at most 65,536 of them, a quarter in the first hour.

Seen in an analytics service.
"""

from __future__ import annotations

import random

KIND = "growing_bound_unknown"
SPAN = "POST /activity"
SITE = "mark"
HOLDER = "_pages"
REQUESTS_PER_SECOND = 6
DURATION_S = 3600

PAGE_BITS = 14
USER_BITS = 30


class Bitmap:
    def __init__(self):
        self._pages = [None] * (1 << (USER_BITS - PAGE_BITS))
        self.touched = 0

    def mark(self, user):
        number, bit = user >> PAGE_BITS, user & ((1 << PAGE_BITS) - 1)
        page = self._pages[number]
        if page is None:
            page = self._pages[number] = bytearray(1 << (PAGE_BITS - 3))
            self.touched += 1
        page[bit >> 3] |= 1 << (bit & 7)

    def is_marked(self, user):
        number, bit = user >> PAGE_BITS, user & ((1 << PAGE_BITS) - 1)
        page = self._pages[number]
        return page is not None and bool(page[bit >> 3] & 1 << (bit & 7))


class Activity:
    def __init__(self):
        self.today = Bitmap()
        self.returning = 0

    def seen(self, user):
        if self.today.is_marked(user):
            self.returning += 1
        else:
            self.today.mark(user)


_activity = None
_random = None


def setup():
    global _activity, _random
    _activity = Activity()
    _random = random.Random(19)


def request(i, now):
    user = _random.getrandbits(USER_BITS)
    _activity.seen(user)
    return _activity.returning


def teardown():
    _activity.today._pages.clear()
