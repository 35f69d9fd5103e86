"""What OpenTelemetry's Context may hold besides the current span, and where it may go."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext

from spanheap.spans import sdk

from ._witness import LARGE, Witness, witnessing

LOOKED_AT = 1024   # keys of a Context: MAX_CONTEXT_KEYS of native/python/context.c

_provider = TracerProvider()   # outlives the sessions, as a service's does
tracer = _provider.get_tracer("tests")


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Every allocation is sampled."""
    with witnessing(tracer_provider=_provider) as witness:
        yield witness


def test_a_token_of_another_context_changes_nothing(witness: Witness, caplog: pytest.LogCaptureFixture) -> None:
    """`context.detach` says so in the log, and the current span stays current."""
    span = tracer.start_span("elsewhere")
    token = Context().run(context.attach, trace.set_span_in_context(span))
    with tracer.start_as_current_span("here"):
        context.detach(token)
        witness()
    witness.check(1)
    assert "Failed to detach context" in caplog.text


@pytest.mark.parametrize("baggages", [0, 1, 64, 65, 1_000])
def test_baggage(witness: Witness, baggages: int) -> None:
    """Entries of baggage are one key of the Context, however many they are, before and after the span."""
    token = context.attach(context.Context())
    for i in range(baggages):
        context.attach(baggage.set_baggage(f"before {i}", i))
    with tracer.start_as_current_span("request"):
        witness()
        context.attach(baggage.set_baggage("during", 1))
        witness()
        for i in range(baggages):
            context.attach(baggage.set_baggage(f"after {i}", i))
        witness()
    context.detach(token)
    witness.check(3)


@pytest.mark.parametrize("keys", [1, 10, LOOKED_AT - 1, LOOKED_AT])
def test_a_context_of_many_keys(witness: Witness, keys: int) -> None:
    """Any number of keys behind the span's, and so many in front of it; with more there is no span, until it is left."""
    token = context.attach(context.Context())
    with tracer.start_as_current_span("outer"):
        context.attach(context.Context({f"before {i}": i for i in range(keys)}))
        with tracer.start_as_current_span("request"):
            for i in range(500):
                context.attach(context.set_value(f"after {i}", i))
            kept = bytes(LARGE + 1)   # of no size that the witness uses
            if keys < LOOKED_AT:
                witness()
    context.detach(token)
    with tracer.start_as_current_span("next"):
        witness()
    witness.check(1 + (keys < LOOKED_AT))
    [name] = [row.span_name for row in witness.session.snapshot().rows
              if row.is_live and row.size == sys.getsizeof(kept) and row.stack[0].filename == __file__]
    assert name == ("request" if keys < LOOKED_AT else "<no span>")


def test_keys_are_not_compared(witness: Witness) -> None:
    """Keys of the same hash as the span's: comparing them would be Python code, run inside an allocation."""
    comparisons = []

    class Alike(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return hash(sdk.span_key())

        def __eq__(self, other: object) -> bool:
            comparisons.append(other)
            return False

    keys = [Alike(i) for i in range(3)]
    span = tracer.start_span("request")
    for values in ({**dict.fromkeys(keys), sdk.span_key(): span}, {sdk.span_key(): span, **dict.fromkeys(keys)}):
        token = context.attach(context.Context(values))
        comparisons.clear()
        witness()
        asked = len(comparisons)   # by the witness, once
        trace.get_current_span()
        assert asked == len(comparisons) - asked
        context.detach(token)
    witness.check(2)


def test_what_is_no_span(witness: Witness) -> None:
    """Nothing, the invalid span, and a remote parent that somebody made current, in place of a span."""
    remote = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=True))
    for value in (None, 17, trace.INVALID_SPAN, remote):
        token = context.attach(context.set_value(sdk.span_key(), value))
        witness()
        context.detach(token)
    witness.check(4)
    *nothing, last = witness.rows().values()
    assert [row.span_name for row in nothing[2:]] == ["<no span>"]
    assert last.span_name == "<unsampled>" and last.trace_id == f"{0xABC:032x}"


def test_one_context_in_several_threads(witness: Witness) -> None:
    """Entered by one thread after the other it is the same; a thread that may not enter keeps its own."""
    with tracer.start_as_current_span("request"):
        shared = copy_context()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        witness()
        entered.set()
        leave.wait()
        witness()

    with ThreadPoolExecutor(3) as pool:
        for _ in range(5):
            pool.submit(shared.run, witness).result()
        held = pool.submit(shared.run, hold)
        entered.wait()
        with tracer.start_as_current_span("other"):
            with pytest.raises(RuntimeError, match="already entered"):
                shared.run(witness)
            witness()
        witness()
        leave.set()
        held.result()
        pool.submit(witness).result()
    witness.check(5 + 2 + 2 + 1)


@pytest.mark.no_sanitizer(reason="it gives no address away twice")
def test_spans_that_follow_each_other_at_one_address(witness: Witness) -> None:
    """A span that was let go of leaves its place to the next: ended or not, it is not taken for it."""
    addresses = []
    for i in range(300):
        span = tracer.start_span(f"span {i}")
        with trace.use_span(span, end_on_exit=bool(i % 2)):
            addresses.append(id(span))
            witness()
        del span
    assert len(set(addresses)) < len(addresses)
    witness.check(300)
