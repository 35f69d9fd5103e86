"""SpanheapInstrumentor: a session for who writes no code; others' instrumentors are not its to break."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import spanheap

pytest.importorskip("opentelemetry.instrumentation.instrumentor",
                    reason="NO INSTRUMENTOR WAS TESTED: opentelemetry-instrumentation is missing (extra test-frameworks)")

P = "OTEL_PYTHON_SPANHEAP_"
INSTRUMENT = shutil.which("opentelemetry-instrument", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
pytestmark = pytest.mark.once(reason="which session runs is told the same everywhere")


@pytest.fixture
def instrumentor() -> Iterator[spanheap.SpanheapInstrumentor]:
    """The one there is; what it started ends with the test."""
    found = spanheap.SpanheapInstrumentor()
    yield found
    session = spanheap.current()
    if session is not None:
        session.shutdown()


def test_it_starts_with_the_environment_and_with_what_it_is_given(
    instrumentor: spanheap.SpanheapInstrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments first; uninstrument() ends the session; it can be started again."""
    monkeypatch.setenv(P + "SAMPLE_INTERVAL", "4KiB")
    monkeypatch.setenv(P + "DETECT", "false")
    session = instrumentor.instrument(skip_dep_check=True, raise_exception_on_conflict=True)
    assert session is not None and session is spanheap.current()
    assert session.stats().sample_interval == 4096 and session._profiler.leaks is None
    instrumentor.uninstrument()
    assert spanheap.current() is None
    again = instrumentor.instrument(sample_interval=1 << 13)
    assert again is not None and again is not session and again.stats().sample_interval == 1 << 13
    again.shutdown()
    assert instrumentor.instrument() is spanheap.current() is not None   # though nobody has called uninstrument()


def test_who_comes_second_is_warned_and_gets_the_running_session(
    instrumentor: spanheap.SpanheapInstrumentor, caplog: pytest.LogCaptureFixture
) -> None:
    """Either way round."""
    first = spanheap.start(tick=None)
    assert instrumentor.instrument() is first
    assert instrumentor.instrument() is first
    assert [record.getMessage() for record in caplog.records] == [
        "spanheap: already running; the running session is left as it is"] * 2
    first.shutdown()
    second = instrumentor.instrument()
    with pytest.warns(RuntimeWarning, match="already running"):
        assert spanheap.start() is second


@pytest.mark.parametrize(
    ("variables", "arguments", "said", "starts"),
    [
        ({"TICK": "fast"}, {}, "TICK='fast' is not a number from 0.01 to 3,600", True),
        ({"PROFILES_ENDPOINT": "collector:4318"}, {}, "PROFILES_ENDPOINT='collector:4318': profiles_endpoint = ", True),
        ({}, {"meter": 3}, "no option of spanheap.start(): meter", True),
        ({}, {"sample_interval": 0}, "not started: sample_interval must be between 1", False),
    ],
)
def test_what_is_wrong_is_logged_and_not_raised(
    instrumentor: spanheap.SpanheapInstrumentor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str], arguments: dict[str, object], said: str, starts: bool,
) -> None:
    """The loader would leave out all instrumentors that come after."""
    for name, text in variables.items():
        monkeypatch.setenv(P + name, text)
    assert (instrumentor.instrument(**arguments) is not None) is starts
    assert len(caplog.records) == 1 and said in caplog.records[0].getMessage()


OTHER = """
import sys
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

class Other(BaseInstrumentor):
    def instrumentation_dependencies(self): return ()
    def _instrument(self, **_): print(__name__)
    def _uninstrument(self, **_): pass

def prepare():   # before any instrumentor is loaded
    sys.modules["opentelemetry.proto"] = None
"""


@pytest.mark.skipif(INSTRUMENT is None, reason="needs opentelemetry-instrument: pip install 'spanheap[test-frameworks]'")
@pytest.mark.parametrize("value", ["collector:4318", "http://collector:4318"])
def test_the_real_loader_goes_on_after_a_variable_that_cannot_be(tmp_path: Path, value: str) -> None:
    """No URL, or none without opentelemetry-proto: a line, a session, and the other instrumentors.

    One comes before ours on the path, one after it where spanheap is on PYTHONPATH, too."""
    for name, hook in (("first", "[opentelemetry_pre_instrument]\nfirst = first:prepare\n"), ("last", "")):
        metadata = tmp_path / name / f"{name}-1.dist-info"
        metadata.mkdir(parents=True)
        metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        metadata.joinpath("entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{name} = {name}:Other\n{hook}")
        tmp_path.joinpath(name, f"{name}.py").write_text(OTHER)
    environment = {
        **os.environ, **{f"OTEL_{kind}_EXPORTER": "none" for kind in ("TRACES", "METRICS", "LOGS")},
        P + "PROFILES_ENDPOINT": value, P + "MAX_DEPTH": "8", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "logging",
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "first"), os.environ.get("PYTHONPATH", ""), str(tmp_path / "last")]),
    }
    program = "import spanheap; found = spanheap.current()._profiler; print(found.options.max_depth, found.profiles)"
    assert INSTRUMENT is not None
    done = subprocess.run([INSTRUMENT, sys.executable, "-c", program], env=environment, timeout=60, capture_output=True,
                          text=True, check=True)
    assert done.stdout.splitlines() == ["first", "last", "8 None"]
    (line,) = (line for line in done.stderr.splitlines() if "spanheap" in line)
    assert f"{P}PROFILES_ENDPOINT='{value}'" in line and "the default is used: none" in line


def test_a_provider_that_is_set_afterwards_is_attached_to() -> None:
    """By the next tick: the loader's order is not ours to choose."""
    code = """
import spanheap
session = spanheap.SpanheapInstrumentor().instrument(tick=None)
session.tick(0.0)
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
session.tick(1.0)
with trace.get_tracer("t").start_as_current_span("late"):
    assert [span.name for span in session.spans.active()] == ["late"], session.spans.active()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what does without it. An ImportError: who loads plugins goes on."""
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.instrumentor", None)
    monkeypatch.delitem(sys.modules, "spanheap.instrumentation.instrumentor", raising=False)
    with pytest.raises(ImportError, match=r"pip install opentelemetry-instrumentation; `spanheap\.start\(\)`"):
        importlib.import_module("spanheap.instrumentation.instrumentor")


def test_an_interpreter_that_cannot_be_profiled_is_an_import_error() -> None:
    """Which loaders of instrumentors skip; anything else ends their work."""
    assert issubclass(spanheap.UnsupportedInterpreter, ImportError)
    assert issubclass(spanheap.UnsupportedInterpreter, spanheap.SpanheapError)


def test_enabling_imports_neither_numpy_nor_the_sdk() -> None:
    """The service that has not imported them does not pay for them."""
    code = ("import sys, spanheap; spanheap.SpanheapInstrumentor().instrument(); "
            "print(sorted(m for m in ('numpy', 'opentelemetry.sdk', 'argparse') if m in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout == "[]\n"
