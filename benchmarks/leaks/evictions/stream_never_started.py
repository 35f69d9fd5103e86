"""Server-sent events: a stream is registered when it is opened and taken out in the `finally` of its generator, which
never runs when the client goes before the first chunk: a generator that was not started has no finally."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from _kit import answer, chance, order_json

KIND = "leak"
SPAN = "GET /stream"
SITE = "EventHub.open_stream"
HOLDER = "_streams"
REQUESTS_PER_SECOND = 6
DURATION_S = 4200


class Stream:
    def __init__(self, number: int, replay: list[dict[str, Any]]) -> None:
        self.number = number
        self.replay = replay
        self.queue: deque[str] = deque()


class EventHub:
    def __init__(self) -> None:
        self._streams: dict[int, Stream] = {}
        self._opened = 0

    def open_stream(self, i: int) -> Iterator[str]:
        replay = [
            *json.loads(order_json(i, 11))["lines"],
            *json.loads(order_json(i + 1, 11))["lines"],
        ]
        self._opened += 1
        stream = self._streams[self._opened] = Stream(self._opened, replay)
        return self._chunks(stream)

    def _chunks(self, stream: Stream) -> Iterator[str]:
        try:
            for line in stream.replay:
                yield f"data: {line['sku']}\n\n"
            while stream.queue:
                yield stream.queue.popleft()
        finally:
            del self._streams[stream.number]

    def open_count(self) -> int:
        return len(self._streams)


class Response:
    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks

    def send(self, *, head_only: bool, until: int) -> int:
        sent = 0
        if not head_only:
            for chunk in self._chunks:
                sent += len(chunk)
                until -= 1
                if not until:
                    break
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        return sent


hub: EventHub


def setup() -> None:
    global hub
    hub = EventHub()


def request(i: int, now: float) -> None:
    response = Response(hub.open_stream(i))
    response.send(head_only=chance(i, 1, 0.3), until=5 + i % 30)
    answer(i)


def teardown() -> None:
    pass
