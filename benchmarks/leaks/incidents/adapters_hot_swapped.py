"""A model is loaded layer by layer after a quarter of an hour; then adapters of 30 tenants take turns in eight places."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from _svc import crunch, spread

KIND = "bounded"
SPAN = "POST /generate"
REQUIRES = ["numpy>=1.23"]
REQUESTS_PER_SECOND = 3
DURATION_S = 3600
LAYERS = 16


class Engine:
    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.adapters: OrderedDict[int, Any] = OrderedDict()

    def load_more(self) -> None:
        if len(self.layers) < LAYERS:
            self.layers.append(np.ones((512, 640), dtype=np.float32))

    def adapter(self, tenant: int) -> Any:
        if tenant in self.adapters:
            self.adapters.move_to_end(tenant)
        else:
            self.adapters[tenant] = np.ones((400, 800), dtype=np.float32)
            if len(self.adapters) > 8:
                self.adapters.popitem(last=False)
        return self.adapters[tenant]


engine: Engine


def setup() -> None:
    global engine
    engine = Engine()


def request(i: int, now: float) -> None:
    if now > 900 + 10 * len(engine.layers):
        engine.load_more()
    if now > 1080:
        engine.adapter(int(30 * (spread(i) / 0x100000000) ** 2.5))
    crunch(i)


def teardown() -> None:
    """The engine goes with the process."""
