"""A currency table is cached by the second it was asked for; this happens two spans below the request's own."""

from __future__ import annotations

from typing import Any

from _shop import record, work
from opentelemetry import trace

KIND = "leak"
SPAN = "POST /checkout"
SITE = "rates_at"
HOLDER = "_rates"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

tracer = trace.get_tracer("checkout")
_rates: dict[float, dict[str, Any]] = {}


def rates_at(moment: float) -> dict[str, Any]:
    if moment not in _rates:
        _rates[moment] = record(int(moment), 2600)
    return _rates[moment]


def setup() -> None:
    _rates.clear()


def request(i: int, now: float) -> None:
    with tracer.start_as_current_span("price order"), tracer.start_as_current_span("convert"):
        rates_at(now)
    work(i)


def teardown() -> None:
    _rates.clear()
