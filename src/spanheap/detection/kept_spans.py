"""Spans that are kept after their end, or never ended, as verdicts. Pure: of what the span store counts, at given times.

An ended span that is still alive is hard evidence by itself; what is open is whether somebody will let it go: a buffer for
tail sampling keeps spans for half a minute. So a name is followed: there must be more of it time and again, and its oldest
span must age. Where nothing takes from the container that holds them, seconds are enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from spanheap.detection.evidence import Bound, Evidence
from spanheap.detection.filling import Filling

MAX_NAMES = 64
MIN_SPANS = 20
MIN_BYTES = 128 * 1024
LOOKS = 2                     # that have seen it grow
PROVEN_AFTER_S = 3.0          # of growth, in a container that nothing takes from
PATIENCE_S = 300.0            # in any other;
RELEASE_S = 2100.0
EVICTION_S = 2400.0           # also in one from which spans are taken, only not these: the oldest is as old as that
UNENDED_AFTER_S = 300.0
UNANSWERED_S = 900.0          # while it is not known who has them
# Where work that goes on has them, or code takes them out one by one: they may yet end.
UNDER_WAY_S = {Bound.TRANSIENT: 1800.0, Bound.EVICTION: 1800.0, Bound.RELEASE: 750.0}
THROUGH_S = 900.0             # ended ones that are held by what is kept (a task, a token): the detector says who, and sooner
STILL_RISES = 0.5             # as many lately as before, where it took long: noise alone makes a new maximum now and then
MIN_AGED = 0.6                # of the time that has passed, by the oldest span: that is one of a sample
FEW = 100                     # spans: batches of that size may come and go beside those that stay
FALLEN = 0.85                 # of the most there were: a sample of a sample is not exact
ASK_AFTER_S = {"retained_spans": 0.0, "unended_spans": 200.0}
STALLED_S = 60.0              # without a new maximum the growth has ended, or a quarter of the time it lasted
STALLED_SHARE = 0.25
ENOUGH_LOOKS_APART_S = 1.5


class KeptKey(NamedTuple):
    kind: Literal["retained_spans", "unended_spans"]
    name: str
    root_name: str


class Kept(NamedTuple):
    """What the store says of one name now."""

    key: KeptKey
    spans: float
    bytes: float
    oldest_age_s: float
    trace_ids: list[str]


@dataclass
class Name:
    """One name that is followed."""

    first: Kept
    since: float
    last: Kept
    at: float
    most: float            # spans
    rose_at: float         # when that was
    looks: int = 0         # that have seen it rise
    rise: Filling = field(default_factory=lambda: Filling(lambda: None, 0.0))   # spans by time
    evidence: Evidence | None = None
    asked: bool = False

    @property
    def bytes_per_s(self) -> float:
        return max(0.0, self.last.bytes - self.first.bytes) / max(self.at - self.since, 1e-9)


class KeptSpans:
    """`observe` at rising times."""

    def __init__(self) -> None:
        self._names: dict[KeptKey, Name] = {}

    def observe(self, now: float, kept: Iterable[Kept]) -> None:
        seen = {row.key: row for row in kept}
        names = {key: name for key, name in self._names.items() if key in seen}
        for key, row in seen.items():
            name = names.get(key)
            if name is None:
                if len(names) < MAX_NAMES and row.spans >= 1:
                    names[key] = Name(row, now, row, now, row.spans, now)
                continue
            if now - name.at < ENOUGH_LOOKS_APART_S:
                continue
            aged = row.oldest_age_s - name.first.oldest_age_s
            rose = row.spans > name.most
            if rose:
                name.most, name.rose_at, name.looks = row.spans, now, name.looks + 1
            stalled = now - name.rose_at > max(STALLED_S, STALLED_SHARE * (name.rose_at - name.since))
            if row.spans < FALLEN * name.most - FEW or aged < MIN_AGED * (now - name.since) or stalled:
                fresh = Name(row, now, row, now, row.spans, now)   # it was let go of, or has stopped growing
                fresh.evidence, fresh.asked = name.evidence, name.asked
                names[key] = fresh
                continue
            name.last, name.at = row, now
            name.rise.add(now, round(row.spans))
        self._names = names

    def questions(self) -> list[KeptKey]:
        """Whose holder would decide, most bytes first."""
        open_ = [
            name for name in self._names.values()
            if not name.asked and self._grows(name) and name.at - name.since >= ASK_AFTER_S[name.last.key.kind]
        ]
        return [n.last.key for n in sorted(open_, key=lambda n: -n.last.bytes)]

    def answer(self, key: KeptKey, evidence: Evidence) -> None:
        if name := self._names.get(key):
            name.evidence, name.asked = evidence, True

    def found(self) -> list[Name]:
        """Those that are verdicts, most bytes first."""
        proven = [name for name in self._names.values() if self._grows(name) and self._is_proven(name)]
        return sorted(proven, key=lambda name: -name.last.bytes)

    @staticmethod
    def _grows(name: Name) -> bool:
        return name.looks >= LOOKS and name.last.spans >= MIN_SPANS and name.last.bytes >= MIN_BYTES

    @staticmethod
    def _is_proven(name: Name) -> bool:
        lasted = name.at - name.since
        bound = name.evidence.bound if name.evidence is not None else Bound.UNKNOWN
        if name.first.key.kind == "unended_spans":
            if name.evidence is None:   # it waits for the pause budget
                return lasted >= UNANSWERED_S
            if name.evidence.through:   # timers and tasks, which have their time
                bound = Bound.TRANSIENT
            return lasted >= UNDER_WAY_S.get(bound, UNENDED_AFTER_S)
        if bound is Bound.GARBAGE:
            return False
        needed = {Bound.NONE: PROVEN_AFTER_S, Bound.SPANS: PROVEN_AFTER_S, Bound.EVICTION: EVICTION_S}.get(bound, PATIENCE_S)
        if name.evidence is not None and name.evidence.through:   # timers, and callbacks of what is to come
            needed = max(needed, RELEASE_S if bound is Bound.RELEASE else THROUGH_S)
        if needed > PATIENCE_S and name.rise.evenness() < STILL_RISES:
            return False
        return lasted >= needed
