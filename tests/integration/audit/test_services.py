"""An audit of twelve services, of which seven have a cache without bound: these are found, and no other."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap
from spanheap.audit.finding import Finding

SERVICES = Path(__file__).parent / "services"
REQUESTS = 80   # between two looks

FOUND = {
    "debug_map:_by_request (dict)": ("keeps_spans", "GET /orders/{id}"),
    "list_exporter:exporter (KeepingExporter) → list_exporter.KeepingExporter.exported (list)":
        ("keeps_spans", "GET /basket"),
    "request_log:_log (OrderedDict)": ("keeps_spans", "POST /payments"),
    "registry.Request.seen (list)": ("keeps_spans", "GET /users/{id}"),
    "thread_log:_local (_local) → finished (list)": ("keeps_spans", "job"),
    "price_lookup.price (lru_cache)": ("grows", ""),
    "timings:_timings (deque)": ("grows", ""),
}


def load(path: Path) -> ModuleType:
    """Import a service by the name of its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def findings() -> Iterator[list[Finding]]:
    """Return what an audit finds while all twelve answer requests."""
    services = [load(path) for path in sorted(SERVICES.glob("*.py"))]
    assert len(services) == 12
    provider = TracerProvider()
    session = spanheap.start(tick=None, tracer_provider=provider, seed=1)
    try:
        with session.audit(interval=None, budget_ms=60_000, min_growth=8) as audit:
            number = 0
            for _ in range(6):
                for _ in range(REQUESTS):
                    number += 1
                    for service in services:
                        service.handle(provider.get_tracer("tests"), number)
                audit.look()
        assert audit.is_conclusive() and audit.looks == 8
        yield audit.findings()
    finally:
        session.shutdown()
        for name, service in [(service.__name__, service) for service in services]:
            getattr(service, "close", lambda: None)()
            service.__dict__.clear()
            del sys.modules[name]


def test_seven_are_found_by_name(findings: list[Finding]) -> None:
    """Each cache without bound is named by what holds it; what levels off or has a bound is not, nor what is pytest's."""
    assert {f.holder: (f.kind, f.span_name) for f in findings} == FOUND


@pytest.mark.parametrize("holder", FOUND)
def test_figures_are_those_of_the_cache(findings: list[Finding], holder: str) -> None:
    """The entries are counted; the growth is one entry for a request."""
    found: Any = next(f for f in findings if f.holder == holder)
    assert found.entries == found.gained == 6 * REQUESTS
    assert found.per_1000_spans == pytest.approx(1000 / 12)   # each service makes one span
    assert found.bytes > found.entries * 8


def test_caches_of_spans_come_first_and_say_the_remedy(findings: list[Finding]) -> None:
    """A kept span costs ten times its metadata, so it is told first, with the ring as the remedy."""
    kinds = [f.kind for f in findings]
    assert kinds == sorted(kinds, reverse=True)
    assert all("SpanRing" in f.advice for f in findings if f.kind == "keeps_spans")
    assert next(f.advice for f in findings if "lru_cache" in f.holder).startswith("Give lru_cache a maxsize")


def test_bytes_of_kept_spans_are_more_than_of_metadata(findings: list[Finding]) -> None:
    """What only the entries refer to counts: a span is some hundreds of bytes, a tuple of numbers less."""
    size = {f.holder: f.bytes / f.entries for f in findings}
    assert size["debug_map:_by_request (dict)"] > 3 * size["timings:_timings (deque)"] > 100
