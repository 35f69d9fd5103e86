"""A middleware attaches a context and keeps the token to detach it when the response ends, which aborted ones never do."""

from __future__ import annotations

from typing import Any

from _shop import record, work
from opentelemetry import context

KIND = "leak"
SPAN = "GET /account"
SITE = "load_profile"
HOLDER = "pending_tokens"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

pending_tokens: dict[int, Any] = {}


def load_profile(i: int) -> dict[str, Any]:
    return record(i, 6000)


def request_started(i: int) -> None:
    profile_context = context.set_value("profile", load_profile(i))
    context.attach(profile_context)
    pending_tokens[i] = context.attach(context.set_value("feature", i % 3))


def response_ended(i: int) -> None:
    context.detach(pending_tokens.pop(i))


def setup() -> None:
    pending_tokens.clear()


def request(i: int, now: float) -> None:
    request_started(i)
    work(i)
    if i % 6:
        response_ended(i)


def teardown() -> None:
    pending_tokens.clear()
