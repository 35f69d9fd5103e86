"""The access log is kept in memory for the support page, in segments of a megabyte of which the last twelve stay.

Seen in an appliance without a disk.
"""

from __future__ import annotations

import logging

KIND = "bounded"
SPAN = "GET /status"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 9
DURATION_S = 5400

SEGMENT_BYTES = 1 << 20
SEGMENTS = 12

_log = logging.getLogger("appliance.access")
_log.propagate = False


class SegmentedLog(logging.Handler):
    def __init__(self, segment_bytes, keep):
        super().__init__()
        self.segment_bytes = segment_bytes
        self.keep = keep
        self.segments = [[]]
        self.filled = 0

    def emit(self, record):
        line = self.format(record)
        self.segments[-1].append(line)
        self.filled += len(line)
        if self.filled >= self.segment_bytes:
            self.rotate()

    def rotate(self):
        self.segments.append([])
        self.filled = 0
        if len(self.segments) > self.keep:
            self.segments.pop(0)

    def tail(self, count):
        return self.segments[-1][-count:]


_handler = None


def setup():
    global _handler
    _handler = SegmentedLog(SEGMENT_BYTES, SEGMENTS)
    _handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    _log.handlers[:] = [_handler]
    _log.setLevel(logging.INFO)


def request(i, now):
    address = f"10.{i % 7}.{i % 250}.{i % 113}"
    _log.info(
        "%.3f %s GET /status?probe=%d 200 agent=%s trace=%032x",
        now,
        address,
        i,
        "prober/1.8 (+https://example.org/prober) " * 6,
        i * 2654435761,
    )
    _log.info(
        "%.3f %s answered in %d us, sections %s",
        now,
        address,
        300 + i % 900,
        [f"disk{k}={(i + k) % 100}%" for k in range(40)],
    )
    if i % 50 == 0:
        return _handler.tail(20)


def teardown():
    _log.handlers.clear()
