"""A chat backend keeps the OpenTelemetry context of each conversation and adds each turn to its baggage.

Each turn makes a new context with all entries of the last one; five conversations of a load test never end.
"""

from __future__ import annotations

from _svc import crunch, page
from opentelemetry import baggage
from opentelemetry.context import Context

KIND = "leak"
SPAN = "POST /chat"
SITE = "prompt_of"
HOLDER = "conversations"
REQUESTS_PER_SECOND = 3
DURATION_S = 3000

conversations: dict[str, Context] = {}


def prompt_of(i: int) -> str:
    return page(i, 12_000)


def setup() -> None:
    conversations.clear()


def request(i: int, now: float) -> None:
    name = f"chat-{i % 5}"
    context = conversations.get(name, Context())
    conversations[name] = baggage.set_baggage(f"turn.{i}", prompt_of(i), context)
    crunch(i)


def teardown() -> None:
    conversations.clear()
