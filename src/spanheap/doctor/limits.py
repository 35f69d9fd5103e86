"""How large one span may become."""

from __future__ import annotations

from collections.abc import Iterator

from spanheap.doctor.exporters import SPAN_BYTES
from spanheap.doctor.finding import CannotTell, Finding, size
from spanheap.doctor.setup import Setup
from spanheap.spans import sdk

_VALUE = 1 << 20    # for the arithmetic: a request body of 1 MiB as an attribute
_LENGTH = 4096      # recommended: stack traces stay whole

_COUNTS = (
    ("max_span_attributes", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"), ("max_events", "OTEL_SPAN_EVENT_COUNT_LIMIT"),
    ("max_links", "OTEL_SPAN_LINK_COUNT_LIMIT"), ("max_event_attributes", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
    ("max_link_attributes", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
)


def attribute_length(setup: Setup) -> Iterator[Finding]:
    """Values of any length are kept."""
    for provider in setup.tracers:
        limits = sdk.span_limits(provider)
        try:
            of_spans, of_events = limits.max_span_attribute_length, limits.max_attribute_length   # type: ignore[union-attr]
        except AttributeError:
            raise CannotTell("the limits of a TracerProvider's spans") from None
        if of_spans is not None and of_events is not None:
            continue
        whose = "spans and their events" if of_spans is None and of_events is None else \
            "spans" if of_spans is None else "events (an exception's stack trace among them)"
        queues = [q for p in sdk.trace_processors(provider) or () if (q := sdk.batch_queue(p)) is not None]
        capacity = max((q.capacity for q in queues), default=2048)
        yield Finding(
            "attribute-length",
            f"Attribute values of {whose} may be of any length.",
            setup.where(provider),
            f"A span keeps each value whole: one of {size(_VALUE)} (a body, a query, a stack trace) makes it {size(_VALUE)} "
            f"instead of {size(SPAN_BYTES)}, and a queue of {capacity:,} such spans {size(capacity * _VALUE)}.",
            capacity * _VALUE,
            f"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT={_LENGTH}, or "
            f"TracerProvider(span_limits=SpanLimits(max_attribute_length={_LENGTH})).",
        )


def counts(setup: Setup) -> Iterator[Finding]:
    """The SDK's limits on their number are taken away."""
    for provider in setup.tracers:
        limits = sdk.span_limits(provider)
        try:
            unlimited = [(name, variable) for name, variable in _COUNTS if getattr(limits, name) is None]
        except AttributeError:
            raise CannotTell("the limits of a TracerProvider's spans") from None
        if unlimited:
            names = ", ".join(name for name, _ in unlimited)
            yield Finding(
                "span-counts",
                f"The number of what a span may have is unlimited: {names}.",
                setup.where(provider),
                "A span that lives long, of a worker loop or a stream, grows with each event, link or attribute, and "
                "nothing of it is freed or exported before its end.",
                None,
                f"Leave them at the SDK's 128: {', '.join(f'{variable}=128' for _, variable in unlimited)}.",
            )


CHECKS = (("attribute-length", attribute_length), ("span-counts", counts))
