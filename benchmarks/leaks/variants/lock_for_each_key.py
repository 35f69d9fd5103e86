"""A lock for each key that was ever written, so that writers of one key wait for each other."""

from __future__ import annotations

import threading

from _load import text, work

KIND = "leak"
SPAN = "PUT /key"
SITE = "lock_of"
HOLDER = "_locks"
REQUESTS_PER_SECOND = 10
DURATION_S = 3000

_locks: dict[str, threading.Lock] = {}


def lock_of(key: str) -> threading.Lock:
    return _locks.setdefault(key + " (lock)", threading.Lock())


def setup() -> None:
    _locks.clear()


def request(i: int, now: float) -> None:
    with lock_of(text(i, 400)):
        work(i)


def teardown() -> None:
    _locks.clear()
