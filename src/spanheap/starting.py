"""How a session begins: `start()` and `profile()`, with all the options."""

from __future__ import annotations

import contextlib
import functools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from spanheap import running
from spanheap.detection.policy import LeakPolicy
from spanheap.dumps.policy import DumpPolicy
from spanheap.options import Options
from spanheap.session import Session
from spanheap.spans import providers

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from spanheap.server.policy import DebugServer


def start(
    *,
    sample_interval: int = 512 * 1024,
    max_depth: int = 64,
    max_samples: int = 8192,
    adaptive: bool = True,
    seed: int | None = None,
    span_capacity: int = 16384,
    span_ttl: float = 300.0,
    tracer_provider: TracerProvider | Sequence[TracerProvider] | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: object | None = None,
    tick: float | None = 1.0,
    detect: LeakPolicy | None = LeakPolicy(),  # noqa: B008 - frozen
    dumps: DumpPolicy | None = DumpPolicy(),  # noqa: B008 - frozen
    recorder: str | os.PathLike[str] | None = None,
    debug_server: str | DebugServer | None = None,
    pause_budget_ms: float = 50,
    label_metrics: Sequence[str] = (),
    propagate_to_threads: bool = False,
    profiles_endpoint: str | None = None,
    profiles_interval: float = 60.0,
    enabled: bool = True,
    toggle_signal: int | None = None,
) -> Session:
    """Start profiling this process; the session runs until its `shutdown()`, or the end of the process.

    A second start warns and returns the running session, attached to the tracer_provider that is given.

    sample_interval: mean bytes between samples (default 512 KiB); 1 = every allocation.
    max_depth: frames kept of a stack, counted from the leaf.
    max_samples: live samples at the same time. adaptive=True: when they are reached the interval is doubled, and
        halved again later, without bias; False: further samples are dropped and counted.
    seed: makes the sampling of one thread repeatable, for tests.
    span_capacity: active spans tracked at the same time, and ended ones kept. span_ttl: seconds for which an ended one is
        kept at the most. See `Session.spans`.
    tracer_provider: whose spans are followed, one or several; None: the global one. Another is followed once a sample meets
        one of its spans, or it is given to a second start().
    meter_provider, logger_provider: instead of the global ones.
    tick: seconds between housekeeping ticks; None: no thread, the caller calls `Session.tick(now)`.
    detect, dumps: a LeakPolicy and a DumpPolicy, or None: see there.
    recorder: the file that says after a death of the process what it was doing (`spanheap recover FILE`); `{pid}` is filled
        in. What is at the path from an earlier process is kept as PATH.1, and its death reported.
    debug_server: where pprof, spans and leaks can be asked for over HTTP: "127.0.0.1:6060", "unix:/path/{pid}.sock" or a
        DebugServer; None: nowhere. See docs/debug-server.md and `Session.debug_url`.
    pause_budget_ms: how long, in any ten minutes, the leak detector may hold up the service to look who holds what grows.
    label_metrics: keys of `spanheap.labels()` that metrics tell memory apart by.
    propagate_to_threads: while the session runs, `ThreadPoolExecutor.submit` (hence `run_in_executor`) and `Thread.start`
        carry the current span and labels along; without it, what other threads make has no span unless the application
        hands its context on, as `asyncio.to_thread` does.
    profiles_endpoint: a receiver of OTLP profiles over HTTP, such as "http://collector:4318"; "": as OTEL_EXPORTER_OTLP_*
        say. profiles_interval: seconds from one export to the next. Needs `spanheap[otlp]`; more in spanheap.otlp.
    enabled: False: no samples are taken until `Session.configure(enabled=True)`, or the signal.
    toggle_signal: switches sampling off, and on again, at the next tick; a handler that was there is called as before.

    Raises TypeError or ValueError for an option that cannot be, SpanheapError where the profiler cannot start.
    """
    options = Options(
        sample_interval=sample_interval, max_depth=max_depth, max_samples=max_samples, adaptive=adaptive, seed=seed,
        span_capacity=span_capacity, span_ttl=span_ttl, tracer_provider=tracer_provider, meter_provider=meter_provider,
        logger_provider=logger_provider, tick=tick, detect=detect, dumps=dumps, recorder=recorder,
        debug_server=debug_server,
        pause_budget_ms=pause_budget_ms, label_metrics=label_metrics, propagate_to_threads=propagate_to_threads,
        profiles_endpoint=profiles_endpoint, profiles_interval=profiles_interval,
        enabled=enabled, toggle_signal=toggle_signal,
    ).checked()
    with running.lock():
        already = running.current()
        if already is not None:
            warnings.warn("spanheap is already running; the running session is returned", RuntimeWarning, stacklevel=2)
            if options.tracer_provider is not None:
                providers.attach_each(options.tracer_provider)
            return already
        session = Session(options)
        session._start()
        running.began(session)
        return session


@contextlib.contextmanager
def _profile(*args: Any, **options: Any) -> Iterator[Session]:
    before = running.current()
    session = start(*args, **options)
    exception: type[BaseException] | None = None
    try:
        yield session
    except Exception as error:
        exception = type(error)
        raise
    finally:
        if session is not before:   # an inner block ends without stopping the outer one's session
            session._shutdown(exception)


_P = ParamSpec("_P")
_Profile: TypeAlias = AbstractContextManager[Session]


def _with_options_of(_start: Callable[_P, Session]) -> Callable[[Callable[..., _Profile]], Callable[_P, _Profile]]:
    """`profile` takes what `start` takes: for type checkers, help() and completion."""
    return lambda function: functools.update_wrapper(function, _start, assigned=())


@_with_options_of(start)
def profile(*args: Any, **options: Any) -> _Profile:
    """`start()` with the same options, and `shutdown()` at the end of the block."""
    return _profile(*args, **options)
