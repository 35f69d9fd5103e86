"""Bytes: what would be freed with a span."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanheap import _core

from .conftest import Service

SPANS = 400


def per_span(make: Callable[[], Any]) -> tuple[float, list[Any]]:
    """What each of many that are kept takes, by tracemalloc."""
    kept: list[Any] = [None] * SPANS
    for i in range(100):
        kept[i] = make()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for i in range(100, SPANS):
            kept[i] = make()
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / (SPANS - 100), kept
    finally:
        tracemalloc.stop()


@pytest.mark.no_sanitizer(reason="it compares bytes")
@pytest.mark.parametrize("attributes", [0, 5, 30])
@pytest.mark.parametrize("events", [0, 3])
def test_the_estimate_is_what_tracemalloc_finds(service: Service, attributes: int, events: int) -> None:
    """Within a quarter, for Span objects that a service keeps."""

    def make() -> Any:
        with service.tracer.start_as_current_span("GET /items") as span:
            for i in range(attributes):
                span.set_attribute(f"key.{i}", f"value {i} of {id(span)}")
            for i in range(events):
                span.add_event("event", {"number": i, "text": f"{id(span)}"})
        return span

    truth, kept = per_span(make)
    service.wait(7)
    [row] = service.spans.retained()
    assert row.bytes / row.spans == pytest.approx(truth, rel=0.25)
    assert row.spans == pytest.approx(len(kept), rel=0.25)


@pytest.mark.no_sanitizer(reason="it compares bytes")
def test_that_of_readable_spans_is_too(service: Service) -> None:
    """Within a quarter, for what an exporter keeps."""
    exporter = InMemorySpanExporter()
    service.provider.add_span_processor(SimpleSpanProcessor(exporter))
    truth, _ = per_span(lambda: service.request() and None)
    service.wait(7)
    [row] = service.spans.retained()
    assert row.kind == "ReadableSpan" and row.bytes / row.spans == pytest.approx(truth, rel=0.25)


def test_what_is_shared_does_not_count() -> None:
    """Only what nothing else refers to; twice referred to from inside is once."""
    shared = bytes(100_000)
    own = [bytearray(1_000)]
    own.append(own[0])   # twice from inside
    inner = {"key": bytearray(2_000), f"made {len(shared)}": shared}
    tree = [shared, own, inner]
    counted = (tree, own, own[0], inner, inner["key"], list(inner)[1])
    expected = sum(sys.getsizeof(o) for o in counted)
    del own, inner, counted
    assert _core.owned_size(tree) == expected
    assert _core.owned_size(tree, tree) == expected
    first, second = [shared, (inner := [bytearray(500)])], [inner]
    del inner
    both = _core.owned_size(first, second)
    assert both > _core.owned_size(first) + sys.getsizeof(second)   # what the two share is freed with both only


def test_no_code_of_others_runs() -> None:
    """A __sizeof__, an attribute look-up, an equality: measuring calls none of them."""
    called: list[str] = []

    class Odd:
        def __init__(self) -> None:
            self.values = [bytearray(10_000)]

        def __sizeof__(self) -> int:
            called.append("__sizeof__")
            return 1 << 40

        def __getattribute__(self, name: str) -> Any:
            called.append(name)
            return object.__getattribute__(self, name)

        def __eq__(self, other: object) -> bool:
            called.append("__eq__")
            return True

        __hash__ = None   # type: ignore[assignment]

    odd = Odd()
    called.clear()
    size = _core.owned_size([odd, Odd()])
    assert called == []
    assert 10_000 < size < 11_000   # the second one: the first has `odd`, too


def test_a_large_object_is_measured_in_part() -> None:
    """The walk is bounded: what is met beyond 1,024 objects is left out."""
    many = [[bytearray(100)] for _ in range(100_000)]
    assert sys.getsizeof(many) < _core.owned_size(many) < sys.getsizeof(many) + 1024 * 400
