"""A queue.Queue whose consumer thread died at start."""

from __future__ import annotations

import queue
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /job"
SITE = "submit"
HOLDER = "jobs"
REQUESTS_PER_SECOND = 4
DURATION_S = 4200

jobs: queue.Queue[Any] = queue.Queue()


def submit(i: int) -> None:
    jobs.put_nowait(parts(i, 1500))


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    submit(i)
    work(i)


def teardown() -> None:
    jobs.queue.clear()
