"""What passes at each level, and what is asked of the processor that is wrapped."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import SpanContext, TraceFlags

from spanheap import MemoryThrottledSpanProcessor
from spanheap.throttle import processor as module
from spanheap.throttle.pressure import Level

from ._service import Exporter, Service, stall, wait_until

MakeService = Callable[..., Service]


class Recorder(SpanProcessor):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """See SpanProcessor."""
        self.asked.append(("start", span, parent_context))

    def _on_ending(self, span: Span) -> None:
        self.asked.append(("ending", span))

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""
        self.asked.append(("end", span))

    def shutdown(self) -> None:
        """See SpanProcessor."""
        self.asked.append(("shutdown",))

    def force_flush(self, timeout_millis: int | None = 30000) -> bool:
        """See SpanProcessor."""
        self.asked.append(("flush", timeout_millis))
        return timeout_millis is not None and timeout_millis > 100


def test_every_call_is_passed_on() -> None:
    """With its arguments and its result; a thread is gone after shutdown."""
    recorder = Recorder()
    throttle = MemoryThrottledSpanProcessor(recorder, hard_limit=1 << 40, check_interval=0.01)
    one, context = object(), object()
    throttle.on_start(one, context)
    throttle.on_start(one, parent_context=context)
    throttle._on_ending(one)   # type: ignore[arg-type]
    throttle.on_end(one)
    assert throttle.force_flush(5000) is True and throttle.force_flush(50) is False
    throttle.shutdown()
    assert recorder.asked[:4] == [("start", one, context), ("start", one, context), ("ending", one), ("end", one)]
    assert [call[0] for call in recorder.asked[4:]] == ["flush", "flush", "shutdown"]
    assert 4000 < recorder.asked[4][1] <= 5000
    assert "spanheap-throttle" not in [thread.name for thread in threading.enumerate()]


def test_below_soft_everything_passes(service: MakeService) -> None:
    """And is counted."""
    s = service()
    for i in range(100):
        s.span(f"child {i}")
    s.end_all()
    assert len(s.exporter.names) == 100
    assert s.throttle.counts()._asdict() == {
        "passed": 100, "delayed": 0, "shed_fair_share": 0, "shed_hard": 0, "shed_error": 0, "waiting": 0, "flushes": 0,
        "failures": 0,
    }


def test_above_soft(service: MakeService) -> None:
    """Errors and local roots pass, and of the rest as many of each name as the room in memory is worth."""
    s = service()
    for _ in range(3):   # the share follows from the window before
        s.press(Level.SOFT, room=8 * 4096 * 22)
        s.exporter.names.clear()
        for i in range(50):
            s.span("chatty")
            s.span("busy")
            s.span("error", error=True)
            s.span("root", root=True)
            s.span("remote", remote=True)
            if i < 2:
                s.span("rare")
        s.provider.force_flush()
    assert Counter(s.exporter.names) == {"error": 50, "root": 50, "remote": 50, "chatty": 10, "busy": 10, "rare": 2}
    counts = s.throttle.counts()
    assert counts.passed + counts.shed_fair_share == 3 * 252 and counts.shed_fair_share >= 80
    s.press(Level.OPEN)
    s.span("chatty")
    assert s.throttle.counts() == counts._replace(passed=counts.passed + 1)


def test_above_hard(service: MakeService) -> None:
    """Errors alone; a flush is asked for on a thread of its own."""
    s = service(max_queue_size=1000, max_export_batch_size=900)
    s.exporter.works.clear()
    for _ in range(10):
        s.span("before")
    s.press(Level.HARD)
    for _ in range(20):
        s.span("child")
        s.span("root", root=True)
        s.span("error", error=True)
    s.exporter.works.set()
    s.provider.force_flush()
    assert Counter(s.exporter.names) == {"before": 10, "error": 20}
    counts = s.throttle.counts()
    assert (counts.passed, counts.shed_hard, counts.shed_error, counts.flushes) == (30, 40, 0, 1)


def test_one_flush_at_a_time_and_nobody_waits(service: MakeService) -> None:
    """While the exporter stalls, looks at the memory go on and spans end."""
    s = service()
    s.exporter.works.clear()
    for i in range(100):
        s.span("child")
        if i % 10 == 0:
            s.press(Level.HARD)
            names = [thread.name for thread in threading.enumerate()]
            assert names.count("spanheap-throttle-flush") <= 1
            assert s.throttle.pressure() == Level.HARD
            s.press(Level.OPEN)
    assert s.throttle.counts().flushes == 1
    s.exporter.works.set()
    wait_until(lambda: s.throttle._flusher._busy.acquire(blocking=False))
    s.throttle._flusher._busy.release()
    assert s.exporter.threads and "MainThread" not in s.exporter.threads


def test_an_empty_queue_is_not_flushed(service: MakeService) -> None:
    """Where the memory is full of something else."""
    s = service()
    s.press(Level.HARD)
    assert s.throttle.counts().flushes == 0


def test_errors_above_hard_are_bounded(service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the queue does not drain; when it does, or memory is below again, others are let in."""
    monkeypatch.setattr(module, "_ERRORS_ABOVE_HARD", 5)
    s = service(max_queue_size=1000, max_export_batch_size=10)
    s.exporter.works.clear()
    for _ in range(50):
        s.span("before")
    s.press(Level.HARD)
    for _ in range(2):
        for _ in range(10):
            s.span("error", error=True)
        s.press(Level.HARD)
    counts = s.throttle.counts()
    assert (counts.passed, counts.shed_error) == (55, 15)
    s.exporter.works.set()
    s.provider.force_flush()
    s.press(Level.HARD)
    s.span("error", error=True)
    assert s.throttle.counts().passed == 56


