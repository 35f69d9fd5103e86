"""The last 1,500 frames as arrays in a deque that is as long as that."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from _load import work

KIND = "bounded"
SPAN = "POST /camera"
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 2
DURATION_S = 4800

frames: deque[Any] = deque(maxlen=1500)


def setup() -> None:
    frames.clear()


def request(i: int, now: float) -> None:
    frames.append(np.full(1000, i, dtype=np.float64))
    work(i)


def teardown() -> None:
    frames.clear()
