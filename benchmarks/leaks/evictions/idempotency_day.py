"""Answers by idempotency key, kept for a day as the API promises, and never more than two hundred thousand: neither
limit is reached within the hour."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass

from _data import churn, message, mix

KIND = "growing_bound_unknown"
SPAN = "POST /payments"
SITE = "pay"
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 5400


@dataclass(frozen=True)
class Stored:
    at: float
    answer: bytes


class IdempotencyStore:
    TTL_S = 86_400.0
    MAX_ENTRIES = 200_000

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Stored] = OrderedDict()
        self.replayed = 0

    def get(self, key: str) -> bytes | None:
        stored = self._answers.get(key)
        return stored.answer if stored else None

    def put(self, key: str, answer: bytes, now: float) -> None:
        self._answers[key] = Stored(now, answer)
        self._evict(now)

    def _evict(self, now: float) -> None:
        while self._answers:
            key = next(iter(self._answers))
            if len(self._answers) <= self.MAX_ENTRIES and now - self._answers[key].at < self.TTL_S:
                return
            del self._answers[key]


class Payments:
    def __init__(self) -> None:
        self.store = IdempotencyStore()

    def pay(self, key: str, raw: str, now: float) -> bytes:
        known = self.store.get(key)
        if known is not None:
            self.store.replayed += 1
            return known
        order = json.loads(raw)
        answer = json.dumps({"paid": True, "key": key, "order": order}).encode()
        self.store.put(key, answer, now)
        return answer


payments: Payments


def setup() -> None:
    global payments
    payments = Payments()


def request(i: int, now: float) -> None:
    original = i - mix(i) % 50 if i % 15 == 0 and i > 50 else i
    payments.pay(f"key-{original}", message(original, 5000), now)
    churn(i)


def teardown() -> None:
    del globals()["payments"]
