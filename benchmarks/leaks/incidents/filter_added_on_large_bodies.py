"""A logging filter that redacts the request's own body is added to the shared logger, and not removed on early return.

Only large bodies get one, and of those only uploads that the client aborts keep it.
"""

from __future__ import annotations

import asyncio
import logging

from _svc import crunch, one_in, page

KIND = "leak"
SPAN = "PUT /document"
SITE = "read_body"
HOLDER = "filters"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

access_log = logging.getLogger("unseen.access")
MAX_PLAIN = 10_000


class RedactBody(logging.Filter):
    def __init__(self, body: str) -> None:
        super().__init__()
        self._body = body

    def filter(self, record: logging.LogRecord) -> bool:
        return self._body not in str(record.msg)


def read_body(i: int) -> str:
    return page(i, 90_000 if one_in(5, i) else 3000)


async def request(i: int, now: float) -> None:
    body = read_body(i)
    if len(body) > MAX_PLAIN:
        redact = RedactBody(body)
        access_log.addFilter(redact)
        await asyncio.sleep(0.05)
        if one_in(2, i, 3):
            return   # the client has gone
        access_log.removeFilter(redact)
    if i % 200 == 0:
        access_log.warning("document %d stored", i)
    crunch(i)


def setup() -> None:
    access_log.propagate = False
    access_log.addHandler(logging.NullHandler())


def teardown() -> None:
    access_log.filters.clear()
