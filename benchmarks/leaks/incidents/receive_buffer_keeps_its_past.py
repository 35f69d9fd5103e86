"""Four links to a market feed parse from an offset in their receive buffer, and forget to cut off what was parsed.

A bytearray for each link, reallocated as it grows; "compact when empty" never happens as half a frame is always there.
"""

from __future__ import annotations

import asyncio

from _svc import blob, crunch

KIND = "leak"
SPAN = "POST /tick"
SITE = "Link.feed"
HOLDER = "inbox"
REQUESTS_PER_SECOND = 5
DURATION_S = 2400
FRAME = 1000


class Link:
    def __init__(self) -> None:
        self.inbox = bytearray()
        self.position = 0

    def feed(self, data: bytes) -> int:
        self.inbox += data
        frames = 0
        while len(self.inbox) - self.position >= FRAME:
            self.position += FRAME
            frames += 1
        if self.position == len(self.inbox):
            self.inbox.clear()
            self.position = 0
        return frames


links: list[Link] = []


def setup() -> None:
    links[:] = [Link() for _ in range(4)]


async def request(i: int, now: float) -> None:
    crunch(i)
    await asyncio.sleep(0.005)
    size = 8500 if i < 4 else 8000 + i % 2 * 2000
    links[i % 4].feed(blob(i, size))


def teardown() -> None:
    links.clear()
