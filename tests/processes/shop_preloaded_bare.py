"""The shop for `gunicorn --preload` with the profiler alone: each worker sets up its own tracing."""

from __future__ import annotations

import spanheap
from tests.processes import memory
from tests.processes.shop import app as app

spanheap.start(**memory.OPTIONS)
