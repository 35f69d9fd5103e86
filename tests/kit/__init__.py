"""What is generated for Grafana and Prometheus."""

from __future__ import annotations
