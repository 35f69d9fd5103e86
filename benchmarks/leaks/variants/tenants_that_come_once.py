"""State for each of 600 tenants, of which more come at first; each tenant's own is of a fixed size."""

from __future__ import annotations

import random
from typing import Any

from _load import parts, work

KIND = "bounded"
SPAN = "GET /tenant"
REQUESTS_PER_SECOND = 3
DURATION_S = 6000

class Tenants:
    def __init__(self) -> None:
        self.by_id: dict[int, Any] = {}

    def get(self, tenant: int) -> Any:
        if (state := self.by_id.get(tenant)) is None:
            state = self.by_id[tenant] = parts(tenant, 30_000)
        return state


tenants = Tenants()
_rng = random.Random(11)


def setup() -> None:
    tenants.by_id.clear()


def request(i: int, now: float) -> None:
    tenants.get(int(_rng.random() * 600))
    work(i)


def teardown() -> None:
    tenants.by_id.clear()
