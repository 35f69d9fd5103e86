"""The store over the life of sessions and processes, and under threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

import spanheap

Script = Callable[..., str]


def test_before_a_provider_exists_the_store_is_empty() -> None:
    """Nothing raises, nothing is there."""
    with spanheap.profile(tick=None) as session:
        spans = session.spans
        assert spans.active() == spans.recent() == spans.by_name() == [] and spans.get(5) == ([], [])
        assert spans.counts() == (0,) * 6 and len(spans.to_numpy()) == 0


def test_after_the_session_the_store_still_has_what_had_ended(provider: TracerProvider) -> None:
    """And a later session has a store of its own, which is not mixed up with it."""
    tracer = provider.get_tracer("t")
    with spanheap.profile(tick=None, tracer_provider=provider) as first:
        tracer.start_span("first").end()
        active = tracer.start_span("active")
        assert [s.name for s in first.spans.active()] == ["active"]
    with spanheap.profile(tick=None, tracer_provider=provider, span_capacity=7) as second:
        active.end()
        for _ in range(9):
            tracer.start_span("second").end()
        assert [r.name for r in second.spans.recent()] == ["second"] * 7
        assert second.spans.counts().produced == 10
        running = tracer.start_span("running")
    tracer.start_span("nobody's").end()
    running.end()
    for spans, names in ((first.spans, ["first"]), (second.spans, ["second"] * 7)):
        assert [r.name for r in spans.recent()] == names == [spans.names()[n] for n in spans.to_numpy()["name"]]
        assert spans.active() == [] and spans.get(1) == ([], [])
        assert all(row.active == 0 for row in spans.by_name())
    assert [(row.name, row.ended) for row in second.spans.by_name()] == [("second", 9), ("active", 1)]


def test_names_are_counted_apart_for_roots_and_others(session: spanheap.Session, tracer: Tracer) -> None:
    """Active, ended, failed and the time of all."""
    with tracer.start_as_current_span("GET /"):
        tracer.start_span("SELECT").end()
        tracer.start_span("SELECT").end()
        running = tracer.start_span("SELECT")
        rows = {(row.name, row.root): row for row in session.spans.by_name()}
        assert rows["GET /", True][2:5] == (1, 0, 0) and rows["SELECT", False][2:5] == (1, 2, 0)
        running.end()
    tracer.start_span("SELECT").end()
    rows = {(row.name, row.root): row for row in session.spans.by_name()}
    assert {key: row[2:5] for key, row in rows.items()} == {
        ("GET /", True): (0, 1, 0), ("SELECT", False): (0, 3, 0), ("SELECT", True): (0, 1, 0),
    }
    assert sum(row.duration_ns for row in rows.values()) == sum(r.duration_ns for r in session.spans.recent())


def test_counts_by_name_are_bounded_and_complete(session: spanheap.Session, tracer: Tracer) -> None:
    """A service with ids in its names gets "<other>", and the sum is right."""
    for i in range(3_000):
        tracer.start_span(f"GET /{i}").end()
    rows = session.spans.by_name()
    assert len(rows) == 1_023 and sum(row.ended for row in rows) == 3_000
    assert rows[0].name == "<other>" and rows[0].ended == 3_000 - 1_022 == session.stats().span_names_overflowed
    tracer.start_span("GET /0").end()
    assert next(row.ended for row in session.spans.by_name() if row.name == "GET /0") == 2


def test_ids_in_names_leave_room_for_names_of_code(script: Callable[..., str]) -> None:
    """However many names of spans there were, a line that was never run before is told by its function and file."""
    assert script("""
        import spanheap
        from opentelemetry.sdk.trace import TracerProvider

        provider = TracerProvider()
        tracer = provider.get_tracer("t")
        with spanheap.profile(sample_interval=1024, tick=None, tracer_provider=provider) as session:
            for number in range(20_000):
                tracer.start_span(f"GET /orders/{number}").end()
            exec(compile("def leak():\\n  return bytearray(100_000)\\n", "late.py", "exec"))
            kept = [leak() for _ in range(20)]
            frame = session.snapshot().sites(1)[0].stack[0]
            print(frame, session.stats().names_overflowed >= 20_000 - 12_288)
    """) == "leak (late.py:2) True\n"   # names stay for the life of a process


def test_an_expired_span_is_gone_and_counted() -> None:
    """By the time to live of the session's option."""
    provider = TracerProvider(shutdown_on_exit=False)
    now = 1_700_000_000_000_000_000
    spanheap._core.set_span_time(now)
    try:
        with spanheap.profile(tick=None, tracer_provider=provider, span_ttl=2) as session:
            for i in range(3):
                spanheap._core.set_span_time(now + i * 10**9)
                provider.get_tracer("t").start_span(f"span {i}").end()
            assert [r.name for r in session.spans.recent()] == ["span 1", "span 2"]
            assert session.spans.counts() == (3, 2, 0, 1, 0, 0)
    finally:
        spanheap._core.set_span_time(0)


def test_memory_is_counted(session: spanheap.Session, tracer: Tracer) -> None:
    """64 bytes a span, up to the capacity."""
    before = session.stats().memory_bytes, session.spans._log.nbytes
    for _ in range(1_000):
        tracer.start_span("GET /").end()
    assert session.spans._log.nbytes - before[1] == 100 * 64
    assert session.stats().memory_bytes - before[0] >= 100 * 64


def test_a_thousand_threads_come_and_go_while_others_read(session: spanheap.Session, tracer: Tracer) -> None:
    """Each starts, ends, and hands one span to its successor; nothing is lost, doubled or torn."""
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    batons = [tracer.start_span("baton") for _ in range(10)]
    stop = threading.Event()
    problems: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.wait(0.005):
                counts = session.spans.counts()
                assert counts.produced == sum(counts[1:]) and counts.in_flight == 0
                for record in session.spans.recent():
                    assert record.name in ("baton", "own") and record.duration_ns < 600e9
                assert len(session.spans.active(1_000)) <= 100
                assert sum(row.ended for row in session.spans.by_name()) >= counts.produced
        except BaseException as problem:
            problems.append(problem)

    def work() -> None:
        try:
            batons.pop().end()
            with tracer.start_as_current_span("own"):
                batons.append(tracer.start_span("baton"))
        except BaseException as problem:
            problems.append(problem)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(100):
            threads = [threading.Thread(target=work) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(switch)
    assert problems == []
    for baton in batons:
        baton.end()
    counts = session.spans.counts()
    assert (counts.produced, counts.retained, counts.overwritten) == (2_010, 100, 1_910)
    assert session.stats().spans_ended_twice == session.stats().spans_unannounced == 0
    assert len({r.span_id for r in session.spans.recent()}) == 100


def test_a_reader_is_safe_while_its_session_ends_and_the_next_begins(provider: TracerProvider) -> None:
    """Also of a ring so large that it is read without the GIL."""
    tracer = provider.get_tracer("t")
    stores: list[spanheap.SpanStore] = []
    stop = threading.Event()
    problems: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                for spans in stores[-2:]:
                    assert {r.name for r in spans.recent()} <= {"span"}
                    counts = spans.counts()
                    assert counts.produced == sum(counts[1:])
                    spans.active()
                    spans.get(1)
        except BaseException as problem:
            problems.append(problem)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(20):
            with spanheap.profile(tick=None, tracer_provider=provider, span_capacity=20_000 + turn) as session:
                stores.append(session.spans)
                del stores[:-2]
                for _ in range(200):
                    tracer.start_span("span").end()
    finally:
        stop.set()
        reader.join()
    assert problems == []
