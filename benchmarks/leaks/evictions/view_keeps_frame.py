"""An alert keeps the last samples of a frame, which is a view of the whole of it; and acknowledgements come with the
number as text, so that they never find the alert they are for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from _data import blob, churn, mix

KIND = "leak"
SPAN = "telemetry.frame"
SITE = "decode_frame"
HOLDER = "open_alerts"
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

SAMPLES = 3072


@dataclass
class Alert:
    device: int
    number: int
    raised: float
    tail: Any


class Monitor:
    def __init__(self) -> None:
        self.open_alerts: dict[tuple[int, int], Alert] = {}
        self.latest: dict[int, Any] = {}
        self._to_acknowledge: deque[tuple[float, dict[str, str]]] = deque()
        self._number = 0

    def decode_frame(self, payload: bytes) -> Any:
        counts = np.frombuffer(payload, dtype=np.int16)
        return counts.astype(np.float32)

    def on_frame(self, device: int, payload: bytes, now: float) -> None:
        frame = self.decode_frame(payload)
        frame *= 0.01
        self.latest[device] = frame
        if mix(payload[0] + int(now * 100)) % 3 == 0:
            self._raise(device, frame, now)

    def _raise(self, device: int, frame: Any, now: float) -> None:
        self._number += 1
        self.open_alerts[device, self._number] = Alert(device, self._number, now, frame[-64:])
        self._to_acknowledge.append((now + 45, {"device": str(device), "number": str(self._number)}))

    def acknowledge(self, form: dict[str, str]) -> bool:
        return self.open_alerts.pop((int(form["device"]), form["number"]), None) is not None  # type: ignore[arg-type]

    def operators(self, now: float) -> None:
        while self._to_acknowledge and self._to_acknowledge[0][0] <= now:
            self.acknowledge(self._to_acknowledge.popleft()[1])


monitor: Monitor


def setup() -> None:
    global monitor
    monitor = Monitor()


def request(i: int, now: float) -> None:
    monitor.on_frame(mix(i) % 80, blob(i, SAMPLES * 2), now)
    monitor.operators(now)
    churn(i)


def teardown() -> None:
    del globals()["monitor"]