def test_real_memory(exporter: Exporter) -> None:
    """A limit that this process is above is felt before the first span; one that it is far below never."""
    for limit, level in ((2 << 20, Level.HARD), (1 << 40, Level.OPEN)):
        throttle = MemoryThrottledSpanProcessor(SimpleSpanProcessor(exporter), hard_limit=limit, check_interval=0.01)
        assert throttle.pressure() == level
        time.sleep(0.05)
        assert throttle.pressure() == level
        throttle.shutdown()


def test_the_thread_looks_at_the_memory(service: MakeService) -> None:
    """Each check_interval; what it raises is swallowed and it goes on."""
    s = service(check_interval=0.01)
    for level in (Level.HARD, Level.SOFT, Level.OPEN):
        s.memory.level = level
        wait_until(lambda level=level: s.throttle.pressure() == level)   # type: ignore[misc]
    s.memory.look = None   # type: ignore[assignment, method-assign]
    wait_until(lambda: s.throttle._ticker.errors > 2)
    s.span("child")
    assert s.throttle.counts().passed == 1


def test_a_bug_inside_passes_the_span_on(service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, and nothing is raised into the service."""
    s = service()
    s.press(Level.SOFT)
    monkeypatch.setattr(s.throttle, "_fair_share", None)
    s.span("child")
    assert s.throttle.counts()[0] == 1 and s.throttle.counts().failures == 1


def test_it_ends_with_the_last_reference(exporter: Exporter) -> None:
    """Its thread does not keep it, nor outlive it."""
    throttle = MemoryThrottledSpanProcessor(SimpleSpanProcessor(exporter), check_interval=0.01)
    thread, gone = throttle._ticker._thread, weakref.ref(throttle)
    assert thread is not None and thread.is_alive()
    del throttle
    gc.collect()
    wait_until(lambda: gone() is None and not thread.is_alive())


def test_a_service_without_a_limit_is_told_once(
    exporter: Exporter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That memory is not looked at, with the way out; and all passes."""
    monkeypatch.setattr("spanheap.memory_limit.find", lambda **_: [])
    monkeypatch.setattr(module, "_said_no_limit", False)
    with caplog.at_level(logging.WARNING, "spanheap"):
        throttles = [MemoryThrottledSpanProcessor(SimpleSpanProcessor(exporter)) for _ in range(2)]
    [record] = caplog.records
    assert "passes every span on" in record.getMessage() and "hard_limit in bytes" in record.getMessage()
    for throttle in throttles:
        assert throttle.pressure() == Level.OPEN
        throttle.shutdown()


@pytest.mark.parametrize(("options", "kind", "match"), [
    ({"soft_limit": 2}, ValueError, "soft_limit .* not 2"),
    ({"hard_limit": "1"}, TypeError, "hard_limit .* not '1'"),
    ({"check_interval": 0}, ValueError, "check_interval .* not 0"),
    ({"check_interval": None}, TypeError, "check_interval .* not None"),
    ({"error_buffer": -1}, ValueError, "error_buffer .* not -1"),
    ({"error_buffer": 1.5}, TypeError, "error_buffer .* not 1.5"),
])
def test_wrong_options_are_refused(options: dict[str, Any], kind: type[Exception], match: str) -> None:
    """With the value and the range; nothing is left running."""
    before = threading.active_count()
    with pytest.raises(kind, match=match):
        MemoryThrottledSpanProcessor(Recorder(), **options)
    assert threading.active_count() == before


def test_what_is_no_processor_is_refused() -> None:
    """An exporter, mostly."""
    with pytest.raises(TypeError, match=r"on_start\(\), not .*Exporter"):
        MemoryThrottledSpanProcessor(Exporter())   # type: ignore[arg-type]


def test_importing_spanheap_does_not_import_the_sdk(script: Callable[..., str]) -> None:
    """The class is there when asked for."""
    assert script("""
        import sys, spanheap
        before = [m for m in sys.modules if m.startswith(("numpy", "opentelemetry.sdk"))]
        print(before, spanheap.MemoryThrottledSpanProcessor.__name__, "opentelemetry.sdk.trace" in sys.modules)
    """) == "[] MemoryThrottledSpanProcessor True\n"


def test_a_forked_child_goes_on(service: MakeService) -> None:
    """Its first span starts the thread again; what waited is the parent's, and is not exported twice."""
    s = service(max_queue_size=16, max_export_batch_size=8, check_interval=0.01)
    stall(s)
    for _ in range(60):
        s.span("error", error=True)
    wait_until(lambda: s.throttle.counts().waiting > 0)
    waiting = s.throttle.counts().waiting
    pid = os.fork()
    if pid == 0:
        ok = 1
        try:
            s.exporter.works = threading.Event()
            s.exporter.works.set()
            s.exporter.names.clear()
            s.memory.level = Level.OPEN
            alone = "spanheap-throttle" not in [thread.name for thread in threading.enumerate()]
            assert alone and s.throttle.counts().waiting == 0
            s.span("of the child", root=True)
            assert "spanheap-throttle" in [thread.name for thread in threading.enumerate()]
            s.memory.level = Level.HARD
            wait_until(lambda: s.throttle.pressure() == Level.HARD, 10)
            s.provider.shutdown()
            assert s.exporter.names == ["of the child"], s.exporter.names
            ok = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(ok)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert s.throttle.counts().waiting == waiting


def test_spans_that_are_not_sampled_take_nobodys_place(service: MakeService) -> None:
    """A BatchSpanProcessor leaves what is recorded only."""
    s = service()
    s.press(Level.HARD)
    for flags, shed in ((0, 0), (1, 1)):
        s.throttle.on_end(ReadableSpan("x", context=SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(flags))))
        counts = s.throttle.counts()
        assert (counts.shed_hard, counts.failures) == (shed, 0)


