"""Frames of a write-ahead log are copied back at every checkpoint, which has to wait while a long report reads.

Seen in an embedded store.
"""

from __future__ import annotations

KIND = "bounded"
SPAN = "PUT /records/{key}"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 7
DURATION_S = 6600

PAGE = 4000
PAGES = 400
CHECKPOINT_FRAMES = 900
REPORT_EVERY_S = 1500
REPORT_S = 420


class Store:
    def __init__(self):
        self._pages = [bytes(PAGE) for _ in range(PAGES)]
        self._frames = []
        self._newest = {}
        self._readers = 0
        self.checkpoints = 0

    def begin_read(self):
        self._readers += 1

    def end_read(self):
        self._readers -= 1

    def read(self, number):
        frame = self._newest.get(number)
        return self._pages[number] if frame is None else self._frames[frame][1]

    def write(self, number, content):
        self._newest[number] = len(self._frames)
        self._frames.append((number, content))
        if len(self._frames) >= CHECKPOINT_FRAMES and not self._readers:
            self.checkpoint()

    def checkpoint(self):
        for number, frame in self._newest.items():
            self._pages[number] = self._frames[frame][1]
        self._frames = []
        self._newest.clear()
        self.checkpoints += 1


class NightlyReport:
    def __init__(self, store):
        self.store = store
        self.reading = False

    def tick(self, now):
        due = now % REPORT_EVERY_S >= REPORT_EVERY_S - REPORT_S - 300 and now % REPORT_EVERY_S < REPORT_EVERY_S - 300
        if due and not self.reading:
            self.store.begin_read()
        elif self.reading and not due:
            self.store.end_read()
        self.reading = due


_store = None
_report = None


def setup():
    global _store, _report
    _store = Store()
    _report = NightlyReport(_store)


def request(i, now):
    _report.tick(now)
    number = i * 17 % PAGES
    record = f"{i}:{now:.3f};".encode()
    page = _store.read(number)
    start = i * 37 % (PAGE - 60)
    _store.write(number, page[:start] + record + page[start + len(record) :])


def teardown():
    _store._frames.clear()
