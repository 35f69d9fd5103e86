"""Dead letters expire ten minutes after their last use, and the report that counts them by error uses every one of them
each half minute. Seen with sliding TTLs in a queue's dashboard; `recent` is the same class and behaves."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from _data import churn, message, mix

KIND = "leak"
SPAN = "worker.consume"
SITE = "decode"
HOLDER = "dead_letters"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600


class ExpiringIndex:
    """Jobs by id, forgotten when they have not been used for `ttl` seconds."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._items: dict[str, list[Any]] = {}

    def put(self, key: str, value: Any, now: float) -> None:
        self._items[key] = [now + self._ttl, value]

    def get(self, key: str, now: float) -> Any:
        entry = self._items.get(key)
        if entry is None or entry[0] < now:
            return None
        entry[0] = now + self._ttl
        return entry[1]

    def keys(self) -> Iterator[str]:
        return iter(list(self._items))

    def sweep(self, now: float) -> None:
        for key in [key for key, (expires, _) in self._items.items() if expires < now]:
            del self._items[key]


class Consumer:
    def __init__(self) -> None:
        self.recent = ExpiringIndex(90)
        self.dead_letters = ExpiringIndex(600)
        self.retries: deque[dict[str, Any]] = deque()
        self._next_report = 30.0

    def decode(self, raw: str) -> dict[str, Any]:
        job: dict[str, Any] = json.loads(raw)
        job["attempts"] = 0
        return job

    def run(self, job: dict[str, Any], now: float) -> None:
        job["attempts"] += 1
        if mix(job["id"]) % 3:
            self.recent.put(f"job-{job['id']}", job, now)
        elif job["attempts"] < 3:
            self.retries.append(job)
        else:
            job["error"] = "timeout" if job["id"] % 2 else "schema"
            self.dead_letters.put(f"job-{job['id']}", job, now)

    def report(self, now: float) -> Counter[str]:
        counts: Counter[str] = Counter()
        for key in self.dead_letters.keys():  # noqa: SIM118 - not a dict
            job = self.dead_letters.get(key, now)
            if job is not None:
                counts[job["error"]] += 1
        return counts

    def housekeeping(self, now: float) -> None:
        if now < self._next_report:
            return
        self._next_report = now + 30
        self.recent.sweep(now)
        self.dead_letters.sweep(now)
        self.report(now)


consumer: Consumer


def setup() -> None:
    global consumer
    consumer = Consumer()


def request(i: int, now: float) -> None:
    if consumer.retries:
        consumer.run(consumer.retries.popleft(), now)
    if consumer.retries:
        consumer.run(consumer.retries.popleft(), now)
    consumer.run(consumer.decode(message(i, 9000)), now)
    churn(i)
    consumer.housekeeping(now)


def teardown() -> None:
    del globals()["consumer"]
