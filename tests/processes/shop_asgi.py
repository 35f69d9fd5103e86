"""The shop for `uvicorn --workers`, whose workers are spawned: each imports this, and so starts its own session."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.processes import memory
from tests.processes.shop import VIEWS

resource = Resource({"service.name": "shop", "service.instance.id": f"shop-{os.getpid()}"})
trace.set_tracer_provider(TracerProvider(resource=resource))
spanheap.start(**memory.OPTIONS)


async def app(scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Each view in a span of its own, as an instrumentation would make it."""
    path = scope["path"]
    with trace.get_tracer("shop").start_as_current_span(f"GET {path}", kind=trace.SpanKind.SERVER):
        body = json.dumps(VIEWS[path]()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
