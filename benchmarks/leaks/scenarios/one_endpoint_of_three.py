"""Three endpoints load documents through one function; only the export keeps them, until a download that never comes."""

from __future__ import annotations

from typing import Any

from _shop import record, work

KIND = "leak"
SPAN = "POST /exports"
ENDPOINTS = [("GET /documents/{id}", 6), ("GET /documents", 3), ("POST /exports", 1)]
SITE = "load_document"
HOLDER = "exports"
REQUESTS_PER_SECOND = 3
DURATION_S = 3600

exports: dict[int, dict[str, Any]] = {}


def load_document(i: int) -> dict[str, Any]:
    return record(i, 9000)


def setup() -> None:
    exports.clear()


def request(i: int, now: float, endpoint: str) -> None:
    document = load_document(i)
    if endpoint == "POST /exports":
        exports[i] = document
    work(i)


def teardown() -> None:
    exports.clear()
