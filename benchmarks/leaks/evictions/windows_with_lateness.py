"""Tumbling windows of fifteen minutes by event time, and five more for what comes late; all of a window is kept until
it closes. What any streaming aggregation without incremental state does."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from _data import churn, message, mix

KIND = "bounded"
SPAN = "stream.event"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 5400

WINDOW_S = 900
LATENESS_S = 300


class WindowedSessions:
    def __init__(self) -> None:
        self._windows: dict[int, dict[str, list[dict[str, Any]]]] = {}
        self.emitted = 0
        self.too_late = 0

    def add(self, raw: str, now: float) -> None:
        event = json.loads(raw)
        start = int(event["at"] // WINDOW_S) * WINDOW_S
        if start + WINDOW_S + LATENESS_S <= now:
            self.too_late += 1
            return
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = defaultdict(list)
        window[event["user"]].append(event)

    def advance(self, now: float) -> None:
        for start in [s for s in self._windows if s + WINDOW_S + LATENESS_S <= now]:
            for events in self._windows.pop(start).values():
                events.sort(key=lambda event: event["at"])
                self.emitted += len(events)


sessions: WindowedSessions


def traffic(t: float) -> float:
    return 1.0 + 0.3 * ((t % 2700) / 2700)


def setup() -> None:
    global sessions
    sessions = WindowedSessions()


def request(i: int, now: float) -> None:
    delay = mix(i + 5) % 200 if i % 13 == 0 else mix(i + 5) % 4
    sessions.add(message(i, 6000, at=max(0.0, now - delay), user=f"u{mix(i) % 500}"), now)
    sessions.advance(now)
    churn(i)


def teardown() -> None:
    del globals()["sessions"]
