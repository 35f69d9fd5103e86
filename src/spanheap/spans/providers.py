"""Attaching the span processor to tracer providers: once a provider, for the life of the process.

A provider cannot be told to drop a processor, so ours stays and is gated by the core's running flag.
"""

from __future__ import annotations

import weakref
from typing import Any

from spanheap import _core
from spanheap.spans import attribution

_attached: weakref.WeakKeyDictionary[Any, _core.SpanProcessor] = weakref.WeakKeyDictionary()


def attach(provider: Any | None) -> bool:
    """Attach to this provider, or to the global one. False: none takes processors yet (try again later)."""
    if provider is None:
        from opentelemetry import trace

        provider = trace.get_tracer_provider()
    if provider in _attached:
        return True
    add = getattr(provider, "add_span_processor", None)  # the API's proxy has none: the SDK is not set up yet
    if add is None:
        return False
    processor = _core.SpanProcessor()
    add(processor)
    _attached[provider] = processor
    attribution.mark_start_span()
    return True


def processor_errors() -> int:
    """Calls of our processors that failed inside and were swallowed."""
    return sum(processor.errors for processor in _attached.values())


def resource_attributes(provider: Any | None) -> dict[str, Any]:
    """The resource attributes of this (or the global) tracer provider; empty when it has none."""
    if provider is None:
        from opentelemetry import trace

        provider = trace.get_tracer_provider()
    return dict(getattr(getattr(provider, "resource", None), "attributes", None) or {})
