"""Heap profiles over OTLP/HTTP: OpenTelemetry's fourth signal, still in development; docs/profiles.md.

    exporter = spanheap.otlp.ProfilesExporter(session, endpoint="http://collector:4318", interval=60).start()

or `spanheap.start(profiles_endpoint="http://collector:4318")`. Needs the messages of opentelemetry-proto, which the extra
`spanheap[otlp]` installs; nothing here is imported where it is not asked for.
"""

from __future__ import annotations

from spanheap.otlp.counts import ProfilesCounts
from spanheap.otlp.exporter import ProfilesExporter
from spanheap.otlp.messages import ProfilesUnavailable

__all__ = ["ProfilesCounts", "ProfilesExporter", "ProfilesUnavailable"]
