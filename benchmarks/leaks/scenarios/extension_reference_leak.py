"""A C extension takes a reference too many on each result; a common bug of hand-written extensions, done here by ctypes."""

from __future__ import annotations

import ctypes

from _shop import work

KIND = "leak"
SPAN = "POST /decode"
SITE = "decode_frame"
HOLDER = None
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

_incref = ctypes.pythonapi.Py_IncRef
_incref.argtypes = [ctypes.py_object]
_incref.restype = None


def decode_frame(i: int) -> bytearray:
    frame = bytearray(3000 + i % 700)
    if i % 2:
        _incref(frame)   # on the path for interlaced frames
    return frame


def setup() -> None:
    """Nothing to prepare."""


def request(i: int, now: float) -> None:
    work(len(decode_frame(i)))


def teardown() -> None:
    """What has lost its owner cannot be given back."""
