"""Callbacks of the instruments at their worst."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import spanheap
from spanheap.telemetry import profiler_gauges

pytestmark = pytest.mark.once(reason="tests/integration/test_metrics.py runs everywhere")


def points(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Name -> points, of spanheap's scope."""
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    return {metric.name: metric.data.data_points for scope in scopes for metric in scope.metrics}


def test_an_instrument_that_fails_is_counted_and_leaves_the_others_alone(
    reader: InMemoryMetricReader, meters: MeterProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged once, by spanheap; the SDK, which would log it each time, sees nothing."""
    with spanheap.profile(tick=None, meter_provider=meters) as session:
        monkeypatch.setattr(session._profiler.telemetry.reading, "counters", lambda: {}["no such counter"])
        for _ in range(2):
            found = points(reader)
        assert "spanheap.heap.live" in found and "spanheap.span.active" not in found
        failed = {p.attributes["spanheap.component"]: p.value for p in found["spanheap.profiler.errors"]}
        assert failed["telemetry"] >= 8 and sum(failed.values()) == failed["telemetry"]
        assert [record.name for record in caplog.records] == ["spanheap"]


def test_a_tick_that_cannot_record_goes_on(meters: MeterProvider, caplog: pytest.LogCaptureFixture) -> None:
    """The rest of the tick is done; the failure is counted."""
    with spanheap.profile(tick=None, meter_provider=meters) as session:
        session._profiler.telemetry.reading.tick = None   # type: ignore[assignment, method-assign]
        session.tick(1.0)
        assert session.stats().ticks == 1 and session._profiler.telemetry.errors == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_losses_and_tables_are_those_of_stats(reader: InMemoryMetricReader, meters: MeterProvider) -> None:
    """Each reason is a field that exists; a full table is seen in use, limit and losses."""
    with spanheap.profile(
        tick=None, meter_provider=meters, sample_interval=1, max_samples=64, adaptive=False, seed=1
    ) as session:
        kept = [bytes(5_000) for _ in range(200)]
        found, stats = points(reader), session.stats()
        assert set(profiler_gauges.LOSSES) | set(profiler_gauges.TABLES) <= set(vars(stats))
        losses = {p.attributes["spanheap.loss.reason"]: p.value for p in found["spanheap.profiler.losses"]}
        assert losses["sample_table_full"] >= 100
        used = {p.attributes["spanheap.table.name"]: p.value for p in found["spanheap.table.usage"]}
        limits = {p.attributes["spanheap.table.name"]: p.value for p in found["spanheap.table.limit"]}
        assert used["samples"] == limits["samples"] == 64
        assert limits["span_records"] == limits["active_spans"] == 16384
        [status] = found["spanheap.profiler.status"]
        assert dict(status.attributes) == {"spanheap.hook.mode": stats.hook, "spanheap.attribution": "on"}
    del kept


PROXIED = """
import json, logging, spanheap, sys
kept = []
from opentelemetry import metrics
imported = "opentelemetry.sdk" in sys.modules or "numpy" in sys.modules
first = spanheap.start(tick=None)                       # the API's proxy is all there is
imported = imported or "opentelemetry.sdk" in sys.modules or "numpy" in sys.modules
import gc
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
def names():
    kept.append(bytes(10_000_000)); gc.collect(); spanheap.current().tick(1.0)
    [resource] = reader.get_metrics_data().resource_metrics
    metrics = {m.name: m for scope in resource.scope_metrics for m in scope.metrics}
    [resident] = metrics["process.memory.usage"].data.data_points
    return sorted(metrics), round(resident.value / spanheap.current().snapshot().rss_bytes, 1)
one = names()
first.shutdown()
second = spanheap.start(tick=None)                      # now it is the real one
print(json.dumps([imported, one, names()]))
"""


def test_a_provider_that_is_set_later_gets_one_set_of_instruments() -> None:
    """Also when a second session starts after it was set: nothing is doubled, nothing is warned about."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROXIED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    imported, (one, times), (two, times_again) = json.loads(done.stdout)
    assert not imported and times == times_again == 1.0
    assert one == two and len(one) == len(set(one)) >= 18 and "cpython.gc.pause.duration" in one


FORKED = """
import gc, os, spanheap
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
session = spanheap.start(tick=None, meter_provider=MeterProvider([reader]))
gc.disable()
gc.collect(2); gc.collect(2)
pid = os.fork()
if pid == 0:
    gc.collect(1)
    session.tick(1.0)
    [resource] = reader.get_metrics_data().resource_metrics
    metrics = {m.name: m.data.data_points for scope in resource.scope_metrics for m in scope.metrics}
    print([(p.attributes["cpython.gc.generation"], p.count) for p in metrics["cpython.gc.pause.duration"]], flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""


def test_a_forked_child_reports_its_own_pauses() -> None:
    """Not those that its parent had noted and not yet recorded."""
    done = subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED], capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[(1, 1)]\n", "")
