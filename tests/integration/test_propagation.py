"""The span and the labels in threads and thread pools, while spanheap.spans.propagation is installed."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import queue
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import Span

import spanheap
from spanheap.snapshot import NO_SPAN
from spanheap.spans import propagation
from spanheap.spans.propagation import CARRIERS, Carrier

from ._blocks import Blocks, traced_blocks

Script = Callable[..., str]


def patched() -> tuple[int, int]:
    """Identify the two functions, as their classes hold them: a wrapper may say that it equals what it wraps."""
    return id(vars(ThreadPoolExecutor)["submit"]), id(vars(threading.Thread)["start"])


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    """Nothing stays behind."""
    submit, start = patched()
    yield
    propagation.uninstall()
    assert patched() == (submit, start)


@pytest.fixture
def blocks() -> Iterator[Blocks]:
    """Every allocation is sampled, and spans are carried."""
    with traced_blocks() as blocks:
        propagation.install()
        yield blocks


def current_name() -> str:
    """Return the name of the current span, as OpenTelemetry sees it."""
    return getattr(trace.get_current_span(), "name", NO_SPAN)


def in_thread(thread: threading.Thread) -> None:
    """Run it to its end."""
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_executors_threads_and_timers_make_for_the_span_that_started_them(blocks: Blocks) -> None:
    """Also when it has ended before they run; what is started in no span has none."""
    event = threading.Event()

    def late(name: str) -> None:
        event.wait(60)
        blocks.make(name)

    with ThreadPoolExecutor(2) as pool:
        with blocks.tracer.start_as_current_span("request"):
            pool.submit(blocks.make, "submitted").result()
            list(pool.map(blocks.make, ["mapped 0", "mapped 1"]))
            in_thread(threading.Thread(target=blocks.make, args=("thread",)))
            in_thread(threading.Thread(target=blocks.make, kwargs={"name": "daemon"}, daemon=True))
            in_thread(threading.Timer(0.001, blocks.make, ("timer",)))
            thread = threading.Thread(target=late, args=("late",))
            thread.start()
        event.set()
        thread.join()
        pool.submit(blocks.make, "submitted outside").result()
        in_thread(threading.Thread(target=blocks.make, args=("thread outside",)))
    inside = ("submitted", "mapped 0", "mapped 1", "thread", "daemon", "timer", "late")
    outside = ("submitted outside", "thread outside")
    assert blocks.spans() == dict.fromkeys(inside, "request") | dict.fromkeys(outside, NO_SPAN)


def test_run_in_executor_of_interleaved_tasks(blocks: Blocks) -> None:
    """The loop's default executor and one of the application's: each job is its task's, in whatever worker it runs."""

    async def request(i: int, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        with blocks.tracer.start_as_current_span(f"request {i}"):
            await loop.run_in_executor(None, blocks.make, f"default {i}")
            await loop.run_in_executor(pool, blocks.make, f"own {i}")
            await asyncio.to_thread(blocks.make, f"to_thread {i}")

    async def main() -> None:
        with ThreadPoolExecutor(2) as pool:
            await asyncio.gather(*(request(i, pool) for i in range(10)))
            await asyncio.get_running_loop().run_in_executor(None, blocks.make, "outside")

    asyncio.run(main())
    expected = {f"{where} {i}": f"request {i}" for where in ("default", "own", "to_thread") for i in range(10)}
    assert blocks.spans() == expected | {"outside": NO_SPAN}


def test_labels_are_carried_with_and_without_a_span(blocks: Blocks) -> None:
    """Tenants are told apart in worker threads too; a worker keeps none."""
    kept = []
    with ThreadPoolExecutor(1) as pool:
        for tenant in ("acme", "globex"):
            with spanheap.labels(tenant=tenant):
                kept.append(pool.submit(bytes, 500_000).result())
                with blocks.tracer.start_as_current_span("request"):
                    in_thread(threading.Thread(target=lambda: kept.append(bytes(500_000))))
        kept.append(pool.submit(bytes, 500_000).result())
    live = {usage.name: usage.live_bytes for usage in blocks.session.snapshot().by_label("tenant")}
    assert {tenant: round(size / 500_000) for tenant, size in live.items()} == {"acme": 2, "globex": 2}


def test_a_thread_class_with_a_run_of_its_own(blocks: Blocks) -> None:
    """A subclass, one that calls start() its own way, and a `run` that was set on the object."""

    class Worker(threading.Thread):
        def run(self) -> None:
            blocks.make(f"{self.name} runs")
            super().run()

    class Announced(Worker):
        def start(self) -> None:
            blocks.make(f"{self.name} starts")
            super().start()

    special = threading.Thread()
    special.run = run = functools.partial(blocks.make, "special")   # type: ignore[method-assign]
    with blocks.tracer.start_as_current_span("request"):
        in_thread(Worker(name="first", target=blocks.make, args=("first target",)))
        in_thread(Announced(name="second"))
        in_thread(special)
    assert special.run is run
    assert set(blocks.spans().items()) == {
        (name, "request") for name in ("first runs", "first target", "second starts", "second runs", "special")
    }


def test_nothing_else_is_carried() -> None:
    """Context variables of the application stay where they are."""
    variable = contextvars.ContextVar("the application's", default="nothing")
    variable.set("set here")
    propagation.install()
    token = context.attach(context.set_value("baggage", 1))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(variable.get).result() == "nothing"
        assert pool.submit(context.get_value, "baggage").result() == 1
    context.detach(token)


def test_a_worker_with_a_context_of_its_own_keeps_it(blocks: Blocks) -> None:
    """What the pool's initializer has attached is in force for jobs that bring nothing."""
    with blocks.tracer.start_as_current_span("worker") as span:

        def initialize() -> None:
            context.attach(trace.set_span_in_context(span))

    with ThreadPoolExecutor(1, initializer=initialize) as pool:
        pool.submit(blocks.make, "first").result()
        with blocks.tracer.start_as_current_span("request"):
            pool.submit(blocks.make, "brought").result()
        pool.submit(blocks.make, "last").result()
    assert blocks.spans() == {"first": "worker", "brought": "request", "last": "worker"}


# ---------------------------------------------------------------- what must not stay


def ended_span(blocks: Blocks, use: Callable[[], object]) -> weakref.ref[Span]:
    """A span in which something is done and which has ended; by its weak reference."""
    with blocks.tracer.start_as_current_span("gone") as span:
        use()
    return weakref.ref(span)


def assert_gone(blocks: Blocks, span: weakref.ref[Span]) -> None:
    """Nothing keeps it alive."""
    blocks.session.force_flush()   # the profiler itself holds on to ended spans that it meets until then
    gc.collect()
    assert span() is None


def test_an_idle_pool_thread_keeps_no_span(blocks: Blocks) -> None:
    """Not the span in which it was started, nor that of its last job, returned or raised; and it is in none."""
    with ThreadPoolExecutor(1) as pool:
        started = ended_span(blocks, lambda: pool.submit(blocks.make, "first"))
        pool.submit(blocks.make, "between").result()
        last = ended_span(blocks, lambda: pool.submit(int, "no number").exception())
        assert pool.submit(current_name).result() == NO_SPAN
        assert_gone(blocks, started)
        assert_gone(blocks, last)
    assert blocks.spans() == {"first": "gone", "between": NO_SPAN}


def test_pools_of_the_library_are_not_in_the_span_that_made_them(blocks: Blocks) -> None:
    """ThreadPool, logging's listener, and a loop that a thread serves: their threads are for everybody."""
    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(f"{record.msg}: {current_name()}")

    from logging.handlers import QueueListener

    loop = asyncio.new_event_loop()
    listener = QueueListener(queue.SimpleQueue(), Handler())
    made: list[Any] = []

    def make() -> None:
        made.append(ThreadPool(1))
        listener.start()
        made.append(threading.Thread(target=loop.run_forever))
        made[1].start()

    span = ended_span(blocks, make)
    pool, thread = made
    assert pool.apply(current_name) == NO_SPAN
    pool.terminate()
    pool.join()
    listener.queue.put(logging.makeLogRecord({"msg": "record"}))   # type: ignore[attr-defined]
    listener.stop()
    assert records == [f"record: {NO_SPAN}"]
    with blocks.tracer.start_as_current_span("asks"):
        seen: Future[str] = Future()
        loop.call_soon_threadsafe(lambda: seen.set_result(current_name()))
        assert seen.result(60) == "asks"   # a callback has the context of its scheduling
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert_gone(blocks, span)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_worker_threads_of_anyio_keep_no_span(blocks: Blocks, backend: str) -> None:
    """They bring each job's context themselves, and outlive it."""
    anyio = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    async def main() -> None:
        with blocks.tracer.start_as_current_span("gone") as span:
            await anyio.to_thread.run_sync(blocks.make, "in its span")
            ended = weakref.ref(span)
        del span
        await anyio.to_thread.run_sync(blocks.make, "outside")
        assert_gone(blocks, ended)

    anyio.run(main, backend=backend)
    assert blocks.spans() == {"in its span": "gone", "outside": NO_SPAN}


def test_a_thread_that_has_ended_keeps_no_span(blocks: Blocks) -> None:
    """Though its object, the exception that ended it, or a future's exception, is kept."""
    kept: list[Any] = []
    hook = threading.excepthook
    threading.excepthook = lambda args: kept.append(args.exc_value)
    try:
        threads = [threading.Thread(target=blocks.make, args=("returned",)), threading.Thread(target=int, args=("raised",))]
        spans = [ended_span(blocks, functools.partial(in_thread, thread)) for thread in threads]
    finally:
        threading.excepthook = hook
    with ThreadPoolExecutor(1) as pool:
        spans.append(ended_span(blocks, lambda: kept.append(pool.submit(int, "raised").exception())))
        assert [type(error) for error in kept] == [ValueError, ValueError]
        for span in spans:
            assert_gone(blocks, span)
    assert [thread.name for thread in threads if "run" in vars(thread)] == []


def test_a_job_that_never_runs_keeps_no_span(blocks: Blocks) -> None:
    """Cancelled while it waits."""
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go.wait, 60)
        jobs: list[Future[None]] = []
        span = ended_span(blocks, lambda: jobs.append(pool.submit(blocks.make, "never")))
        assert jobs[0].cancel()
        go.set()
    assert_gone(blocks, span)
    assert blocks.spans() == {}


