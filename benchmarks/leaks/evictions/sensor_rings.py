"""A ring of samples for each of fifteen hundred sensors, allocated when it is first heard of: most are heard of soon,
the last ones late. Growth that slows down by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from _data import blob, churn, mix

KIND = "bounded"
SPAN = "sensors.batch"
SITE = None
HOLDER = None
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 3
DURATION_S = 5400

SENSORS = 1500


class Ring:
    LENGTH = 4096

    def __init__(self) -> None:
        self.samples = np.zeros(self.LENGTH)
        self.position = 0
        self.full = False

    def extend(self, values: Any) -> None:
        end = self.position + len(values)
        if end <= self.LENGTH:
            self.samples[self.position:end] = values
        else:
            first = self.LENGTH - self.position
            self.samples[self.position:] = values[:first]
            self.samples[:end - self.LENGTH] = values[first:]
            self.full = True
        self.position = end % self.LENGTH


class Fleet:
    def __init__(self) -> None:
        self.rings: dict[int, Ring] = {}
        self.peaks: dict[int, float] = {}

    def on_batch(self, sensor: int, payload: bytes) -> None:
        values = np.frombuffer(payload, dtype=np.uint8).astype(np.float64)
        ring = self.rings.get(sensor)
        if ring is None:
            ring = self.rings[sensor] = Ring()
        ring.extend(values)
        self.peaks[sensor] = max(self.peaks.get(sensor, 0.0), float(values.max()))


fleet: Fleet


def setup() -> None:
    global fleet
    fleet = Fleet()


def request(i: int, now: float) -> None:
    fleet.on_batch(mix(i) % SENSORS, blob(i, 480))
    churn(i)


def teardown() -> None:
    del globals()["fleet"]
