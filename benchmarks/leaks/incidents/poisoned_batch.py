"""A shipper sends its buffer twice a minute and clears it on success; one NaN that JSON refuses ends all success.

The error is swallowed ("telemetry must not break the service"). Healthy for ten minutes, a leak ever after.
"""

from __future__ import annotations

import json
import math
from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "POST /checkout"
SITE = "Shipper.event"
HOLDER = "_buffer"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600


class Shipper:
    def __init__(self) -> None:
        self._buffer: list[dict[str, Any]] = []
        self._sent_at = 0.0
        self.sent = 0

    def event(self, i: int, now: float) -> None:
        ratio = math.nan if i == 3000 else i % 97 / 97
        self._buffer.append({"at": now, "cart": page(i, 8000), "conversion": ratio})

    def flush_if_due(self, now: float) -> None:
        if now - self._sent_at < 30:
            return
        self._sent_at = now
        try:
            self.sent += len(json.dumps(self._buffer, allow_nan=False))
            self._buffer.clear()
        except Exception:
            pass


shipper: Shipper


def setup() -> None:
    global shipper
    shipper = Shipper()


def request(i: int, now: float) -> None:
    shipper.event(i, now)
    shipper.flush_if_due(now)
    crunch(i)


def teardown() -> None:
    """The shipper goes with the process."""
