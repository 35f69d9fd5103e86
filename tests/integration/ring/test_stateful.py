"""Whatever is done to a ring in whatever order, it is as the plain oracle has it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from spanheap import SpanRing

from ._clock import Clock
from ._oracle import Oracle

SMALL_IDS = st.integers(0, 3)   # so that traces meet
IDS = st.one_of(SMALL_IDS, st.integers(0, 2**64 - 1))
TIMES = st.integers(0, 2**63 - 1)
NAMES = st.sampled_from(["", "GET /", "GET /items"]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class RingAgainstOracle(RuleBasedStateMachine):
    """One ring, one oracle, one clock that is now and then set back."""

    @initialize(
        capacity=st.integers(1, 9), ttl_ms=st.none() | st.integers(1, 50), drop=st.booleans(), start=st.integers(0, 2**41),
    )
    def make(self, capacity: int, ttl_ms: int | None, drop: bool, start: int) -> None:
        """Choose the options."""
        self.clock = Clock(start)
        self.oracle = Oracle(capacity, ttl_ms, drop)
        self.ring = SpanRing(
            capacity, ttl=None if ttl_ms is None else ttl_ms / 1000, policy="drop" if drop else "overwrite",
            clock=self.clock,
        )

    @rule(trace=st.one_of(SMALL_IDS, st.integers(0, 2**128 - 1)), span=IDS, parent=IDS, name=NAMES, start=TIMES,
          duration=TIMES, flags=st.integers(0, 65535))
    def append(self, trace: int, span: int, parent: int, name: str, start: int, duration: int, flags: int) -> None:
        """A record with all its fields."""
        kept = self.ring.append(trace, span, parent, name, start, duration, flags)
        record = (trace, span, parent, name, start or self.clock(), min(duration, 2**48 - 1), flags)
        assert kept == self.oracle.append(record, self.clock.ms)

    @rule(number=st.integers(1, 30))
    def append_many(self, number: int) -> None:
        """Until it overflows."""
        for i in range(number):
            record = (i % 4, i, 0, "", self.clock() or 1, 0, 0)
            kept = self.ring.append(record[0], record[1], start_ns=record[4])
            assert kept == self.oracle.append(record, self.clock.ms)

    @rule(ms=st.integers(0, 60))
    def wait(self, ms: int) -> None:
        """Time passes."""
        self.clock.ms += ms

    @rule(ms=st.integers(0, 20))
    def set_back(self, ms: int) -> None:
        """Clocks are."""
        self.clock.ms = max(0, self.clock.ms - ms)

    @rule()
    def snapshot(self) -> None:
        """The list and the array."""
        expected = self.oracle.look(self.clock.ms)
        found = self.ring.snapshot()
        assert [(*r[:6], r.flags) for r in found] == expected
        array, names = self.ring.to_numpy(), self.ring.names()
        assert [names[number] for number in array["name"]] == [r.name for r in found]
        assert array["duration_ns"].tolist() == [r.duration_ns for r in found]

    @rule(trace=SMALL_IDS)
    def get(self, trace: int) -> None:
        """One trace."""
        assert [(*r[:6], r.flags) for r in self.ring.get(trace)] == [
            record for record in self.oracle.look(self.clock.ms) if record[0] == trace
        ]

    @rule()
    def count(self) -> None:
        """Exact at any time."""
        assert self.ring.counts() == self.oracle.counts(self.clock.ms)
        assert len(self.ring) == self.ring.counts().retained

    @rule()
    def check(self) -> None:
        """The invariants of the core; it looks at all records, as a snapshot does."""
        assert self.ring.valid()
        self.oracle.look(self.clock.ms)


TestRingAgainstOracle = RingAgainstOracle.TestCase
TestRingAgainstOracle.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
