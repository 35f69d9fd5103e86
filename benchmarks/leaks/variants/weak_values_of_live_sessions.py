"""Documents by weak value, each kept by its session, and sessions end after a quarter of an hour."""

from __future__ import annotations

import weakref
from collections import deque

from _load import text, work

KIND = "bounded"
SPAN = "GET /edit"
REQUESTS_PER_SECOND = 4
DURATION_S = 4800

class Document:
    def __init__(self, i: int) -> None:
        self.body = text(i, 3000)


documents: weakref.WeakValueDictionary[int, Document] = weakref.WeakValueDictionary()
sessions: deque[tuple[float, Document]] = deque()


def setup() -> None:
    sessions.clear()


def request(i: int, now: float) -> None:
    document = documents[i] = Document(i)
    sessions.append((now, document))
    while sessions[0][0] < now - 900:
        sessions.popleft()
    work(i)


def teardown() -> None:
    sessions.clear()
