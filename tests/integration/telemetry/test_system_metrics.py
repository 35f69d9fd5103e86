"""Beside the real opentelemetry-instrumentation-system-metrics, each in a process of its own: it cannot be taken back."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.once(reason="reads attributes of a Python package"),
    pytest.mark.skipif(
        importlib.util.find_spec("opentelemetry.instrumentation") is None
        or importlib.util.find_spec("opentelemetry.instrumentation.system_metrics") is None,
        reason="needs opentelemetry-instrumentation-system-metrics: pip install 'spanheap[test-receivers]'",
    ),
]

PROGRAM = """
import asyncio, json, sys
from collections import Counter
import spanheap
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
session = spanheap.start(tick=None)
kept = bytes(10_000_000)
def names():
    [resource] = reader.get_metrics_data().resource_metrics
    return Counter(m.name for scope in resource.scope_metrics for m in scope.metrics)
before = names()
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
CONFIG = {"process.memory.usage": None, "process.memory.virtual": None, "process.thread.count": None,
          "cpython.gc.collections": None, "process.cpu.time": ["user", "system"]}
for name in sys.argv[1:]:
    del CONFIG[name]
instrumentor = SystemMetricsInstrumentor(config=CONFIG)
made = names()
instrumentor.instrument()
instrumented = names()
instrumentor.uninstrument()
print(json.dumps([before, made, instrumented, names()]))
"""
OURS = {"process.memory.usage", "process.memory.virtual"}


def run(*without: str) -> list[dict[str, int]]:
    """How often each name is there: before, once the instrumentor was made, once it is at work, once it was taken back."""
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", PROGRAM, *without], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, int]] = json.loads(done.stdout)
    return found


def test_nothing_is_reported_twice_and_nothing_is_missing() -> None:
    """From before it instruments until after it was taken back, which does not make it stop."""
    before, made, instrumented, taken_back = run()
    assert set(before) >= OURS and before == made
    assert set(instrumented) == set(before) | {"process.thread.count", "cpython.gc.collections", "process.cpu.time"}
    assert set(instrumented.values()) == {1}
    assert taken_back == instrumented


def test_what_it_was_not_asked_for_stays_ours() -> None:
    """It is not the import that counts."""
    *_, instrumented, _ = run("process.memory.virtual")
    assert set(instrumented) >= OURS and set(instrumented.values()) == {1}
