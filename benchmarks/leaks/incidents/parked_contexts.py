"""Failed deliveries are parked with a copy of their context, to be retried "in the same trace"; some are for good.

What is parked is small, but the context has the request's ended span. Seen with task runners that carry contextvars.
"""

from __future__ import annotations

import contextvars

from _svc import crunch, one_in
from opentelemetry import trace

KIND = "leak"
SPAN = "POST /deliver"
SITE = None
HOLDER = "parked"
REQUESTS_PER_SECOND = 20
DURATION_S = 1500

parked: dict[int, contextvars.Context] = {}


def deliver(i: int) -> None:
    trace.get_current_span().set_attribute("delivery.attempts", 1 + i % 3)
    if not one_in(8, i, 1):
        parked[i] = contextvars.copy_context()   # the address is unknown: there will be no retry


def retry(i: int) -> None:
    for old in range(i - 60, i - 50):
        if old in parked and one_in(3, old, 2):
            parked.pop(old).run(crunch, old)


def setup() -> None:
    parked.clear()


def request(i: int, now: float) -> None:
    deliver(i)
    if i % 10 == 0:
        retry(i)


def teardown() -> None:
    parked.clear()
