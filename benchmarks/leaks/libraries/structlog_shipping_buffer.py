"""A structlog processor gathers the finished events into a batch and ships it when it is full or too old, so memory
climbs for minutes at a time and falls back.
"""

from __future__ import annotations

import json
import random
import zlib

import structlog

KIND = "bounded"
SPAN = "POST /events"
SITE = None
HOLDER = None
REQUIRES = ["structlog==26.1.0"]
REQUESTS_PER_SECOND = 10
DURATION_S = 5400

_rng = random.Random(53)


class BatchShipper:
    def __init__(self, most=7_000, oldest=900.0):
        self.most = most
        self.oldest = oldest
        self.batch = []
        self.since = 0.0
        self.shipped_bytes = 0

    def __call__(self, logger, method, event):
        self.batch.append(event)
        if len(self.batch) >= self.most or event["at"] - self.since > self.oldest:
            self.ship(event["at"])
        raise structlog.DropEvent

    def ship(self, now):
        packed = 0
        for start in range(0, len(self.batch), 500):
            lines = "\n".join(json.dumps(event) for event in self.batch[start : start + 500])
            packed += len(zlib.compress(lines.encode(), 1))
        self.shipped_bytes += packed
        self.batch = []
        self.since = now


shipper = BatchShipper()
log = None


def setup():
    global log
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, shipper],
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger("events")


def request(i, now):
    session = f"s-{_rng.randrange(10**9):09d}"
    with structlog.contextvars.bound_contextvars(session=session, request=i):
        bound = log.bind(at=now, agent=f"app/{_rng.randrange(9)}.{_rng.randrange(30)}")
        bound.info("page viewed", path=f"/p/{_rng.randrange(5_000)}", timing=[_rng.random() for _ in range(12)])
        if _rng.random() < 0.2:
            bound.warning("slow render", trace=_rng.randbytes(600).hex())
    return session


def teardown():
    shipper.batch = []
    structlog.reset_defaults()
