"""Which span an allocation is made for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer

import spanheap

Script = Callable[..., str]
KIB = 1024
BLOCK = 200 * KIB   # so large that the span's own objects, some KiB, hardly count


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    """A provider that outlives the sessions, as a service's does."""
    return TracerProvider()


@pytest.fixture
def session(provider: TracerProvider) -> Iterator[spanheap.Session]:
    """Every allocation is sampled."""
    with spanheap.profile(
        sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None, tracer_provider=provider
    ) as running:
        assert running.stats().attribution
        yield running


@pytest.fixture
def tracer(session: spanheap.Session, provider: TracerProvider) -> Tracer:
    """A tracer whose spans the session sees."""
    return provider.get_tracer("tests")


def by_span(session: spanheap.Session) -> dict[str, float]:
    """Live bytes by span name."""
    return {usage.name: usage.live_bytes for usage in session.snapshot().by_span_name()}


def by_root(session: spanheap.Session) -> dict[str, float]:
    """Live bytes by the name of the local root."""
    return {usage.name: usage.live_bytes for usage in session.snapshot().by_root_name()}


def blocks(n: float) -> object:
    """What n blocks weigh, within the weight of some spans."""
    return pytest.approx(n * BLOCK, rel=0.02, abs=32 * KIB)


def test_each_await_of_interleaved_tasks_sees_its_own_span(session: spanheap.Session, tracer: Tracer) -> None:
    """Ten tasks take turns; what each makes, before and after each await, is its own."""
    kept: list[bytes] = []

    async def request(i: int) -> None:
        with tracer.start_as_current_span(f"request {i}"):
            for _ in range(i + 1):
                kept.append(bytes(BLOCK))
                await asyncio.sleep(0)
            with tracer.start_as_current_span(f"inner {i}"):
                await asyncio.sleep(0.001 * (10 - i))
                kept.append(bytes(BLOCK))

    async def main() -> None:
        await asyncio.gather(*(request(i) for i in range(10)))

    asyncio.run(main())
    names, roots = by_span(session), by_root(session)
    for i in range(10):
        assert names[f"request {i}"] == blocks(i + 1)
        assert names[f"inner {i}"] == blocks(1)
        assert roots[f"request {i}"] == blocks(i + 2)
    assert spanheap._core.valid()


def test_nested_spans_and_their_local_root(session: spanheap.Session, tracer: Tracer) -> None:
    """The innermost current span has the block, the local root is the endpoint; afterwards there is no span."""
    kept = []
    with tracer.start_as_current_span("endpoint"):
        kept.append(bytes(BLOCK))
        with tracer.start_as_current_span("middle"), tracer.start_as_current_span("query"):
            kept.append(bytes(2 * BLOCK))
        kept.append(bytes(BLOCK))
    kept.append(bytes(BLOCK))
    names, roots = by_span(session), by_root(session)
    assert names["endpoint"] == blocks(2) and names["query"] == blocks(2)
    assert roots["endpoint"] == blocks(4) and "query" not in roots
    assert names["<no span>"] >= BLOCK


def test_a_remote_parent_is_not_a_local_root(session: spanheap.Session, tracer: Tracer) -> None:
    """The first span of this process is the endpoint, whoever called it; trace ids are the caller's."""
    remote = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with tracer.start_as_current_span("served", context=trace.set_span_in_context(NonRecordingSpan(remote))):
        kept = bytes(BLOCK)
    [usage] = [u for u in session.snapshot().by_root_name() if u.name == "served"]
    assert usage.live_bytes == blocks(1) and usage.trace_ids == [f"{0xABC:032x}"]
    del kept


def test_the_memory_of_a_span_is_the_spans_own(provider: TracerProvider) -> None:
    """A span is built before it is current; kept spans are found under their own name, not under their parent's."""
    tracer = provider.get_tracer("tests")
    attributes = {f"key.{i}": "v" * 50 for i in range(100)}
    with spanheap.profile(sample_interval=4_000, tick=None, tracer_provider=provider, seed=3) as session:
        with tracer.start_as_current_span("parent"):
            kept = [tracer.start_span("kept", attributes=attributes) for _ in range(500)]
            names = by_span(session)
        # 100 attributes are a dict of 4.6 KiB; 500 of those are 400 samples, give or take 5 %.
        assert names["kept"] > 500 * 4_600 * 0.8
        assert names.get("parent", 0.0) + names.get("<unsampled>", 0.0) < 0.1 * names["kept"]
        for span in kept:
            span.end()


