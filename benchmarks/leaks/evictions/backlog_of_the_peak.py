"""Workers do so many jobs a second, and for half an hour there are more: the backlog grows by them, steadily, and is
worked off when the peak is over. With retries at the end of the queue and a dead-letter list of a fixed length."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from _data import churn, message, mix

KIND = "bounded"
SPAN = "POST /jobs"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 5400

CAPACITY = 4.2


@dataclass
class Job:
    number: int
    payload: dict[str, Any]
    attempts: int = 0


class JobQueue:
    MAX_ATTEMPTS = 3

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self.dead_letters: deque[Job] = deque(maxlen=200)
        self._by_number: dict[int, Job] = {}
        self._budget = 0.0
        self._last = 0.0

    def submit(self, number: int, raw: str) -> None:
        job = Job(number, json.loads(raw))
        self._by_number[number] = job
        self._jobs.append(job)

    def work(self, now: float) -> None:
        self._budget = min(self._budget + (now - self._last) * CAPACITY, 20.0)
        self._last = now
        while self._jobs and self._budget >= 1:
            self._budget -= 1
            self._execute(self._jobs.popleft())

    def _execute(self, job: Job) -> None:
        job.attempts += 1
        if mix(job.number * 3 + job.attempts) % 12 == 0:
            if job.attempts < self.MAX_ATTEMPTS:
                self._jobs.append(job)
                return
            self.dead_letters.append(job)
        del self._by_number[job.number]


jobs: JobQueue


def traffic(t: float) -> float:
    if 900 <= t < 2700:
        return 1.9
    return 0.7


def setup() -> None:
    global jobs
    jobs = JobQueue()


def request(i: int, now: float) -> None:
    jobs.submit(i, message(i, 5200))
    jobs.work(now)
    churn(i)


def teardown() -> None:
    del globals()["jobs"]
