"""What the integration tests share: a session in which every byte counts, and scripts in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import spanheap

from ._blocks import Blocks, traced_blocks

Script = Callable[..., str]


@pytest.fixture
def every_byte() -> Iterator[spanheap.Session]:
    """A session that samples every allocation, ticks only when told to, and knows no tracer provider yet."""
    with spanheap.profile(sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None, seed=1) as session:
        yield session


@pytest.fixture
def blocks() -> Iterator[Blocks]:
    """Every allocation is sampled."""
    with traced_blocks() as blocks:
        yield blocks


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """A reader that collects when asked: of `meters`."""
    return InMemoryMetricReader()


@pytest.fixture
def meters(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    """A provider of its own for each test."""
    provider = MeterProvider([reader])
    yield provider
    provider.shutdown()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """`asyncio.run`, on both event loops."""
    new_loop = pytest.importorskip(request.param).new_event_loop

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        loop = new_loop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return run


@pytest.fixture
def script() -> Script:
    """Runs code in a process of its own; returns what it printed. A crash or an exception fails the test."""

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-W", "ignore::DeprecationWarning", "-c",
             textwrap.dedent(code)],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
