"""An event as a log record of OpenTelemetry, for each shape that its logs API has had.

The API is marked as experimental (its packages begin with an underscore) and has changed its signatures since 1.27:

    1.27 to 1.34   Logger.emit(record), a record of the SDK: trace_id, span_id and trace_flags, no event name
    1.35 to 1.37   the same, with a context instead, and event_name
    since          Logger.emit(event_name=…, context=…, …)

Which one this is, is asked of the signatures, not of version numbers. Before there was an event name, it was the
attribute `event.name`.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spanheap.version import __version__

EVENT_NAME = "event.name"


@dataclass(frozen=True)
class Event:
    """Something that an operator should hear of."""

    name: str
    body: str
    attributes: dict[str, Any]
    """Values as OpenTelemetry has them: str, int, float, or a sequence of one of these."""
    warning: bool = True
    """Else it is for information."""
    trace_id: int = 0
    """0: that of the current span, if there is one."""
    span_id: int = 0
    """0: of the trace, no span is known."""
    sampled: bool = False
    time_ns: int = field(default_factory=time.time_ns)

    @property
    def severity_text(self) -> str:
        return "WARN" if self.warning else "INFO"

    def context(self) -> Any | None:
        """A Context in which a span with these ids is current; None: the present one will do."""
        if not self.trace_id:
            return None
        from opentelemetry import trace

        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if self.sampled else trace.TraceFlags.DEFAULT)
        span_context = trace.SpanContext(self.trace_id, self.span_id, is_remote=False, trace_flags=flags)
        return trace.set_span_in_context(trace.NonRecordingSpan(span_context))


def emitter(provider: Any, schema_url: str) -> Callable[[Event], None]:
    """What emits events through a LoggerProvider. Raises whatever a provider of a shape that is not known makes it."""
    from opentelemetry._logs import SeverityNumber

    logger = provider.get_logger("spanheap", __version__, schema_url)
    by_name = "event_name" in inspect.signature(logger.emit).parameters
    record_type, resource = (None, {}) if by_name else _record_type(provider)
    takes = frozenset(inspect.signature(record_type).parameters) if record_type is not None else frozenset()

    def emit(event: Event) -> None:
        fields: dict[str, Any] = {
            "timestamp": event.time_ns,
            "observed_timestamp": event.time_ns,
            "severity_number": SeverityNumber.WARN if event.warning else SeverityNumber.INFO,
            "severity_text": event.severity_text,
            "body": event.body,
            "attributes": dict(event.attributes),
        }
        if record_type is None:
            logger.emit(event_name=event.name, context=event.context(), **fields)
            return
        if "event_name" in takes:
            fields["event_name"] = event.name
        else:
            fields["attributes"][EVENT_NAME] = event.name
        fields.update({"context": event.context()} if "context" in takes else _ids(event))
        logger.emit(record_type(**fields, **resource))

    return emit


def _record_type(provider: Any) -> tuple[Any, dict[str, Any]]:
    """The class of records that this provider's loggers take, and the resource that they have to bring along."""
    sdk = sys.modules.get("opentelemetry.sdk._logs")
    if sdk is not None and isinstance(provider, sdk.LoggerProvider):
        return sdk.LogRecord, {"resource": provider.resource}
    from opentelemetry import _logs

    return _logs.LogRecord, {}


def _ids(event: Event) -> dict[str, Any]:
    from opentelemetry import trace

    if event.trace_id:
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if event.sampled else trace.TraceFlags.DEFAULT)
        return {"trace_id": event.trace_id, "span_id": event.span_id, "trace_flags": flags}
    current = trace.get_current_span().get_span_context()
    return {"trace_id": current.trace_id, "span_id": current.span_id, "trace_flags": current.trace_flags}
