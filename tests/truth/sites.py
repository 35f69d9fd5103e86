"""Places that allocate a known amount. Each is a function of its own, whose name is how its samples are found.

The truth is what is asked of the allocator: for `bytes(n)` n + 33 bytes, for a container that grows each buffer it has on
its way. A site allocates nothing else: iterators are made outside, and `places`, the indices of `keep`, are ints made
beforehand. (Headers of lists and dicts often come from free lists and then never reach the hook: docs/sampling.md.)
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

_TURNS = [None] * 600
_KEYS = range(200)   # small ints, which need no memory
_EIGHT = dict.fromkeys(range(8))


class Site(NamedTuple):
    """`fill` keeps a thing at each of `count` places; for one, `function` makes `requests()` and keeps the last of them."""

    name: str
    function: str
    fill: Callable[[list[object], Iterator[int]], None]
    requests: Callable[[], list[int]]
    count: int
    interval: int   # so that about 300 samples are expected: enough for a spread to show, small enough that p < 1


def fill_64_bytes(keep: list[object], places: Iterator[int]) -> None:
    """Blocks that pymalloc serves itself."""
    for i in places:
        keep[i] = bytes(64 - 33)


def fill_1_kib(keep: list[object], places: Iterator[int]) -> None:
    """Blocks that pass through pymalloc to RAW."""
    for i in places:
        keep[i] = bytes(1024 - 33)


def fill_64_kib(keep: list[object], places: Iterator[int]) -> None:
    """Blocks of about one interval."""
    for i in places:
        keep[i] = bytes(65536 - 33)


def fill_4_mib(keep: list[object], places: Iterator[int]) -> None:
    """Blocks that the C library maps: address space, not memory."""
    for i in places:
        keep[i] = bytes((4 << 20) - 33)


def fill_growing_lists(keep: list[object], places: Iterator[int]) -> None:
    """Buffers that grow by realloc."""
    for i in places:
        keep[i] = grow_list([], iter(_TURNS))


def grow_list(grown: list[object], turns: Iterator[None]) -> list[object]:
    """From nothing, past 512 bytes, to 600 pointers."""
    for item in turns:
        grown.append(item)
    return grown


def fill_growing_bytearrays(keep: list[object], places: Iterator[int]) -> None:
    """Buffers that grow by realloc, byte by byte."""
    for i in places:
        keep[i] = grow_bytearray(bytearray(), iter(_TURNS))


def grow_bytearray(grown: bytearray, turns: Iterator[None]) -> bytearray:
    """From nothing, past 512 bytes."""
    for _ in turns:
        grown.append(1)
    return grown


def fill_dicts(keep: list[object], places: Iterator[int]) -> None:
    """Tables that are replaced by larger ones; the smallest, which come from a free list, are made outside."""
    for i in places:
        keep[i] = grow_dict(dict(_EIGHT), iter(_KEYS))


def grow_dict(grown: dict[int, None], keys: Iterator[int]) -> dict[int, None]:
    """From 8 keys to 200."""
    for i in keys:
        grown[i] = None
    return grown


def _one_of(size: int) -> Callable[[], list[int]]:
    return lambda: [size]


def _buffers_of(make: Callable[[], object], grow: Callable[[object, Iterator[object]], object],
                turns: range | list[None]) -> Callable[[], list[int]]:
    """Grows one, step by step, and looks at its size."""

    @functools.cache
    def buffers() -> list[int]:
        grown = make()
        sizes = [sys.getsizeof(grown)]
        for turn in turns:
            grow(grown, iter([turn]))
            sizes.append(sys.getsizeof(grown))
        header = sys.getsizeof(type(grown)())
        return [size - header for size in dict.fromkeys(sizes) if size != sizes[0]]

    return buffers


SITES = [
    Site("64 B blocks", "fill_64_bytes", fill_64_bytes, _one_of(64), 20_000, 4096),
    Site("1 KiB blocks", "fill_1_kib", fill_1_kib, _one_of(1024), 1_500, 4096),
    Site("64 KiB blocks", "fill_64_kib", fill_64_kib, _one_of(65536), 500, 65536),
    Site("4 MiB blocks", "fill_4_mib", fill_4_mib, _one_of(4 << 20), 320, 3 << 20),
    Site("growing lists", "grow_list", fill_growing_lists, _buffers_of(list, grow_list, _TURNS), 300, 4096),
    Site("growing bytearrays", "grow_bytearray", fill_growing_bytearrays,
         _buffers_of(bytearray, grow_bytearray, _TURNS), 1_500, 2048),
    Site("dicts", "grow_dict", fill_dicts, _buffers_of(lambda: dict(_EIGHT), grow_dict, _KEYS), 300, 4096),
]
