"""Deliveries to dead endpoints are tried again with growing pauses and given up after the sixth attempt, half an hour
later.

Seen in a webhook service.
"""

from __future__ import annotations

import heapq
import itertools

KIND = "bounded"
SPAN = "POST /hooks/dispatch"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 9
DURATION_S = 6000

FIRST_PAUSE_S = 25
ATTEMPTS = 6


class Delivery:
    def __init__(self, number, endpoint, body):
        self.number = number
        self.endpoint = endpoint
        self.body = body
        self.attempt = 1
        self.errors = []


class Dispatcher:
    def __init__(self):
        self._later = []
        self._order = itertools.count()
        self.delivered = 0
        self.given_up = 0

    def send(self, delivery, now):
        if delivery.endpoint % 9:
            self.delivered += 1
            return
        delivery.errors.append(f"{now:.1f}: endpoint {delivery.endpoint} refused attempt {delivery.attempt}")
        if delivery.attempt >= ATTEMPTS:
            self.given_up += 1
            return
        due = now + FIRST_PAUSE_S * 2**delivery.attempt
        delivery.attempt += 1
        heapq.heappush(self._later, (due, next(self._order), delivery))

    def retry_due(self, now):
        while self._later and self._later[0][0] <= now:
            self.send(heapq.heappop(self._later)[2], now)


_dispatcher = None


def setup():
    global _dispatcher
    _dispatcher = Dispatcher()


def request(i, now):
    _dispatcher.retry_due(now)
    body = f'{{"event": {i}, "at": {now}, "data": "' + f"item-{i};" * (300 + i % 500) + '"}'
    _dispatcher.send(Delivery(i, i * 5 % 131, body), now)


def teardown():
    _dispatcher._later.clear()
