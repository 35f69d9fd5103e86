"""The last frames of each camera, as arrays, in a list by camera that is never cut."""

from __future__ import annotations

from typing import Any

import numpy as np
from _load import work

KIND = "leak"
SPAN = "POST /frames"
SITE = "decode"
HOLDER = "frames"
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 2
DURATION_S = 3000

frames: dict[int, list[Any]] = {}


def decode(i: int) -> Any:
    return np.full(1500, i, dtype=np.float64)


def setup() -> None:
    frames.clear()


def request(i: int, now: float) -> None:
    frames.setdefault(i % 8, []).append(decode(i))
    work(i)


def teardown() -> None:
    frames.clear()
