"""A consumer opens a span for each queued job and ends it with the job; a job that is a duplicate is dropped from the
queue and its span is neither ended nor forgotten. Seen in hand-written messaging instrumentation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from _data import churn, mix, text
from opentelemetry import trace

KIND = "leak"
SPAN = "queue.receive"
SITE = "enqueue"
HOLDER = "_spans"
REQUESTS_PER_SECOND = 5
DURATION_S = 3600


@dataclass
class Job:
    number: int
    fingerprint: int


class TracedQueue:
    def __init__(self) -> None:
        self._tracer = trace.get_tracer("traced_queue")
        self._jobs: deque[Job] = deque()
        self._spans: dict[int, trace.Span] = {}
        self._recent: deque[int] = deque(maxlen=64)
        self.dropped = 0

    def enqueue(self, job: Job) -> None:
        received = trace.get_current_span().get_span_context()
        span = self._tracer.start_span("job", links=[trace.Link(received)], attributes={
            "messaging.message.id": f"job-{job.number}", "messaging.fingerprint": job.fingerprint})
        for part in range(4):
            span.set_attribute(f"messaging.body.{part}", text(job.number * 4 + part, 3000))
        self._spans[job.number] = span
        self._jobs.append(job)

    def work(self) -> None:
        job = self._jobs.popleft()
        if job.fingerprint in self._recent:
            self.dropped += 1
            return
        self._recent.append(job.fingerprint)
        churn(job.number)
        self._spans.pop(job.number).end()


queue: TracedQueue


def setup() -> None:
    global queue
    queue = TracedQueue()


def request(i: int, now: float) -> None:
    queue.enqueue(Job(i, mix(i) % 200))
    if i >= 8:
        queue.work()


def teardown() -> None:
    for span in queue._spans.values():
        span.end()
    del globals()["queue"]
