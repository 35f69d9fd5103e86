"""Metrics, traces and log events of a profiled service, through a real collector."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanheap.version import __version__
from tests.receivers import rotel, service

pytestmark = [
    pytest.mark.once(reason="what is sent is the SDK's business"),
    pytest.mark.skipif(
        rotel.agent() is None or importlib.util.find_spec("opentelemetry.exporter.otlp.proto") is None,
        reason="needs rotel and opentelemetry-exporter-otlp: pip install 'spanheap[test-receivers]'",
    ),
]
ROOT = Path(__file__).parents[2]


def kind_of(metric: Any) -> str:
    """In the words of docs/metrics.md."""
    data = metric.WhichOneof("data")
    if data == "sum":
        assert metric.sum.aggregation_temporality == 2   # cumulative
        return "observable counter" if metric.sum.is_monotonic else "observable up-down counter"
    return {"gauge": "observable gauge", "histogram": "histogram"}[data]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_metrics_traces_and_events_arrive(protocol: str, tmp_path: Path) -> None:
    """All of them, with kind, unit, attributes, scope, schema and the resource; and the spans as without spanheap."""
    with rotel.Sink() as sink, rotel.running(sink.endpoint, tmp_path) as endpoints:
        done = subprocess.run(
            [sys.executable, "-m", "tests.receivers.service", protocol, getattr(endpoints, protocol), str(tmp_path)],
            cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        sent = {name: (kind, unit, keys) for name, (kind, unit, keys) in json.loads(done.stdout).items()}
        arrived: dict[str, Any] = {}
        while len(arrived) < len(sent):
            for resource in sink.next("metrics").resource_metrics:
                assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "orders"
                for scope in resource.scope_metrics:
                    assert (scope.scope.name, scope.scope.version) == ("spanheap", __version__)
                    assert scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
                    arrived.update({metric.name: metric for metric in scope.metrics})
        described = {}
        for name, metric in arrived.items():
            points = getattr(metric, metric.WhichOneof("data")).data_points
            described[name] = kind_of(metric), metric.unit, sorted({a.key for point in points for a in point.attributes})
        assert described == sent and len(sent) >= 18
        [limit] = arrived["spanheap.memory.limit"].gauge.data_points
        assert (limit.as_int or limit.as_double) == service.LIMIT
        roots = {p.attributes[0].value.string_value: p.as_int or p.as_double
                 for p in arrived["spanheap.heap.live_by_root"].gauge.data_points}
        assert roots["GET /"] == pytest.approx(service.RATE * service.SECONDS, rel=0.2)
        pauses = arrived["cpython.gc.pause.duration"].histogram.data_points
        assert sum(point.count for point in pauses) > 0 and len(pauses[0].explicit_bounds) == 12
        said: list[Any] = []
        while len(said) < 3:   # two dumps for growth, and one verdict at least
            for resource in sink.next("logs").resource_logs:
                assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "orders"
                said += [record for scope in resource.scope_logs for record in scope.log_records]
        assert {record.event_name for record in said} == {"spanheap.leak", "spanheap.dump"}
        assert all(record.severity_text == "WARN" and record.body.string_value for record in said)
        names: list[str] = []
        while len(names) < 11 * service.SECONDS - service.SECONDS // 2:   # of each second, every other "kept" ended
            for resource in sink.next("traces").resource_spans:
                names += [span.name for scope in resource.scope_spans for span in scope.spans]
        assert (names.count("GET /"), names.count("kept")) == (10 * service.SECONDS, service.SECONDS // 2)
