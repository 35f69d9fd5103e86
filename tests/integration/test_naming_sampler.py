"""NamingSampler: what head sampling drops keeps its names."""

from __future__ import annotations

import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import spanheap

BLOCK = 50_000


def attached(sampler: Sampler, session: spanheap.Session) -> TracerProvider:
    """Return a provider that our processor is attached to."""
    provider = TracerProvider(sampler=sampler)
    spanheap.spans.providers.attach(provider)
    return provider


def usage(session: spanheap.Session, name: str) -> spanheap.SpanUsage:
    """Return what is live for this span name."""
    [found] = [u for u in session.snapshot().by_span_name() if u.name == name]
    return found


def test_dropped_spans_keep_their_names_and_their_root(every_byte: spanheap.Session) -> None:
    """Whichever sampler is wrapped, and on which side of ParentBased: span name, endpoint, and sampled=False."""
    for n, sampler in enumerate((
        spanheap.NamingSampler(ALWAYS_OFF),
        spanheap.NamingSampler(ParentBased(ALWAYS_OFF)),
        ParentBased(spanheap.NamingSampler(ALWAYS_OFF)),
    )):
        tracer = attached(sampler, every_byte).get_tracer("t")
        with tracer.start_as_current_span(f"GET /{n}"):
            kept = [bytes(BLOCK)]
            with tracer.start_as_current_span(f"query {n}"):
                kept.append(bytes(BLOCK))
        snapshot = every_byte.snapshot()
        [root] = [u for u in snapshot.by_root_name() if u.name == f"GET /{n}"]
        assert 2 * BLOCK <= root.live_bytes < 2.5 * BLOCK
        assert root.sampled is False and root.unsampled_bytes == root.live_bytes and root.trace_ids == []
        # ParentBased asks nobody about the child of a dropped span: it has its root's name then.
        assert usage(every_byte, f"query {n}" if n < 2 else f"GET /{n}").live_bytes >= BLOCK
        del kept
    assert spanheap._core.valid() and every_byte.stats().processor_errors == 0


def test_names_survive_the_span_and_the_release_of_its_memory(every_byte: spanheap.Session) -> None:
    """Spans that are gone before anybody asks them, and blocks that are freed before: allocated bytes have the name."""
    tracer = attached(spanheap.NamingSampler(ALWAYS_OFF), every_byte).get_tracer("t")
    kept = []
    for i in range(300):
        with tracer.start_as_current_span("POST /orders"):
            block = bytes(BLOCK)
            if i % 3 == 0:
                kept.append(block)
            del block
    found = usage(every_byte, "POST /orders")
    assert 100 * BLOCK <= found.live_bytes < 101 * BLOCK + 300_000
    assert found.allocated_bytes >= 300 * BLOCK
    assert every_byte.stats().spans_settled >= 300 and every_byte.stats().spans_unmet == 0


def test_spans_that_are_met_while_others_are_asked_have_their_names(every_byte: spanheap.Session) -> None:
    """Asking runs code of the service, other threads run meanwhile, and the snapshot comes after that."""
    tracer = attached(spanheap.NamingSampler(ALWAYS_OFF), every_byte).get_tracer("t")
    asked, kept = threading.Event(), []

    def handle() -> None:
        assert asked.wait(60)
        with tracer.start_as_current_span("POST /meanwhile"):
            kept.append(bytes(BLOCK))

    thread = threading.Thread(target=handle)
    thread.start()

    class Slow(NonRecordingSpan):
        def get_span_context(self) -> SpanContext:
            asked.set()
            thread.join(60)
            return super().get_span_context()

    with trace.use_span(Slow(SpanContext(1, 1, is_remote=False))):
        kept.append(bytes(BLOCK))
    assert not asked.is_set()
    assert usage(every_byte, "POST /meanwhile").live_bytes >= BLOCK


def test_a_span_that_another_thread_is_asking_has_its_name(every_byte: spanheap.Session) -> None:
    """A snapshot that comes while the tick waits for an answer asks for itself."""
    tracer = attached(spanheap.NamingSampler(ALWAYS_OFF), every_byte).get_tracer("t")
    asked, answer = threading.Event(), threading.Event()

    class Slow(NonRecordingSpan):
        def get_span_context(self) -> SpanContext:
            if threading.current_thread() is tick:
                asked.set()
                assert answer.wait(60)
            return super().get_span_context()

    tick = threading.Thread(target=every_byte.force_flush)
    with trace.use_span(Slow(tracer.start_span("POST /slow").get_span_context())):
        kept = bytes(BLOCK)
    tick.start()
    assert asked.wait(60)
    during = usage(every_byte, "POST /slow").live_bytes
    answer.set()
    tick.join(60)
    assert during >= len(kept) and usage(every_byte, "POST /slow").live_bytes >= BLOCK
    assert spanheap._core.valid() and every_byte.stats().tick_errors == 0


def test_the_memory_of_dropped_spans_is_their_own(every_byte: spanheap.Session) -> None:
    """What start_span makes before the decision goes to the span that was dropped, not to the next one recorded."""
    sampler = spanheap.NamingSampler(ByName())
    tracer = attached(sampler, every_byte).get_tracer("t")
    spans = [tracer.start_span(name) for _ in range(100) for name in ("drop me", "record me")]
    dropped, recorded = usage(every_byte, "drop me"), usage(every_byte, "record me")
    # What the call makes after the decision cannot be told from the next call's: "<unsampled>".
    assert dropped.live_bytes > 100 * 40 and dropped.sampled is False
    assert recorded.live_bytes > 100 * 1_000 and recorded.sampled
    del spans


