"""itertools.cycle for round robin, over a generator that never ends: cycle saves all that it was ever given.

The generator describes the next upstream with its certificate, made anew each time. Documented, and seldom read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "GET /proxy"
SITE = "discover"
HOLDER = "_upstreams"
REQUESTS_PER_SECOND = 3
DURATION_S = 3000


def discover() -> Iterator[dict[str, Any]]:
    for number in itertools.count():
        host = f"10.0.{number % 7}.{number % 251}"
        yield {"host": host, "port": 8000 + number % 16, "certificate": page(number, 11_000), "weight": number % 5}


_upstreams: Iterator[dict[str, Any]]


def setup() -> None:
    global _upstreams
    _upstreams = itertools.cycle(discover())


def request(i: int, now: float) -> None:
    upstream = next(_upstreams)
    crunch(upstream["port"])


def teardown() -> None:
    global _upstreams
    _upstreams = iter(())
