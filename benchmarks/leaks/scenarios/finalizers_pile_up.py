"""weakref.finalize on an object that lives as long as the process, once per request: its registry keeps every argument."""

from __future__ import annotations

import weakref
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "GET /lease"
SITE = "Lease.__init__"
HOLDER = "_registry"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


class Connection:
    """Lives as long as the process."""


class Lease:
    def __init__(self, i: int) -> None:
        self.row = record(i, 1600)


connection = Connection()


def release(row: dict[str, Any]) -> None:
    row.clear()


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    lease = Lease(i)
    weakref.finalize(connection, release, lease.row).atexit = False
    work(i)


def teardown() -> None:
    global connection
    connection = Connection()
