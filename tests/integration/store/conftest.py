"""A session that knows one provider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

import spanheap


@pytest.fixture
def provider() -> TracerProvider:
    """A provider of its own for each test."""
    return TracerProvider(shutdown_on_exit=False)


@pytest.fixture
def session(provider: TracerProvider) -> Iterator[spanheap.Session]:
    """A session that keeps up to 100 spans and ticks only when told to."""
    with spanheap.profile(tick=None, tracer_provider=provider, span_capacity=100) as session:
        yield session
        assert session.stats().processor_errors == 0
        assert session.spans._log.valid() and spanheap._core.valid()


@pytest.fixture
def tracer(provider: TracerProvider, session: spanheap.Session) -> Tracer:
    """Whose spans the session sees."""
    return provider.get_tracer("tests")
