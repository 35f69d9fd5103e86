"""The doctor's checks on providers of this process: what they leave alone, and what they cannot tell."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanheap
from spanheap import memory_limit
from spanheap.doctor.at_start import StartCheck
from spanheap.doctor.births import Births
from spanheap.doctor.examination import CHECKS, Examination, examine

pytestmark = pytest.mark.once(reason="reads objects of the SDK; the CPython makes no difference")
LIMITS = SpanLimits(max_attribute_length=4096)


class Nowhere(SpanExporter):
    """Exports to nowhere."""

    def export(self, spans: Any) -> SpanExportResult:
        """See SpanExporter."""
        return SpanExportResult.SUCCESS


class LogsNowhere:
    """An exporter of log records whatever their base class is called."""

    def export(self, batch: Any) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing."""


@pytest.fixture
def traces() -> Iterator[TracerProvider]:
    """A provider as it should be."""
    provider = TracerProvider(span_limits=LIMITS)
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    yield provider
    provider.shutdown()


def checks(examination: Examination) -> list[str]:
    """The names of the checks that found something."""
    return [finding.check for finding in examination.findings]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this the memory limit."""
    def set_limit(size: int) -> None:
        monkeypatch.setattr(memory_limit, "find", lambda: [memory_limit.Limit(size, "given")])

    return set_limit


def test_queue_is_held_against_the_memory_limit(traces: TracerProvider, limit: Any) -> None:
    """The default queue of 2,048 spans, some 6 MB, is too much for a service of 32 MiB, and nothing for one of 512 MiB."""
    limit(512 << 20)
    assert checks(examine(traces)) == []
    limit(32 << 20)
    [finding] = examine(traces).findings
    assert finding.check == "batch-queue" and "18% of the memory limit of 32.0 MiB" in finding.what
    assert "OTEL_BSP_MAX_QUEUE_SIZE=1118" in finding.fix and finding.bytes == 2048 * 3000


def test_queue_of_large_spans_is_measured(traces: TracerProvider, limit: Any) -> None:
    """Spans that wait are measured: with 100 KB each, 2,048 of them are 200 MB."""
    limit(1 << 30)
    assert checks(examine(traces)) == []
    provider = TracerProvider(span_limits=SpanLimits(max_attribute_length=1 << 20))
    processor = BatchSpanProcessor(Nowhere(), schedule_delay_millis=3_600_000)
    provider.add_span_processor(processor)
    for i in range(20):
        provider.get_tracer("shop").start_span("large", attributes={"body": f"{i:04}" * 25_000}).end()
    [finding] = examine(provider).findings
    assert finding.check == "batch-queue" and finding.bytes is not None and 2048e5 < finding.bytes < 2.2 * 1024e5
    provider.shutdown()


def test_attribute_sets_without_number_are_found(meters: MeterProvider, reader: InMemoryMetricReader) -> None:
    """A counter by customer, and not one by route; a View that leaves the customer out is the remedy."""
    orders, requests = (meters.get_meter("shop").create_counter(name) for name in ("orders", "requests"))
    for i in range(1500):
        orders.add(1, {"customer": i})
        requests.add(1, {"http.route": "/orders"})
    [finding] = [f for f in examine(meters).findings if f.check == "attribute-sets"]
    assert "'orders' is kept apart for 1,500 sets of attributes" in finding.what and (finding.bytes or 0) > 1500 * 100


def test_bounded_exporter_in_memory_is_no_mistake(traces: TracerProvider) -> None:
    """One with a maximum is a ring somebody has chosen, where the SDK has such a thing."""
    try:
        bounded = InMemorySpanExporter(max_spans=100)   # type: ignore[call-arg,unused-ignore]
    except TypeError:
        pytest.skip("this SDK's InMemorySpanExporter has no max_spans")
    traces.add_span_processor(SimpleSpanProcessor(bounded))
    assert checks(examine(traces)) == []


def test_logs_are_examined_as_spans_are() -> None:
    """A processor that exports on the thread that logs, and a queue out of proportion."""
    logs: Any = LoggerProvider()
    logs.add_log_record_processor(SimpleLogRecordProcessor(LogsNowhere()))
    logs.add_log_record_processor(BatchLogRecordProcessor(LogsNowhere(), max_queue_size=50_000))
    found = examine(logs)
    assert checks(found) == ["simple-processor", "batch-queue"] and found.unknown == {}
    assert "OTEL_BLRP_MAX_QUEUE_SIZE=" in found.findings[1].fix
    logs.shutdown()


def test_what_is_wanted_off_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_METRICS_EXPORTER=none gives a provider without a reader, OTEL_TRACES_EXPORTER=none one without a processor."""
    meters, traces = MeterProvider(), TracerProvider(span_limits=LIMITS)
    assert checks(examine(meters, traces)) == ["no-processor", "no-reader"]
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert checks(examine(meters, traces)) == []


def test_what_spanheap_makes_itself_is_not_counted(traces: TracerProvider) -> None:
    """Its instruments are none of the application's; its processor is one that spans are made for."""
    bare, meters = TracerProvider(span_limits=LIMITS), MeterProvider()
    assert checks(examine(bare)) == ["no-processor"]
    with spanheap.profile(tick=None, tracer_provider=bare, meter_provider=meters):
        assert checks(examine(bare)) == []
        [finding] = [f for f in examine(meters).findings if f.check == "no-reader"]
        assert "its 0 instruments" in finding.what


