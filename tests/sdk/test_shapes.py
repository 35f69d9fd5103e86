"""Each private name of OpenTelemetry in spanheap.spans.sdk stands for the public thing that it is read for."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from spanheap import _core
from spanheap.spans import sdk


class Recorder(SpanProcessor):
    """Looks at spans when they start and end; at the stack, too."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = []
        self.below_start_span: list[bool] = []

    def note(self, when: str, span: ReadableSpan) -> None:
        """Keep the private fields and the public properties, as they are now."""
        private = tuple(getattr(span, name) for name in sdk.SPAN_FIELDS)
        self.seen.append((when, private, (span.context, span.parent, span.name,
                                         span.start_time, span.end_time, span.status)))

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """See SpanProcessor."""
        self.note("start", span)
        self.below_start_span.append(below_start_span())

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""
        self.note("end", span)


def below_start_span() -> bool:
    """Whether the caller was called, directly or not, by Tracer.start_span."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not sdk.start_span_code():
        frame = frame.f_back
    return frame is not None


@pytest.fixture
def recorder() -> Recorder:
    """A processor that knows nothing yet."""
    return Recorder()


@pytest.fixture
def provider(recorder: Recorder) -> TracerProvider:
    """A provider that the recorder is attached to."""
    provider = TracerProvider()
    provider.add_span_processor(recorder)
    return provider


def test_the_runtime_contexts_variable_is_what_get_current_reads() -> None:
    """Before, inside and after a span."""
    variable = sdk.runtime_context_variable()
    assert variable.get() == context.get_current()
    attached = context.set_value("key", "value")
    token = context.attach(attached)
    assert variable.get() is context.get_current() is attached
    context.detach(token)
    assert variable.get() == context.get_current() != attached


def test_a_runtime_context_of_another_kind_has_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by AttributeError, which attribution turns into its warning."""
    monkeypatch.setattr(context, "_RUNTIME_CONTEXT", SimpleNamespace())
    with pytest.raises(AttributeError):
        sdk.runtime_context_variable()


def test_the_span_key_is_the_one_that_spans_are_put_under() -> None:
    """The very object, in a Context that is a dict: the hook compares identities."""
    span = NonRecordingSpan(SpanContext(1, 2, is_remote=False))
    for outer in (context.Context(), context.Context({"other": 1}), trace.set_span_in_context(trace.INVALID_SPAN)):
        inner = trace.set_span_in_context(span, outer)
        [key] = [key for key, value in inner.items() if value is span]
        assert isinstance(inner, dict) and key is sdk.span_key()


def test_the_fields_of_a_span_are_its_properties(provider: TracerProvider, recorder: Recorder) -> None:
    """At its start and at its end, with and without parents, also after update_name()."""
    tracer = provider.get_tracer("tests")
    remote = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1)))
    outside = trace.set_span_in_context(remote)
    with tracer.start_as_current_span("remote", context=outside), tracer.start_as_current_span("local") as span:
        span.update_name("renamed")
    assert [(when, public[2]) for when, _, public in recorder.seen] == [
        ("start", "remote"), ("start", "local"), ("end", "renamed"), ("end", "remote"),
    ]
    for _, private, public in recorder.seen:
        assert all(a is b for a, b in zip(private, public, strict=True))
        assert len(private) == len(sdk.SPAN_FIELDS) == 6
        assert getattr(private[5], sdk.STATUS_CODE) is public[5].status_code


def test_a_span_context_is_a_tuple_in_a_known_order(provider: TracerProvider) -> None:
    """Of a recording span, and of one that came from elsewhere."""
    remote = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    for span_context in (remote, provider.get_tracer("tests").start_span("one").get_span_context()):
        c = span_context
        assert isinstance(c, tuple)
        assert tuple(c)[:5] == (c.trace_id, c.span_id, c.is_remote, c.trace_flags, c.trace_state)


