"""Real receivers of what spanheap sends: rotel over OTLP, Prometheus by scraping."""

from __future__ import annotations
