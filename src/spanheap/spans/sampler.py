"""A sampler that gives names to what head sampling drops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace.span import TraceState

from spanheap import _core


class NamedTraceState(TraceState):
    """The trace state of a dropped span, with the names that the span would have had.

    A dropped span is nothing but its SpanContext, which is handed on to its children; its trace state is the one part of
    it that the sampler gives. Nothing is added to the entries, so nothing of this leaves the process.
    """

    def __init__(self, entries: Sequence[tuple[str, str]] | None, names: tuple[str, str]) -> None:
        super().__init__(entries)
        self.spanheap_names = names   # of the span, of its local root


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
        self, parent_context: Context | None, trace_id: int, name: str, *args: Any, **kwargs: Any
    ) -> SamplingResult:
        """See `Sampler.should_sample`."""
        result = self._delegate.should_sample(parent_context, trace_id, name, *args, **kwargs)
        if result.decision is not Decision.DROP:
            return result
        try:
            root_name = _root_name(parent_context, name)
            _core.note_dropped(trace_id, name, root_name)
            entries = list(result.trace_state.items()) if result.trace_state else None
            return SamplingResult(result.decision, result.attributes, NamedTraceState(entries, (name, root_name)))
        except Exception:
            return result   # a name is not worth a span

    def get_description(self) -> str:
        """See `Sampler.get_description`."""
        return f"NamingSampler{{{self._delegate.get_description()}}}"


def _root_name(parent_context: Context | None, name: str) -> str:
    """The name of the local root of a span of this name that starts in this context."""
    parent = trace.get_current_span(parent_context)
    context = parent.get_span_context()
    if not context.is_valid or context.is_remote:
        return name
    names = getattr(context.trace_state, "spanheap_names", None)
    if names is not None:
        return str(names[1])
    return _core.root_name_of(parent) or str(getattr(parent, "name", name))
