"""Process trees: pre-fork servers, task workers and multiprocessing, run as a service runs them."""

from __future__ import annotations
