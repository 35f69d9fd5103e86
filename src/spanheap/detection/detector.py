"""From aggregates to verdicts. Pure: no clock, no I/O, nothing but what `observe` and `answer` are given.

    Aggregate ──trend.find──► candidate ──long enough──► question: who holds it? ──answer──► leak | growing | nothing

A candidate is a group of samples that grows steadily (trend.py). Whether that is a leak depends on what holds it
(evidence.py), and each kind of holder has its time: what nothing takes from is judged after `patience`, or at once when
much has been lost; a cache that may yet fill up is only ever `growing`, and that after `bound_unknown_after`.

Bounds: MAX_CASES candidates at a time; the least material give way. A case lives while its trend is found, and a while
longer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from spanheap.detection import trend as trends
from spanheap.detection.blocks import Blocks, Seen
from spanheap.detection.case import ASK_AFTER_S, Case, Key, explained, precedence, speaks_for
from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.filling import Filling
from spanheap.detection.policy import LeakPolicy
from spanheap.detection.series import Aggregate, Group, GroupKey
from spanheap.detection.trend import Trend
from spanheap.detection.verdict import Description, Kind, LeakVerdict

MAX_CASES = 64
ASK_AGAIN = 2.0             # when it has lasted so many times as long as at the last question
URGENT_WINDOW_S = 10.0
FILLING_SHARE = 0.3        # of the window: how long the entries of a container are counted before they say anything,
AT_PACE_SHARE = 0.1        # or so long if it takes in as many as before they were
# Entries per traffic, the later half over the earlier: of a leak that was said.
STILL_EVEN = 0.7
STILL_GROWS = 0.5          # entries per traffic lately, in units of all the time's: of a suspicion that is said
# Of few entries it takes longer to see whether they become fewer: a pool opens connections, tenants come once.
FEW_TAKEN = ((50, 4.0), (200, 2.0))   # (fewer than so many more, times as long)
# Bytes given back for each that stays: what the same lines make goes into the container and is taken out, but for a few.
MOSTLY_RELEASED = 20.0

# Steady growth for so long, in units of `patience`, before a holder of this kind is a leak; absent: never.
LEAK_AFTER = {
    Bound.NONE: 1.0, Bound.EXCEEDED: 1.0, Bound.OVERDUE: 1.0, Bound.SPANS: 0.1, Bound.GARBAGE: 1.0, Bound.C: 2.0,
    Bound.EVER_MORE: 4.0, Bound.BRANCH: 3.0, Bound.TRANSIENT: 6.0, Bound.RELEASE: 6.5, Bound.OUTER: 9.0, Bound.UNSEEN: 9.0,
}
OVER_AGE = 2.5                   # times the age at which code lets go of an entry: it does not
IN_PART = 0.25                   # of a container's entries have come while it was counted: it is what grows, or one in it
OVER_LIMIT, OVER_BY = 1.2, 10    # times a limit of entries, and so many more: it does not hold
NO_LIMIT = 2.0 ** 40             # bytes that a container would have at its limit: that is none
FULL_SOON_S = 7200.0             # a container that will be full by then is not even a suspicion
UNANSWERED = 2.0            # times as long while the question who holds it waits for the pause budget
THROUGH = 3.0                # times the patience for spans that others hold: the line that makes those is told first
GROWING_SAMPLES = 12        # a suspicion that rests on statistics alone needs more of them
OUTSIDE_SPANS = 4.0         # times as long for what no span made: its traffic is not known, and its site often not its own
FOUND_OUT = frozenset((Bound.EXCEEDED, Bound.OVERDUE, Bound.EVER_MORE))   # only in time
URGENT_BOUNDS = frozenset((Bound.NONE, Bound.SPANS))   # judged at once when much has been lost
# When so many times as much has been lost; once as much, where the memory limit is near.
URGENT_LATER = {
    Bound.EXCEEDED: 2.0, Bound.C: 2.0, Bound.BRANCH: 2.0, Bound.RELEASE: 4.0, Bound.UNSEEN: 4.0, Bound.TRANSIENT: 4.0,
}
# What its holder proves; times what the samples do.
CERTAINTY = {
    Bound.NONE: 0.98, Bound.EXCEEDED: 0.9, Bound.SPANS: 0.99, Bound.GARBAGE: 0.95, Bound.C: 0.9, Bound.BRANCH: 0.8,
    Bound.TRANSIENT: 0.8, Bound.RELEASE: 0.75, Bound.OVERDUE: 0.9, Bound.EVER_MORE: 0.9, Bound.OUTER: 0.75,
    Bound.UNSEEN: 0.7,
}


class Question(NamedTuple):
    """Who holds the survivors of this group that were born in this time? Of a BlockKey: its largest block?"""

    key: Key
    since: float
    until: float
    urgent: bool


class Detector:
    """Fed with one Aggregate after the other, of rising times."""

    def __init__(self, policy: LeakPolicy, describe: Callable[[Key, float, float], Description]) -> None:
        """describe: names the site, span, endpoint and traces of the survivors of a group born between two times."""
        self.policy = policy
        self._describe = describe
        self._cases: dict[Key, Case] = {}
        self._blocks = Blocks()
        self._fillings: dict[str, Filling] = {}   # by container
        self._told: dict[str, Case] = {}   # by container: who speaks for what it leaks
        self.crowded_out = 0   # cases given up for want of room

    # ------------------------------------------------------------ observation

    def observe(self, aggregate: Aggregate, now: float, memory_left: float | None = None) -> list[LeakVerdict]:
        """The verdicts that hold now, most growth first. memory_left: bytes until the limit, None: there is none."""
        self._count_entries(aggregate)
        self._blocks.observe(now, _traffic(aggregate), (Seen(*row) for row in aggregate.largest))
        for key, trend in self._candidates(aggregate):
            case = self._cases.get(key)
            if case is None:
                self._cases[key] = Case(key, trend, now)
            else:
                case.trend, case.seen_at = trend, now
        for case in self._cases.values():
            if case.seen_at < now and self._goes_on(case):
                case.seen_at = now
        self._cases = {key: case for key, case in self._cases.items() if now <= case.expires_at()}
        while len(self._cases) > MAX_CASES:
            least = min(self._cases.values(), key=lambda case: (case.verdict is not None, case.trend.bytes_per_s))
            del self._cases[least.key]
            self.crowded_out += 1
        for case in sorted(self._cases.values(), key=precedence):
            self._judge(case, aggregate, memory_left)
        verdicts = [case.verdict for case in self._distinct() if case.verdict is not None]
        return sorted(verdicts, key=lambda v: (v.kind != "leak", -v.growth_bytes_per_s))

    def questions(self, memory_left: float | None = None) -> Iterator[Question]:
        """What the detector would like to know: of spans' memory first, then most material first.

        Each is put once, and again when the growth has lasted twice as long. Walks are dear: the answer for a group is one
        for the pools that it is in.
        """
        for case in sorted(self._cases.values(), key=lambda case: (not case.trend.in_span, -case.trend.grown_bytes)):
            if any(speaks_for(other, case) for other in self._cases.values()):
                continue
            trend, urgent = case.trend, self._is_urgent(case.trend, memory_left)
            if trend.window_s < (URGENT_WINDOW_S if urgent else min(ASK_AFTER_S, self.policy.patience)):
                continue
            if case.verdict is not None and case.verdict.kind == "leak":
                continue
            if case.evidence is None or trend.window_s >= ASK_AGAIN * case.asked_window_s:
                yield Question(case.key, trend.since, trend.since + trend.window_s * (1 - trends.MATURE_SHARE), urgent)

    def answer(self, key: Key, evidence: Evidence) -> None:
        """What was found out. Not to know counts as an answer: the question is put again when more is at stake."""
        asked = self._cases.get(key)
        pools = [case for case in self._cases.values() if asked is not None and speaks_for(asked, case)]
        for case in ([asked, *(pool for pool in pools if pool.evidence is None)] if asked is not None else ()):
            case.asked_window_s = case.trend.window_s
            if evidence.bound is not Bound.UNKNOWN or case.evidence is None:
                case.evidence = evidence
            self._count(evidence.container, evidence.entries, case.seen_at, is_estimate=evidence.is_estimate)
            if evidence.outside is not None:
                self._count(evidence.outside.container, evidence.outside.entries, case.seen_at)

    def _count(
        self, container: str, entries: Callable[[], int | None] | None, now: float, *, is_estimate: bool = False,
    ) -> None:
        """From now on."""
        before = self._fillings.get(container)
        if before is not None and before.count != entries:
            del self._fillings[container]   # it is another that is called alike, or is counted otherwise
        if entries is not None and container not in self._fillings:
            while len(self._fillings) >= MAX_CASES:   # the one followed longest has told what it can
                del self._fillings[next(iter(self._fillings))]
            self._fillings[container] = Filling(entries, now, is_estimate)

    def _count_entries(self, aggregate: Aggregate) -> None:
        traffic = _traffic(aggregate)
        for container, filling in list(self._fillings.items()):
            entries = filling.count()
            if entries is None:
                del self._fillings[container]
            else:
                filling.add(traffic, entries)

    def _goes_on(self, case: Case) -> bool:
        """A leak that was said, and whose container takes in as much as before: its samples may be too few to tell."""
        filling = self._fillings.get(case.evidence.container) if case.evidence is not None else None
        is_said = case.verdict is not None and case.verdict.kind == "leak"
        return is_said and filling is not None and filling.rises() and filling.evenness() >= STILL_EVEN

    def _filling(self, case: Case) -> Filling | None:
        return self._fillings.get(case.evidence.container) if case.evidence is not None else None

    def _bound(self, case: Case) -> Bound:
        """What its holder proves, as of now: a limit that does not hold is none."""
        evidence, filling = case.evidence, self._filling(case)
        if evidence is None:
            return Bound.UNKNOWN
        entries = filling.entries if filling is not None else None
        age = evidence.age if evidence.bound in (Bound.EVICTION, Bound.OUTER) else None
        if age is not None and case.trend.window_s > OVER_AGE * age:
            return Bound.OVERDUE
        outside = self._fillings.get(evidence.outside.container) if evidence.outside is not None else None
        if outside is not None and case.seen_at - outside.began_at >= ASK_AFTER_S and outside.fills(IN_PART):
            return Bound.EVER_MORE
        if evidence.bound is not Bound.EVICTION or evidence.limit is None or not entries:
            return evidence.bound
        bytes_at_limit = case.trend.grown_bytes / entries * evidence.limit
        exceeded = entries > OVER_LIMIT * evidence.limit + OVER_BY or bytes_at_limit > NO_LIMIT
        return Bound.EXCEEDED if exceeded else Bound.EVICTION

    def _caution(self, case: Case) -> float:
        """Times the patience with a container that has taken in few entries."""
        filling, evidence = self._filling(case), case.evidence
        if evidence is not None and evidence.bound is Bound.RELEASE and evidence.turnover >= MOSTLY_RELEASED:
            return 1.0
        if filling is not None and filling.slows():
            return FEW_TAKEN[0][1]
        return next((times for few, times in FEW_TAKEN if filling is not None and filling.events() < few), 1.0)

    def _is_full_soon(self, case: Case) -> bool:
        """Its container has a limit and will have reached it before long."""
        evidence, filling = case.evidence, self._filling(case)
        if evidence is None or evidence.limit is None or filling is None or len(filling.points) < 2:
            return False
        passed = filling.points[-1][0] - filling.points[0][0]
        seconds = max(case.seen_at - filling.began_at, 1.0)
        return filling.left(evidence.limit) * seconds / passed < FULL_SOON_S

    def _fills_evenly(self, case: Case) -> bool | None:
        """Of the container that holds it; None: that is not known yet. True where its entries cannot be counted."""
        filling = self._filling(case)
        if filling is None or (case.evidence is not None and case.evidence.in_part and filling.share_taken() < IN_PART):
            return True
        if filling.stands():
            return False
        share = AT_PACE_SHARE if filling.keeps_pace() else FILLING_SHARE
        if case.seen_at - filling.began_at < max(ASK_AFTER_S, share * case.trend.window_s):
            return None
        return filling.is_even()

    # ------------------------------------------------------------ candidates

    def _candidates(self, aggregate: Aggregate) -> Iterator[tuple[Key, Trend]]:
        for block, trend in self._blocks.found(aggregate.starts[-1]):
            if trend.bytes_per_s * 3600 >= self.policy.min_growth_per_hour:
                yield block, trend
        windows = trends.Windows(aggregate)
        found = dict(self._growing(aggregate.groups, aggregate, windows))
        yield from found.items()
        pools = dict(self._growing(aggregate.by_site, aggregate, windows))
        pools = {key: trend for key, trend in pools.items() if not explained(key, trend, found)}
        yield from pools.items()
        found |= pools
        for key, trend in self._growing(aggregate.by_root, aggregate, windows):
            if not explained(key, trend, found):
                yield key, trend

    def _growing(
        self, groups: Iterable[Group], aggregate: Aggregate, windows: trends.Windows,
    ) -> Iterator[tuple[GroupKey, Trend]]:
        for group in groups:
            trend = trends.find(group, aggregate, windows)
            if trend is not None and trend.bytes_per_s * 3600 >= self.policy.min_growth_per_hour:
                yield group.key, trend

    # ------------------------------------------------------------ judgement

    def _judge(self, case: Case, aggregate: Aggregate, memory_left: float | None) -> None:
        kind = self._kind(case, memory_left)
        if kind is None:
            if case.verdict is not None and case.verdict.kind == "growing":
                case.verdict = None   # the holder turned out to be something else
            return
        said = case.verdict
        if said is not None and said.kind == "leak":
            kind = "leak"   # hard evidence does not soften; it is withdrawn when the growth ends
        trend, evidence = case.trend, case.evidence or Evidence(Bound.UNKNOWN)
        bound = self._bound(case)
        certainty = trend.certainty * (CERTAINTY.get(bound, 0.5) if kind == "leak" else 0.5)
        rate = trend.bytes_per_s
        figures: dict[str, Any] = {
            "live_bytes": trend.grown_bytes, "growth_bytes_per_s": rate, "confidence": certainty,
            "share_of_growth": _share(trend, aggregate),
            "time_to_limit_s": memory_left / rate if memory_left is not None and rate > 0 else None,
        }
        told = self._told.get(evidence.container) if kind == "leak" and not evidence.through else None
        outgrown = told is not None and self._cases.get(told.key) is told and case.outgrows(told)
        if said is not None and said.kind == kind and not outgrown:   # it is the same: who and where stay, the figures go on
            case.verdict = dataclasses.replace(said, **figures)
            return
        case.said_at = min(case.said_at, case.seen_at)
        if told is not None and told.verdict is not None and not outgrown:
            # What is in a container that was said to leak is that leak, also when another group comes to speak for it.
            as_told = told.verdict
            what = Description(as_told.site, as_told.span_name, as_told.root_name, as_told.trace_ids)
        else:
            what = self._describe(case.key, trend.since, trend.since + trend.window_s)
        case.verdict = LeakVerdict(
            kind=kind, site=what.site, span_name=what.span_name, root_name=what.root_name, trace_ids=what.trace_ids,
            holder=evidence.holder, since=trend.since,
            reason=bound.value if bound in FOUND_OUT else evidence.detail or bound.value,
            container=evidence.container, **figures,
        )
        if kind == "leak" and not evidence.through and (told is None or outgrown):
            self._tell(case, evidence.container)

    def _tell(self, case: Case, container: str) -> None:
        """From now on it speaks for what this container leaks."""
        before = self._told.pop(container, None)
        if not container:
            return
        if before is not None:
            case.said_at, before.said_at = before.said_at, max(case.said_at, before.said_at)
        while len(self._told) >= MAX_CASES:
            del self._told[next(iter(self._told))]
        self._told[container] = case

    def _kind(self, case: Case, memory_left: float | None) -> Kind | None:
        trend, policy = case.trend, self.policy
        bound = self._bound(case)
        if bound in LEAK_AFTER:
            urgent = self._is_urgent_for(bound, trend, memory_left)
            patience = LEAK_AFTER[bound] * policy.patience * (1 if trend.in_span else OUTSIDE_SPANS)
            patience *= self._caution(case)
            if case.evidence is not None and case.evidence.through:
                patience = max(patience, THROUGH * policy.patience)
            said = case.verdict is not None and case.verdict.kind == "leak"
            evenly = bound is Bound.EVER_MORE or self._fills_evenly(case)
            sure = trend.in_span or trend.samples >= GROWING_SAMPLES
            if said or (urgent and evenly is not False) or (trend.window_s >= patience and evenly and sure):
                return "leak"
            if not evenly:
                return None
        needed = policy.bound_unknown_after * (UNANSWERED if case.evidence is None and policy.holders else 1)
        is_long = trend.window_s >= needed and trend.samples >= GROWING_SAMPLES
        filling = self._filling(case)
        if filling is not None and (filling.still() < STILL_GROWS or self._is_full_soon(case)):
            return None
        never = bound is Bound.COLLECTOR or (bound is Bound.TRANSIENT and trend.in_span)   # that becomes a leak, or nothing
        return "growing" if is_long and not never else None

    def _is_urgent_for(self, bound: Bound, trend: Trend, memory_left: float | None) -> bool:
        """Whether so much has been lost, or so little is left, that what holds it gets less time than it should have."""
        if bound in URGENT_BOUNDS:
            return self._is_urgent(trend, memory_left) and trend.window_s >= URGENT_WINDOW_S
        if bound is Bound.TRANSIENT and not trend.in_span:   # a job that gathers what it then gives back
            return False
        times = URGENT_LATER.get(bound, math.inf)
        if bound in URGENT_LATER and self._is_soon(trend, memory_left):
            times = 1.0
        return trend.grown_bytes >= times * self.policy.urgent_bytes

    def _is_soon(self, trend: Trend, memory_left: float | None) -> bool:
        return memory_left is not None and trend.bytes_per_s * self.policy.urgent_within > memory_left

    def _is_urgent(self, trend: Trend, memory_left: float | None) -> bool:
        return trend.grown_bytes >= self.policy.urgent_bytes or self._is_soon(trend, memory_left)

    def _distinct(self) -> Iterator[Case]:
        """Cases that tell of one thing, what one container holds, are one."""
        said: set[tuple[str, str]] = set()
        for case in sorted(self._cases.values(), key=precedence):
            container = case.evidence.container if case.evidence is not None else ""
            if case.verdict is None:
                continue
            if container and (case.verdict.kind, container) in said:
                continue
            said.add((case.verdict.kind, container))
            yield case


def _traffic(aggregate: Aggregate) -> float:
    """Spans that have ended, or seconds where there are none."""
    return aggregate.spans_ended[-1] or aggregate.starts[-1]


def _share(trend: Trend, aggregate: Aggregate) -> float:
    """Of the growth of the whole heap since the window began."""
    i = max((i for i, start in enumerate(aggregate.starts) if start <= trend.since), default=0)
    grown = aggregate.heap_bytes[-1] - aggregate.heap_bytes[i]
    return min(1.0, trend.grown_bytes / grown) if grown > 0 else 1.0
