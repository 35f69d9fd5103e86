"""What a collection of all metrics costs. Target: at most 1 ms of spanheap's at 2,048 sites and 200 root names.

What the SDK does with the points comes on top; `test_sdk_alone` is that, for as many points of callbacks that do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.telemetry.catalogue import INSTRUMENTS
from spanheap.telemetry.reading import Reading

SITES = 2048
ROOTS = 200
BLOCK = 256 * 1024   # four intervals: each is sampled; zeroed by calloc, so none takes memory


@pytest.fixture(params=[1, 4], ids=["2,048 samples", "8,192 samples"])
def service(request: pytest.FixtureRequest) -> Iterator[tuple[spanheap.Session, InMemoryMetricReader]]:
    """2,048 sites and 200 root names, all live."""
    traces, reader = TracerProvider(shutdown_on_exit=False), InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    tracer, names = traces.get_tracer("t"), {}
    exec(compile("\n".join(f"def f{i}():\n    return bytes({BLOCK})" for i in range(SITES)), "sites.py", "exec"), names)
    with spanheap.profile(sample_interval=BLOCK // 4, max_samples=16384, tick=None, tracer_provider=traces,
                          meter_provider=meters) as session:
        kept = []
        for i in range(SITES):
            with tracer.start_as_current_span(f"GET /{i % ROOTS}"):
                kept.append([names[f"f{i}"]() for _ in range(request.param)])
        for now in range(60):
            session.tick(float(now))
        assert session.stats().stacks >= SITES * 0.9 and session.stats().samples_live >= SITES * request.param * 0.9
        yield session, reader
    del kept


def forget(session: spanheap.Session) -> None:
    """Let nothing count as read a moment ago."""
    old = session._profiler.telemetry.reading
    new = session._profiler.telemetry.reading = Reading(session, None)
    new.memory_growth, new.heap_growth = old.memory_growth, old.heap_growth


def read_all(session: spanheap.Session) -> int:
    """All that the callbacks do; how many points that makes."""
    forget(session)
    return sum(len(list(i.read(session._profiler.telemetry.reading))) for i in INSTRUMENTS if i.read is not None)


def test_callbacks(benchmark: Any, service: tuple[spanheap.Session, InMemoryMetricReader]) -> None:
    """spanheap's part."""
    print(f"\npoints: {benchmark(read_all, service[0])}")


def test_collection(benchmark: Any, service: tuple[spanheap.Session, InMemoryMetricReader]) -> None:
    """With the SDK's part, on the reader's thread."""
    session, reader = service
    benchmark.pedantic(reader.get_metrics_data, setup=lambda: forget(session), rounds=200)


def test_sdk_alone(benchmark: Any) -> None:
    """As many instruments and points, without spanheap."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("t")
    for i, points in enumerate([20, 17, 7, 6, 5, 5, *[1] * 30]):
        values = [(value, {"key": str(value)}) for value in range(points)]
        meter.create_observable_gauge(f"m{i}", [lambda _, values=values: [Observation(*value) for value in values]])
    benchmark(reader.get_metrics_data)


def test_gc_pause(benchmark: Any, session: spanheap.Session) -> None:
    """What each collection of garbage costs more: the callback at its start and the one at its end."""
    note, info = session._profiler.telemetry._pauses._note, {"generation": 0}

    def collected() -> None:
        note("start", info)
        note("stop", info)

    benchmark(collected)
