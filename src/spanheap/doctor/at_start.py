"""The doctor's word at the start of a session: once, from the tick, when the application has set itself up."""

from __future__ import annotations

import logging
import sys
from typing import Any

from spanheap import _core

logger = logging.getLogger("spanheap.doctor")   # of its own, so that it can be switched off on its own

_AFTER_S = 10.0   # of the session: providers, instruments and processors are made by then
# Not worth a line in the log of every service that keeps to the SDK's defaults; `spanheap doctor` tells them.
_LEFT_OUT = frozenset(("attribute-length", "in-memory-reader"))


class StartCheck:
    """Looks once at the global providers and those that the session was given. It never fails."""

    def __init__(self, *providers: Any) -> None:
        self._providers = tuple(p for p in providers if p is not None)
        self._first: float | None = None
        self.done = False
        """It has looked, or has nothing to look at any more."""

    def tick(self, now: float) -> None:
        """`now`: of the session's clock, in seconds."""
        if self.done:
            return
        if self._first is None:
            self._first = now
        if now - self._first < _AFTER_S:
            return
        self.done = True
        if not any(name in sys.modules for name in ("opentelemetry.sdk.trace", "opentelemetry.sdk.metrics")):
            return
        try:
            with _core.Muted():   # the import, too: it is none of the service's
                self._look()
        except Exception:
            logger.debug("spanheap: the OpenTelemetry set-up could not be examined", exc_info=True)
        self._providers = ()

    def _look(self) -> None:
        from spanheap.doctor.examination import examine  # only where there is something to examine

        found = [f for f in examine(*self._providers).findings if f.check not in _LEFT_OUT]
        if found:
            logger.warning("spanheap: %s", told(found))


def told(findings: list[Any]) -> str:
    """In one record: what, where, and what to do."""
    n = len(findings)
    lines = [f"{n} thing{'s' * (n > 1)} in the OpenTelemetry set-up cost{'s' * (n == 1)} memory ("
             "`spanheap doctor` says more):"]
    for f in findings:
        lines.append(f"  {f.what} [{f.where}] Fix: {f.fix}")
    return "\n".join(lines)
