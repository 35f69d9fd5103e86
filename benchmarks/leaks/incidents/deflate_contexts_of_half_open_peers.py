"""Each websocket peer has a zlib context of a quarter of a megabyte; peers that vanish without a close frame stay.

The Python object is tiny, what it costs is zlib's. Seen with permessage-deflate in several websocket libraries.
"""

from __future__ import annotations

import asyncio
import zlib

from _svc import crunch, one_in, page

KIND = "leak"
SPAN = "GET /ws"
SITE = "Peer.__init__"
HOLDER = "_peers"
REQUESTS_PER_SECOND = 3
DURATION_S = 1800


class Peer:
    def __init__(self, i: int) -> None:
        self.i = i
        self.deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)

    async def send(self, text: str) -> int:
        frame = self.deflate.compress(text.encode()) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        await asyncio.sleep(0.5)
        return len(frame)


class Hub:
    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}

    async def serve(self, i: int) -> None:
        peer = self._peers[i] = Peer(i)
        for k in range(3):
            await peer.send(page(i + k, 800))
        if one_in(8, i):
            return   # no close frame; the ping that would notice is off
        del self._peers[i]


hub: Hub


def setup() -> None:
    global hub
    hub = Hub()


async def request(i: int, now: float) -> None:
    crunch(i)
    await hub.serve(i)


def teardown() -> None:
    """The hub goes with the process."""
