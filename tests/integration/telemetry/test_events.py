"""Verdicts and dumps as log events, with whichever logs API is installed."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk import _logs as sdk_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.doctor.at_start import StartCheck
from spanheap.telemetry import events

ATTRIBUTES = {
    "spanheap.leak.kind", "spanheap.leak.live", "spanheap.leak.growth", "spanheap.leak.share_of_growth",
    "spanheap.leak.holder", "spanheap.leak.confidence", "spanheap.leak.time_to_limit", "spanheap.leak.since",
    "spanheap.leak.reason",
    "spanheap.root_span.name", "spanheap.span.name", "spanheap.trace_ids",
    "code.function.name", "code.file.path", "code.line.number",
}

pytestmark = pytest.mark.once(reason="the logs API is the SDK's; tests/sdk runs it with each")
kept: dict[int, Any] = {}


class Collected:
    """A processor of log records that keeps them, for each SDK."""

    def __init__(self) -> None:
        self.events: list[SimpleNamespace] = []

    def on_emit(self, data: Any) -> None:
        """Since 1.36; before, `emit`."""
        record = data.log_record
        attributes = dict(record.attributes or {})
        name = attributes.pop("event.name", None) or getattr(record, "event_name", None)
        resource = getattr(data, "resource", None) or record.resource
        self.events.append(SimpleNamespace(
            name=name, body=record.body, severity=record.severity_text, attributes=attributes, time=record.timestamp,
            trace_id=record.trace_id, span_id=record.span_id, service=resource.attributes["service.name"],
            scope=data.instrumentation_scope.name))

    emit = on_emit

    def enabled(self, **_: Any) -> bool:
        """All are wanted."""
        return True

    def shutdown(self) -> None:
        """Nothing to give back."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing waits."""
        return True


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other tests look for caches of spans; and the check at start would log the providers that they have left."""
    monkeypatch.setattr(StartCheck, "tick", lambda self, now: None)
    yield
    globals()["kept"] = {}


@pytest.fixture
def collected() -> Collected:
    """What arrives."""
    return Collected()


@pytest.fixture
def logs(collected: Collected) -> Iterator[LoggerProvider]:
    """A provider that hands on to it."""
    provider = LoggerProvider(resource=Resource({"service.name": "orders"}), shutdown_on_exit=False)
    provider.add_log_record_processor(collected)
    yield provider
    provider.shutdown()


def leak(tmp_path: Path, provider: Any) -> list[spanheap.LeakVerdict]:
    """Let a service keep its ended spans until it has a verdict, and with it a dump; returns the verdicts."""
    traces = TracerProvider(shutdown_on_exit=False)
    tracer = traces.get_tracer("t")
    globals()["kept"] = {}   # not kept.clear(): code that takes from it is a sign of a bound
    with spanheap.profile(
        sample_interval=16_384, tick=None, tracer_provider=traces, logger_provider=provider, pause_budget_ms=60_000,
        detect=spanheap.LeakPolicy(memory_limit=1 << 40), seed=1,
        dumps=spanheap.DumpPolicy(folder=str(tmp_path), full_at=None, aggregates_at=None),
    ) as session:
        for now in range(1, 60):
            for _ in range(100):
                with tracer.start_as_current_span("GET /") as span:
                    kept[span.get_span_context().span_id] = span
            session.tick(float(now))
            if session.leaks():
                break
        assert session._profiler.events.errors == 0
        return session.leaks()


def test_a_verdict_and_its_dump_are_events(logs: LoggerProvider, collected: Collected, tmp_path: Path,
                                           caplog: pytest.LogCaptureFixture) -> None:
    """One each, with resource, scope, attributes, and the ids of a span of the verdict's; nothing goes to logging."""
    with caplog.at_level(logging.DEBUG):
        [verdict] = leak(tmp_path, logs)
    said, dumped = collected.events
    assert (said.name, said.severity, said.service, said.scope) == (events.LEAK, "WARN", "orders", "spanheap")
    assert set(said.attributes) == ATTRIBUTES
    assert said.attributes["spanheap.leak.kind"] == verdict.kind == "retained_spans"
    frame = verdict.application_frame
    assert frame is not None and said.attributes["code.function.name"] == frame.function
    assert (said.attributes["code.file.path"], said.attributes["code.line.number"]) == (frame.filename, frame.line)
    assert said.attributes["spanheap.root_span.name"] == "GET /"
    assert said.body.startswith("spanheap: retained_spans: ") and said.time > 1.7e18
    assert f"{said.trace_id:032x}" in said.attributes["spanheap.trace_ids"] and said.span_id
    assert (dumped.name, dumped.severity, dumped.attributes["spanheap.dump.reason"]) == (events.DUMP, "WARN", "leak")
    [path] = [path for path in tmp_path.glob("*.pb.gz") if not path.name.endswith(".base.pb.gz")]
    assert dumped.attributes["file.path"] == str(path) and dumped.attributes["file.size"] == path.stat().st_size
    assert {key: value for key, value in dumped.attributes.items() if key in ATTRIBUTES}.keys() == ATTRIBUTES
    assert (dumped.trace_id, dumped.span_id) == (said.trace_id, said.span_id)
    assert not [record for record in caplog.records if record.name == "spanheap"]


