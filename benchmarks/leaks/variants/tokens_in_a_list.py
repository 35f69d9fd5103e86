"""Tokens of attached contexts are put aside for a detach that never comes: each has the context before it, with its span."""

from __future__ import annotations

from _load import text, work
from opentelemetry import baggage, context

KIND = "leak"
SPAN = "GET /basket"
SITE = "tag"
HOLDER = "_tokens"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

_tokens: list[object] = []


def tag(i: int) -> None:
    _tokens.append(context.attach(baggage.set_baggage("basket", text(i, 1200))))


def setup() -> None:
    _tokens.clear()


def request(i: int, now: float) -> None:
    tag(i)
    tag(i + 1)
    work(i)


def teardown() -> None:
    _tokens.clear()
