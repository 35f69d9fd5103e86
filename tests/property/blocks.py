"""The data blocks that a program makes, and what the allocator is asked for each.

How data is told from everything else: each function here makes, grows or shrinks one thing and asks for no other memory
that outlives it. So a live sample whose leaf frame is one of these functions is data, with one exception: list and dict
headers, and on 3.10 a dict's first table, may come from a free list or go to one (docs/sampling.md), where they keep the
site and span of an earlier use. Those sizes are left out, and `least` keeps data larger than them. Nothing else is: a
sample at these sites that the oracle does not know of is a failure, as is one that it misses.

Hence the look of the functions. A repetition, `unit * n`, has no tuple of arguments, which could stay in a free list.
Names are defaults instead of globals: 3.10 would give the code object a cache of globals at its 1,024th call, from within.
What is iterated over, and the slice to cut, are made by the caller. `box`, a list of one, holds the only reference to the
thing, so that a str can grow in place.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

Box = list[Any]


def make_bytes(box: Box, n: int, unit: bytes = b"\0") -> None:
    """One block."""
    box[0] = unit * n


def make_str(box: Box, n: int, unit: str = "x") -> None:
    """One block."""
    box[0] = unit * n


def grow_str(box: Box, more: str) -> None:
    """By realloc, or by a copy where the interpreter prefers that."""
    text = box[0]
    box[0] = None
    text += more
    box[0] = text


def make_bytearray(box: Box, n: int, unit: bytearray = bytearray(1)) -> None:  # noqa: B008 - never changed
    """A header and a buffer."""
    box[0] = unit * n


def grow_bytearray(box: Box, more: bytes) -> None:
    """By realloc."""
    box[0] += more


def cut_bytearray(box: Box, tail: slice) -> None:
    """By realloc to less."""
    del box[0][tail]


def make_array(box: Box, n: int, unit: array.array[int] = array.array("B", [0])) -> None:  # noqa: B008 - never changed
    """A header and a buffer."""
    box[0] = unit * n


def grow_array(box: Box, more: bytes) -> None:
    """By one realloc after the other."""
    grown = box[0]
    for item in more:
        grown.append(item)


def cut_array(box: Box, tail: slice) -> None:
    """By realloc to less."""
    del box[0][tail]


def make_list(box: Box, n: int, unit: list[None] = [None]) -> None:  # noqa: B006 - never changed
    """A header, perhaps from the free list, and a buffer."""
    box[0] = unit * n


def grow_list(box: Box, more: bytes) -> None:
    """By one realloc after the other."""
    grown = box[0]
    for item in more:
        grown.append(item)


def cut_list(box: Box, tail: slice) -> None:
    """By realloc to less."""
    del box[0][tail]


def make_dict(box: Box, keys: list[int]) -> None:
    """A header, perhaps from the free list, and a table that has replaced smaller ones."""
    made: dict[int, None] = {}
    for key in keys:
        made[key] = None
    box[0] = made


def grow_dict(box: Box, keys: list[int]) -> None:
    """By a new table, when the old one is full."""
    grown = box[0]
    for key in keys:
        grown[key] = None


def make_set(box: Box, keys: list[int], new: type[set[int]] = set) -> None:
    """A header and a table that has replaced smaller ones."""
    made = new()
    for key in keys:
        made.add(key)
    box[0] = made


def grow_set(box: Box, keys: list[int]) -> None:
    """By a new table, when the old one is full."""
    grown = box[0]
    for key in keys:
        grown.add(key)


class Kind(NamedTuple):
    """How one kind of thing is made and changed; `grow` and `cut` are None where it cannot be."""

    make: Callable[[Box, Any], None]
    grow: Callable[[Box, Any], None] | None
    cut: Callable[[Box, slice], None] | None
    empty: Any
    unseen: frozenset[int]   # sizes of blocks that a free list may hold


_HEADER_OF_LIST = frozenset({sys.getsizeof([])})
_HEADER_AND_FIRST_TABLE = frozenset({sys.getsizeof({}), {0: None}.__sizeof__() - dict.__basicsize__})

KINDS = {
    "bytes": Kind(make_bytes, None, None, b"", frozenset()),
    "str": Kind(make_str, grow_str, None, "", frozenset()),
    "bytearray": Kind(make_bytearray, grow_bytearray, cut_bytearray, bytearray(), frozenset()),
    "array": Kind(make_array, grow_array, cut_array, array.array("B"), frozenset()),
    "list": Kind(make_list, grow_list, cut_list, [], _HEADER_OF_LIST),
    "dict": Kind(make_dict, grow_dict, None, {}, _HEADER_AND_FIRST_TABLE),
    "set": Kind(make_set, grow_set, None, set(), frozenset()),
}
SITES = {
    function.__name__: kind for kind in KINDS.values() for function in (kind.make, kind.grow, kind.cut) if function
}

# The least number of items. A realloc shows by a new size, and below about 16 items CPython may ask for the old one again.
# The buffer of such a list, and the table of such a dict, are larger than anything in a free list.
LEAST = 32
# Beyond it dict and set stop: their tables are large by then, and more keys only take time.
MOST_KEYS = 2_000
_KEYS = list(range(2 * MOST_KEYS))   # made once, as ints above 256 are memory


def make(kind: str, n: int) -> Box:
    """A box with a thing of n items."""
    box: Box = [None]
    KINDS[kind].make(box, _KEYS[: min(n, MOST_KEYS)] if kind in ("dict", "set") else n)
    return box


def grow(kind: str, box: Box, n: int) -> Callable[..., None] | None:
    """n more items, if there can be more; the function that added them."""
    change = KINDS[kind].grow
    if change is None:
        return None
    size = len(box[0])
    if kind in ("dict", "set"):
        change(box, _KEYS[size : min(size + n, MOST_KEYS)])
    else:
        change(box, "x" * n if kind == "str" else bytes(n))
    return change


def cut(kind: str, box: Box) -> Callable[..., None] | None:
    """Down to a third: less than half, so that the buffer is given back. The function that did it."""
    change = KINDS[kind].cut
    if change is None or len(box[0]) // 3 < LEAST:
        return None
    change(box, slice(len(box[0]) // 3, None))
    return change


def warm_up() -> None:
    """Every function once. Where a tracer was on before, CPython 3.12 allocates for a code object when it next runs."""
    for kind in KINDS:
        box = make(kind, 4 * LEAST)
        grow(kind, box, LEAST)
        cut(kind, box)


def sizes(kind: str, box: Box) -> list[int]:
    """What the allocator was asked for, the data last; without headers that may come from a free list."""
    thing, empty = box[0], KINDS[kind].empty
    if kind in ("bytes", "str"):
        return [sys.getsizeof(thing)]
    data = thing.__sizeof__() - type(thing).__basicsize__
    return [data] if KINDS[kind].unseen else [sys.getsizeof(empty), data]
