"""A sampler that gives names to what head sampling drops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from spanheap import _core
from spanheap.spans import sdk


class NamedTraceState(TraceState):
    """The trace state of a dropped span, with the names that the span would have had.

    A dropped span is nothing but its SpanContext, which is handed on to its children; its trace state is the one part of
    it that the sampler gives. Nothing is added to the entries, so nothing of this leaves the process.
    """

    spanheap_names: tuple[str, str]   # of the span, of its local root


_core.bind_sampler(
    object(), Decision.DROP, NamedTraceState, sdk.TRACE_STATE_ENTRIES, SamplingResult, sdk.span_key()
)
_name_dropped = _core.name_dropped


class NamingSampler(Sampler):
    """Decides as `delegate` does, and makes the names of dropped spans known to spanheap.

        TracerProvider(sampler=spanheap.NamingSampler(ParentBased(TraceIdRatioBased(0.01))))

    Memory of sampled-out traces is then reported under their names and endpoints instead of as `<unsampled>`, with
    `sampled=False`. The names are those given at the start: a span that is not recorded has no `update_name()`.
    """

    def __init__(self, delegate: Sampler) -> None:
        if not callable(getattr(delegate, "should_sample", None)):
            raise TypeError(f"delegate must be a Sampler, not {delegate!r}")
        self._delegate = delegate

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, kind: SpanKind | None = None,
        attributes: Attributes = None, links: Sequence[Link] | None = None, *further: Any,
    ) -> SamplingResult:
        """See `Sampler.should_sample`."""
        return _name_dropped(   # the result has no name here: so it can be seen to be nobody else's
            self._delegate.should_sample(parent_context, trace_id, name, kind, attributes, links, *further),
            parent_context, trace_id, name,
        )

    def get_description(self) -> str:
        """See `Sampler.get_description`."""
        return f"NamingSampler{{{self._delegate.get_description()}}}"
