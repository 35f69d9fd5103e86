"""Feature-flag exposures that could not be sent go back into the buffer. One busy minute makes a batch that the
collector finds too large: from then on every batch is, and all come back."""

from __future__ import annotations

from typing import Any

from _kit import answer, chance, mixed

KIND = "leak"
SPAN = "GET /home"
SITE = "FlagClient.evaluate"
HOLDER = "_pending"
REQUESTS_PER_SECOND = 10
DURATION_S = 4800

FLUSH_EVERY_S = 30.0
FLAGS = ("new-nav", "price-badges", "fast-search", "dark-mode")


def traffic(t: float) -> float:
    return 3.0 if 1000 <= t < 1090 else 1.0   # a newsletter goes out


class PayloadTooLarge(Exception):
    """413."""


class Collector:
    LIMIT = 2_500

    def post(self, events: list[dict[str, Any]]) -> None:
        if len(events) > self.LIMIT:
            raise PayloadTooLarge(f"{len(events)} events")


class FlagClient:
    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._pending: list[dict[str, Any]] = []
        self._flushed_at = 0.0
        self.failures = 0

    def evaluate(self, flag: str, i: int, now: float) -> bool:
        bucket = mixed(i, len(flag)) % 100
        self._pending.append({
            "flag": flag, "variant": "on" if bucket < 50 else "off", "bucket": bucket, "at": now,
            "user": f"user-{mixed(i):010d}-{i}", "context": {"path": f"/home?visit={i}", "agent": f"agent/{i % 17}.{i}"},
        })
        return bucket < 50

    def flush(self, now: float) -> None:
        batch, self._pending = self._pending, []
        self._flushed_at = now
        try:
            self._collector.post(batch)
        except PayloadTooLarge:
            self.failures += 1
            self._pending = batch + self._pending

    def maybe_flush(self, now: float) -> None:
        if now - self._flushed_at >= FLUSH_EVERY_S:
            self.flush(now)


client: FlagClient


def setup() -> None:
    global client
    client = FlagClient(Collector())


def request(i: int, now: float) -> None:
    for flag in FLAGS:
        if chance(i, len(flag) + 3, 0.9):
            client.evaluate(flag, i, now)
    answer(i)
    client.maybe_flush(now)


def teardown() -> None:
    pass
