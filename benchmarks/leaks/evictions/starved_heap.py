"""A scheduler deletes lazily: a superseded job stays in the heap until it is on top, and jobs of low priority never
are. The compaction that should help counts the superseded, and forgets the count at every pop."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

from _data import blob, churn, mix

KIND = "leak"
SPAN = "POST /jobs"
SITE = "render_inputs"
HOLDER = "_heap"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600

INTERACTIVE, BACKGROUND = 0, 9


@dataclass(order=True)
class Job:
    priority: int
    number: int
    name: str = field(compare=False)
    inputs: list[bytes] = field(compare=False)
    superseded: bool = field(default=False, compare=False)


class Scheduler:
    COMPACT_AT = 0.5

    def __init__(self) -> None:
        self._heap: list[Job] = []
        self._numbers = itertools.count()
        self._latest: dict[str, Job] = {}
        self._superseded = 0

    def submit(self, name: str, priority: int, inputs: list[bytes]) -> None:
        earlier = self._latest.get(name)
        if earlier is not None:
            earlier.superseded = True
            self._superseded += 1
        job = Job(priority, next(self._numbers), name, inputs)
        self._latest[name] = job
        heapq.heappush(self._heap, job)
        if self._superseded > self.COMPACT_AT * len(self._heap):
            self._compact()

    def pop(self) -> Job | None:
        self._superseded = 0
        while self._heap:
            job = heapq.heappop(self._heap)
            if not job.superseded:
                self._latest.pop(job.name, None)
                return job
        return None

    def _compact(self) -> None:
        self._heap = [job for job in self._heap if not job.superseded]
        heapq.heapify(self._heap)
        self._superseded = 0


def render_inputs(i: int) -> list[bytes]:
    return [blob(i * 5 + part, 2500) for part in range(5)]


scheduler: Scheduler


def setup() -> None:
    global scheduler
    scheduler = Scheduler()


def request(i: int, now: float) -> None:
    if i % 3 == 0:   # the dashboards ask for their figures again, whenever a figure has changed
        scheduler.submit(f"figures/{mix(i) % 40}", BACKGROUND, render_inputs(i))
    scheduler.submit(f"export/{i}", INTERACTIVE, [blob(i, 600)])
    job = scheduler.pop()
    if job is not None:
        churn(i + len(job.inputs))


def teardown() -> None:
    del globals()["scheduler"]
