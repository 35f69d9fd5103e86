"""Which span a block is made for in greenlets: each has a context of its own since greenlet 1.0."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context, trace

from spanheap.snapshot import NO_SPAN

from ._blocks import Blocks

greenlet = pytest.importorskip("greenlet", "1.0")
if not greenlet.GREENLET_USE_CONTEXT_VARS:
    pytest.skip("this greenlet was built without contextvars", allow_module_level=True)

Script = Callable[..., str]

throws = pytest.mark.no_sanitizer(reason="greenlet throws C++ exceptions, and ASan is loaded before libstdc++")


def pause() -> None:
    """Go back to the parent greenlet until it comes back."""
    greenlet.getcurrent().parent.switch()


def run_in_turns(greenlets: list[Any]) -> None:
    """Switch to each in turn until all are dead."""
    while greenlets := [g for g in greenlets if not g.dead]:
        for g in greenlets:
            g.switch()


def test_interleaved_greenlets_see_their_own_span(blocks: Blocks) -> None:
    """Ten take turns; what each makes before and after each switch is its own, the hub's is the hub's."""

    def request(i: int) -> None:
        blocks.make(f"{i} begins")
        with blocks.tracer.start_as_current_span(f"request {i}"):
            for step in range(3):
                blocks.make(f"{i} step {step}")
                pause()
            with blocks.tracer.start_as_current_span(f"inner {i}"):
                pause()
                blocks.make(f"{i} inner")
        blocks.make(f"{i} ends")

    with blocks.tracer.start_as_current_span("hub"):
        greenlets = [greenlet.greenlet(lambda i=i: request(i)) for i in range(10)]
        run_in_turns(greenlets)
        blocks.make("hub")
    expected = {"hub": "hub"}
    for i in range(10):
        expected |= {f"{i} begins": NO_SPAN, f"{i} inner": f"inner {i}", f"{i} ends": NO_SPAN}
        expected |= {f"{i} step {step}": f"request {i}" for step in range(3)}
    assert blocks.spans() == expected
    assert all(f"request {i}" == root for i in range(10) for name, root in blocks.roots().items()
               if name.startswith((f"{i} step", f"{i} inner")))


def test_a_greenlet_with_a_copied_context_begins_in_its_makers_span(blocks: Blocks) -> None:
    """What it does to its context stays there."""

    def work() -> None:
        blocks.make("inherited")
        context.attach(context.Context())
        blocks.make("given up")

    with blocks.tracer.start_as_current_span("maker"):
        copied, bare = greenlet.greenlet(work), greenlet.greenlet(lambda: blocks.make("bare"))
        copied.gr_context = contextvars.copy_context()
        copied.switch()
        bare.switch()
        blocks.make("maker")
    assert blocks.spans() == {"inherited": "maker", "given up": NO_SPAN, "bare": NO_SPAN, "maker": "maker"}


def test_a_switch_in_the_middle_of_an_allocation(blocks: Blocks) -> None:
    """A list that is filled by an iterator which switches: each buffer belongs to the greenlet that fills it.

    The stack is that of the greenlet too, whatever the others did to the thread meanwhile.
    """
    kept: dict[str, list[int]] = {}

    def numbers(name: str) -> Iterator[int]:
        for i in range(3_000):
            if i % 100 == 0:
                pause()
            yield i
        blocks.make(name)

    def fill_a() -> None:
        with blocks.tracer.start_as_current_span("a"):
            kept["a"] = list(numbers("a"))

    def fill_b() -> None:
        with blocks.tracer.start_as_current_span("b"):
            kept["b"] = sorted(numbers("b"), key=lambda i: -i)

    run_in_turns([greenlet.greenlet(fill_a), greenlet.greenlet(fill_b)])
    assert blocks.spans() == {"a": "a", "b": "b"}
    functions = blocks.functions()
    assert functions["a"][:3] == ["make", "numbers", "fill_a"] and "fill_b" not in functions["a"]
    assert functions["b"][:3] == ["make", "numbers", "fill_b"] and "fill_a" not in functions["b"]
    live = {usage.name: usage.live_bytes for usage in blocks.session.snapshot().by_span_name()}
    for name in "ab":   # the block, a list of 3,000, and its numbers above 256
        assert live[name] >= 100_000 + 8 * 3_000 + 28 * 2_700
    assert live[NO_SPAN] < 100_000


@throws
def test_a_greenlet_that_is_killed_cleans_up_for_its_own_span(blocks: Blocks) -> None:
    """By throw(), or by the release of the last reference to it: there the clean-up runs in its own context too."""

    def waits(name: str) -> None:
        with blocks.tracer.start_as_current_span(name):
            try:
                pause()
            finally:
                blocks.make(name)

    with blocks.tracer.start_as_current_span("killer"):
        thrown, released = greenlet.greenlet(waits), greenlet.greenlet(waits)
        thrown.switch("thrown")
        released.switch("released")
        thrown.throw()
        del released
        blocks.make("killer")
    assert blocks.spans() == {"thrown": "thrown", "released": "released", "killer": "killer"}


def test_a_generator_that_moves_between_greenlets(blocks: Blocks) -> None:
    """It makes for whoever runs it."""

    def produce() -> Iterator[None]:
        for i in range(3):
            blocks.make(f"step {i}")
            yield

    steps = produce()

    def request(name: str) -> None:
        with blocks.tracer.start_as_current_span(name):
            next(steps)
            pause()

    greenlets = []
    for i in range(3):
        greenlets.append(greenlet.greenlet(request))
        greenlets[-1].switch(f"request {i}")
    run_in_turns(greenlets)
    assert blocks.spans() == {f"step {i}": f"request {i}" for i in range(3)}


def test_greenlets_of_several_threads(blocks: Blocks) -> None:
    """Each thread switches among its own; spans, threads and stacks are right in each."""

    def request(name: str) -> None:
        with blocks.tracer.start_as_current_span(name):
            for step in range(5):
                blocks.make(f"{name} {step}")
                pause()

    def hub(thread: int) -> None:
        run_in_turns([greenlet.greenlet(lambda i=i: request(f"{thread}.{i}")) for i in range(5)])

    threads = [threading.Thread(target=hub, args=(i,), name=f"hub {i}") for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [f"{thread}.{i}" for thread in range(3) for i in range(5)]
    assert blocks.spans() == {f"{name} {step}": name for name in names for step in range(5)}


def test_a_span_handed_from_greenlet_to_greenlet(blocks: Blocks) -> None:
    """Current in both, ended in one: the other's blocks still have its name."""
    span = blocks.tracer.start_span("shared")

    def uses(name: str, ends: bool) -> None:
        with trace.use_span(span, end_on_exit=False):
            blocks.make(f"{name} begins")
            pause()
            if ends:
                span.end()
            pause()
            blocks.make(f"{name} ends")

    run_in_turns([greenlet.greenlet(lambda: uses("a", True)), greenlet.greenlet(lambda: uses("b", False))])
    assert set(blocks.spans().values()) == {"shared"} and len(blocks.spans()) == 4


