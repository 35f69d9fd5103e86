"""Real leaks in real services, found in virtual time: tick=None, and each second a tick."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap import _core

from . import _service

provider = TracerProvider(shutdown_on_exit=False)
# The heap is that of a whole test run, and other processes are at work: a walk gets the time that it takes.
PATIENT = 60_000
tracer = provider.get_tracer("tests")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Let go of what the service has."""
    yield
    _service.forget()


def serve(
    session: spanheap.Session, request: Callable[[int], None], seconds: int, *, per_second: int = 4, begin: int = 1,
) -> list[tuple[int, spanheap.LeakVerdict]]:
    """Run that long; returns the verdicts with the second at which each kind was first said."""
    said: dict[str, tuple[int, spanheap.LeakVerdict]] = {}
    for second in range(begin, begin + seconds):
        for n in range(per_second):
            with tracer.start_as_current_span("GET /orders"):
                request(second * per_second + n)
        session.tick(float(second))
        for verdict in session.leaks():
            said.setdefault(verdict.kind, (second, verdict))
    return list(said.values())


def test_a_leak_is_found_and_told_in_full(caplog: pytest.LogCaptureFixture) -> None:
    """Line, endpoint, holder, rate and traces; logged once."""
    caplog.set_level(logging.WARNING, "spanheap")
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        [(second, verdict)] = serve(session, _service.leak, 700)
        assert second < 600
        assert verdict.kind == "leak"
        assert verdict.application_frame is not None and verdict.application_frame.function.endswith("leak")
        assert (verdict.span_name, verdict.root_name) == ("GET /orders", "GET /orders")
        assert verdict.holder is not None and "_service:unbounded_orders (dict" in verdict.holder
        assert verdict.growth_bytes_per_s == pytest.approx(80_000, rel=0.5)
        assert verdict.trace_ids and all(len(trace) == 32 for trace in verdict.trace_ids)
        assert 0.4 < verdict.confidence < 1 and verdict.since <= 300
        assert verdict in {verdict} and verdict.site in {verdict.site}   # both can be hashed: "has this been said?"
        assert session.leaks()[0].live_bytes > verdict.live_bytes   # the figures go on
        assert len([r for r in caplog.records if "leak: " in r.getMessage()]) == 1
        stats = session.stats()
        assert stats.detector_errors == 0 and stats.pauses > 0
        assert _core.cohorts_valid() and _core.valid()


def test_a_cache_with_a_bound_is_silent() -> None:
    """It fills up within two minutes, and then loses as many as it takes in."""
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        assert serve(session, _service.remember, 900) == []


def test_what_an_extension_has_lost_is_found() -> None:
    """Nothing in the heap refers to it, and no container will let go of it: as late as a suspicion would be said."""
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        [(second, verdict)] = serve(session, _service.lose, 3200)
        assert verdict.kind == "leak" and second >= 2700 and verdict.holder is None
        assert verdict.application_frame is not None and verdict.application_frame.function.endswith("lose")
        assert "nothing that Python can see holds it" in verdict.reason


def test_one_in_three_hundred_that_is_forgotten_is_found() -> None:
    """Some thirty entries, of a line whose others are all taken out again."""
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        [(second, verdict)] = serve(session, _service.upload, 3000)
        assert verdict.kind == "leak" and second < 2700
        assert verdict.holder is not None and "_service:uploads (dict" in verdict.holder


def test_ended_spans_that_are_kept_are_found_within_15_seconds() -> None:
    """100 a second in a map, as in the story that began this."""
    from opentelemetry import trace

    def keep(i: int) -> None:
        _service.spans_by_order[i] = trace.get_current_span()

    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=2, tracer_provider=provider) as session:
        [(second, verdict), *_] = serve(session, keep, 20, per_second=100)
        assert verdict.kind == "retained_spans" and second <= 15
        assert verdict.span_name == "GET /orders"
        assert verdict.holder is not None and "_service:spans_by_order (dict" in verdict.holder


@pytest.mark.parametrize(("bytes_per_s", "per_second", "seconds", "most_lost"), [
    pytest.param(3.4e6, 100, 40, 100 * 2**20, id="3.4 MB a second"),
    pytest.param(30e6 / 3600, 4, 3600, 64 * 2**20, id="30 MB an hour"),
])
def test_the_rates_of_the_story(bytes_per_s: float, per_second: int, seconds: int, most_lost: float) -> None:
    """What a node of its fleet leaked, and what the whole fleet did: said before so much is lost."""
    size = round(bytes_per_s / per_second)
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        said = serve(session, lambda i: _service.leak(i, size), seconds, per_second=per_second)
        [second] = [second for second, verdict in said if verdict.kind == "leak"]
        assert second * bytes_per_s < most_lost