@pytest.mark.skipif(
    tuple(map(int, version("opentelemetry-sdk").split(".")[:2])) < (1, 30),
    reason="this SDK lets go of no BatchSpanProcessor, so those of other tests, and what they export to, are found as well")
def test_spans_in_a_queue_are_no_cache() -> None:
    """A thousand ended spans that wait for a receiver are held rightly; as many in a list are a cache."""
    provider = TracerProvider(span_limits=LIMITS)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), schedule_delay_millis=3_600_000, max_export_batch_size=2048))
    kept: list[ReadableSpan] = []
    caches = []
    for keep in (False, True):
        for _ in range(200):
            span = provider.get_tracer("shop").start_span("GET /kept-or-queued")
            span.end()
            if keep:
                kept.append(span)   # type: ignore[arg-type]
        del span
        found = examine(provider, thorough=True).findings
        # Those of other tests, which an SDK may hold for ever, are not meant.
        caches.append([f for f in found if f.check == "span-cache" and f.what.startswith("200 ended spans")])
    assert caches[0] == [] and "queued" in caches[1][0].what and "kept" in caches[1][0].where
    provider.shutdown()


ABSENT = [
    ("traces", "_active_span_processor", {"simple-processor", "in-memory-exporter", "no-processor", "batch-queue"}),
    ("traces", "_span_limits", {"attribute-length", "span-counts"}),
    ("meters", "_measurement_consumer", {"attribute-sets", "no-reader", "in-memory-reader"}),
    ("meters", "_meters", {"meter-names"}),
]


@pytest.mark.parametrize(("provider", "name", "unknown"), ABSENT)
def test_what_an_sdk_hides_cannot_be_told(
    provider: str, name: str, unknown: set[str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the private attribute the checks that need it say so, the others go on, and nothing is raised."""
    examined = request.getfixturevalue(provider)
    with monkeypatch.context() as patch:
        patch.delattr(examined, name)
        found = examine(examined)
    assert set(found.unknown) - {"tracer-names"} == unknown and all(found.unknown.values())
    assert not set(checks(found)) & unknown


def test_check_that_fails_is_told(traces: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of the service's own make that raises costs one check, not the examination."""
    class Rude:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"no {name} for you")

    monkeypatch.setattr(traces, "_span_limits", Rude())
    found = examine(traces)
    assert found.unknown["attribute-length"] == "RuntimeError: no max_span_attribute_length for you"
    assert {check for check, _ in CHECKS} > set(found.unknown)


def test_line_of_the_application_goes_before_that_of_a_library() -> None:
    """A library that makes providers for its users is not where the mistake is; the object that is gone has no place."""
    library: dict[str, Any] = {}
    source = "def set_up(births, provider):\n    births.note(provider, 'TracerProvider')\n"
    exec(compile(source, "/usr/lib/python3/dist-packages/starter/__init__.py", "exec"), library)
    births, provider = Births(), TracerProvider(shutdown_on_exit=False)
    library["set_up"](births, provider)
    assert births.where(provider).startswith(f"made at {__file__}:") and births.where(TracerProvider()) == ""


# ---------------------------------------------------------------- the word at the start


def test_session_says_it_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds after its start, from the tick, without a look through the heap; what is the SDK's default is left out."""
    monkeypatch.setattr(gc, "get_objects", None)   # whoever calls it gets an exception
    bad = TracerProvider()
    bad.add_span_processor(SimpleSpanProcessor(Nowhere()))
    quiet: dict[str, Any] = {"tick": None, "detect": None, "dumps": None}
    with caplog.at_level(logging.DEBUG, "spanheap.doctor"), \
            spanheap.profile(tracer_provider=bad, meter_provider=MeterProvider(), **quiet) as session:
        for now in (1000.0, 1009.0):
            session.tick(now)
        assert [r for r in caplog.records if r.name == "spanheap.doctor"] == []
        for now in (1010.0, 1020.0, 5000.0):
            session.tick(now)
    [record] = [r for r in caplog.records if r.name == "spanheap.doctor"]
    assert record.levelno == logging.WARNING
    said = record.getMessage()
    assert "SimpleSpanProcessor exports each span to Nowhere" in said and "has no metric reader" in said
    assert "any length" not in said and "BatchSpanProcessor(Nowhere(…))" in said


def test_healthy_service_gets_no_word(traces: TracerProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged where nothing is found."""
    check = StartCheck(traces)
    with caplog.at_level(logging.DEBUG, "spanheap.doctor"):
        check.tick(0.0)
        check.tick(10.0)
    assert check.done and caplog.records == []


def test_start_imports_no_sdk() -> None:
    """In a service without the SDK, the doctor's word costs neither its import nor that of the checks."""
    code = """
import sys, spanheap
with spanheap.profile(tick=None) as session:
    session.tick(0.0); session.tick(100.0)
print([name for name in ("opentelemetry.sdk", "spanheap.doctor.examination", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
