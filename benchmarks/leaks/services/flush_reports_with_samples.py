"""Rows are flushed every five minutes; the report of each flush keeps a few of the rows as samples for a page that shows
the last one.

Seen in an event pipeline.
"""

from __future__ import annotations

KIND = "leak"
SPAN = "POST /events"
SITE = "parse_event"
HOLDER = "_reports"
REQUESTS_PER_SECOND = 8
DURATION_S = 7200

FLUSH_EVERY_S = 300


class Event:
    __slots__ = ("at", "body", "kind", "number", "tags")

    def __init__(self, number, at, kind, body, tags):
        self.number, self.at, self.kind, self.body, self.tags = number, at, kind, body, tags


class FlushReport:
    def __init__(self, at, count, size, samples):
        self.at = at
        self.count = count
        self.size = size
        self.samples = samples


class Pipeline:
    def __init__(self):
        self._rows = []
        self._flushed_at = 0.0
        self._reports = []

    def add(self, event, now):
        self._rows.append(event)
        if now - self._flushed_at >= FLUSH_EVERY_S:
            self.flush(now)

    def flush(self, now):
        rows, self._rows = self._rows, []
        self._flushed_at = now
        step = max(1, len(rows) // 60)
        self._reports.append(FlushReport(now, len(rows), sum(len(row.body) for row in rows), rows[::step]))

    def status(self):
        return self._reports[-1] if self._reports else None


def parse_event(number, now):
    body = f"{number};{now:.3f};" + "click|" * (500 + number * 13 % 700)
    return Event(number, now, f"kind-{number % 30}", body, [f"session={number % 2000}", f"page={number % 77}"])


_pipeline = None


def setup():
    global _pipeline
    _pipeline = Pipeline()


def request(i, now):
    _pipeline.add(parse_event(i, now), now)
    if i % 100 == 0:
        _pipeline.status()


def teardown():
    _pipeline._reports.clear()
