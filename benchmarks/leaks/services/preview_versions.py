"""Rendered previews are kept by document and revision; an edit makes a new revision and leaves the old preview.

Seen in a document store.
"""

from __future__ import annotations

import random

KIND = "leak"
SPAN = "GET /documents/{id}/preview"
SITE = "render_preview"
HOLDER = "_previews"
REQUESTS_PER_SECOND = 4
DURATION_S = 2400

_previews = {}
_documents = {}
_random = None
_ink = bytes(range(1, 251)) * 800


class Document:
    def __init__(self, number):
        self.number = number
        self.revision = 1
        self.pages = 1 + number % 5

    def edit(self):
        self.revision += 1


def render_preview(document):
    size = 20_000 + 28_000 * document.pages + document.revision % 50 * 100
    start = (document.number * 131 + document.revision * 17) % 10_000
    return b"\x89PNG" + _ink[start : start + size]


def preview(document):
    key = document.number, document.revision
    image = _previews.get(key)
    if image is None:
        image = _previews[key] = render_preview(document)
    return image


def setup():
    global _random
    _random = random.Random(8)
    _previews.clear()
    _documents.clear()
    for number in range(300):
        _documents[number] = Document(number)


def request(i, now):
    document = _documents[int(_random.random() ** 2 * 300)]
    if _random.random() < 0.4:
        document.edit()
    return len(preview(document))


def teardown():
    _previews.clear()
