"""What the detector costs a tick. Targets: 0.3 ms with the GIL for 8,192 samples; 1 ms at 2,048 sites; 1 MiB of state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import spanheap
from spanheap import _core
from spanheap.detection.detector import Detector
from spanheap.detection.policy import LeakPolicy
from spanheap.detection.series import Aggregate
from spanheap.detection.verdict import Description

FUNCTIONS = 2048


def make_functions() -> list[Any]:
    """As many sites: functions that keep what they make."""
    names: dict[str, Any] = {"kept": []}
    source = "\n".join(f"def f{i}():\n    kept.append(bytes(3000))" for i in range(FUNCTIONS))
    exec(compile(source, __file__, "exec"), names)
    return [names[f"f{i}"] for i in range(FUNCTIONS)]


@pytest.fixture
def session() -> Iterator[spanheap.Session]:
    """2,048 sites and 8,000 samples, born over 64 seconds; all grow, 50 of them faster."""
    policy = LeakPolicy(holders=False)
    # Four frames a stack: a tick names 1,000, and this makes 125 stacks a second.
    with spanheap.profile(tick=None, sample_interval=1, adaptive=False, max_depth=4, detect=policy) as session:
        with _core.Muted():
            functions = make_functions()
        for second in range(1, 65):
            with _core.Muted():
                session.tick(float(second))
                turn = [functions[(second * 100 + i) % FUNCTIONS] for i in range(100)]
                turn += [functions[(second * 25 + i) % 50] for i in range(25)]   # these have enough samples to be judged
            for function in turn:
                function()
        with _core.Muted():
            session.tick(65.0)
        assert session.stats().groups > 2000 and session.stats().samples_live > 7900
        yield session


def look(session: spanheap.Session) -> Aggregate:
    """One pass over the live table, at the next second."""
    look.clock += 1   # type: ignore[attr-defined]
    _core.set_clock(look.clock)   # type: ignore[attr-defined]
    aggregate = _core.look_at_cohorts(0, -1.0)
    assert aggregate is not None
    return aggregate


look.clock = 100   # type: ignore[attr-defined]


def test_cohorts(benchmark: Any, session: spanheap.Session) -> None:
    """The pass over the samples and the choice of groups, which hold the GIL."""
    benchmark(look, session)
    assert _core.cohorts_memory() < 1 << 20 and _core.cohorts_valid()
    print(f"\nstate: {_core.cohorts_memory() / 1024:.0f} KiB, groups: {session.stats().groups}")


def test_observe(benchmark: Any, session: spanheap.Session) -> None:
    """The detector, for as many groups as it is ever given."""
    detector = Detector(LeakPolicy(), lambda *_: Description(None, None, None, []))
    aggregate = look(session)
    assert len(aggregate.groups) == 20
    benchmark(detector.observe, aggregate, aggregate.starts[-1])


def test_tick_without_a_look(benchmark: Any, session: spanheap.Session) -> None:
    """Every second tick."""
    benchmark(session.tick, 65.0)


def test_tick_with_detection_off(benchmark: Any) -> None:
    """detect=None: what a tick costs otherwise."""
    with spanheap.profile(tick=None, detect=None) as session:
        benchmark(session.tick, 1.0)
