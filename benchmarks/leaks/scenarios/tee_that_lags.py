"""itertools.tee splits a feed of orders for an audit that was switched off: what one side reads, the other side keeps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "POST /next-order"
SITE = "feed"
HOLDER = "audit_feed"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600


def feed() -> Iterator[dict[str, Any]]:
    for number in itertools.count():
        yield record(number, 1500)


order_feed, audit_feed = itertools.tee(feed())


def setup() -> None:
    next(order_feed)


def request(i: int, now: float) -> None:
    next(order_feed)
    work(i)


def teardown() -> None:
    global audit_feed
    audit_feed = iter(())   # type: ignore[assignment]
