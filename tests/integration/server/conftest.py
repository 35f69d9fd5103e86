"""A session with a debug server, and a folder of its own for what says where it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import spanheap

BLOCK = 300_000


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where entries and dumps go, for children as well."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    """Spans to allocate under."""
    return TracerProvider()


@pytest.fixture
def session(provider: TracerProvider) -> Iterator[spanheap.Session]:
    """Ticks when told to; what is sampled is about one allocation in 50,000 bytes."""
    with spanheap.profile(sample_interval=50_000, tick=None, seed=5, tracer_provider=provider,
                          debug_server="127.0.0.1:0") as running:
        yield running


@pytest.fixture
def url(session: spanheap.Session) -> str:
    """Where it is."""
    assert session.debug_url is not None
    return session.debug_url


@pytest.fixture
def leak(session: spanheap.Session, provider: TracerProvider) -> list[bytes]:
    """Twelve MB of one endpoint."""
    with provider.get_tracer("tests").start_as_current_span("GET /leak"):
        return [bytes(BLOCK) for _ in range(40)]
