"""Which caches keep spans, or grow without bound: docs/audit.md."""

from __future__ import annotations
