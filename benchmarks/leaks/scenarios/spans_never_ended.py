"""A child span per streamed response is started by hand and ended when the client says goodbye; aborted ones never are."""

from __future__ import annotations

from typing import Any

from _shop import work
from opentelemetry import trace

KIND = "leak"
SPAN = "GET /video"
SITE = "open_stream"
HOLDER = "streams"
REQUESTS_PER_SECOND = 2
DURATION_S = 3600

tracer = trace.get_tracer("video")
streams: dict[int, Any] = {}


def open_stream(i: int) -> None:
    attributes = {"video.id": i, "video.codec": "av1", "client.port": i % 60000}
    streams[i] = tracer.start_span("stream video", attributes=attributes)


def goodbye(i: int) -> None:
    streams.pop(i).end()


def setup() -> None:
    streams.clear()


def request(i: int, now: float) -> None:
    open_stream(i)
    work(i)
    if i % 3 == 0:
        goodbye(i)


def teardown() -> None:
    streams.clear()
