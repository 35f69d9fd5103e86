"""The slowest three thousand queries are kept with their plans in a heap.

Seen as a home-made pg_stat_statements.
"""

from __future__ import annotations

import heapq
import itertools
import random

KIND = "bounded"
SPAN = "POST /query"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 8
DURATION_S = 4500

SLOWEST = 3000


class QueryRecord:
    __slots__ = ("at", "milliseconds", "plan", "text")

    def __init__(self, text, plan, milliseconds, at):
        self.text = text
        self.plan = plan
        self.milliseconds = milliseconds
        self.at = at


class SlowQueries:
    def __init__(self, size):
        self.size = size
        self._heap = []
        self._order = itertools.count()

    def offer(self, record):
        entry = record.milliseconds, next(self._order), record
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def top(self, count):
        return [record.text for _, _, record in heapq.nlargest(count, self._heap)]


_slow = None
_random = None


def explain(text, rows):
    return [
        f"{'  ' * (depth % 8)}-> Nested Loop (cost={depth * 3.5:.2f} rows={rows + depth}) on {text[-12:]}"
        for depth in range(14 + rows % 22)
    ]


def setup():
    global _slow, _random
    _slow = SlowQueries(SLOWEST)
    _random = random.Random(5)


def request(i, now):
    text = f"SELECT * FROM events WHERE tenant = {i % 800} AND number = {i}"
    milliseconds = _random.lognormvariate(3, 1) * (1 + now / 40000)
    _slow.offer(QueryRecord(text, explain(text, i % 500), milliseconds, now))
    if i % 4000 == 3999:
        return _slow.top(5)


def teardown():
    _slow._heap.clear()
