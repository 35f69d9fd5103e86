"""assert_no_growth: fails for what grows, with line, span and holder; and for nothing else."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import gc
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import spanheap
from spanheap.testing import assert_no_growth

provider = TracerProvider()
tracer = provider.get_tracer(__name__)

orders: dict[int, Order] = {}


class Order:
    """Something that a service keeps."""

    def __init__(self) -> None:
        self.items = ["a", "b"]


def handle_and_keep() -> None:
    """One request of a service that leaks."""
    with tracer.start_as_current_span("POST /orders"):
        orders[len(orders)] = Order()


def handle() -> None:
    """One of a service that does not."""
    with tracer.start_as_current_span("POST /orders"):
        Order()


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Begin each test anew."""
    orders.clear()


def failure(call: Callable[[], Any], **options: Any) -> str:
    """Return the message."""
    with pytest.raises(AssertionError) as caught:
        assert_no_growth(call, tracer_provider=provider, **options)
    assert spanheap.current() is None
    return str(caught.value)


def test_growth_is_told_with_line_span_and_holder() -> None:
    """All of the answer is in the message of the failure."""
    message = failure(handle_and_keep)
    assert message.startswith("each call of handle_and_keep leaves ")
    assert f"handle_and_keep ({__file__}:{handle_and_keep.__code__.co_firstlineno + 3})" in message
    assert "in span POST /orders" in message
    assert f"held by {__name__}:orders (dict, 260 entries) → Order" in message


def test_bytes_a_call_are_those_that_were_kept() -> None:
    """With every allocation looked at, they are exact: an object and its place in a table."""
    kept: list[bytes | None] = [None] * 260
    places = iter(range(260))

    def keep() -> None:
        kept[next(places)] = bytes(1000)

    assert "1,033 bytes in 1.0 blocks a call" in failure(keep)


def test_what_is_let_go_of_is_no_growth() -> None:
    """Spans and objects that end with the call, and cycles that a collection finds."""
    def cycle() -> None:
        one: list[object] = []
        one.append(one)

    assert_no_growth(handle, tracer_provider=provider)
    assert_no_growth(cycle, tracer_provider=provider)


class Discarded(SpanExporter):
    """Where spans go that nobody wants."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def test_what_waits_to_be_exported_is_no_growth() -> None:
    """A batch processor hands on what it has every few seconds: no call sees its queue emptied."""
    batched = TracerProvider()
    batched.add_span_processor(BatchSpanProcessor(Discarded()))
    own = batched.get_tracer(__name__)
    try:
        assert_no_growth(lambda: own.start_span("GET /").end(), tracer_provider=batched)
        assert_no_growth(lambda: own.start_span("GET /").end())   # a provider that is not the one named, nor the global one
    finally:
        batched.shutdown()


def test_logs_that_wait_to_be_exported_are_no_growth() -> None:
    """The same of log records, whose provider is the global one; in a process of its own, since it is set but once."""
    script = """
from opentelemetry._logs import LogRecord, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from spanheap.testing import assert_no_growth

class Discarded(InMemoryLogRecordExporter):
    def export(self, batch):
        pass

logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(Discarded()))
set_logger_provider(logs)
logger = logs.get_logger("app")
assert_no_growth(lambda: logger.emit(LogRecord(timestamp=1, body="x" * 100)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_code_made_by_a_call_is_no_growth() -> None:
    """Code that ran is kept by the profiler to know its stacks again, which is not the application's doing."""
    def evaluated() -> None:
        eval("[number * 2 for number in range(3)]")

    def classes() -> None:
        dataclasses.make_dataclass("Order", ["number"])(1)
        collections.namedtuple("Item", "name price")("a", 1)

    def functions() -> None:
        namespace: dict[str, Any] = {}
        exec("def inner():\n return [object(), {}]\ndef outer():\n return inner()", namespace)
        namespace["outer"]()

    for call in (evaluated, classes, functions):
        assert_no_growth(call, tracer_provider=provider)


def test_code_that_is_kept_is_growth() -> None:
    """By the application, that is."""
    kept: list[object] = []
    assert "leaves" in failure(lambda: kept.append(compile("1 + 1", "rule", "eval")))


def test_names_of_spans_made_by_a_call_are_no_growth() -> None:
    """The last ones are kept by the profiler, too."""
    numbers = iter(range(1_000_000))

    def handle_one() -> None:
        with tracer.start_as_current_span(f"GET /orders/{next(numbers)}/" + "x" * 100):
            pass

    assert_no_growth(handle_one, tracer_provider=provider, allowed_bytes_per_call=0)


def test_a_cache_that_warms_up_is_no_growth() -> None:
    """What fills during the warm-up has its size by then; one that goes on filling is told."""
    numbers = iter(range(1_000_000))
    cached = functools.lru_cache(maxsize=16)(lambda number: bytes(100))
    assert_no_growth(lambda: cached(next(numbers)), tracer_provider=provider)
    larger = functools.lru_cache(maxsize=1_000)(lambda number: bytes(100))
    assert "lru_cache" in failure(lambda: larger(next(numbers)))


def test_growth_that_is_not_confirmed_is_no_growth() -> None:
    """What has a bound that the calls reach only then: a cache of the usual size, a list that is tidied up now and then."""
    numbers = iter(range(1_000_000))
    cached = functools.lru_cache(maxsize=128)(lambda number: bytes(100))
    cursors: list[bytes] = []

    def tidied_up() -> None:
        cursors.append(bytes(100))
        if len(cursors) == 200:
            cursors.clear()

    assert_no_growth(lambda: cached(next(numbers)), tracer_provider=provider)
    assert_no_growth(tidied_up, tracer_provider=provider)


def test_sizes_that_vary_are_no_growth() -> None:
    """So many entries, of whatever size: their bytes rise, but they fall, too."""
    latest: collections.deque[bytes] = collections.deque(maxlen=30)
    for seed in range(20):
        sizes = random.Random(seed)
        assert_no_growth(lambda: latest.append(bytes(sizes.randrange(5000))), tracer_provider=provider)   # noqa: B023 - now


def test_a_leak_at_two_lines_is_growth() -> None:
    """The table of their dict is allocated at one of them, then at the other, which looks as if the first had shrunk."""
    kept: dict[int, bytes] = {}
    numbers = iter(range(10_000))

    def keep() -> None:
        number = next(numbers)
        if number % 3:
            kept[number] = bytes(20)
        else:
            kept[number] = bytes(20)

    assert "held by" in failure(keep)


def test_patterns_that_differ_are_no_growth() -> None:
    """The cache of `re` has room for more than any test calls, and is emptied."""
    numbers = iter(range(1_000_000))
    assert_no_growth(lambda: re.search(f"order {next(numbers)}", "order 1"), tracer_provider=provider)


def test_growth_in_one_round_is_no_growth() -> None:
    """A table that is made once, however large."""
    tables: list[bytes] = []
    calls = iter(range(1_000_000))

    def once() -> None:
        if next(calls) == 50:
            tables.append(bytes(1_000_000))

    assert_no_growth(once, tracer_provider=provider)


def test_growth_that_is_allowed_or_ignored_passes() -> None:
    """By bytes a call, or by a text of its line."""
    assert_no_growth(handle_and_keep, allowed_bytes_per_call=10_000, tracer_provider=provider)
    assert_no_growth(handle_and_keep, ignore=["handle_and_keep (", "__init__ ("], tracer_provider=provider)
    failure(handle_and_keep, ignore=["another"])


def test_coroutine_functions_are_awaited() -> None:
    """One after the other, in one loop."""
    kept: list[bytes] = []
    loops: set[int] = set()

    async def serve() -> None:
        loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0)
        kept.append(bytes(1000))

    assert "leaves" in failure(serve)
    assert len(kept) == 260 and len(loops) == 1


class Client:
    """One whose methods, and which itself, are async."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def get(self, url: str) -> None:
        self.kept.append(bytes(1000))

    async def __call__(self) -> None:
        await self.get("/")


shared = Client()


def test_what_a_call_returns_is_awaited() -> None:
    """Of a lambda around an async client, of an object that is called, of a partial."""
    calls: list[Callable[[], Any]] = [lambda: shared.get("/orders/1"), shared, functools.partial(shared.get, "/")]
    for call in calls:
        shared.kept.clear()
        assert "leaves 1,0" in failure(call)
        assert len(shared.kept) == 260

    async def clean() -> None:
        await asyncio.sleep(0)

    assert_no_growth(lambda: clean())


@pytest.mark.filterwarnings("error")
def test_async_calls_in_a_running_loop_are_an_error() -> None:
    """It says how to go on. Nothing is left behind: no session, no loop, no coroutine; and calls that are not async run."""
    async def check() -> None:
        with pytest.raises(spanheap.SpanheapError, match=r"await asyncio\.to_thread\(assert_no_growth"):
            assert_no_growth(shared)
        assert spanheap.current() is None
        assert_no_growth(handle, tracer_provider=provider)
        await asyncio.to_thread(assert_no_growth, lambda: asyncio.sleep(0))

    asyncio.run(check())
    gc.collect()   # what was not closed warns here


def test_a_generator_is_an_error() -> None:
    """None of its code runs by itself: the test would pass whatever it does."""
    def rows() -> Iterator[int]:
        yield 1

    async def events() -> AsyncIterator[int]:
        yield 1

    for call in (rows, events):
        with pytest.raises(TypeError, match=rf"{call.__name__}, a generator none of whose code has run"):
            assert_no_growth(call)
    assert_no_growth(lambda: list(rows()))


def test_what_the_call_raises_is_raised() -> None:
    """And the session has ended."""
    def broken() -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"):
        assert_no_growth(broken)
    assert spanheap.current() is None


@pytest.mark.parametrize(("options", "message"), [
    ({"calls": 0}, "calls must be an int of at least 1, not 0"),
    ({"rounds": 1}, "rounds must be an int of at least 2, not 1"),
    ({"warmup": -1}, "warmup must be an int of at least 0, not -1"),
    ({"calls": 2.5}, "calls must be an int of at least 1, not 2.5"),
    ({"allowed_bytes_per_call": -1}, "allowed_bytes_per_call must be a number of at least 0, not -1"),
])
def test_a_wrong_argument_is_named(options: dict[str, Any], message: str) -> None:
    """With its value and what is accepted."""
    with pytest.raises(ValueError, match=message):
        assert_no_growth(handle, **options)


def test_a_session_that_is_too_coarse_is_an_error() -> None:
    """It goes on as it was."""
    with spanheap.profile(tick=None) as session:
        with pytest.raises(spanheap.SpanheapError, match="a sample every 524,288 bytes, which is too coarse"):
            assert_no_growth(handle)
        assert spanheap.current() is session