def test_work_that_leaves_its_own_span_attached(blocks: Blocks) -> None:
    """What a job forgets to detach is gone with the job."""
    with ThreadPoolExecutor(1) as pool:

        def careless() -> None:
            context.attach(trace.set_span_in_context(blocks.tracer.start_span("careless")))
            blocks.make("careless")

        with blocks.tracer.start_as_current_span("request"):
            pool.submit(careless).result()
        pool.submit(blocks.make, "next").result()
    assert blocks.spans() == {"careless": "careless", "next": NO_SPAN}


# ---------------------------------------------------------------- the service does not notice


def test_misuse_of_threads_and_pools_fails_as_it_did(blocks: Blocks) -> None:
    """Errors are those of the standard library, and leave nothing behind."""
    again, failing = threading.Thread(target=blocks.make, args=("once",)), threading.Thread()
    with blocks.tracer.start_as_current_span("request"):
        in_thread(again)
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            again.start()
        failing._started.set()   # type: ignore[attr-defined]
        with pytest.raises(RuntimeError):
            failing.start()
        pool = ThreadPoolExecutor(1)
        with pytest.raises(TypeError, match="submit"):
            pool.submit()   # type: ignore[call-arg]
        pool.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(print)
    assert "run" not in vars(again) and "run" not in vars(failing)
    assert blocks.spans() == {"once": "request"}


