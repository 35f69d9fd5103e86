"""A proxy keeps the first 48 bytes of each frame, to match them with trailers: as a memoryview, which pins the frame.

Trailers come for one stream in five. Zero-copy parsers are where this is seen.
"""

from __future__ import annotations

from _svc import blob, crunch

KIND = "leak"
SPAN = "POST /stream"
SITE = "read_frame"
HOLDER = "headers_by_stream"
REQUESTS_PER_SECOND = 5
DURATION_S = 780

headers_by_stream: dict[int, memoryview] = {}


def read_frame(i: int) -> bytes:
    return blob(i, 1 << 16)


def trailer(i: int) -> None:
    header = headers_by_stream.pop(i, None)
    if header is not None:
        crunch(len(header))


def setup() -> None:
    headers_by_stream.clear()


def request(i: int, now: float) -> None:
    frame = memoryview(read_frame(i))
    headers_by_stream[i] = frame[:48]
    crunch(len(frame))
    if i % 5 == 0:
        trailer(i - 10)


def teardown() -> None:
    headers_by_stream.clear()
