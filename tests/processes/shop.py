"""A WSGI service that keeps memory on request. Who starts the profiler, and where, is up to the gunicorn configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import trace

import spanheap
from tests.processes import memory

CATALOGUE = 20       # blocks that workers inherit where the application is preloaded
KEPT_A_REQUEST = 3
DUMPS = "SPANHEAP_TEST_DUMPS"   # environment variable: where /dump writes to

sequence: list[int] = []   # drawn as the first thing in a worker, before its history can differ from others'
_kept: list[list[bytes]] = []


def draw_sequence() -> None:
    """For gunicorn's post_fork."""
    sequence[:] = memory.draw()


def _keep() -> dict[str, Any]:
    _kept.append(memory.make(KEPT_A_REQUEST))
    return {"pid": os.getpid(), "tick_threads": memory.tick_threads()}


def _report() -> dict[str, Any]:
    return memory.report() | {"requests": len(_kept), "sequence": sequence}


def _dump() -> dict[str, Any]:
    session = spanheap.current()
    assert session is not None
    return {"pid": os.getpid(), "instance": memory.instance(), "path": str(session.dump(os.environ[DUMPS]))}


VIEWS: dict[str, Callable[[], dict[str, Any]]] = {"/keep": _keep, "/report": _report, "/dump": _dump}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Each view in a span of its own, as an instrumentation would make it."""
    path = environ["PATH_INFO"]
    with trace.get_tracer("shop").start_as_current_span(f"GET {path}", kind=trace.SpanKind.SERVER):
        body = json.dumps(VIEWS[path]()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
