"""Fifteen hundred objects of all sizes, replaced at random: the heap's holes move, its bytes do not grow."""

from __future__ import annotations

import random

from _shop import work

KIND = "bounded"
SPAN = "PUT /blobs/{id}"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

blobs: list[bytes] = []


def blob() -> bytes:
    return bytes(int(64 * 2 ** (random.random() * 9)))


def setup() -> None:
    blobs.extend(blob() for _ in range(1500))


def request(i: int, now: float) -> None:
    for _ in range(3):
        blobs[random.randrange(len(blobs))] = blob()
    work(i)


def teardown() -> None:
    blobs.clear()
