"""Fields of spans are read where the instance keeps them; whatever is not as usual is read by name, with the same result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

import spanheap
from spanheap.spans import sdk


def span(kind: type = ReadableSpan, name: str = "usual", number: int = 1, **fields: Any) -> Any:
    """One that has ended, of this class."""
    context = SpanContext(0xABC, number, is_remote=False, trace_flags=TraceFlags(1))
    return kind(name, context=context, start_time=10, end_time=30, status=Status(StatusCode.ERROR), **fields)


class Property(ReadableSpan):
    """A class attribute that takes precedence over the instance's."""

    @property
    def _name(self) -> str:   # type: ignore[override]
        return "from a property"

    @_name.setter
    def _name(self, value: str) -> None:
        pass


class Everything(ReadableSpan):
    """Decides itself what its attributes are."""

    def __getattribute__(self, name: str) -> Any:
        return "decided" if name == "_name" else super().__getattribute__(name)


class Missing(ReadableSpan):
    """Has its name elsewhere; __getattr__ finds it."""

    def __getattr__(self, name: str) -> Any:
        if name == "_name":
            return "from __getattr__"
        raise AttributeError(name)


class Plain(ReadableSpan):
    """Changes while it is in use."""


@pytest.fixture
def ended() -> Iterator[Any]:
    """Ends a span and returns its record."""
    ours = spanheap._core.SpanProcessor()
    with spanheap.profile(tick=None, tracer_provider=TracerProvider(shutdown_on_exit=False)) as session:

        def end(one: Any) -> spanheap.SpanRecord:
            ours.on_end(one)
            record = session.spans.recent(1)[0]
            assert record.span_id == one.context.span_id and ours.errors == 0
            assert (record.start_ns, record.duration_ns, record.flags) == (10, 20, 7)
            return record

        yield end
        assert spanheap._core.valid() and session.spans._log.valid()


def test_classes_that_intervene_are_asked(ended: Any) -> None:
    """In turns with the usual one."""
    kinds = (ReadableSpan, "usual"), (Property, "from a property"), (Everything, "decided"), (Plain, "usual")
    number = 0
    for _ in range(3):
        for kind, name in kinds:
            number += 1
            assert ended(span(kind, number=number)).name == name


def test_an_attribute_that_the_instance_lacks_is_asked_for(ended: Any) -> None:
    """Also when others of the class have it."""
    assert ended(span(Missing, number=1)).name == "usual"
    lacking = span(Missing, number=2)
    del lacking._name
    assert ended(lacking).name == "from __getattr__"
    assert ended(span(Missing, number=3)).name == "usual"


def test_a_class_that_changes_is_seen_to(ended: Any) -> None:
    """What was learned of it holds for its version only."""
    assert ended(span(Plain, number=1)).name == "usual"
    Plain._name = property(lambda self: "changed", lambda self, value: None)   # type: ignore[assignment]
    try:
        assert ended(span(Plain, number=2)).name == "changed"
    finally:
        del Plain._name
    assert ended(span(Plain, number=3)).name == "usual"
    ReadableSpan.__getattribute__ = lambda self, name: "all" if name == "_name" else object.__getattribute__(self, name)   # type: ignore[method-assign,assignment]
    try:
        assert ended(span(Plain, number=4)).name == ended(span(number=5)).name == "all"
    finally:
        del ReadableSpan.__getattribute__   # type: ignore[misc]
    assert ended(span(Plain, number=6)).name == "usual"


def test_an_instance_whose_dict_was_asked_for_is_read(ended: Any) -> None:
    """Its values may have moved; or it was given another dict."""
    looked_at, replaced, grown, reordered = (span(number=number) for number in range(1, 5))
    assert vars(looked_at)["_name"] == "usual"
    replaced.__dict__ = {**vars(replaced), "_name": "replaced"}
    for i in range(60):
        setattr(grown, f"extra_{i}", i)
    values = dict(vars(reordered))
    for key in values:
        delattr(reordered, key)
    for key in reversed(values):
        setattr(reordered, key, values[key])
    assert [ended(one).name for one in (looked_at, replaced, grown, reordered)] == ["usual", "replaced", "usual", "usual"]
    assert ended(span(number=9)).name == "usual"


def test_the_fields_bound_are_those_that_are_read() -> None:
    """One place names them."""
    one = span()
    assert all(hasattr(one, field) for field in sdk.SPAN_FIELDS)