def test_a_target_that_refuses_to_be_looked_at(blocks: Blocks) -> None:
    """A proxy for something that is not there in this thread is a target like another."""

    class Proxy:
        def __call__(self) -> None:
            blocks.make("proxied")

        def __getattribute__(self, name: str) -> Any:
            raise LookupError(name)

    with blocks.tracer.start_as_current_span("request"):
        in_thread(threading.Thread(target=Proxy(), name="named"))
    assert blocks.spans() == {"proxied": "request"}


def test_results_exceptions_and_arguments_pass(blocks: Blocks) -> None:
    """Also those whose names are ours; the traceback shows the function that failed."""

    def fails(self: int, function: int, *, state: int) -> None:
        raise KeyError(self + function + state)

    with blocks.tracer.start_as_current_span("request"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(dict, self=1, fn=2, function=3).result() == {"self": 1, "fn": 2, "function": 3}
        error = pool.submit(fails, 1, 2, state=3).exception()
    assert isinstance(error, KeyError) and error.args == (6,)
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fails"


@pytest.mark.parametrize("broken", ["current", "attach", "detach"])
def test_a_carrier_that_fails_costs_the_work_nothing(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, once; the other carriers still carry."""

    def fail(*_: object) -> None:
        raise OSError("broken")

    failing = Carrier(lambda: 1, lambda _: 2, lambda _: None)._replace(**{broken: fail})
    propagation._log_once.cache_clear()
    propagation.install((failing, *CARRIERS))
    token = context.attach(context.set_value("carried", 5))
    try:
        with ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                assert pool.submit(context.get_value, "carried").result() == 5
            seen: list[object] = []
            in_thread(threading.Thread(target=lambda: seen.append(context.get_value("carried"))))
            assert seen == [5]
    finally:
        context.detach(token)
    assert [record.name for record in caplog.records] == ["spanheap"]
    assert "the work itself goes on" in caplog.text


def test_the_functions_look_as_they_did() -> None:
    """Names, documentation and signature are the standard library's."""
    import inspect

    before = [(f.__name__, f.__doc__, inspect.signature(f)) for f in (ThreadPoolExecutor.submit, threading.Thread.start)]
    propagation.install()
    after = [(f.__name__, f.__doc__, inspect.signature(f)) for f in (ThreadPoolExecutor.submit, threading.Thread.start)]
    assert before == after


# ---------------------------------------------------------------- in and out


def carries() -> tuple[int, int]:
    """How many times a value that counts its attachments is attached in a pool, and in a thread."""
    counts = []

    def attach(_: object) -> None:
        counts[-1] += 1

    assert propagation._carriers, "not installed"
    propagation.install((Carrier(lambda: 1, attach, lambda _: None),))
    with ThreadPoolExecutor(1) as pool:
        counts.append(0)
        pool.submit(int).result()
    counts.append(0)
    in_thread(threading.Thread())
    return counts[0], counts[1]


def test_installing_twice_carries_once() -> None:
    """And one uninstall is enough, a second one harmless; then it can be installed again."""
    for _ in range(3):
        propagation.install()
        propagation.install()
        assert carries() == (1, 1)
        propagation.uninstall()
        propagation.uninstall()
        token = context.attach(context.set_value("carried", 5))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(context.get_value, "carried").result() is None
        context.detach(token)


@pytest.mark.parametrize("polite", [True, False], ids=["with __wrapped__", "without"])
def test_what_somebody_has_wrapped_since_stays(polite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """His wrapper goes on working, with ours passing calls on; installed again, it is still carried once."""
    calls = []

    def wrap(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return inner(*args, **kwargs)

        monkeypatch.setattr(owner, name, functools.wraps(inner)(wrapper) if polite else wrapper)

    propagation.install()
    wrap(ThreadPoolExecutor, "submit")
    wrap(threading.Thread, "start")
    wrapped = patched()
    for _ in range(3):
        propagation.install()
        if polite:
            assert patched() == wrapped
        calls.clear()
        assert carries() == (1, 1)
        assert calls == ["submit", "start", "start"]   # the pool's worker is started too
        propagation.install()
        propagation.uninstall()
        assert patched() == wrapped
        token = context.attach(context.set_value("carried", 5))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(context.get_value, "carried").result() is None
        context.detach(token)
    monkeypatch.undo()
    propagation.uninstall()


def test_a_patch_that_somebody_has_taken_out_is_put_in_again() -> None:
    """Who restores what he found before us takes ours out; the next install notices."""
    submit, start = ThreadPoolExecutor.submit, threading.Thread.start
    propagation.install()
    ThreadPoolExecutor.submit, threading.Thread.start = submit, start   # type: ignore[method-assign]
    propagation.install()
    assert carries() == (1, 1)


def test_threads_that_install_and_uninstall_at_once() -> None:
    """While others hand work over: everything runs, and in the end nothing is left."""
    before = patched()

    def toggle() -> None:
        for _ in range(200):
            propagation.install()
            propagation.uninstall()

    token = context.attach(context.set_value("carried", 5))
    with ThreadPoolExecutor(2) as pool:
        threads = [threading.Thread(target=toggle) for _ in range(3)]
        for thread in threads:
            thread.start()
        results = [pool.submit(context.get_value, "carried").result() for _ in range(500)]
        for thread in threads:
            thread.join()
    context.detach(token)
    assert set(results) <= {None, 5}
    assert patched() == before


@pytest.mark.parametrize("ours_first", [True, False])
def test_opentelemetrys_own_instrumentation_of_threads(blocks: Blocks, ours_first: bool) -> None:
    """Where it carries the context we do not: once is enough. Labels, which it does not know, are ours."""
    instrumentor = pytest.importorskip("opentelemetry.instrumentation.threading").ThreadingInstrumentor()
    attached: list[object] = []
    attach = context._RUNTIME_CONTEXT.attach

    def counting(value: context.Context) -> Any:
        attached.append(value)
        return attach(value)

    def hand_over() -> None:
        with blocks.tracer.start_as_current_span("request"), spanheap.labels(tenant="acme"), ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: None).result()   # starts the worker
            attached.clear()
            pool.submit(blocks.make, f"pool {len(blocks.spans())}").result()
            assert len(attached) == 1
            attached.clear()
            in_thread(threading.Thread(target=blocks.make, args=(f"thread {len(blocks.spans())}",)))
            assert len(attached) == 1

    propagation.uninstall()
    if ours_first:
        propagation.install()
    instrumentor.instrument()
    theirs = patched()
    propagation.install()
    context._RUNTIME_CONTEXT.attach = counting   # type: ignore[method-assign]
    try:
        hand_over()
        if not ours_first:
            propagation.uninstall()
        assert patched() == theirs
        instrumentor.uninstrument()   # its own must lie on top: there it is
        propagation.install()
        hand_over()
    finally:
        del context._RUNTIME_CONTEXT.attach
    assert set(blocks.spans().values()) == {"request"} and len(blocks.spans()) == 4
    assert {row.labels for row in blocks.rows().values()} == {(("tenant", "acme"),)}


def test_it_imports_nothing_that_the_application_has_not(script: Script) -> None:
    """The API is a dependency; the SDK is not loaded for this, nor is an instrumentation."""
    assert script("""
        import sys
        from spanheap.spans import propagation
        propagation.install()
        propagation.uninstall()
        assert not [m for m in sys.modules if m.startswith(("opentelemetry.sdk", "opentelemetry.instrumentation", "numpy"))]
        print("fine")
    """) == "fine\n"


def test_it_goes_on_in_the_child_of_a_fork(script: Script) -> None:
    """Also when another thread was inside install() at that moment."""
    assert script("""
        import os, threading
        from concurrent.futures import ThreadPoolExecutor
        from opentelemetry import context
        from spanheap.spans import propagation
        propagation.install()
        propagation._lock.acquire()   # as that thread would have
        context.attach(context.set_value("carried", 5))
        if (child := os.fork()) == 0:
            propagation.install()
            with ThreadPoolExecutor(1) as pool:
                status = 0 if pool.submit(context.get_value, "carried").result() == 5 else 1
            propagation.uninstall()
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        print("fine")
    """) == "fine\n"


@pytest.mark.no_sanitizer(reason="greenlet throws C++ exceptions, and ASan is loaded before libstdc++")
def test_gevents_patched_threads_and_executors(script: Script) -> None:
    """There threads are greenlets, each with a context of its own."""
    pytest.importorskip("gevent")
    assert script("""
        from gevent import monkey
        monkey.patch_all()
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from opentelemetry import context
        from spanheap.spans import propagation
        propagation.install()
        seen = []
        see = lambda: seen.append(context.get_value("carried"))
        token = context.attach(context.set_value("carried", 5))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(see).result()
            for thread in (threading.Thread(target=see), threading.Timer(0.001, see)):
                thread.start()
                thread.join()
            context.detach(token)
            pool.submit(see).result()
        assert seen == [5, 5, 5, None], seen
        print("fine")
    """) == "fine\n"
