"""A tile server with a full LRU of forty megabytes and waves of traffic; one answer in four leaves a base for deltas.

The bases are kept by ETag, for clients that come back with it, which expire by a header that nobody sends any more.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque

from _svc import blob, crunch, one_in, spread

KIND = "leak"
SPAN = "GET /tile"
SITE = "delta_base"
HOLDER = "_bases"
REQUESTS_PER_SECOND = 4
DURATION_S = 3600
MAX_TILES = 320

_tiles: OrderedDict[int, bytes] = OrderedDict()
_bases: dict[str, bytes] = {}
_scratch: deque[tuple[float, bytearray]] = deque()


def traffic(t: float) -> float:
    return 1 + 0.7 * math.sin(2 * math.pi * t / 900)


def tile(number: int) -> bytes:
    if number in _tiles:
        _tiles.move_to_end(number)
        return _tiles[number]
    data = _tiles[number] = blob(number, 128 * 1024)
    if len(_tiles) > MAX_TILES:
        _tiles.popitem(last=False)
    return data


def delta_base(i: int, data: bytes) -> None:
    _bases[f'W/"{i:x}-{spread(i):x}"'] = data[:12] + bytes(28_000)


def setup() -> None:
    _tiles.clear()
    _bases.clear()
    _scratch.clear()


def request(i: int, now: float) -> None:
    data = tile(spread(i) % 4000)
    _scratch.append((now + 20 + spread(i, 5) % 70, bytearray(100_000 + spread(i, 6) % 200_000)))
    while _scratch and _scratch[0][0] < now:
        _scratch.popleft()
    if one_in(4, i, 4):
        delta_base(i, data)
    crunch(i)


def teardown() -> None:
    setup()