def test_a_leak_that_is_mended_is_withdrawn() -> None:
    """Some minutes after the growth has ended."""
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        assert serve(session, _service.leak, 600)
        _service.forget()
        serve(session, lambda i: None, 600, begin=700)
        assert session.leaks() == []


def test_detection_can_be_switched_off() -> None:
    """Then nothing is followed at all."""
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, detect=None, tracer_provider=provider) as session:
        serve(session, _service.leak, 100)
        assert session.leaks() == [] and session.stats().groups == 0 and _core.cohorts_memory() == 0


def test_without_holders_growth_is_a_suspicion() -> None:
    """A leak and a cache that is not full cannot be told apart by growth."""
    policy = spanheap.LeakPolicy(holders=False, bound_unknown_after=300)
    with spanheap.profile(
        tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider, detect=policy
    ) as session:
        [(_, verdict)] = serve(session, _service.leak, 600)
        assert verdict.kind == "growing" and verdict.holder is None and verdict.confidence <= 0.5
        assert session.stats().pauses == 0


def test_an_error_of_the_detector_is_counted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It never reaches the service, and is logged once."""
    def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(_core, "look_at_cohorts", broken)
    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, tracer_provider=provider) as session:
        serve(session, lambda i: None, 9)
        assert session.stats().detector_errors >= 3
    assert len([r for r in caplog.records if "detector failed" in r.getMessage()]) == 1


def test_detection_does_not_import_numpy(script: Callable[..., str]) -> None:
    """Nor the code that walks the heap, until something grows."""
    assert script("""
        import sys, spanheap
        with spanheap.profile(tick=None) as session:
            for t in range(100):
                session.tick(float(t))
        print([m for m in ("numpy", "spanheap.retention.holders", "opentelemetry.sdk") if m in sys.modules])
    """).strip() == "[]"


@pytest.mark.parametrize(("loop", "said"), [
    ("if i % 5 == 0: seen.append(b'x' * 300_000)", "leak"),
    ("if i % 5 == 0: seen.append(b'x' * 300_000)\n    if len(seen) > 10_000: seen = []", "nothing"),
])
def test_the_code_of_a_script_itself(script: Callable[..., str], loop: str, said: str) -> None:
    """A program without a function: what runs at the level of its module is all the code that there is."""
    assert script(f"""
import spanheap
session = spanheap.start(tick=None, seed=1, dumps=None, pause_budget_ms=60_000)
seen = []
for i in range(900):
    {loop}
    session.tick(1e9 + i)
    if session.leaks():
        print(session.leaks()[0].kind)
        break
else:
    print("nothing")
""").split() == [said]


def test_a_forked_child_goes_on() -> None:
    """It has the samples and the cohorts of its parent, and ticks by itself."""
    import os

    with spanheap.profile(tick=None, pause_budget_ms=PATIENT, dumps=None, seed=1, tracer_provider=provider) as session:
        serve(session, _service.leak, 60)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                serve(session, _service.leak, 60, begin=61)
                code = 0 if session.stats().detector_errors == 0 and _core.cohorts_valid() else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_a_service_does_has_its_lines_before_what_it_has_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector sees a new stack at the next tick, though some hundred older ones wait for theirs (as after imports)."""
    makers: list[Callable[[], object]] = []
    for n in range(800):
        names: dict[str, Any] = {}
        exec(compile(f"def make():\n    return bytearray({n + 65536})", f"imported_{n}.py", "exec"), names)
        makers.append(names["make"])
    with spanheap.profile(sample_interval=4096, tick=None, dumps=None) as session:
        kept = [make() for make in makers]
        for second in (1.0, 4.0):   # the first look imports
            session.tick(second)
        names = {}
        exec(compile("def serve():\n    return bytearray(1 << 20)", "service.py", "exec"), names)
        kept.append(names["serve"]())
        with monkeypatch.context() as nobody_asks:
            nobody_asks.setattr(_core, "unknown_file", lambda: None)
            session.tick(7.0)
        known = []
        while (unknown := _core.unknown_file()) is not None:
            known.append(unknown[1])
            _core.set_file_origin(unknown[0], 0, 0)
        assert "service.py" in known and len([name for name in known if "imported" in name]) < 700, known
    assert len(kept) == 801
