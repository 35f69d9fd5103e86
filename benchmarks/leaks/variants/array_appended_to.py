"""np.append in a loop over days: one array, copied and a little larger each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from _load import work

KIND = "leak"
SPAN = "POST /points"
SITE = "Series.add"
HOLDER = "series"
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 1
DURATION_S = 2400

class Series:
    def __init__(self) -> None:
        self.points: Any = np.zeros(0)

    def add(self, i: int) -> None:
        self.points = np.append(self.points, np.full(450, float(i)))


series = Series()


def setup() -> None:
    series.points = np.zeros(0)


def request(i: int, now: float) -> None:
    series.add(i)
    work(i)


def teardown() -> None:
    series.points = np.zeros(0)
