"""Places that allocate a known amount. Each is a function of its own, whose name is how its samples are found.

The truth is what is asked of the allocator for the data: for `bytes(n)` n + 33 bytes, for a container that grows its
buffer. The functions allocate nothing else, not even an int. (Headers of lists and dicts often come from free lists and
then never reach the hook: docs/sampling.md.)
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import NamedTuple

BYTES_HEADER = sys.getsizeof(b"")   # 33
_TURNS = [None] * 600
_INDEXES = list(range(20_000))   # made beforehand: an int is an allocation too


class Site(NamedTuple):
    """`fill` keeps `count` things in a list of that length; `function` allocates `size(thing)` for one."""

    name: str
    function: str
    fill: Callable[[list[object]], None]
    size: Callable[[object], int]
    count: int
    interval: int   # so that about 300 samples are expected: enough for a spread to show, small enough that p < 1


def fill_64_bytes(keep: list[object]) -> None:
    """Blocks that pymalloc serves itself."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = bytes(64 - 33)


def fill_1_kib(keep: list[object]) -> None:
    """Blocks that pass through pymalloc to RAW."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = bytes(1024 - 33)


def fill_64_kib(keep: list[object]) -> None:
    """Blocks of about one interval."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = bytes(65536 - 33)


def fill_4_mib(keep: list[object]) -> None:
    """Blocks that the C library maps: address space, not memory."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = bytes((4 << 20) - 33)


def fill_growing_lists(keep: list[object]) -> None:
    """Buffers that grow by realloc."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = grow_list([])


def grow_list(grown: list[object]) -> list[object]:
    """From nothing, past 512 bytes, to 600 pointers."""
    for item in _TURNS:
        grown.append(item)
    return grown


def fill_growing_bytearrays(keep: list[object]) -> None:
    """Buffers that grow by realloc, byte by byte."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = grow_bytearray(bytearray())


def grow_bytearray(grown: bytearray) -> bytearray:
    """From nothing, past 512 bytes."""
    for _ in _TURNS:
        grown.append(1)
    return grown


def fill_dicts(keep: list[object]) -> None:
    """Tables that are replaced by larger ones."""
    for i in itertools.islice(_INDEXES, len(keep)):
        keep[i] = grow_dict({})


def grow_dict(grown: dict[int, None]) -> dict[int, None]:
    """200 keys: small ints, which need no memory."""
    for i in range(200):
        grown[i] = None
    return grown


def _buffer_of(empty: object) -> Callable[[object], int]:
    header = sys.getsizeof(empty)
    return lambda thing: sys.getsizeof(thing) - header


SITES = [
    Site("64 B blocks", "fill_64_bytes", fill_64_bytes, sys.getsizeof, 20_000, 4096),
    Site("1 KiB blocks", "fill_1_kib", fill_1_kib, sys.getsizeof, 1_500, 4096),
    Site("64 KiB blocks", "fill_64_kib", fill_64_kib, sys.getsizeof, 500, 65536),
    Site("4 MiB blocks", "fill_4_mib", fill_4_mib, sys.getsizeof, 320, 3 << 20),
    Site("growing lists", "grow_list", fill_growing_lists, _buffer_of([]), 300, 4096),
    Site("growing bytearrays", "grow_bytearray", fill_growing_bytearrays, _buffer_of(bytearray()), 1_500, 2048),
    Site("dicts", "grow_dict", fill_dicts, _buffer_of({}), 300, 4096),
]
