"""Carrying the current span and the labels into threads and thread pools: the option `propagate_to_threads`.

A thread begins with an empty context, so that what it makes has no span, though a request waits for it. While this is
installed, `ThreadPoolExecutor.submit` (hence `run_in_executor`) and `Thread.start` take along OpenTelemetry's current
context and spanheap's labels, and put them back where the function has returned.

Only these two are carried, not the whole context as by `copy_context().run`: they say for whom work is done and change
nothing of what it does. Other context variables are the application's (decimal's precision, a framework's request or
database session, which may be meant for one thread): a profiler that brought them to where they were not would change
the service.

Threads of pools work for many, one after the other. They are given each job's context, never that of whoever happened to
start them, which would have all later work and would be kept alive for as long as the pool. They are known by the
module of their function (`_POOLS`); a pool of another package should be started outside of all spans.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry import context as otel_context

from spanheap.spans import labels

logger = logging.getLogger("spanheap")

# Modules and packages whose threads serve the whole process: workers of pools, queue feeders, exporters, event loops.
_POOLS = (
    "anyio.", "asyncio.base_events.", "concurrent.futures.", "grpc.", "logging.handlers.", "multiprocessing.",
    "opentelemetry.", "spanheap.", "trio.",
)


class Carrier(NamedTuple):
    """One thing that is carried."""

    current: Callable[[], Any]
    """What is in force here; None: nothing to carry."""
    attach: Callable[[Any], Any]
    """Puts it in force; returns a token."""
    detach: Callable[[Any], None]


def _current_context() -> Any:
    # OpenTelemetry's own instrumentation of threads carries the context when it is on; twice is once too often.
    instrumentor = getattr(sys.modules.get("opentelemetry.instrumentation.threading"), "ThreadingInstrumentor", None)
    if instrumentor is not None and instrumentor().is_instrumented_by_opentelemetry:
        return None
    return otel_context.get_current() or None


CARRIERS = (
    Carrier(_current_context, otel_context.attach, otel_context.detach),
    Carrier(labels.current, labels.attach, labels.detach),
)

_State = list[tuple[Carrier, Any]]

_lock = threading.Lock()
_carriers: tuple[Carrier, ...] = ()   # empty: not installed
_patches: list[_Patch] = []


# ---------------------------------------------------------------- work that is handed over


class _Carried:
    """A function that runs with what was in force where it was handed over."""

    __slots__ = ("_function", "_state")

    def __init__(self, function: Callable[..., Any], state: _State) -> None:
        self._function = function
        self._state = state

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        function, attached = self._function, _attach(self._state)
        del self   # an exception that is kept keeps this frame, and must not keep a span with it
        try:
            return function(*args, **kwargs)
        finally:
            _detach(attached)


def _capture() -> _State:
    state = []
    for carrier in _carriers:
        try:
            value = carrier.current()
        except Exception:
            _log_once("what is in force here cannot be read")
            continue
        if value is not None:
            state.append((carrier, value))
    return state


def _attach(state: _State) -> list[tuple[Carrier, Any]]:
    attached = []
    for carrier, value in state:
        try:
            attached.append((carrier, carrier.attach(value)))
        except Exception:
            _log_once("it cannot be put in force in this thread")
    return attached


def _detach(attached: list[tuple[Carrier, Any]]) -> None:
    for carrier, token in reversed(attached):
        try:
            carrier.detach(token)
        except Exception:
            _log_once("it cannot be taken back")


@functools.cache
def _log_once(problem: str) -> None:
    logger.exception("spanheap: a context is not carried into a thread: %s; the work itself goes on", problem)


# ---------------------------------------------------------------- the two functions


def _carrying_submit(submit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(submit)
    def carrying(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if args and not isinstance(args[0], _Carried):
            state = _capture()
            if state:
                args = (_Carried(args[0], state), *args[1:])
        return submit(self, *args, **kwargs)

    return carrying


def _carrying_start(start: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(start)
    def carrying(self: threading.Thread, /, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__.get("run")   # set by whoever made this thread; most have their class's
        if isinstance(own, _Carried) or _is_of_a_pool(self) or not (state := _capture()):
            return start(self, *args, **kwargs)
        # On the object, since a class may have a `run` of its own, of which we know nothing.
        run = self.__dict__["run"] = _Carried(functools.partial(_run, self, own), state)
        try:
            return start(self, *args, **kwargs)
        except BaseException:   # started before, or there are no more threads: it stays as it was
            if self.__dict__.get("run") is run:
                _restore_run(self, own)
            raise

    return carrying


def _run(thread: threading.Thread, own: Callable[..., Any] | None) -> None:
    _restore_run(thread, own)   # first: a thread that has ended must not keep what it carried
    thread.run()


def _restore_run(thread: threading.Thread, own: Callable[..., Any] | None) -> None:
    if own is None:
        del thread.__dict__["run"]
    else:
        thread.__dict__["run"] = own


def _is_of_a_pool(thread: threading.Thread) -> bool:
    try:
        functions = (type(thread).run, getattr(thread, "_target", None))
        return any(f"{getattr(function, '__module__', '')}.".startswith(_POOLS) for function in functions)
    except Exception:   # a target may be anything that can be called, such as a proxy for what is not there here
        return False


# ---------------------------------------------------------------- in and out


class _Patch(NamedTuple):
    owner: type
    name: str
    found: Any
    ours: Callable[..., Any]

    def is_in_place(self) -> bool:
        """Whether calls still come to us: directly, or through whoever has wrapped us since."""
        function = getattr(self.owner, self.name, None)
        while function is not None and function is not self.ours:
            function = getattr(function, "__wrapped__", None)
        return function is not None


def install(carriers: tuple[Carrier, ...] = CARRIERS) -> None:
    """From now on what is handed over to threads and thread pools carries these. Again: with other carriers."""
    global _carriers
    from concurrent.futures import ThreadPoolExecutor  # not imported by every service

    with _lock:
        patched = {(patch.owner, patch.name) for patch in _patches if patch.is_in_place()}
        for cls, name, wrap in (
            (ThreadPoolExecutor, "submit", _carrying_submit), (threading.Thread, "start", _carrying_start)
        ):
            # Where it is defined: a class that somebody has put in place of Thread, as gevent does, is not that of Timer.
            owner = next(base for base in cls.__mro__ if name in vars(base))
            if (owner, name) not in patched:
                # What the class holds is put back; what it gives, which for a wrapper is another object, is called.
                patch = _Patch(owner, name, vars(owner)[name], wrap(getattr(owner, name)))
                setattr(owner, name, patch.ours)
                _patches.append(patch)
        _carriers = carriers


def uninstall() -> None:
    """What is handed over from now on carries nothing. What somebody has wrapped since stays, and passes calls on."""
    global _carriers
    with _lock:
        _carriers = ()
        for patch in _patches[:]:
            if vars(patch.owner).get(patch.name) is patch.ours:
                setattr(patch.owner, patch.name, patch.found)
                _patches.remove(patch)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()   # a thread that is not here may have held it


os.register_at_fork(after_in_child=_after_fork_in_child)
