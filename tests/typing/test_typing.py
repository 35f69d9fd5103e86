"""What a type checker tells somebody who uses spanheap."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once(reason="mypy reads the same files")

# Every `type: ignore` is a wrong use, and must be one: --strict reports those that are not needed.
# Those without a code are of arguments that have to be named: mypy's code for it differs from version to version.
USES = '''
from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import assert_type

import spanheap


def start_and_stop() -> None:
    session = spanheap.start(sample_interval=1, seed=None, tick=None, adaptive=False, detect=None, dumps=None)
    assert_type(session, spanheap.Session)
    assert_type(spanheap.current(), spanheap.Session | None)
    assert_type(session.force_flush(), bool)
    assert_type(session.debug_url, str | None)
    session.tick(0.0)
    session.shutdown()

    with spanheap.profile(
        max_depth=8, max_samples=100, span_capacity=16, tick=0.5,
        tracer_provider=TracerProvider(), meter_provider=MeterProvider(),
        detect=spanheap.LeakPolicy(), dumps=spanheap.DumpPolicy(), debug_server=spanheap.DebugServer("127.0.0.1:0"),
    ) as block:
        assert_type(block, spanheap.Session)


def holders(session: spanheap.Session, site: spanheap.Site) -> None:
    found = session.holders(site, limit=3, budget_ms=50.0)
    assert_type(found, list[spanheap.Holder])
    assert_type([(h.share, h.objects, h.incomplete, str(h)) for h in found], list[tuple[float, float, bool, str]])
    assert_type(found[0].path[0].entries, int | None)
    session.holders("GET /orders")
    session.holders([object()])
    session.holders(site, 3)   # type: ignore


def rings() -> None:
    ring = spanheap.SpanRing(100, ttl=1.5, policy="drop", stripes=2, clock=time.time_ns)
    assert_type(ring.append(1, 2, 3, "GET /", 4, 5, 6), bool)
    assert_type(ring.snapshot(), list[spanheap.SpanRecord])
    assert_type(ring.get(1)[0].duration_ns, int)
    assert_type(ring.counts(), spanheap.SpanCounts)
    array: npt.NDArray[np.void] = ring.to_numpy()
    print(array, len(ring))
    ring.export_gauge(meter_provider=MeterProvider(), attributes={"cache": "a"})
    spanheap.SpanRing(100, policy="newest")   # type: ignore[arg-type]
    spanheap.SpanRing(100, 5)   # type: ignore
    ring.append("1", 2)   # type: ignore[arg-type]


def results(session: spanheap.Session) -> None:
    snapshot = session.snapshot(collect=True)
    assert_type(snapshot, spanheap.HeapSnapshot)
    assert_type(snapshot.live_bytes, float)
    assert_type(snapshot.samples, int)
    assert_type(snapshot.sites(3), list[spanheap.Site])
    assert_type(snapshot.sites()[0].application_frame, spanheap.Frame | None)
    assert_type(snapshot.by_span_name()[0], spanheap.SpanUsage)
    assert_type(snapshot.diff(snapshot), spanheap.HeapSnapshot)
    records: npt.NDArray[np.void] = snapshot.to_numpy()
    print(records)
    assert_type(session.stats(), spanheap.Stats)
    assert_type(session.stats().samples_dropped, int)
    active: Sequence[spanheap.ActiveSpan] = session.spans.active(5)
    assert_type(active[0].age_s, float)


def dumps(session: spanheap.Session, folder: os.PathLike[str]) -> None:
    assert_type(session.dump(), Path)
    path = session.dump(folder, reason="test")
    dump = spanheap.open_dump(path, max_bytes=1 << 20)
    assert_type(dump, spanheap.Dump)
    reason: str = dump.metadata["reason"]
    assert_type(dump.diff(session.snapshot()), spanheap.HeapSnapshot)
    problem: spanheap.DumpError = spanheap.CorruptFile()
    base: type[spanheap.SpanheapError] = spanheap.UnsupportedInterpreter
    print(reason, problem, base, spanheap.__version__.upper())


def wrong_uses(session: spanheap.Session) -> None:
    spanheap.start(sample_interval="512 KiB")  # type: ignore[arg-type]
    spanheap.start(sample_interval=None)  # type: ignore[arg-type]
    spanheap.start(detect=spanheap.DumpPolicy())  # type: ignore[arg-type]
    spanheap.start(recorder=session)  # type: ignore[arg-type]
    spanheap.start(interval=1)  # type: ignore[call-arg]
    spanheap.start(1)  # type: ignore
    spanheap.profile(tick="1 s")  # type: ignore[arg-type]
    spanheap.profile(tracer_provider=MeterProvider())  # type: ignore[arg-type]
    spanheap.profile(interval=1)  # type: ignore[call-arg]
    spanheap.profile(1)  # type: ignore
    spanheap.current().shutdown()  # type: ignore[union-attr]
    session.dump(b"bytes")  # type: ignore[arg-type]
    session.snapshot(True)  # type: ignore
    session.stats().samples = 0  # type: ignore[misc]
    session.heap()  # type: ignore[attr-defined]
'''


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stubs of numpy and OpenTelemetry are checked once, not once a test."""
    return tmp_path_factory.mktemp("mypy")


def _mypy(source: str, folder: Path, cache: Path) -> str:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("needs mypy")
    module = folder / "uses.py"
    module.write_text(source)
    done = subprocess.run(   # away from the checkout: what the installed package declares is what counts
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}", module.name],
        cwd=folder, capture_output=True, text=True, check=False,
    )
    assert not done.stderr
    return done.stdout


def test_uses_of_the_api_are_typed(tmp_path: Path, cache: Path) -> None:
    """Right uses pass mypy --strict with the types they should have, and each wrong one is reported as what it is."""
    assert _mypy(USES, tmp_path, cache) == "Success: no issues found in 1 source file\n"


def test_a_wrong_use_is_explained(tmp_path: Path, cache: Path) -> None:
    """profile() is checked like start(): the report names the option, or the argument's type and the one expected."""
    report = _mypy("import spanheap\nspanheap.profile(tick='1 s', interval=1)\n", tmp_path, cache)
    assert 'Unexpected keyword argument "interval"' in report
    assert 'Argument "tick"' in report and 'incompatible type "str"; expected "float | None"' in report
