"""/metrics: what the application's own PrometheusMetricReader exports, spanheap's metrics with it."""

from __future__ import annotations

import sys

from spanheap.server.answer import Answer, Problem

EXPORTER = "opentelemetry.exporter.prometheus"


def is_there() -> bool:
    """Whether the application has imported the exporter: it is not for us to load one into it."""
    return EXPORTER in sys.modules and "prometheus_client" in sys.modules


def metrics(accept: str) -> Answer:
    """In the format that the scraper prefers. Raises Problem."""
    if not is_there():
        raise Problem(404, "no /metrics: the application has no Prometheus exporter. pip install "
                           "opentelemetry-exporter-prometheus, and MeterProvider(metric_readers=[PrometheusMetricReader()])")
    client = sys.modules["prometheus_client"]
    encode, content_type = client.exposition.choose_encoder(accept)
    return Answer(encode(client.REGISTRY), content_type)
