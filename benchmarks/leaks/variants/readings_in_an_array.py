"""Sensor readings are appended to an array.array that was to be flushed."""

from __future__ import annotations

from array import array

from _load import work

KIND = "leak"
SPAN = "PUT /readings"
SITE = "store"
HOLDER = "readings"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

readings = array("d")


def store(i: int) -> None:
    readings.extend([float(i)] * 150)


def setup() -> None:
    del readings[:]


def request(i: int, now: float) -> None:
    store(i)
    work(i)


def teardown() -> None:
    del readings[:]
