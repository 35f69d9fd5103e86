"""Attaching the span processor to tracer providers: once a provider, for the life of the process.

A provider cannot be told to drop a processor, so ours stays and is gated by the core's running flag.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import weakref
from typing import Any

from spanheap import _core
from spanheap.spans import attribution, sdk

_core.bind_span_fields(*sdk.SPAN_FIELDS, sdk.STATUS_CODE)

_attached: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
_processors: weakref.WeakSet[_core.SpanProcessor] = weakref.WeakSet()
_groups: weakref.WeakSet[Any] = weakref.WeakSet()   # what ours were added to: the processors of a provider
_lock = threading.Lock()   # a provider must not get two


def attach(provider: Any | None) -> bool:
    """Attach to this provider, or to the global one. False: none takes processors yet (try again later)."""
    if provider is None:
        from opentelemetry import trace

        provider = trace.get_tracer_provider()
    if provider in _attached:
        return True
    if getattr(provider, "add_span_processor", None) is None:  # the API's proxy has none: the SDK is not set up yet
        return False
    # `adopt` may have come before us: the processors are those of the provider's spans.
    _add_processor(provider, sdk.provider_processors(provider))
    _attached[provider] = True
    attribution.mark_start_span()
    return True


def given(providers: Any | None) -> tuple[Any, ...]:
    """One, several or None (the global one), as an option says, in turn."""
    return tuple(providers) if isinstance(providers, (list, tuple)) else (providers,)


def attach_each(providers: Any | None) -> bool:
    """Attach to the provider given, or to each of several; None: to the global one. False: not to all of them yet."""
    attached = [attach(provider) for provider in given(providers)]   # to each, also after one that is not ready
    return all(attached)


def adopt(span: Any) -> None:
    """Attach to the provider of this span, one that nobody told us of. Its next spans are tracked."""
    processors = sdk.span_processors(span)
    if processors is not None:
        _add_processor(processors, processors)


def attach_to_all() -> None:
    """Attach to every TracerProvider there is: of tests, and of services that have none that is global.

    For tools alone: to list the objects of a process refers to each, and a tuple that another thread is about to make then
    raises SystemError there."""
    cls = sdk.provider_type()
    if cls is None:
        return
    types = {cls, *cls.__subclasses__()}
    for provider in [o for o in gc.get_objects() if type(o) in types]:
        attach(provider)


def _add_processor(target: Any, processors: Any) -> None:
    with _lock:
        if any(isinstance(p, _core.SpanProcessor) for p in sdk.members(processors)):
            return
        processor = _core.SpanProcessor()
        target.add_span_processor(processor)
        _processors.add(processor)
        if processors is not None:
            with contextlib.suppress(TypeError):   # of another make: not to be hashed, or not to be referred to weakly
                _groups.add(processors)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()   # a thread that is not here may have held it


os.register_at_fork(after_in_child=_after_fork_in_child)


def known_processors() -> list[Any]:
    """All span processors beside ours."""
    return [p for group in list(_groups) for p in sdk.members(group) if not isinstance(p, _core.SpanProcessor)]


def processor_errors() -> int:
    """Calls of our processors that failed inside and were swallowed."""
    return sum(processor.errors for processor in list(_processors))


def resource_attributes(provider: Any | None) -> dict[str, Any]:
    """The resource attributes of this (or the global) tracer provider, of several the first's; empty when it has none."""
    provider = given(provider)[0]
    if provider is None:
        from opentelemetry import trace

        provider = trace.get_tracer_provider()
    return dict(getattr(getattr(provider, "resource", None), "attributes", None) or {})