def test_spans_that_are_sampled_out_stay_unsampled(session: spanheap.Session, tracer: Tracer) -> None:
    """What they make goes to no other span, not even to the next one of this thread."""
    off = TracerProvider(sampler=ALWAYS_OFF).get_tracer("off")
    kept: list[object] = []
    for _ in range(50):
        with off.start_as_current_span("never seen", attributes={"k": "v" * 1_000}):
            kept.append(bytes(BLOCK // 10))
        kept.append(tracer.start_span("seen"))
    names = by_span(session)
    assert names["<unsampled>"] >= 5 * BLOCK
    assert "never seen" not in names
    assert names["seen"] < 50 * 4 * KIB


def test_update_name_gives_the_final_name(session: spanheap.Session, tracer: Tracer) -> None:
    """Instrumentations name the endpoint once the router has found it."""
    with tracer.start_as_current_span("GET") as span:
        kept = bytes(BLOCK)
        with tracer.start_as_current_span("query"):
            more = bytes(BLOCK)
        span.update_name("GET /users/{id}")
    names, roots = by_span(session), by_root(session)
    assert "GET" not in names and names["GET /users/{id}"] == blocks(1)
    assert roots["GET /users/{id}"] == blocks(2)
    del kept, more


def test_a_span_that_ends_in_another_thread(session: spanheap.Session, tracer: Tracer) -> None:
    """Its memory keeps its name; it is active no longer. While it is current it is still who memory is made for."""
    span = tracer.start_span("handed over")
    with trace.use_span(span, end_on_exit=False):
        kept = bytes(BLOCK)
    assert [active.name for active in session.spans.active()] == ["handed over"]
    thread = threading.Thread(target=span.end)
    thread.start()
    thread.join()
    assert session.spans.active() == []
    assert by_span(session)["handed over"] == blocks(1)
    with trace.use_span(span, end_on_exit=False):
        late = bytes(BLOCK)
    assert by_span(session)["handed over"] == blocks(2)
    del kept, late


def test_threads_see_the_span_of_their_context(session: spanheap.Session, tracer: Tracer) -> None:
    """A pool thread has no span of its own, unless the context is copied; to_thread copies it."""
    kept: list[bytes] = []

    def work() -> None:
        kept.append(bytes(BLOCK))

    async def main() -> None:
        with tracer.start_as_current_span("to_thread"):
            await asyncio.to_thread(work)

    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        with tracer.start_as_current_span("bare"):
            pool.submit(work).result()
        with tracer.start_as_current_span("copied"):
            pool.submit(contextvars.copy_context().run, work).result()
        session.force_flush()   # while the thread has a name
    asyncio.run(main())
    names = by_span(session)
    assert names["copied"] == blocks(1) and names["to_thread"] == blocks(1)
    assert names.get("bare", 0.0) < 32 * KIB
    assert names["<no span>"] >= BLOCK


def test_what_has_no_span_is_known_by_thread_name(session: spanheap.Session) -> None:
    """Background work is told apart by the names of its threads."""
    kept: list[bytes] = []
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        kept.append(bytes(3 * BLOCK))
        done.set()
        go.wait()

    thread = threading.Thread(target=work, name="cache-warmer")
    thread.start()
    done.wait()
    usages = {usage.name: usage for usage in session.snapshot().by_thread()}
    go.set()
    thread.join()
    assert usages["cache-warmer"].live_bytes == blocks(3)
    assert usages["cache-warmer"].span_names[0] == "<no span>"


def test_generators_make_for_whoever_runs_them(session: spanheap.Session, tracer: Tracer) -> None:
    """A generator has no context of its own: the block belongs to the span current at the step."""
    kept: list[bytes] = []

    def produce() -> Iterator[None]:
        while True:
            kept.append(bytes(BLOCK))
            yield

    steps = produce()
    for name in ("first", "second", "second"):
        with tracer.start_as_current_span(name):
            next(steps)
    names = by_span(session)
    assert names["first"] == blocks(1) and names["second"] == blocks(2)


def test_two_providers_at_once(session: spanheap.Session, tracer: Tracer) -> None:
    """A span of a provider that nobody told of is asked for its name; that provider's next spans are tracked."""
    other = TracerProvider().get_tracer("other")
    with tracer.start_as_current_span("known"):
        kept = bytes(BLOCK)
        with other.start_as_current_span("foreign"):
            more = bytes(BLOCK)
    names = by_span(session)
    assert names["known"] == blocks(1)
    assert names["foreign"] == blocks(1) and "<untracked>" not in names
    with other.start_as_current_span("tracked"):
        assert [active.name for active in session.spans.active()] == ["tracked"]
    del kept, more


def test_a_second_session_is_attached_to_the_same_provider_once(provider: TracerProvider) -> None:
    """Sessions come and go, the provider keeps one processor of ours; every session gets its spans."""
    for _ in range(3):
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None, tracer_provider=provider) as session:
            with provider.get_tracer("tests").start_as_current_span("again"):
                kept = bytes(BLOCK)
            assert by_span(session)["again"] == blocks(1)
            assert session.stats().spans_started == session.stats().spans_ended == 1
            del kept
    processors = provider._active_span_processor._span_processors
    assert sum(isinstance(p, spanheap._core.SpanProcessor) for p in processors) == 1


def test_a_provider_that_is_set_later_is_picked_up_by_the_tick(script: Script) -> None:
    """Profiling may begin before the SDK is set up: nothing is imported, and the first tick after that attaches."""
    assert script("""
        import sys, spanheap
        session = spanheap.start(sample_interval=1, max_samples=100_000, tick=None)
        early = bytes(100_000)
        session.force_flush()
        assert "opentelemetry.sdk.trace" not in sys.modules
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        session.force_flush()
        with trace.get_tracer("t").start_as_current_span("late"):
            kept = bytes(100_000)
        names = {u.name: u.live_bytes for u in session.snapshot().by_span_name()}
        assert 100_000 < names["late"] < 120_000, names
        assert names["<no span>"] >= 100_000
        print("fine")
    """) == "fine\n"


def test_without_any_provider_memory_is_reported_by_site_and_thread(script: Script) -> None:
    """No SDK, no spans: still a heap profiler."""
    assert script("""
        import spanheap
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None) as session:
            kept = bytes(100_000)
            snapshot = session.snapshot()
        [usage] = [u for u in snapshot.by_span_name() if u.samples]
        assert usage.name == "<no span>" and usage.live_bytes >= 100_000
        assert {u.name for u in snapshot.by_thread()} == {"MainThread"}
        print("fine")
    """) == "fine\n"


def test_attribution_that_cannot_work_says_so_once_and_profiling_goes_on(script: Script) -> None:
    """A runtime context that does not use contextvars: a warning that names the cause, and sites all the same."""
    out = script("""
        import logging, sys
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
        from opentelemetry import context
        context.get_current()
        class Other:
            def __init__(self, inner): self.inner = inner
            def attach(self, c): return self.inner.attach(c)
            def get_current(self): return self.inner.get_current()
            def detach(self, t): self.inner.detach(t)
        context._RUNTIME_CONTEXT = Other(context._RUNTIME_CONTEXT)
        import spanheap
        with spanheap.profile(sample_interval=1, max_samples=100_000, tick=None) as session:
            kept = bytes(100_000)
            assert not session.stats().attribution
            assert session.snapshot().live_bytes >= 100_000
    """)
    assert out.startswith("WARNING spanheap cannot read the current span") and out.count("WARNING") == 1
    assert "OTEL_PYTHON_CONTEXT" in out


def test_span_capacity_is_a_bound_that_is_counted(provider: TracerProvider) -> None:
    """Spans beyond it are untracked; the service's spans are not touched."""
    with spanheap.profile(
        sample_interval=1, max_samples=100_000, span_capacity=3, tick=None, tracer_provider=provider
    ) as session:
        tracer = provider.get_tracer("tests")
        spans = [tracer.start_span(f"span {i}") for i in range(10)]
        assert [active.name for active in session.spans.active()] == ["span 0", "span 1", "span 2"]
        stats = session.stats()
        assert stats.spans_active == 3 and stats.spans_untracked == 7
        for span in spans:
            span.end()
        assert session.stats().spans_active == 0 and session.stats().processor_errors == 0
        assert spanheap._core.valid()


def test_active_spans_are_listed_oldest_first(session: spanheap.Session, tracer: Tracer) -> None:
    """With the ids that a trace is found by, the local root, and an age."""
    with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span("inner") as inner:
        spans = session.spans.active(5)
        assert [s.name for s in spans] == ["outer", "inner"]
        assert [s.root_name for s in spans] == ["outer", "outer"]
        assert [s.span_id for s in spans] == [f"{s.get_span_context().span_id:016x}" for s in (outer, inner)]
        assert {s.trace_id for s in spans} == {f"{outer.get_span_context().trace_id:032x}"}
        assert 0 <= spans[1].age_s <= spans[0].age_s < 60
        assert session.spans.active(1) == spans[:1] or session.spans.active(1)[0].span_id == spans[0].span_id
    with pytest.raises(ValueError, match="-1"):
        session.spans.active(-1)
