"""A witness: makes a block and asks Python, on the same line, who is making it; later the samples must say the same."""

from __future__ import annotations

import contextlib
import itertools
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

from opentelemetry import trace

import spanheap
from spanheap.snapshot import Frame, Row

# Sizes of bytes objects. LARGE and those above are one for each block, so that its sample is found by it: larger than what
# tests make otherwise, and odd. SMALL goes through pymalloc; it is told apart by its line.
LARGE, STEP, SMALL = 100_003, 16, 277

DEEPEST = spanheap._core.MAX_DEPTH   # much deeper than the tests' own stacks

Stack = tuple[Frame, ...]


def python_stack(frame: FrameType | None) -> Stack:
    """What Python says the stack from this frame on is: leaf first, functions named as reports name them."""
    return tuple(
        Frame(getattr(f.f_code, "co_qualname", f.f_code.co_name), f.f_code.co_filename, line or 0)
        for f, line in traceback.walk_stack(frame)
    )


def span_id() -> str:
    """What OpenTelemetry says of the current span: its id as rows have it, "" for none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_span_id(context.span_id) if context.is_valid else ""


class Witness:
    """Call it where an allocation is to be judged; `check()` at the end."""

    def __init__(self, session: spanheap.Session) -> None:
        self.session = session
        self._sizes = itertools.count(LARGE, STEP)
        self._kept: list[object] = []
        self._stacks: dict[int, Stack] = {}    # by the size of the block
        self._spans: dict[int, str] = {}

    def __call__(self, *_: object) -> bool:
        """Make a block; whatever it is called with, so that it can stand for any callback. True, to chain calls."""
        size = next(self._sizes)
        made, stack = (bytes(size), bytes(SMALL)), python_stack(sys._getframe())   # one line: that of both
        self._kept.append(made)
        self._stacks[sys.getsizeof(made[0])] = stack
        self._spans[sys.getsizeof(made[0])] = span_id()
        return True

    def rows(self) -> dict[int, Row]:
        """The sample of each large block, by its size, in the order in which they were made."""
        return self._rows_of(self.session.snapshot())

    def _rows_of(self, snapshot: spanheap.HeapSnapshot) -> dict[int, Row]:
        found: dict[int, list[Row]] = {size: [] for size in self._stacks}
        for row in snapshot.rows:
            if row.is_live and row.size in found:
                found[row.size].append(row)
        assert all(len(rows) == 1 for rows in found.values())
        return {size: rows[0] for size, rows in found.items()}

    def check(self, blocks: int, depth: int | None = None) -> None:
        """Every block has the stack (of `depth` frames at most) and the span that Python says it has.

        `blocks`: how many there are to be, so that a callback which was never called is noticed.
        """
        assert len(self._stacks) == blocks
        snapshot = self.session.snapshot()
        rows = self._rows_of(snapshot)
        assert {size: row.stack for size, row in rows.items()} == {s: stack[:depth] for s, stack in self._stacks.items()}
        assert {size: row.span_id for size, row in rows.items()} == self._spans
        here = {stack[0] for stack in self._stacks.values()}
        small = sys.getsizeof(bytes(SMALL))
        assert Counter(stack[:depth] for stack in self._stacks.values()) == Counter(
            row.stack for row in snapshot.rows if row.size == small and row.is_live and row.stack and row.stack[0] in here
        )
        assert spanheap._core.valid()

    def functions(self) -> list[list[str]]:
        """The plain names of the functions between the caller of this and each block's witness, innermost first."""
        outside = len(python_stack(sys._getframe(1)))
        return [[f.function.rpartition(".")[2] for f in row.stack[1:-outside]] for row in self.rows().values()]

    def lines(self) -> list[int]:
        """The line from which each block's witness was called."""
        return [row.stack[1].line for row in self.rows().values()]


@contextlib.contextmanager
def witnessing(max_depth: int = DEEPEST, **options: Any) -> Iterator[Witness]:
    """A session that samples every allocation, and a witness in it."""
    with spanheap.profile(
        sample_interval=1, max_samples=1_000_000, max_depth=max_depth, adaptive=False, tick=None, seed=1, **options
    ) as session:
        yield Witness(session)
