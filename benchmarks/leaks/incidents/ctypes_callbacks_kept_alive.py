"""ctypes callbacks must be kept alive while C may call them; a wrapper appends each to a list and never takes one out.

With the callback stays the buffer that it fills. Seen in ctypes bindings of scanners, cameras and libcurl.
"""

from __future__ import annotations

import ctypes
from typing import Any

from _svc import crunch

KIND = "leak"
SPAN = "POST /scan"
SITE = "start_scan"
HOLDER = "_keepalive"
REQUESTS_PER_SECOND = 3
DURATION_S = 3000

ON_DATA = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)
_keepalive: list[Any] = []


def start_scan(i: int) -> int:
    page_buffer = ctypes.create_string_buffer(14_000)

    def on_data(n: int) -> int:
        page_buffer[n % 14_000] = b"x"
        return n

    callback = ON_DATA(on_data)
    _keepalive.append(callback)
    return int(callback(i))


def setup() -> None:
    _keepalive.clear()


def request(i: int, now: float) -> None:
    crunch(start_scan(i))


def teardown() -> None:
    _keepalive.clear()
