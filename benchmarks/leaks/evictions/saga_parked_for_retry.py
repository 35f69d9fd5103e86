"""Sagas whose step failed are parked for eighteen minutes before they are tried again, and compensated when that fails,
too: a straight line up for eighteen minutes, then as many leave as come."""

from __future__ import annotations

import heapq
import json
from typing import Any

from _kit import answer, chance, order_json

KIND = "bounded"
SPAN = "POST /bookings"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 7
DURATION_S = 4200

RETRY_AFTER_S = 1080.0


class Saga:
    STEPS = ("reserve", "charge", "issue", "notify")

    def __init__(self, number: int, order: dict[str, Any]) -> None:
        self.number = number
        self.order = order
        self.done: list[str] = []
        self.attempts = 0

    def run(self, fails_at: str | None) -> bool:
        self.attempts += 1
        for step in self.STEPS[len(self.done):]:
            if step == fails_at:
                return False
            self.done.append(step)
        return True

    def compensate(self) -> None:
        while self.done:
            self.done.pop()


class SagaEngine:
    def __init__(self) -> None:
        self._running: dict[int, Saga] = {}
        self._due: list[tuple[float, int]] = []
        self.completed = self.compensated = 0

    def start(self, i: int, now: float) -> None:
        saga = self._running[i] = Saga(i, json.loads(order_json(i, 15)))
        self._advance(saga, now)

    def _advance(self, saga: Saga, now: float) -> None:
        share = 0.45 if saga.attempts == 0 else 0.2
        fails_at = "charge" if chance(saga.number, 3 + saga.attempts, share) else None
        if saga.run(fails_at):
            del self._running[saga.number]
            self.completed += 1
        elif saga.attempts >= 2:
            saga.compensate()
            del self._running[saga.number]
            self.compensated += 1
        else:
            heapq.heappush(self._due, (now + RETRY_AFTER_S, saga.number))

    def poll(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, number = heapq.heappop(self._due)
            self._advance(self._running[number], now)


engine: SagaEngine


def setup() -> None:
    global engine
    engine = SagaEngine()


def request(i: int, now: float) -> None:
    engine.poll(now)
    engine.start(i, now)
    answer(i)


def teardown() -> None:
    pass
