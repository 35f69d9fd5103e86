"""Which span a block is made for in threads: where test_attribution.py does not go."""

from __future__ import annotations

import _thread
import contextvars
import gc
import queue
import random
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import Link, Span

from spanheap.snapshot import NO_SPAN

from ._blocks import Blocks, traced_blocks


def run_in_thread(function: Callable[[], Any], name: str | None = None) -> None:
    """Run it in a thread of its own, to its end."""
    thread = threading.Thread(target=function, name=name)
    thread.start()
    thread.join()


def test_a_pool_thread_that_many_requests_share(blocks: Blocks) -> None:
    """Each job has the span of the context it brings; between the jobs, and for bare ones, there is none."""
    with ThreadPoolExecutor(2, thread_name_prefix="shared") as pool:
        for i in range(20):
            with blocks.tracer.start_as_current_span(f"request {i}"):
                copied = contextvars.copy_context()
                jobs = [pool.submit(copied.run, blocks.make, f"copied {i}"), pool.submit(blocks.make, f"bare {i}")]
            for job in jobs:
                job.result()
        assert {thread.rpartition("_")[0] for thread in blocks.threads().values()} == {"shared"}
    expected = {f"copied {i}": f"request {i}" for i in range(20)} | {f"bare {i}": NO_SPAN for i in range(20)}
    assert blocks.spans() == expected


def test_a_span_that_begins_in_a_bare_thread_is_its_own_root(blocks: Blocks) -> None:
    """With the parent given by hand it is a part of the request: the endpoint is found across threads."""
    with blocks.tracer.start_as_current_span("request"):
        here = context.get_current()

        def bare() -> None:
            with blocks.tracer.start_as_current_span("orphan"):
                blocks.make("orphan")

        def with_parent() -> None:
            with blocks.tracer.start_as_current_span("child", context=here):
                blocks.make("child")
            blocks.make("beside")

        run_in_thread(bare)
        run_in_thread(with_parent)
    assert blocks.spans() == {"orphan": "orphan", "child": "child", "beside": NO_SPAN}
    assert blocks.roots() == {"orphan": "orphan", "child": "request", "beside": NO_SPAN}


def test_timers_and_raw_threads_have_no_span(blocks: Blocks) -> None:
    """Unless what they call brings its context."""
    done = threading.Event()

    def raw() -> None:
        blocks.make("raw")
        done.set()

    with blocks.tracer.start_as_current_span("request"):
        timers = [
            threading.Timer(0.001, blocks.make, ("timer",)),
            threading.Timer(0.001, contextvars.copy_context().run, (blocks.make, "timer, copied")),
        ]
        for timer in timers:
            timer.start()
        _thread.start_new_thread(raw, ())
        for timer in timers:
            timer.join()
        assert done.wait(60)
    assert blocks.spans() == {"timer": NO_SPAN, "timer, copied": "request", "raw": NO_SPAN}


def test_a_queue_worker_is_in_the_span_of_the_item_while_it_is_attached(blocks: Blocks) -> None:
    """Attach and detach item by item: nothing of one item's span is left for the next."""
    items: queue.SimpleQueue[tuple[str, context.Context] | None] = queue.SimpleQueue()

    def worker() -> None:
        while (item := items.get()) is not None:
            name, of_the_item = item
            blocks.make(f"{name}, taken")
            token = context.attach(of_the_item)
            blocks.make(f"{name}, attached")
            context.detach(token)
            blocks.make(f"{name}, detached")

    thread = threading.Thread(target=worker, name="consumer")
    thread.start()
    for i in range(3):
        with blocks.tracer.start_as_current_span(f"request {i}"):
            items.put((f"item {i}", context.get_current()))
    items.put(None)
    thread.join()
    assert blocks.spans() == {
        f"item {i}, {when}": f"request {i}" if when == "attached" else NO_SPAN
        for i in range(3) for when in ("taken", "attached", "detached")
    }


