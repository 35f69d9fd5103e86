"""gunicorn configuration: the profiler starts in the parent, tracing in each worker."""

from __future__ import annotations

from typing import Any

preload_app = True


def post_fork(server: Any, worker: Any) -> None:
    """A provider that names its process."""
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    resource = Resource({"service.name": "shop", "service.instance.id": f"shop-{worker.pid}"})
    trace.set_tracer_provider(TracerProvider(resource=resource))
