"""Real web frameworks with their real instrumentation, each request of which keeps a known amount of memory."""

from __future__ import annotations
