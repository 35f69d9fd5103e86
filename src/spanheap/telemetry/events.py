"""Verdicts and dumps as log events: through OpenTelemetry where it takes logs, else through `logging`, never both.

Where `logging` is bridged to OpenTelemetry (by a LoggingHandler), an event that went there directly would arrive twice if
`logging` had it, too. A LoggerProvider without processors takes no logs: `opentelemetry-instrument` sets one up
whether logs are exported or not.

Nothing here raises: what OpenTelemetry will not take goes to `logging`, after one warning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spanheap import _core
from spanheap.spans import sdk
from spanheap.spans.record import SpanFlags
from spanheap.telemetry.instrument import SCHEMA_URL
from spanheap.telemetry.log_records import EVENT_NAME, Event, emitter

if TYPE_CHECKING:
    from pathlib import Path

    from spanheap.detection.verdict import LeakVerdict
    from spanheap.spans.store import SpanStore

logger = logging.getLogger("spanheap")

LEAK = "spanheap.leak"
DUMP = "spanheap.dump"


class EventLog:
    """One a session."""

    def __init__(self, provider: Any | None, spans: SpanStore) -> None:
        """provider: a LoggerProvider instead of the global one."""
        self.errors = 0
        self._given = provider
        self._spans = spans
        self._emitter: tuple[Any, Callable[[Event], None]] | None = None   # of the provider that was last used
        self._broken: Any = None   # a provider that did not take an event

    def verdict(self, verdict: LeakVerdict) -> None:
        """What the leak detector says for the first time."""
        self._emit(lambda: Event(LEAK, f"spanheap: {verdict}", of_verdict(verdict), **self._link(verdict)))

    def dump(self, reason: str, path: Path, verdict: LeakVerdict | None = None, *, warning: bool = True) -> None:
        """A dump is complete. verdict: what asked for it. warning=False: for information, since somebody did."""
        def event() -> Event:
            attributes: dict[str, Any] = {
                "spanheap.dump.reason": reason, "file.path": str(path), "file.size": os.stat(path).st_size,
                **(of_verdict(verdict) if verdict is not None else {}),
            }
            link = self._link(verdict) if verdict is not None else {}
            return Event(DUMP, f"spanheap: dump written to {path} ({reason})", attributes, warning, **link)

        self._emit(event)

    def _link(self, verdict: LeakVerdict) -> dict[str, Any]:
        """The trace to look at: the first of the verdict's that this process still has the span of, else the first."""
        for trace_id in verdict.trace_ids:
            found = self._spans.get(trace_id)
            for record in found.ended:
                if record.name == verdict.span_name:
                    sampled = bool(record.flags & SpanFlags.SAMPLED)
                    return {"trace_id": record.trace_id, "span_id": record.span_id, "sampled": sampled}
            for span in found.active:
                if span.name == verdict.span_name:
                    return {"trace_id": int(trace_id, 16), "span_id": int(span.span_id, 16)}
        return {"trace_id": int(verdict.trace_ids[0], 16)} if verdict.trace_ids else {}

    # ------------------------------------------------------------ ways out

    def _emit(self, make: Callable[[], Event]) -> None:
        with _core.Muted():
            try:
                event = make()
                if not self._through_opentelemetry(event):
                    _through_logging(event)
            except Exception:
                self.errors += 1
                if self.errors == 1:
                    logger.exception("spanheap: a log event could not be emitted; later ones are only counted")

    def _through_opentelemetry(self, event: Event) -> bool:
        """False: it takes no logs."""
        provider = self._given if self._given is not None else sdk.global_logger_provider()
        if provider is None or provider is self._broken or not sdk.takes_logs(provider):
            return False
        try:
            if self._emitter is None or self._emitter[0] is not provider:
                self._emitter = provider, emitter(provider, SCHEMA_URL)
            self._emitter[1](event)
        except Exception as error:
            self._broken = provider
            logger.warning("spanheap: %s takes no log events (%s: %s); they go to the logger 'spanheap' of logging",
                           type(provider).__qualname__, type(error).__name__, error)
            return False
        return True


def of_verdict(verdict: LeakVerdict) -> dict[str, Any]:
    """Its fields as attributes, without those that say nothing. `code.*` is where most of it was allocated."""
    frame = verdict.application_frame
    attributes = {
        "spanheap.leak.kind": verdict.kind,
        "spanheap.leak.live": verdict.live_bytes,
        "spanheap.leak.growth": verdict.growth_bytes_per_s,
        "spanheap.leak.share_of_growth": verdict.share_of_growth,
        "spanheap.leak.confidence": verdict.confidence,
        "spanheap.leak.time_to_limit": verdict.time_to_limit_s,
        "spanheap.leak.since": verdict.since,
        "spanheap.leak.holder": verdict.holder,
        "spanheap.leak.reason": verdict.reason or None,
        "spanheap.root_span.name": verdict.root_name,
        "spanheap.span.name": verdict.span_name,
        "spanheap.trace_ids": tuple(verdict.trace_ids) or None,
        "code.function.name": frame.function if frame else None,
        "code.file.path": frame.filename if frame else None,
        "code.line.number": frame.line if frame and frame.line else None,
    }
    return {key: value for key, value in attributes.items() if value is not None}


def _through_logging(event: Event) -> None:
    """With the attributes as fields of the record, and the span current: what handlers there are may take both."""
    level = logging.WARNING if event.warning else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields = {EVENT_NAME: event.name, **event.attributes}
    context = event.context()
    if context is None:
        logger.log(level, event.body, extra=fields)
        return
    from opentelemetry import context as otel_context

    token = otel_context.attach(context)
    try:
        logger.log(level, event.body, extra=fields)
    finally:
        otel_context.detach(token)
