"""A drawing service keeps a copy of the canvas before each stroke; the limit of fifty looks at the wrong list (redo).

Twelve boards are open all day. Seen in collaborative editors and in notebooks' kernels.
"""

from __future__ import annotations

import asyncio

import numpy as np
from _svc import crunch

KIND = "leak"
SPAN = "POST /stroke"
SITE = "Board.stroke"
HOLDER = "undo"
REQUIRES = ["numpy>=1.23"]
REQUESTS_PER_SECOND = 4
DURATION_S = 800


class Board:
    LIMIT = 50

    def __init__(self) -> None:
        self.canvas = np.zeros((128, 128, 4), dtype=np.uint8)
        self.undo: list[np.ndarray] = []
        self.redo: list[np.ndarray] = []

    def stroke(self, i: int) -> None:
        self.undo.append(self.canvas.copy())
        if len(self.redo) > self.LIMIT:
            del self.undo[0]
        self.redo.clear()
        self.canvas[i % 128, :, i % 4] = i % 251


boards: list[Board] = []


def setup() -> None:
    boards[:] = [Board() for _ in range(12)]


async def request(i: int, now: float) -> None:
    crunch(i)
    await asyncio.sleep(0.02)
    boards[i % 12].stroke(i)


def teardown() -> None:
    boards.clear()
