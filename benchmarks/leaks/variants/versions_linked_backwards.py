"""Each version of a configuration knows the one before it: a linked list whose head is a module's global."""

from __future__ import annotations

from typing import Any

from _load import parts, work

KIND = "leak"
SPAN = "PUT /config"
SITE = "commit"
HOLDER = "head"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

class Version:
    def __init__(self, body: Any, before: Version | None) -> None:
        self.body = body
        self.before = before


head: Version | None = None


def commit(i: int) -> None:
    global head
    head = Version(parts(i, 1500), head)


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    commit(i)
    work(i)


def teardown() -> None:
    global head
    while head is not None:
        head = head.before
