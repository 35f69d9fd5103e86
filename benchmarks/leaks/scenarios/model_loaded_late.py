"""A model is loaded by the first request that needs it, and replaced by a newer one later."""

from __future__ import annotations

from _shop import work

KIND = "bounded"
SPAN = "POST /predict"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

model: list[bytearray] = []


def load(version: int) -> list[bytearray]:
    return [bytearray(40_000 + version) for _ in range(500)]


def setup() -> None:
    model.clear()


def request(i: int, now: float) -> None:
    global model
    if (now >= 600 and not model) or (now >= 1800 and len(model[0]) == 40_001):
        model = load(2 if now >= 1800 else 1)
    work(i)


def teardown() -> None:
    model.clear()
