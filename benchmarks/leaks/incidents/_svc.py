"""Payloads that are unlike each other, and work that leaves nothing behind."""

from __future__ import annotations

import json
from typing import Any


def spread(i: int, salt: int = 0) -> int:
    """32 bits that look random and are the same for the same arguments."""
    x = (i * 2654435761 + salt * 40503 + 0x9E3779B9) & 0xFFFFFFFF
    x ^= x >> 16
    x = (x * 0x7FEB352D) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def one_in(n: int, i: int, salt: int = 0) -> bool:
    return spread(i, salt) % n == 0


def blob(i: int, size: int) -> bytes:
    return b"%012d" % i + bytes(size - 12)


def page(i: int, size: int) -> str:
    return f"<article id={i}>".ljust(size, "loremipsum"[i % 10])


def crunch(i: int) -> int:
    """Parses a request and renders a response; returns its length."""
    rows: list[dict[str, Any]] = []
    for k in range(5):
        rows.append({"id": i * 10 + k, "name": f"row {k} of {i}", "cells": [k, i, "." * (120 + 37 * k)]})
    return len(json.loads(json.dumps({"rows": rows}))["rows"])
