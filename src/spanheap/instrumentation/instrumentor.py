"""OpenTelemetry's way of enabling: `opentelemetry-instrument` calls this where spanheap is installed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from spanheap import running
from spanheap.instrumentation import environment
from spanheap.session import Session
from spanheap.starting import start

if TYPE_CHECKING:
    class BaseInstrumentor:
        def instrument(self, **kwargs: Any) -> Any: ...
        def uninstrument(self, **kwargs: Any) -> Any: ...
else:
    try:
        from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
    except ModuleNotFoundError as error:
        raise ImportError(
            "spanheap.SpanheapInstrumentor needs opentelemetry-instrumentation: pip install opentelemetry-instrumentation; "
            "`spanheap.start()` and `spanheap run` do without"
        ) from error

logger = logging.getLogger("spanheap")


class SpanheapInstrumentor(BaseInstrumentor):
    """Starts the session of this process: `SpanheapInstrumentor().instrument()`, or the command `opentelemetry-instrument`.

    Options come from the environment (docs/configuration.md); those of `spanheap.start()` may be given to instrument(), and
    go first. A session that runs already is left as it is, with a warning. Nothing is raised that would keep other
    instrumentors from being loaded: what goes wrong is logged.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()   # it is the process that is instrumented

    def instrument(self, **kwargs: Any) -> Session | None:
        """Returns the running session; None where none could be started: the log says why."""
        already = running.current()
        if already is not None:
            logger.warning("spanheap: already running; the running session is left as it is")
            return already
        self._is_instrumented_by_opentelemetry = False   # of a session that was shut down by itself
        super().instrument(**kwargs)
        return running.current()

    def _instrument(self, **kwargs: Any) -> None:
        try:
            known = inspect.signature(start).parameters
            unknown = sorted(kwargs.keys() - known.keys())
            if unknown:   # distributions hand the same to all instrumentors
                logger.warning("spanheap: instrument() got what is no option of spanheap.start(): %s", ", ".join(unknown))
            start(**environment.options() | {name: value for name, value in kwargs.items() if name in known})
        except Exception as error:
            logger.error("spanheap: not started: %s", error)

    def _uninstrument(self, **kwargs: Any) -> None:
        session = running.current()
        if session is not None:
            session.shutdown()
