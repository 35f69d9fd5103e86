"""Blocks that are known by their sizes, so that each can be asked which span it was made for."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

import spanheap
from spanheap.snapshot import Row

# No other object of a test has such a size: large, and a multiple of nothing.
FIRST, STEP = 100_003, 16

_provider = TracerProvider()   # outlives the sessions, as a service's does


class Blocks:
    """Makes blocks under names of the test's, keeps them, and finds them in a snapshot."""

    def __init__(self, session: spanheap.Session, tracer: Tracer) -> None:
        self.session = session
        self.tracer = tracer
        self._sizes = itertools.count(FIRST, STEP)
        self._kept: dict[str, bytes] = {}

    def make(self, name: str) -> None:
        """Make the block of this name, here and now."""
        assert name not in self._kept, name
        self._kept[name] = bytes(next(self._sizes))

    def rows(self) -> dict[str, Row]:
        """Return the sample of each block."""
        by_size = {row.size: row for row in self.session.snapshot().rows if row.is_live}
        return {name: by_size[sys.getsizeof(block)] for name, block in self._kept.items()}

    def spans(self) -> dict[str, str]:
        """Return the name of the span that each block was made for."""
        return {name: row.span_name for name, row in self.rows().items()}

    def roots(self) -> dict[str, str]:
        """Return the name of the local root that each block was made for."""
        return {name: row.root_span_name for name, row in self.rows().items()}

    def threads(self) -> dict[str, str]:
        """Return the name of the thread that made each block."""
        return {name: row.thread for name, row in self.rows().items()}

    def functions(self) -> dict[str, list[str]]:
        """Return the plain names of the functions that each block was made below, innermost first."""
        return {name: [frame.function.rpartition(".")[2] for frame in row.stack] for name, row in self.rows().items()}


@contextlib.contextmanager
def traced_blocks(provider: TracerProvider = _provider) -> Iterator[Blocks]:
    """A session that samples every allocation and knows this provider, that of `Blocks.tracer`; its tables stay whole."""
    with spanheap.profile(
        sample_interval=1, max_samples=1_000_000, adaptive=False, tick=None, seed=1, tracer_provider=provider
    ) as session:
        assert session.stats().attribution
        yield Blocks(session, provider.get_tracer("tests"))
        assert spanheap._core.valid()
