"""The shop for `gunicorn --preload`: profiled from the import on, which happens once, in the parent of the workers."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from tests.processes import memory
from tests.processes.shop import CATALOGUE
from tests.processes.shop import app as app

trace.set_tracer_provider(TracerProvider(resource=Resource({"service.name": "shop"})))
spanheap.start(**memory.OPTIONS)
with trace.get_tracer("shop").start_as_current_span("load catalogue"):
    catalogue = memory.make(CATALOGUE)
