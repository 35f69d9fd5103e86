"""Feature flags: a table of rollouts is built beside the one in use, over some minutes, and swapped in; the old one
stays for requests under way until the next build begins."""

from __future__ import annotations

import numpy as np
from _kit import answer, mixed

KIND = "bounded"
SPAN = "GET /flags"
SITE = None
HOLDER = None
REQUIRES = ["numpy"]
REQUESTS_PER_SECOND = 10
DURATION_S = 4200

FLAGS = 900
USERS_A_ROW = 4096


class RolloutTable:
    """For each flag the shares of its variants, by bucket of users."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._rows: dict[str, np.ndarray] = {}

    def add(self, flag: str, seed: int) -> None:
        row = np.arange(USERS_A_ROW, dtype=np.float64)
        row *= (seed % 97 + 1) / 97.0
        np.mod(row, 1.0, out=row)
        self._rows[flag] = row

    def __len__(self) -> int:
        return len(self._rows)

    def share(self, flag: str, user: int) -> float:
        row = self._rows.get(flag)
        return float(row[user % USERS_A_ROW]) if row is not None else 0.0


class FlagService:
    """Builds in small steps, one a request, so that none has to wait."""

    def __init__(self, rebuild_every_s: float) -> None:
        self._rebuild_every_s = rebuild_every_s
        self.active = RolloutTable(0)
        self._retired: RolloutTable | None = None
        self._building: RolloutTable | None = None
        self._started_at = -rebuild_every_s

    def step(self, i: int, now: float) -> None:
        if self._building is None:
            if now - self._started_at < self._rebuild_every_s:
                return
            self._retired = None
            self._building = RolloutTable(self.active.version + 1)
            self._started_at = now
        number = len(self._building)
        if number < FLAGS:
            if i % 3 == 0:
                self._building.add(f"flag-{number}", mixed(number, self._building.version))
        else:
            self._retired, self.active, self._building = self.active, self._building, None

    def flags_of(self, user: int) -> int:
        return sum(self.active.share(f"flag-{mixed(user, k) % FLAGS}", user) > 0.5 for k in range(5))


service: FlagService


def setup() -> None:
    global service
    service = FlagService(rebuild_every_s=700.0)


def request(i: int, now: float) -> None:
    service.step(i, now)
    service.flags_of(mixed(i, 1))
    answer(i)


def teardown() -> None:
    pass
