"""The examples, started as their README says: under `opentelemetry-instrument`, with load."""

from __future__ import annotations
