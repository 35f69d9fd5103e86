"""The last hundred messages of each of fifty chat rooms; loud rooms are full at once, quiet ones after half an hour."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from _svc import crunch, page

KIND = "bounded"
SPAN = "POST /message"
REQUESTS_PER_SECOND = 6
DURATION_S = 4200

_rng = random.Random("rooms")
_weights = [1 / (k + 1) ** 0.7 for k in range(50)]
histories: dict[int, deque[str]] = {}


async def request(i: int, now: float) -> None:
    room = _rng.choices(range(50), _weights)[0]
    histories.setdefault(room, deque(maxlen=100)).append(page(i, 1500 + i % 3000))
    await asyncio.sleep(0.01)
    crunch(i)


def setup() -> None:
    histories.clear()


def teardown() -> None:
    histories.clear()