def test_a_span_made_in_one_thread_and_used_in_others(blocks: Blocks) -> None:
    """Current in several threads at once, twice in one, and in the last to leave after it has ended."""
    span = blocks.tracer.start_span("shared")
    blocks.make("not current yet")
    everybody = threading.Barrier(3)

    def uses(i: int) -> None:
        with trace.use_span(span, end_on_exit=False):
            everybody.wait()
            with trace.use_span(span, end_on_exit=False):
                blocks.make(f"inner {i}")
            blocks.make(f"outer {i}")
            everybody.wait()
            if i == 0:
                span.end()
            everybody.wait()
            blocks.make(f"ended {i}")
        blocks.make(f"outside {i}")

    threads = [threading.Thread(target=uses, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blocks.spans() == {
        f"{where} {i}": NO_SPAN if where == "outside" else "shared"
        for where in ("inner", "outer", "ended", "outside") for i in range(3)
    } | {"not current yet": NO_SPAN}
    assert blocks.session.spans.active() == []


def test_spans_that_a_reaper_thread_ends(blocks: Blocks) -> None:
    """Eight threads make spans while another renames and ends them: each block has its span's final name."""
    ending: queue.SimpleQueue[Span | None] = queue.SimpleQueue()

    def reap() -> None:
        while (span := ending.get()) is not None:
            span.update_name(f"final {span.name}")   # type: ignore[attr-defined]
            span.end()

    def work(worker: int) -> None:
        for i in range(25):
            name = f"{worker}.{i}"
            span = blocks.tracer.start_span(name)
            with trace.use_span(span, end_on_exit=False):
                blocks.make(f"{name} before")
                ending.put(span)
                blocks.make(f"{name} after")

    reaper = threading.Thread(target=reap)
    reaper.start()
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ending.put(None)
    reaper.join()
    assert blocks.spans() == {
        f"{worker}.{i} {when}": f"final {worker}.{i}"
        for worker in range(8) for i in range(25) for when in ("before", "after")
    }
    stats = blocks.session.stats()
    assert stats.spans_active == 0 and stats.spans_started == stats.spans_ended == 200


def test_a_batch_in_a_thread_keeps_its_memory_from_the_spans_it_links_to(blocks: Blocks) -> None:
    """A link is a reference, not a parent."""
    spans = [blocks.tracer.start_span(f"producer {i}") for i in range(3)]

    def batch() -> None:
        with blocks.tracer.start_as_current_span("batch", links=[Link(span.get_span_context()) for span in spans]):
            blocks.make("batch")

    run_in_thread(batch)
    for span in spans:
        span.end()
    assert blocks.spans() == blocks.roots() == {"batch": "batch"}


def test_what_has_no_span_is_grouped_by_thread_name(blocks: Blocks) -> None:
    """Pools and threads are told apart by their names, living or gone; what has a span is not among them."""
    with ThreadPoolExecutor(1, "first") as first, ThreadPoolExecutor(1, "second") as second:
        for pool, name in ((first, "a"), (first, "b"), (second, "c")):
            pool.submit(blocks.make, name).result()
        run_in_thread(lambda: (blocks.make("d"), blocks.session.force_flush()), "warmer")
        with blocks.tracer.start_as_current_span("request"):
            blocks.make("e")
        assert blocks.threads() == {"a": "first_0", "b": "first_0", "c": "second_0", "d": "warmer", "e": "MainThread"}
        by_thread = {usage.name: usage for usage in blocks.session.snapshot().by_thread(NO_SPAN)}
    assert by_thread["first_0"].live_bytes >= 200_000 and by_thread["second_0"].live_bytes >= 100_000
    assert all(usage.span_names == [NO_SPAN] for usage in by_thread.values())
    everything = {usage.name: usage for usage in blocks.session.snapshot().by_thread()}
    assert everything["MainThread"].live_bytes >= by_thread["MainThread"].live_bytes + 100_000


def test_a_finalizer_makes_for_whoever_lets_go(blocks: Blocks) -> None:
    """__del__ and weakref callbacks run in the thread and the span of the last release, or of the collection."""

    class Resource:
        def __init__(self, name: str) -> None:
            self.name = name

        def __del__(self) -> None:
            blocks.make(self.name)

    class Plain:
        pass

    with blocks.tracer.start_as_current_span("owner"):
        released, in_a_thread, cyclic, plain = Resource("released"), [Resource("in a thread")], Resource("cyclic"), Plain()
        cyclic.self = cyclic   # type: ignore[attr-defined]
        watcher = weakref.ref(plain, lambda _: blocks.make("callback"))
    with blocks.tracer.start_as_current_span("releasing"):
        del released
        del plain
    run_in_thread(in_a_thread.clear)
    del cyclic
    with blocks.tracer.start_as_current_span("collecting"):
        gc.collect()
    assert watcher() is None
    assert blocks.spans() == {
        "released": "releasing", "callback": "releasing", "in a thread": NO_SPAN, "cyclic": "collecting",
    }


def test_a_span_that_is_left_in_the_wrong_order(blocks: Blocks) -> None:
    """Whatever a service has made of its context, a block is its current span's, as OpenTelemetry says."""
    spans = {name: blocks.tracer.start_span(name) for name in ("a", "b", "c")}
    rng = random.Random(7)
    expected = {}
    tokens = []
    for i in range(40):
        if tokens and rng.random() < 0.5:
            context.detach(tokens.pop(rng.randrange(len(tokens))))
        else:
            tokens.append(context.attach(trace.set_span_in_context(rng.choice(list(spans.values())))))
        blocks.make(str(i))
        expected[str(i)] = getattr(trace.get_current_span(), "name", NO_SPAN)
    context.attach(context.Context())
    for span in spans.values():
        span.end()
    assert len(set(expected.values())) == 4
    assert blocks.spans() == expected


def test_two_threads_inside_start_span_at_once() -> None:
    """What is made there waits for its span in its own thread: not for one that another thread starts meanwhile."""
    everybody = threading.Barrier(2)

    class Slow(Sampler):
        def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> SamplingResult:
            everybody.wait()
            blocks.make(f"{name} is decided")
            everybody.wait()
            return ALWAYS_ON.should_sample(parent_context, trace_id, name, *args, **kwargs)

        def get_description(self) -> str:
            return "Slow"

    with traced_blocks(TracerProvider(sampler=Slow())) as blocks:
        threads = [threading.Thread(target=lambda i=i: blocks.tracer.start_span(f"span {i}").end()) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert blocks.spans() == {f"span {i} is decided": f"span {i}" for i in range(2)}
