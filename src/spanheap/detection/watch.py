"""The detector at work in a session: what the tick does, who is asked for holders, what is logged.

    tick(now) ──► clock of births ──every LOOK_EVERY_S──► cohorts ──► Detector ──► questions ──► holders, within a budget
                                                     └──► kept spans, native growth, the percent rule

Nothing here raises into the tick: what goes wrong is counted, and logged the first time.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import time
from collections.abc import Callable
from typing import Any

from spanheap import _core, memory_limit, process
from spanheap.detection import holding
from spanheap.detection.clock import Clock
from spanheap.detection.description import describe, turnover
from spanheap.detection.detector import Detector
from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.kept_span_watch import KeptSpanWatch
from spanheap.detection.native import NativeGrowth, NativeTrend
from spanheap.detection.pauses import PauseBudget
from spanheap.detection.percent import PercentRule
from spanheap.detection.policy import LeakPolicy
from spanheap.detection.series import Aggregate, Group
from spanheap.detection.verdict import Description, LeakVerdict
from spanheap.snapshot.application import file_origin, module_origin

logger = logging.getLogger("spanheap")

LOOK_EVERY_S = 2.0
LIMIT_EVERY_S = 60.0
FILES_PER_LOOK = 256   # names to classify: 5 us each


class LeakWatch:
    """One a session, when its `detect` is not None."""

    def __init__(self, policy: LeakPolicy, spans: Any, pause_budget_ms: float) -> None:
        """spans: the session's SpanStore."""
        self.policy = policy
        self.errors = 0
        self.longest_look_s = 0.0   # without walks
        self._walking_s = 0.0       # in this look
        self.pauses = PauseBudget(pause_budget_ms)
        self.say: Callable[[LeakVerdict], None] = lambda verdict: logger.warning("spanheap: %s", verdict)
        """Told of each verdict once."""
        self._spans = spans
        self._clock = Clock()
        self._detector = Detector(policy, describe)
        self._kept = KeptSpanWatch(spans)
        self._native = NativeGrowth()
        self._percent = PercentRule(policy.percent, policy.within) if policy.percent is not None else None
        self._percent_said: LeakVerdict | None = None
        self._verdicts: list[LeakVerdict] = []
        self._logged: dict[tuple[object, ...], float] = {}
        self._next_look = self._next_limit = 0.0
        self._limits: list[memory_limit.Limit] = []
        self._collections = -1
        self._collected_at = self._looked_at = -1.0
        self._walked: set[object] = set()   # what has had a walk above the budget

    def start(self) -> None:
        if not _core.start_cohorts():
            logger.warning("spanheap: no memory for the leak detector; profiling goes on without it")

    def stop(self) -> None:
        _core.stop_cohorts()

    def begun_anew(self) -> LeakWatch:
        """Another one, that knows nothing of what came before but what it has cost."""
        watch = LeakWatch(self.policy, self._spans, self.pauses.budget_ms)
        watch._clock, watch.pauses, watch.errors = self._clock, self.pauses, self.errors
        watch._logged, watch.say = self._logged, self.say
        watch.start()
        return watch

    def verdicts(self) -> list[LeakVerdict]:
        return list(self._verdicts)

    @property
    def clock(self) -> float:
        """The time of the last tick as `pauses` counts it."""
        return self._clock.now

    # ------------------------------------------------------------ tick

    def tick(self, now: float) -> None:
        """One step. Raises nothing."""
        try:
            clock = self._clock.advance(now)
            _core.set_clock(int(clock))   # before anything else: what is born from here on is of this tick
            if clock < self._next_look:
                return
            self._next_look = clock + LOOK_EVERY_S
            started = time.perf_counter()
            self._walking_s = 0.0
            self._look(clock)
            self.longest_look_s = max(self.longest_look_s, time.perf_counter() - started - self._walking_s)
        except Exception:
            self.errors += 1
            if self.errors == 1:
                logger.exception("spanheap: the leak detector failed; profiling goes on")

    def _look(self, clock: float) -> None:
        for _ in range(FILES_PER_LOOK):
            unknown = _core.unknown_file()
            if unknown is None:
                break
            _core.set_file_origin(unknown[0], file_origin(unknown[1]), module_origin(unknown[1]))
        memory = process.memory()
        rss = memory.resident if memory else 0
        collections = gc.get_stats()[2]["collections"]
        if collections != self._collections:
            self._collected_at, self._collections = self._looked_at, collections
        aggregate = _core.look_at_cohorts(rss, self._collected_at)
        if aggregate is None:
            return
        self._looked_at = clock
        left = self._memory_left(clock, rss)
        verdicts = self._detector.observe(aggregate, aggregate.starts[-1], left)
        self._kept.look(clock)
        self._ask(clock, left)
        kept = self._kept.verdicts(aggregate, left, self._clock, self._verdicts)
        self._verdicts = self._merged(kept, [self._in_time(v) for v in verdicts], self._native_verdicts(aggregate, left))
        self._verdicts += self._percent_verdicts(aggregate, left)
        self._log()

    def _memory_left(self, clock: float, rss: int) -> float | None:
        if self.policy.memory_limit is not None:
            return max(0.0, self.policy.memory_limit - rss)
        if clock >= self._next_limit:
            self._next_limit = clock + LIMIT_EVERY_S
            self._limits = memory_limit.find()
        usage = memory_limit.tightest(self._limits)
        return max(0.0, float(usage.limit.bytes - usage.bytes)) if usage is not None else None

    # ------------------------------------------------------------ holders

    def _ask(self, clock: float, left: float | None) -> None:
        """At most one walk a look: that of kept spans, or of the most material question."""
        if not self.policy.holders or not holding.available():
            return
        for key in self._kept.names.questions():
            ended = key.kind == "retained_spans"
            found = self._within_budget(key, clock, lambda ms, key=key, ended=ended: holding.of_spans(key.name, ended, ms))
            if found is not None:
                self._kept.names.answer(key, found)
            return
        for question in self._detector.questions(left):
            found = self._within_budget(
                question.key, clock, lambda ms, q=question: holding.of_question(q.key, q.since, q.until, ms)
            )
            if found is not None:
                found = self._collected(found, question.until)
                if found.bound is Bound.RELEASE:
                    found = found._replace(turnover=turnover(question.key, question.since, question.until))
                self._detector.answer(question.key, found)
            return

    def _within_budget(self, key: object, clock: float, walk: Any) -> Evidence | None:
        predicted = holding.predicted_ms(_core.sums()[1])
        first = key not in self._walked
        if not self.pauses.allows(predicted, clock, first=first):
            return None
        if predicted > self.pauses.budget_ms:
            if len(self._walked) >= 256:
                self._walked.clear()
            self._walked.add(key)
        started = time.perf_counter()
        found: holding.Found = walk(max(self.pauses.budget_ms, holding.MAX_WALK_MS if first else 0.0))
        self.pauses.spend(found.pause_ms, clock)
        self._walking_s += time.perf_counter() - started
        return found.evidence

    def _collected(self, evidence: Evidence, until: float) -> Evidence:
        """Garbage is no leak while the collector runs: wait for it to have looked at what this is about."""
        if evidence.bound is Bound.GARBAGE and (gc.isenabled() or self._collected_at > until):
            return Evidence(Bound.COLLECTOR, evidence.holder)
        return evidence

    # ------------------------------------------------------------ the others

    def _native_verdicts(self, aggregate: Aggregate, left: float | None) -> list[LeakVerdict]:
        trend: NativeTrend | None = self._native.observe(
            self._clock.now, aggregate.rss_bytes, aggregate.heap_bytes[-1], aggregate.arena_bytes)
        if trend is None:
            return []
        return [LeakVerdict(
            kind="native_growth", site=None, span_name=None, root_name=None, trace_ids=[], live_bytes=trend.grown_bytes,
            growth_bytes_per_s=trend.bytes_per_s, share_of_growth=trend.share, confidence=0.8,
            time_to_limit_s=left / trend.bytes_per_s if left is not None else None, holder=None,
            since=self._clock.absolute(trend.since), reason="the process grows and its Python heap does not",
        )]

    def _percent_verdicts(self, aggregate: Aggregate, left: float | None) -> list[LeakVerdict]:
        found = self._percent.observe(self._clock.now, aggregate.heap_bytes[-1]) if self._percent is not None else None
        if found is None:
            self._percent_said = None
            return []
        since, grown = found
        rate = grown / max(self._clock.now - since, 1e-9)
        said = self._percent_said
        if said is None or said.site is None:   # the first samples of what grows may not have been there yet
            most = max(aggregate.groups, default=None, key=lambda group: _born_since(group, aggregate, since))
            what = describe(most.key, since, self._clock.now) if most is not None else Description(None, None, None, [])
            said = LeakVerdict(
                kind="growing", site=what.site, span_name=what.span_name, root_name=what.root_name, trace_ids=what.trace_ids,
                live_bytes=grown, growth_bytes_per_s=rate, share_of_growth=1.0, confidence=0.2, holder=None,
                time_to_limit_s=left / rate if left is not None else None, since=self._clock.absolute(since),
                reason=f"more than {self.policy.percent} % within {self.policy.within:.0f} s",
            )
        self._percent_said = said
        return [said]

    def _in_time(self, verdict: LeakVerdict) -> LeakVerdict:
        return dataclasses.replace(verdict, since=self._clock.absolute(verdict.since))

    @staticmethod
    def _merged(kept: list[LeakVerdict], cases: list[LeakVerdict], native: list[LeakVerdict]) -> list[LeakVerdict]:
        """Most material first. Memory of spans that are reported as kept is not reported again."""
        leaks = {v.container for v in cases if v.kind == "leak" and v.container}
        kept = [v for v in kept if not (v.through and v.container in leaks)]   # what holds the spans is what leaks
        containers = {v.container for v in kept if v.container}
        spans = {(v.root_name, v.span_name) for v in kept}
        others = [
            v for v in cases
            if v.container not in containers and ((v.root_name, v.span_name) not in spans or v.reason != Bound.SPANS.value)
        ]
        suspicions = ("growing", "native_growth")
        return sorted([*kept, *others, *native], key=lambda v: (v.kind in suspicions, -v.growth_bytes_per_s))

    def _log(self) -> None:
        for verdict in self._verdicts:
            key = (verdict.kind, verdict.root_name, verdict.span_name, verdict.application_frame, verdict.holder and 1)
            if key not in self._logged:
                if len(self._logged) >= 256:
                    self._logged.clear()
                self._logged[key] = verdict.since
                self.say(verdict)


def _born_since(group: Group, aggregate: Aggregate, since: float) -> float:
    return sum(size for size, start in zip(group.live_bytes, aggregate.starts[:-1], strict=True) if start >= since)
