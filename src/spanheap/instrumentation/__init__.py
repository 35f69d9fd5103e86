"""Enabling without a line of code: environment variables, OpenTelemetry's instrumentors."""

from __future__ import annotations
