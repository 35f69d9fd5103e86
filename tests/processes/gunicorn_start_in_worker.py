"""gunicorn configuration without preload: tracing and the profiler start in each worker."""

from __future__ import annotations

from typing import Any


def post_fork(server: Any, worker: Any) -> None:
    """Before the application is imported, so that its imports are profiled."""
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    import spanheap
    from tests.processes import memory

    resource = Resource({"service.name": "shop", "service.instance.id": f"shop-{worker.pid}"})
    trace.set_tracer_provider(TracerProvider(resource=resource))
    spanheap.start(**memory.OPTIONS)
