"""python -m tests.truth.unseen: which part of the headers of recycled objects the hook does not see.

Each turn makes 20 objects and lets the 20 of the turn before go, as a request does. At interval 1 everything that
reaches the allocator is sampled; a header from its type's free list does not, and keeps the record of its first use.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import spanheap

KEPT, TURNS = 20, 200

# What a turn makes, and of how many blocks one consists. Small ints need none.
KINDS: dict[str, tuple[Callable[[int], object], int]] = {
    "list of 3": (lambda i: [i, i, i], 2),
    "dict of 1": (lambda i: {i: i}, 2),
    "tuple of 2": (lambda i: (i, i), 1),
    "float": (lambda i: i * 0.5, 1),
    "object": (lambda i: object(), 1),
    "bytes of 100": (lambda i: bytes(100), 1),
}


def turns(make: Callable[[int], object], count: int) -> list[object]:
    """`count` turns; what is returned is of the last one."""
    kept: list[object] = [None] * KEPT
    for turn in range(count):
        for i in range(KEPT):
            kept[i] = make(turn + i)
    return kept


def unseen(make: Callable[[int], object], blocks_each: int) -> float:
    """The share of the blocks of one more turn that the allocator is not asked for."""
    with spanheap.profile(sample_interval=1, max_samples=100_000, adaptive=False, tick=None) as session:
        turns(make, TURNS)
        before = allocated(session)
        turns(make, 1)
        return 1 - (allocated(session) - before) / (KEPT * blocks_each)


def allocated(session: spanheap.Session) -> float:
    """Blocks that the functions of KINDS have asked for."""
    rows = session.snapshot().rows
    return sum(row.allocated_objects for row in rows if row.stack and row.stack[0].function.endswith("<lambda>"))


if __name__ == "__main__":
    spanheap.start(tick=None).shutdown()   # what a first start imports
    print(f"CPython {platform.python_version()}")
    for name, (make, blocks_each) in KINDS.items():
        print(f"  {name:14} {unseen(make, blocks_each):6.1%} of the blocks of a turn come from a free list")
