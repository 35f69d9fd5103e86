"""A weak-valued cache, and a list of "recently used" that pins all that it ever held."""

from __future__ import annotations

import weakref

from _load import text, work

KIND = "leak"
SPAN = "GET /document/{id}"
SITE = "Document.__init__"
HOLDER = "recently"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Document:
    def __init__(self, i: int) -> None:
        self.body = text(i, 1500)


cache: weakref.WeakValueDictionary[int, Document] = weakref.WeakValueDictionary()
recently: list[Document] = []


def setup() -> None:
    recently.clear()


def request(i: int, now: float) -> None:
    document = cache[i] = Document(i)
    recently.append(document)
    work(i)


def teardown() -> None:
    recently.clear()
    cache.clear()
