"""A tail sampler keeps the spans of a trace for ten minutes before it decides; they are ended, and kept on purpose.
Decisions themselves are kept longer, in a deque of fixed length."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from _data import churn, mix, text
from opentelemetry import trace

KIND = "bounded"
SPAN = "GET /checkout"
SITE = None
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 4500


@dataclass
class Undecided:
    since: float
    spans: list[trace.Span] = field(default_factory=list)
    failed: bool = False


class TailSampler:
    WAIT_S = 600.0

    def __init__(self) -> None:
        self._undecided: dict[int, Undecided] = {}
        self._order: deque[tuple[float, int]] = deque()
        self.decisions: deque[tuple[int, bool]] = deque(maxlen=2000)

    def keep(self, span: trace.Span, failed: bool, now: float) -> None:
        trace_id = span.get_span_context().trace_id
        group = self._undecided.get(trace_id)
        if group is None:
            group = self._undecided[trace_id] = Undecided(now)
            self._order.append((now, trace_id))
        group.spans.append(span)
        group.failed |= failed

    def decide(self, now: float) -> None:
        while self._order and now - self._order[0][0] >= self.WAIT_S:
            _, trace_id = self._order.popleft()
            group = self._undecided.pop(trace_id)
            self.decisions.append((trace_id, group.failed or len(group.spans) > 2))


sampler: TailSampler
tracer: trace.Tracer


def setup() -> None:
    global sampler, tracer
    sampler = TailSampler()
    tracer = trace.get_tracer("tail_sampling")


def request(i: int, now: float) -> None:
    for step in range(2):
        with tracer.start_as_current_span(f"step-{step}") as span:
            span.set_attribute("sql", text(i * 2 + step, 3500))
        sampler.keep(span, mix(i) % 50 == 0, now)
    sampler.decide(now)
    churn(i)


def teardown() -> None:
    globals().pop("sampler")
    globals().pop("tracer")
