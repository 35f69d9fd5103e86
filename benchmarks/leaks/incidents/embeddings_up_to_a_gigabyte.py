"""Embeddings in an LRU with a budget of one gigabyte, of which fifty minutes bring a tenth."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from _svc import crunch, spread

KIND = "growing_bound_unknown"
SPAN = "POST /embed"
REQUIRES = ["numpy>=1.23"]
REQUESTS_PER_SECOND = 5
DURATION_S = 3000
BUDGET = 1 << 30


class Embeddings:
    def __init__(self) -> None:
        self._vectors: OrderedDict[int, Any] = OrderedDict()
        self._bytes = 0

    def get(self, text: int) -> Any:
        vector = self._vectors.get(text)
        if vector is not None:
            self._vectors.move_to_end(text)
            return vector
        vector = self._vectors[text] = np.full(1536, text % 97, dtype=np.float32)
        self._bytes += vector.nbytes
        while self._bytes > BUDGET:
            self._bytes -= self._vectors.popitem(last=False)[1].nbytes
        return vector


embeddings: Embeddings


def setup() -> None:
    global embeddings
    embeddings = Embeddings()


def request(i: int, now: float) -> None:
    embeddings.get(spread(i) % 5_000_000)
    crunch(i)


def teardown() -> None:
    """The cache goes with the process."""
