"""Deprecation warnings with the request's number in their text: each is remembered so that it is shown once."""

from __future__ import annotations

import warnings

from _load import text, work

KIND = "leak"
SPAN = "GET /v1/items"
SITE = "old_way"
HOLDER = "__warningregistry__"
REQUESTS_PER_SECOND = 4
DURATION_S = 3000

def old_way(i: int) -> None:
    warnings.warn(f"v1 is deprecated, called by {text(i, 1500)}", DeprecationWarning, stacklevel=1)


def setup() -> None:
    warnings.simplefilter("default")
    warnings.showwarning = lambda *_, **__: None  # type: ignore[assignment]


def request(i: int, now: float) -> None:
    old_way(i)
    work(i)


def teardown() -> None:
    globals().pop("__warningregistry__", None)
