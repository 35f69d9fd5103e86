"""The source of generated code is put into linecache, for tracebacks; each name is new (as attrs did)."""

from __future__ import annotations

import linecache

from _load import text, work

KIND = "leak"
SPAN = "POST /formula"
SITE = "compiled"
HOLDER = "linecache"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

def compiled(i: int) -> None:
    source = text(i, 1500)
    linecache.cache[f"<formula {i}>"] = (len(source), None, [source], f"<formula {i}>")


def setup() -> None:
    pass


def request(i: int, now: float) -> None:
    compiled(i)
    work(i)


def teardown() -> None:
    linecache.clearcache()
