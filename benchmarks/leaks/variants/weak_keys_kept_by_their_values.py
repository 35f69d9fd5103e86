"""Metadata by weak key; the value refers to its key, so that no key ever dies."""

from __future__ import annotations

import weakref
from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "POST /connect"
SITE = "Connection.__init__"
HOLDER = "metadata"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Connection:
    def __init__(self, i: int) -> None:
        self.buffers = parts(i, 1500)


metadata: weakref.WeakKeyDictionary[Connection, dict[str, Any]] = weakref.WeakKeyDictionary()


def setup() -> None:
    metadata.clear()


def request(i: int, now: float) -> None:
    connection = Connection(i)
    metadata[connection] = {"owner": connection}
    work(i)


def teardown() -> None:
    metadata.clear()
