"""What the application has set up: its providers, and what hangs on them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from spanheap import _core, memory_limit
from spanheap.doctor.births import Births
from spanheap.doctor.finding import CannotTell
from spanheap.spans import sdk

# The module, the class, and the public function of the API that has the global one.
_KINDS = (
    ("opentelemetry.sdk.trace", "TracerProvider", "opentelemetry.trace", "get_tracer_provider"),
    ("opentelemetry.sdk.metrics", "MeterProvider", "opentelemetry.metrics", "get_meter_provider"),
    ("opentelemetry.sdk._logs", "LoggerProvider", "opentelemetry._logs", "get_logger_provider"),
)


class Setup(NamedTuple):
    """What the checks look at."""

    tracers: list[Any]
    meters: list[Any]
    loggers: list[Any]
    births: Births | None
    """None: where something was made is not known."""
    thorough: bool
    """The heap may be looked through; else only what hangs on the providers."""
    limit: int | None
    """Of memory, in bytes; None: none is visible."""

    def where(self, o: Any) -> str:
        """The class of this object, and the place."""
        cls = type(o)
        place = self.births.where(o) if self.births is not None else ""
        module = cls.__module__.partition("._internal")[0]   # from where it is imported
        return f"{module}.{cls.__qualname__}" + (f", {place}" if place else "")

    def asked(self, method: str) -> str:
        """Where names are asked for by this method."""
        place = self.births.most_names(method) if self.births is not None else ""
        return f"{method}() called at {place}" if place else method + "()"

    def span_processors(self) -> Iterator[Any]:
        """Of all tracer providers; not ours."""
        for provider in self.tracers:
            processors = sdk.trace_processors(provider)
            if processors is None:
                raise CannotTell("which span processors a TracerProvider has")
            yield from (p for p in processors if not isinstance(p, _core.SpanProcessor))

    def log_processors(self) -> Iterator[Any]:
        for provider in self.loggers:
            processors = sdk.log_processors(provider)
            if processors is None:
                raise CannotTell("which processors a LoggerProvider has")
            yield from processors

    def is_empty(self) -> bool:
        return not (self.tracers or self.meters or self.loggers)


def find(*given: Any, births: Births | None = None, thorough: bool = False) -> Setup:
    """The global providers and those given; thorough: all that there are."""
    types = [sdk.loaded_type(module, name) for module, name, _, _ in _KINDS]
    found: list[list[Any]] = [[] for _ in _KINDS]
    candidates = [*given, *(births.providers if births is not None else ())]
    for _, _, api, getter in _KINDS:
        get = getattr(sys.modules.get(api), getter, None)
        if callable(get):
            candidates.append(get())
    if thorough and any(types):
        kinds = {sub for cls in types if cls is not None for sub in _with_subclasses(cls)}
        candidates += [o for o in gc.get_objects() if type(o) in kinds]
    for o in candidates:
        for cls, providers in zip(types, found, strict=True):
            if cls is not None and issubclass(type(o), cls) and not any(o is p for p in providers):
                providers.append(o)
    limits = [limit.bytes for limit in memory_limit.find()]
    tracers, meters, loggers = found
    return Setup(tracers, meters, loggers, births, thorough, min(limits, default=None))


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    subclasses: list[type] = type.__subclasses__(cls)
    for sub in subclasses:
        yield from _with_subclasses(sub)
