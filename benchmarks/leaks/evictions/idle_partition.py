"""A stream join drops what found no partner before the watermark, which is the minimum over all partitions: one that
has gone idle holds it for ever. Seen in Flink, Kafka Streams and every home-made join."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from _data import churn, message, mix

KIND = "leak"
SPAN = "join.process"
SITE = "parse"
HOLDER = "_waiting"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600

LATENESS_S = 120.0


class Watermark:
    def __init__(self) -> None:
        self._seen: dict[int, float] = {}

    def advance(self, partition: int, timestamp: float) -> float:
        self._seen[partition] = max(timestamp, self._seen.get(partition, 0.0))
        return min(self._seen.values())


class ClickJoin:
    """Pairs impressions with their clicks; buckets of a minute, so that eviction is a matter of few steps."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        self._minute_of: dict[int, int] = {}
        self._watermark = Watermark()
        self.joined = 0

    @staticmethod
    def parse(raw: str) -> dict[str, Any]:
        return json.loads(raw)

    def process(self, raw: str, partition: int) -> None:
        event = self.parse(raw)
        watermark = self._watermark.advance(partition, event["at"])
        if event["type"] == "impression":
            minute = int(event["at"] // 60)
            self._waiting[minute][event["ad"]] = event
            self._minute_of[event["ad"]] = minute
        else:
            bucket = self._minute_of.pop(event["ad"], None)
            if bucket is not None and self._waiting[bucket].pop(event["ad"], None):
                self.joined += 1
        self.evict(watermark)

    def evict(self, watermark: float) -> None:
        horizon = int((watermark - LATENESS_S) // 60)
        for minute in [m for m in self._waiting if m < horizon]:
            for ad in self._waiting.pop(minute):
                self._minute_of.pop(ad, None)


join: ClickJoin


def setup() -> None:
    global join
    join = ClickJoin()


def request(i: int, now: float) -> None:
    ad = i // 2
    # Partition 7 belongs to a region that was switched off; it had some events yet after the last deployment.
    partition = 7 if i < 20 else mix(i) % 7
    if i % 2 == 0:
        join.process(message(ad, 9000, at=now, type="impression", ad=ad), partition)
    elif mix(ad) % 5 > 1:
        join.process(message(ad, 300, at=now, type="click", ad=ad), partition)
    churn(i)


def teardown() -> None:
    del globals()["join"]