GEVENT = """
    from gevent import monkey
    monkey.patch_all()
    import concurrent.futures, contextvars, queue, sys, threading, time
    import gevent, gevent.pool
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    import spanheap

    session = spanheap.start(sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None)
    trace.set_tracer_provider(TracerProvider())
    session.force_flush()
    tracer = trace.get_tracer("tests")
    kept = {}

    def make(name):
        kept[name] = None
        kept[name] = bytes(100_003 + 16 * len(kept))

    def check(expected):
        by_size = {row.size: row.span_name for row in session.snapshot().rows if row.is_live}
        found = {name: by_size[sys.getsizeof(block)] for name, block in kept.items()}
        assert found == expected, found
        assert spanheap._core.valid()
        print("fine")
"""


@throws
def test_gevent_pool_and_spawned_greenlets(script: Script) -> None:
    """Requests of a monkey-patched service: a greenlet that one spawns begins bare, unless it is given its context."""
    pytest.importorskip("gevent")
    assert script(GEVENT + """
    def request(i):
        with tracer.start_as_current_span(f"request {i}"):
            make(f"{i} before")
            time.sleep(0.001 * (3 - i % 3))
            make(f"{i} after")
            spawned = [gevent.spawn(make, f"{i} spawned"), gevent.spawn(make, f"{i} copied")]
            spawned[1].gr_context = contextvars.copy_context()
            gevent.joinall(spawned, raise_error=True)
            with tracer.start_as_current_span(f"inner {i}"):
                gevent.sleep(0)
                make(f"{i} inner")

    gevent.pool.Pool(4).map(request, range(12))
    expected = {}
    for i in range(12):
        expected |= {f"{i} {when}": f"request {i}" for when in ("before", "after", "copied")}
        expected |= {f"{i} inner": f"inner {i}", f"{i} spawned": "<no span>"}
    check(expected)
    """) == "fine\n"


@throws
def test_gevent_threads_executors_and_timeouts(script: Script) -> None:
    """Patched threads are greenlets and begin bare, as threads do; real ones of gevent's pool too."""
    pytest.importorskip("gevent")
    assert script(GEVENT + """
    def consume():
        while (item := jobs.get()) is not None:
            make(item)

    jobs = queue.Queue()
    consumer = threading.Thread(target=consume)
    consumer.start()
    with tracer.start_as_current_span("request"):
        thread = threading.Thread(target=make, args=("thread",))
        thread.start()
        thread.join()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(make, "executor").result()
        gevent.get_hub().threadpool.apply(make, ("real thread",))
        jobs.put("item")
        try:
            with gevent.Timeout(0.01):
                try:
                    gevent.sleep(60)
                finally:
                    make("timed out")
        except gevent.Timeout:
            make("handled")
    jobs.put(None)
    consumer.join()
    bare = dict.fromkeys(("thread", "executor", "real thread", "item"), "<no span>")
    check(bare | {"timed out": "request", "handled": "request"})
    """) == "fine\n"


@throws
def test_a_gevent_http_service(script: Script) -> None:
    """Each endpoint of a WSGI server keeps its blocks, while requests wait for each other."""
    pytest.importorskip("gevent")
    assert script(GEVENT + """
    import urllib.request
    from gevent.pywsgi import WSGIServer

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        with tracer.start_as_current_span(f"GET {path.rpartition('/')[0]}"):
            make(path)
            time.sleep(0.005)
            make(f"{path} later")
        start_response("200 OK", [])
        return [b""]

    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()
    paths = [f"/{kind}/{i}" for kind in ("orders", "search") for i in range(5)]
    get = lambda path: urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=60).read()
    gevent.pool.Pool(10).map(get, paths)
    server.stop()
    check({f"{path}{when}": f"GET {path.rpartition('/')[0]}" for path in paths for when in ("", " later")})
    """) == "fine\n"