def test_spans_that_end_inside_on_end(service: MakeService) -> None:
    """In a signal handler, say: nothing is held, so nothing can be waited for; the counts add up."""
    s = service(max_queue_size=64, max_export_batch_size=32)
    s.exporter.works.clear()
    s.press(Level.SOFT, room=1 << 30)
    ended = [0]

    def interrupt(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename == module.__file__ and ended[0] < 1000:
            ended[0] += 1
            sys.settrace(None)
            s.throttle.on_end(ReadableSpan("inner", context=span.context))
            sys.settrace(interrupt)
        return interrupt

    recorder = Recorder()
    s.provider.add_span_processor(recorder)
    s.span("first", root=True)
    span = recorder.asked[-1][1]
    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        for _ in range(30):
            s.span("child")
            s.span("error", error=True)
    finally:
        sys.settrace(before)
    c = s.throttle.counts()
    assert ended[0] > 300 and c.failures == 0 and s.throttle._waiting._valid()
    assert c.passed + c.shed_fair_share + c.shed_hard + c.shed_error + c.waiting == 61 + ended[0]


@pytest.mark.parametrize("wrapped", [BatchSpanProcessor, SimpleSpanProcessor])
def test_threads(exporter: Exporter, wrapped: type[Any]) -> None:
    """Levels that change while spans end on four threads: each is passed on or counted once."""
    s = Service(exporter, check_interval=3600)
    s.batch.shutdown()
    throttle = MemoryThrottledSpanProcessor(inner := wrapped(exporter), check_interval=3600)
    throttle._memory = s.memory   # type: ignore[assignment]
    s.provider._active_span_processor._span_processors = (throttle,)
    exporter.works.set()
    done = threading.Event()

    def press() -> None:
        while not done.wait(0.001):
            for level in Level:
                s.memory.level, s.memory.room = level, 1 << 24
                throttle._tick()

    def work(worker: int) -> None:
        for i in range(500):
            s.span(f"{worker} {i % 7}", root=i % 5 == 0, error=i % 50 == 0)

    presser = threading.Thread(target=press)
    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in (presser, *workers):
        thread.start()
    for thread in workers:
        thread.join(60)
    done.set()
    presser.join(60)
    throttle.shutdown()
    inner.shutdown()
    s.throttle.shutdown()
    c = throttle.counts()
    assert c.passed + c.shed_fair_share + c.shed_hard + c.shed_error == 2000 and c.waiting == c.failures == 0
    assert c.passed == len(exporter.names)