def test_a_dump_by_hand_belongs_to_the_current_span(logs: LoggerProvider, collected: Collected, tmp_path: Path) -> None:
    """For information only."""
    traces = TracerProvider(shutdown_on_exit=False)
    with spanheap.profile(tick=None, tracer_provider=traces, logger_provider=logs) as session:
        with traces.get_tracer("t").start_as_current_span("GET /dump") as span:
            session.dump(tmp_path)
        [event] = collected.events
        assert (event.name, event.severity, event.attributes["spanheap.dump.reason"]) == (events.DUMP, "INFO", "manual")
        assert (event.trace_id, event.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)


def test_without_a_provider_they_go_to_logging(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the attributes as fields of the records, and the span current for handlers that ask."""
    from opentelemetry import trace

    seen = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record, trace.get_current_span().get_span_context()))

    handler = Handler()
    logging.getLogger("spanheap").addHandler(handler)
    try:
        leak(tmp_path, None)
    finally:
        logging.getLogger("spanheap").removeHandler(handler)
    (said, span), (dumped, _) = seen
    assert vars(said)["event.name"] == events.LEAK and vars(dumped)["event.name"] == events.DUMP
    assert set(vars(said)) >= ATTRIBUTES and said.levelno == dumped.levelno == logging.WARNING
    assert f"{span.trace_id:032x}" in vars(said)["spanheap.trace_ids"] and span.span_id
    assert not trace.get_current_span().get_span_context().is_valid
    assert len(caplog.records) == 2


@pytest.mark.parametrize("given", [True, False], ids=["to the same provider", "to another one"])
def test_bridged_logging_does_not_double_them(logs: LoggerProvider, collected: Collected, tmp_path: Path,
                                              *, given: bool) -> None:
    """Whether spanheap has the provider that logging is bridged to, or none: each event arrives there once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)   # the SDK's bridge has moved to a package of its own
        handler = sdk_logs.LoggingHandler(logger_provider=logs)
    logging.getLogger().addHandler(handler)
    try:
        leak(tmp_path, logs if given else None)
    finally:
        logging.getLogger().removeHandler(handler)
    assert [event.name for event in collected.events] == [events.LEAK, events.DUMP]
    assert set(collected.events[0].attributes) >= ATTRIBUTES
    assert f"{collected.events[0].trace_id:032x}" in collected.events[0].attributes["spanheap.trace_ids"]


def test_a_provider_without_processors_takes_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """opentelemetry-instrument makes one where logs are exported to nobody: then logging has them."""
    leak(tmp_path, LoggerProvider(shutdown_on_exit=False))
    assert [vars(record).get("event.name") for record in caplog.records] == [events.LEAK, events.DUMP]


def test_a_logs_api_that_does_not_fit_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The events go to logging, and nothing raises."""
    class Logger:
        def emit(self, something: object, else_: object) -> None:
            raise AssertionError("is not called with the wrong arguments")

    class Provider:
        def get_logger(self, *_: object, **__: object) -> Logger:
            return Logger()

    verdicts = leak(tmp_path, Provider())
    first, *rest = [record.getMessage() for record in caplog.records]
    assert "Provider takes no log events (TypeError" in first and "logging" in first
    assert rest[0] == f"spanheap: {verdicts[0]}" and len(rest) == 2


def test_one_that_raises_something_strange_neither(tmp_path: Path, caplog: pytest.LogCaptureFixture,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """The tick goes on; what fails in between is logged once and counted."""
    monkeypatch.setattr(events, "of_verdict", lambda _: {}["no such key"])
    traces = TracerProvider(shutdown_on_exit=False)
    with spanheap.profile(tick=None, tracer_provider=traces, dumps=None) as session:
        for _ in range(3):
            session._profiler.events.verdict(SimpleNamespace(trace_ids=[]))   # type: ignore[arg-type]
        assert session._profiler.events.errors == 3
    assert len(caplog.records) == 1


GLOBAL = """
import sys
import spanheap
session = spanheap.start(tick=None)
session.dump(sys.argv[1])
assert "opentelemetry._logs" not in sys.modules and "opentelemetry.sdk" not in sys.modules
from opentelemetry._logs import get_logger_provider, set_logger_provider
get_logger_provider()                       # a stand-in: nobody has set one
session.dump(sys.argv[1])
from opentelemetry.sdk._logs import LoggerProvider
from tests.integration.telemetry.test_events import Collected
from opentelemetry.sdk.resources import Resource
collected, provider = Collected(), LoggerProvider(resource=Resource({"service.name": "late"}))
provider.add_log_record_processor(collected)
set_logger_provider(provider)
session.dump(sys.argv[1])
[event] = collected.events
assert (event.name, event.service) == ("spanheap.dump", "late")
"""


def test_a_global_provider_that_is_set_later_is_used(tmp_path: Path) -> None:
    """And until then neither the SDK nor the logs API is imported for it."""
    done = subprocess.run([sys.executable, "-c", GLOBAL, str(tmp_path)], capture_output=True, text=True, timeout=60,
                          cwd=Path(__file__).parents[3])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_provider_is_named(tmp_path: Path) -> None:
    """As the other providers' are."""
    with pytest.raises(TypeError, match=r"logger_provider must be None or have get_logger\(\), which 7 has not"):
        spanheap.start(logger_provider=7)   # type: ignore[arg-type]
