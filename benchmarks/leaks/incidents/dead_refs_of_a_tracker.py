"""A resource tracker that was to find leaks keeps a weak reference with a creation stack for each cursor, and no callback.

The cursors die, the references and their stacks stay: a slow leak of texts. Seen in debug helpers left on in production.
"""

from __future__ import annotations

import traceback
import weakref
from typing import Any

from _svc import crunch, page

KIND = "leak"
SPAN = "GET /rows"
SITE = "track"
HOLDER = "_tracked"
REQUESTS_PER_SECOND = 4
DURATION_S = 5400


class Cursor:
    def __init__(self, query: str) -> None:
        self.query = query
        self.buffer = bytearray(20_000)


class TrackedRef(weakref.ref[Any]):
    __slots__ = ("created", "label")


_tracked: list[TrackedRef] = []


def track(cursor: Cursor, i: int) -> None:
    ref = TrackedRef(cursor)
    ref.label = f"cursor {i}: {cursor.query}"
    ref.created = "".join(traceback.format_stack(limit=12))
    _tracked.append(ref)


def alive() -> int:
    return sum(ref() is not None for ref in _tracked[-50:])


def setup() -> None:
    _tracked.clear()


def request(i: int, now: float) -> None:
    cursor = Cursor(page(i, 700))
    track(cursor, i)
    alive()
    crunch(i)


def teardown() -> None:
    _tracked.clear()