class ByName(Sampler):
    """Decides by what the name begins with."""

    def should_sample(self, parent_context, trace_id, name, *args, **kwargs):  # type: ignore[no-untyped-def]
        decision = {"drop": Decision.DROP, "only": Decision.RECORD_ONLY}.get(name.split()[0], Decision.RECORD_AND_SAMPLE)
        return SamplingResult(decision)

    def get_description(self) -> str:
        return "ByName"


def test_record_only_spans_are_tracked_and_not_exported(every_byte: spanheap.Session) -> None:
    """They are known as spans, and flagged: no tracing backend has their trace."""
    provider = attached(spanheap.NamingSampler(ByName()), every_byte)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("only recorded") as span:
        assert [active.name for active in every_byte.spans.active()] == ["only recorded"]
        span.update_name("renamed")
        kept = bytes(BLOCK)
    found = usage(every_byte, "renamed")
    assert found.live_bytes >= BLOCK and found.sampled is False
    assert exporter.get_finished_spans() == ()
    del kept


def test_a_dropped_child_of_a_recorded_span_has_its_endpoint(every_byte: spanheap.Session) -> None:
    """A sampler that drops noisy children: the local root is that of the recorded parent."""
    tracer = attached(spanheap.NamingSampler(ByName()), every_byte).get_tracer("t")
    with tracer.start_as_current_span("GET /"), tracer.start_as_current_span("drop this"):
        kept = bytes(BLOCK)
    found = usage(every_byte, "drop this")
    assert found.root_names == ["GET /"] and found.live_bytes >= BLOCK
    del kept


def test_nothing_of_it_leaves_the_process(every_byte: spanheap.Session) -> None:
    """The caller's trace state goes on as it came; a remote parent makes the first span here the endpoint."""
    propagator = TraceContextTextMapPropagator()
    incoming = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "tracestate": "vendor=x,other=y"}
    tracer = attached(spanheap.NamingSampler(ParentBased(ALWAYS_ON)), every_byte).get_tracer("t")
    with tracer.start_as_current_span("GET /remote", context=propagator.extract(incoming)) as span:
        kept = bytes(BLOCK)
        outgoing: dict[str, str] = {}
        propagator.inject(outgoing)
        assert not span.is_recording()
    assert outgoing["tracestate"] == incoming["tracestate"]
    assert outgoing["traceparent"].split("-")[1] == incoming["traceparent"].split("-")[1]
    found = usage(every_byte, "GET /remote")
    assert found.root_names == ["GET /remote"] and found.live_bytes >= BLOCK
    [trace_usage] = [u for u in every_byte.snapshot().by_trace() if u.name == "0af7651916cd43dd8448eb211c80319c"]
    assert trace_usage.sampled is False
    del kept


class Cached(Sampler):
    """Gives the same result object to all."""

    result = SamplingResult(Decision.DROP)

    def should_sample(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        return self.result

    def get_description(self) -> str:
        return "Cached"


def test_a_result_that_the_delegate_keeps_is_not_changed(every_byte: spanheap.Session) -> None:
    """Fresh results are completed in place, since it is faster; one that others will see must stay as it is."""
    cached = Cached()
    tracer = attached(spanheap.NamingSampler(cached), every_byte).get_tracer("t")
    kept = []
    for name in ("GET /a", "GET /b"):
        with tracer.start_as_current_span(name):
            kept.append(bytes(BLOCK))
    assert cached.result.trace_state is None
    assert all(BLOCK <= usage(every_byte, name).live_bytes < 2 * BLOCK for name in ("GET /a", "GET /b"))


def test_decisions_are_the_delegates(every_byte: spanheap.Session) -> None:
    """At a ratio of 10 %: the same traces are recorded as without, and all are known by name."""
    plain, naming = TraceIdRatioBased(0.1), spanheap.NamingSampler(TraceIdRatioBased(0.1))
    assert naming.get_description() == "NamingSampler{TraceIdRatioBased{0.1}}"
    tracer = attached(naming, every_byte).get_tracer("t")
    recorded, kept = 0, []
    for _ in range(500):
        with tracer.start_as_current_span("GET /many") as span:
            trace_id = span.get_span_context().trace_id
            expected = plain.should_sample(None, trace_id, "GET /many").decision
            assert span.is_recording() == (expected is not Decision.DROP)
            recorded += span.is_recording()
            kept.append(bytes(1_000))
    assert 0 < recorded < 500
    found = usage(every_byte, "GET /many")
    assert found.live_bytes >= 500 * 1_000 and 0 < found.unsampled_bytes < found.live_bytes and found.sampled


def test_a_delegate_that_is_no_sampler_is_refused() -> None:
    """Misuse is told at once."""
    with pytest.raises(TypeError, match=r"delegate must be a Sampler, not 0\.01"):
        spanheap.NamingSampler(0.01)  # type: ignore[arg-type]


def test_an_invalid_span_stands_for_none(every_byte: spanheap.Session) -> None:
    """A context without a real span, as some libraries attach it: memory made in it has no span."""
    kept: list[bytes] = []
    with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        kept.append(bytes(BLOCK))
    assert usage(every_byte, "<no span>").live_bytes >= BLOCK
    assert not [u for u in every_byte.snapshot().by_span_name() if u.name == "<unsampled>" and u.live_bytes > BLOCK]