def test_spans_are_built_below_start_span(provider: TracerProvider, recorder: Recorder) -> None:
    """Whichever way they are started, and so are the decisions on those that are dropped."""
    tracer = provider.get_tracer("tests")
    tracer.start_span("by hand").end()
    with tracer.start_as_current_span("as current"):
        pass

    @tracer.start_as_current_span("decorated")
    def decorated() -> None:
        pass

    decorated()
    assert recorder.below_start_span == [True] * 3 and not below_start_span()

    class Asked(Sampler):
        below: bool | None = None

        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            self.below = below_start_span()
            return ALWAYS_OFF.should_sample(*args, **kwargs)

        def get_description(self) -> str:
            return "asked"

    sampler = Asked()
    dropped = TracerProvider(sampler=sampler).get_tracer("tests").start_span("dropped")
    assert sampler.below and type(dropped) is NonRecordingSpan


def test_spans_can_be_referred_to_weakly(provider: TracerProvider) -> None:
    """Both objects, and their references die with them."""
    ended: list[ReadableSpan] = []

    class Keeper(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            ended.append(span)

    provider.add_span_processor(Keeper())
    span = provider.get_tracer("tests").start_span("one")
    span.end()
    references = [weakref.ref(span), weakref.ref(ended[0])]
    assert references[0]() is span and references[1]() is ended[0] is not span
    del span, ended[0]
    assert references[0]() is None and references[1]() is None


def test_an_export_queue_is_what_waits_and_what_is_being_sent(provider: TracerProvider) -> None:
    """While nothing is exported, while an export goes on, and afterwards."""
    exporting, go_on = threading.Event(), threading.Event()
    sent: list[ReadableSpan] = []

    class Slow(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            sent.extend(spans)
            exporting.set()
            go_on.wait(30)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

    def names(spans: list[ReadableSpan]) -> set[str]:
        return {span.name for span in spans if span is not None}   # the first SDKs' batch has places that are None

    batch = BatchSpanProcessor(Slow(), max_export_batch_size=4, schedule_delay_millis=60_000)
    provider.add_span_processor(batch)
    assert sdk.export_queue(batch) is not None and sdk.export_queue(Recorder()) is None
    try:
        for i in range(3):
            provider.get_tracer("tests").start_span(f"{i}").end()
        held, more = sdk.export_queue(batch)   # type: ignore[misc]
        assert names(held) == {"0", "1", "2"} and more == 0
        for i in range(3, 7):   # with the fourth a batch is full, and it is sent
            provider.get_tracer("tests").start_span(f"{i}").end()
        assert exporting.wait(30)
        held, more = sdk.export_queue(batch)   # type: ignore[misc]
        everything = {f"{i}" for i in range(7)}
        assert names(held) == everything if more == 0 else names(held) == everything - names(sent) and more == 4
    finally:
        go_on.set()
        batch.shutdown()
    held, more = sdk.export_queue(batch)   # type: ignore[misc]
    assert not any(held) and more == 0


def test_processors_inside_others_are_among_their_fields() -> None:
    """Of an object without fields there are none."""
    inner = Recorder()
    outer = SimpleNamespace(behind=inner, name="filter")
    assert inner in sdk.fields(outer) and sdk.fields(object()) == ()


def test_without_the_sdk_there_is_no_start_span() -> None:
    """Looking for it must not import the SDK, which a service may not have set up yet."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from spanheap.spans import sdk; "
         "print(sdk.start_span_code(), 'opentelemetry.sdk.trace' in sys.modules)"],
        capture_output=True, text=True, check=True, timeout=60,
    )
    assert done.stdout == "None False\n"


@pytest.mark.parametrize("concurrent", [False, True])
def test_the_processors_of_a_provider_are_those_of_its_spans(recorder: Recorder, concurrent: bool) -> None:
    """Found from either side; one that is added at the span is the provider's, and hears of the next span."""
    with_pool = ConcurrentMultiSpanProcessor(2) if concurrent else None
    provider = TracerProvider(active_span_processor=with_pool)   # type: ignore[arg-type]
    processors = sdk.provider_processors(provider)
    assert sdk.members(processors) == ()
    provider.add_span_processor(first := Recorder())
    span = provider.get_tracer("tests").start_span("one")
    assert sdk.span_processors(span) is processors
    processors.add_span_processor(recorder)   # type: ignore[union-attr]
    assert sdk.members(processors) == (first, recorder)
    provider.get_tracer("tests").start_span("two").end()
    assert [public[2] for _, _, public in recorder.seen] == ["two", "two"]
    provider.shutdown()


def test_what_has_no_processors_says_so() -> None:
    """Spans that are not recorded, providers of other makes, the API's own."""
    for span in (trace.INVALID_SPAN, NonRecordingSpan(SpanContext(1, 2, is_remote=False)), object()):
        assert sdk.span_processors(span) is None
    assert sdk.provider_processors(trace.NoOpTracerProvider()) is None
    assert sdk.members(None) == ()


@pytest.mark.parametrize("size", [64, 2048])
def test_the_queue_of_a_batch_processor(size: int) -> None:
    """Its length is the number of spans that wait, its capacity where the oldest is dropped for a new one."""
    class Stalled(SpanExporter):
        works = threading.Event()
        exporting = threading.Event()

        def export(self, spans: Any) -> SpanExportResult:
            self.exporting.set()
            self.works.wait(30)
            return SpanExportResult.SUCCESS

    exporter = Stalled()
    processor = BatchSpanProcessor(exporter, max_queue_size=size, max_export_batch_size=32)
    queue = sdk.batch_queue(processor)
    assert queue is not None and (queue.capacity, queue.batch, len(queue.spans)) == (size, 32, 0)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("tests")
    for _ in range(32):   # wakes the exporting thread
        tracer.start_span("taken").end()
    assert exporter.exporting.wait(30) and len(queue.spans) == 0
    for i in range(size):
        assert len(queue.spans) == i
        tracer.start_span(f"span {i}").end()
    tracer.start_span("one more").end()
    assert (len(queue.spans), queue.spans[-1].name, queue.spans[0].name) == (size, "span 1", "one more")
    exporter.works.set()
    provider.shutdown()


def test_what_is_no_batch_processor_has_no_queue() -> None:
    """Others' attributes of the same names are not taken for one."""
    looks_alike = SimpleNamespace(queue=[], max_export_batch_size=1)
    unbounded = SimpleNamespace(_batch_processor=SimpleNamespace(_queue=deque(), _max_export_batch_size=1))
    for one in (SimpleSpanProcessor(ConsoleSpanExporter()), looks_alike, unbounded, object(), None):
        assert sdk.batch_queue(one) is None


def test_a_logger_provider_without_processors_takes_no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that was made while the SDK was disabled; one of another make is believed to."""
    processor = SimpleNamespace(shutdown=lambda: None, enabled=lambda **_: True)
    provider = LoggerProvider(shutdown_on_exit=False)
    assert not sdk.takes_logs(provider)
    provider.add_log_record_processor(processor)   # type: ignore[arg-type]
    assert sdk.takes_logs(provider) and sdk.takes_logs(object())
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    disabled = LoggerProvider(shutdown_on_exit=False)
    disabled.add_log_record_processor(processor)   # type: ignore[arg-type]
    assert not sdk.takes_logs(disabled)


GLOBAL_LOGS = """
import sys
from spanheap.spans import sdk
assert sdk.global_logger_provider() is None and "opentelemetry._logs" not in sys.modules
from opentelemetry import _logs
assert sdk.global_logger_provider() is None       # the API's stand-in
from opentelemetry.sdk._logs import LoggerProvider
_logs.set_logger_provider(provider := LoggerProvider())
assert sdk.global_logger_provider() is provider
"""


def test_the_global_logger_provider() -> None:
    """None until somebody has set one; asking imports nothing."""
    done = subprocess.run([sys.executable, "-c", GLOBAL_LOGS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_our_processor_has_all_that_the_sdk_calls() -> None:
    """It does not inherit: a method added by a version, as `_on_ending` was by 1.40, would be missed when a span ends."""
    called = {name for name, value in vars(SpanProcessor).items() if callable(value) and not name.startswith("__")}
    assert called >= {"on_start", "on_end", "shutdown", "force_flush"}
    assert not [name for name in called if not callable(getattr(_core.SpanProcessor, name, None))]


def test_a_trace_state_keeps_its_entries_where_we_share_them() -> None:
    """Two that share them are equal in all that is public, and adding to one does not change the other."""
    given = trace.TraceState([("vendor", "x"), ("other", "y")])
    shared = trace.TraceState()
    setattr(shared, sdk.TRACE_STATE_ENTRIES, getattr(given, sdk.TRACE_STATE_ENTRIES))
    assert shared.to_header() == given.to_header() and dict(shared) == dict(given)
    assert shared.add("third", "z").get("third") == "z"
    assert "third" not in shared and "third" not in given
