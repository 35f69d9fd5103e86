"""`spanheap doctor`: runs a program, and finds each mistake that is planted in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spanheap import cli

pytestmark = pytest.mark.once(reason="runs programs and prints; the checks depend on the SDK, not on the CPython")

PROGRAMS = Path(__file__).with_name("programs")


class Done(NamedTuple):
    """How a run of the doctor ended."""

    status: int
    out: str
    error: str
    found: Any


def doctor(folder: Path, *arguments: str) -> Done:
    """Run the doctor in this folder."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "spanheap", "doctor", "--json", "found.json"]
    unset = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run([*command, *arguments], cwd=folder, env=unset, capture_output=True, text=True, timeout=100,
                          check=False)
    found = folder / "found.json"
    return Done(done.returncode, done.stdout, done.stderr, json.loads(found.read_text()) if found.exists() else None)


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run of the program that has them all."""
    return doctor(tmp_path_factory.mktemp("mistakes"), str(PROGRAMS / "mistakes.py"))


def line_of(text: str) -> str:
    """Where in the program this is: as `FILE:LINE`."""
    lines = (PROGRAMS / "mistakes.py").read_text().splitlines()
    [number] = [i for i, line in enumerate(lines, 1) if text in line]
    return f"{PROGRAMS / 'mistakes.py'}:{number} in "


@pytest.mark.parametrize(("check", "what", "made", "why", "fix"), [
    ("no-reader", "The MeterProvider has no metric reader: its 601 instruments", "set_meter_provider(MeterProvider())",
     "kept and measured into for nobody", "PeriodicExportingMetricReader"),
    ("no-callback", "ObservableGauge 'pool.size' of the meter 'shop' has no callback",
     'create_observable_gauge("pool.size")', "visited at each collection",
     'meter.create_observable_gauge("pool.size", callbacks=[observe])'),
    ("in-memory-reader", "InMemoryMetricReader, which is for tests", "InMemoryMetricReader()]",
     "exports nothing", "PeriodicExportingMetricReader"),
    ("simple-processor", "SimpleSpanProcessor exports each span to ConsoleSpanExporter", "SimpleSpanProcessor(console())",
     "for up to 10 s a span", "BatchSpanProcessor(ConsoleSpanExporter"),
    ("in-memory-exporter", "InMemorySpanExporter keeps all spans that are exported: 200 so far, ",
     "(InMemorySpanExporter())", "GiB for a million spans", "clear() it after each"),
    ("no-processor", "The TracerProvider has no span processor", "max_events=SpanLimits.UNSET", "thrown away",
     "add_span_processor"),
    ("several-providers", "2 TracerProviders are in use at the same time", "provider = TracerProvider()",
     "queues (1) can hold", "Make one TracerProvider"),
    ("batch-queue", "The queue of BatchSpanProcessor takes 100,000 items: 195 times its batch of 512",
     "max_queue_size=100_000", "MiB at ", "OTEL_BSP_MAX_QUEUE_SIZE=2048"),
    ("before-fork", "BatchSpanProcessor was made before the process was forked (1 time)", "max_queue_size=100_000",
     "a thread and a queue of its own", "post_fork"),
    ("attribute-length", "Attribute values of spans and their events may be of any length", "provider = TracerProvider()",
     "GiB", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=4096"),
    ("span-counts", "The number of what a span may have is unlimited: max_events", "max_events=SpanLimits.UNSET",
     "grows with each event", "OTEL_SPAN_EVENT_COUNT_LIMIT=128"),
    ("tracer-names", "Tracers of 200 names", "trace.get_tracer(", "for good", "trace.get_tracer(__name__)"),
    ("meter-names", "201 Meters are kept: 'shop', 'shop.request.0', ", "metrics.get_meter(f", "so far",
     "metrics.get_meter(__name__)"),
    ("metric-names", "The meter 'shop' has 601 instruments: 'orders.of.customer.0', ", "meter.create_counter(f", "so far",
     "One instrument, made once"),
    ("span-cache", "200 ended spans, such as 'GET /orders', are kept by __main__:finished (dict, 200 entries)", "",
     "KiB", "spanheap.SpanRing"),
])
def test_planted_mistake_is_found(mistakes: Done, check: str, what: str, made: str, why: str, fix: str) -> None:
    """With what it is, the line that made it, what it costs, and the remedy; in the report and as JSON."""
    found = [f for f in mistakes.found["findings"] if f["check"] == check and what in f["what"]]
    assert len(found) == 1, mistakes.error
    assert why in found[0]["why"] and fix in found[0]["fix"]
    assert line_of(made) in found[0]["where"] if made else "__main__:finished" in found[0]["where"]
    assert " ".join(found[0]["what"].split()) in " ".join(mistakes.error.split())


def test_report_says_how_it_went(mistakes: Done) -> None:
    """Status 1; what the check had to do without is not hidden; nothing is found twice."""
    assert mistakes.status == 1 and mistakes.found["cannot_tell"] == {}
    assert mistakes.found["target"] == {
        "name": str(PROGRAMS / "mistakes.py"), "module": False, "status": 0, "ended_with": "returned"}
    told = [(f["check"], f["what"], f["where"]) for f in mistakes.found["findings"]]
    assert len(set(told)) == len(told) == 16 and f"spanheap doctor: {len(told)} mistakes that cost memory" in mistakes.error


def test_cost_of_a_span_cache_is_measured(mistakes: Done) -> None:
    """200 spans with an attribute of 1,000 characters each, which the other exporters share."""
    [cache] = [f for f in mistakes.found["findings"] if f["check"] == "span-cache"]
    [kept] = [f for f in mistakes.found["findings"] if f["check"] == "in-memory-exporter"]
    assert 0 < kept["bytes"] < 200 * 4000 and 0 < cache["bytes"] < 200 * 6000


def test_healthy_program_passes(tmp_path: Path) -> None:
    """Providers with a batching processor, a reader and limits: status 0, nothing found, nothing that cannot be told."""
    done = doctor(tmp_path, str(PROGRAMS / "healthy.py"))
    assert (done.status, done.found["findings"], done.found["cannot_tell"]) == (0, [], {}), done.error
    assert "spanheap doctor: nothing that costs memory without need" in done.error and done.found["providers"] == 2


def test_program_without_an_sdk_gets_none_from_the_doctor(tmp_path: Path) -> None:
    """Status 3: it was not examined, which is not the same as healthy; its arguments are its own."""
    (tmp_path / "plain.py").write_text("import sys\nprint(sys.argv, 'opentelemetry.sdk' in sys.modules)\n")
    done = doctor(tmp_path, "plain.py", "-m", "--json")
    assert (done.status, done.out) == (3, "['plain.py', '-m', '--json'] False\n")
    assert "the program has set up no OpenTelemetry SDK: there is nothing to examine" in done.error


def test_program_that_raises_is_examined_all_the_same(tmp_path: Path) -> None:
    """Its traceback is shown as python shows it, and what it had set up until then is examined."""
    (tmp_path / "broken.py").write_text(
        "from opentelemetry.sdk.metrics import MeterProvider\nprovider = MeterProvider()\n"
        "raise LookupError('no such order')\n")
    done = doctor(tmp_path, "broken.py")
    assert done.status == 1 and done.error.startswith("Traceback") and "LookupError: no such order" in done.error
    assert "the program ended with: LookupError" in done.error and "spanheap/" not in done.error.partition("\nspanheap")[0]
    assert [f["check"] for f in done.found["findings"]] == ["no-reader"]


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "give a script, or a module with -m (a server: spanheap doctor -m uvicorn app:app)"),
    (["--json", "/nowhere/at/all.json", "a.py"], "there is no folder /nowhere/at"),
    (["--no-such-option", "a.py"], "unrecognized arguments: --no-such-option"),
    (["-m"], "expected one argument"),
])
def test_wrong_usage_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, with the value and the way out."""
    with pytest.raises(SystemExit) as error:
        cli.main(["doctor", *arguments])
    assert error.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["no_such.py"], "spanheap doctor: error: cannot read no_such.py: No such file or directory; give a script"),
    (["-m", "no_such_module"], "spanheap doctor: error: there is no module 'no_such_module'"),
])
def test_program_that_cannot_run_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2, and nothing of this process is changed."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.meta_path)
    assert cli.main(["doctor", *arguments]) == 2
    assert message in capsys.readouterr().err and sys.meta_path == before


def test_syntax_error_of_the_program_is_shown(tmp_path: Path) -> None:
    """Status 2, as python shows it."""
    (tmp_path / "wrong.py").write_text("def main(:\n")
    done = doctor(tmp_path, "wrong.py")
    assert done.status == 2 and "SyntaxError" in done.error and "spanheap doctor:" not in done.error
