"""A row of an image is kept as a thumbnail; it is a numpy view, and keeps the whole image behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
from _shop import work

KIND = "leak"
SPAN = "POST /images"
SITE = "load_image"
HOLDER = "thumbnails"
REQUIRES = ["numpy>=1.23"]
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

thumbnails: dict[int, Any] = {}


def load_image(i: int) -> Any:
    return np.full((160, 256), i % 255, dtype=np.uint8)


def setup() -> None:
    thumbnails.clear()


def request(i: int, now: float) -> None:
    image = load_image(i)
    if i % 20 == 0:
        thumbnails[i] = image[0, :16]
    work(int(image[3, 4]))


def teardown() -> None:
    thumbnails.clear()
