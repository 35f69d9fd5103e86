"""What the services here have in common: bodies to parse, and work that leaves nothing behind."""

from __future__ import annotations

from typing import Any

_NOTES = ("leave at the door", "ring twice, please", "gift wrap, blue ribbon", "fragile", "deliver after six in the evening")


def mixed(i: int, salt: int = 0) -> int:
    """A number that looks random, the same for the same arguments."""
    x = (i * 0x9E3779B1 + salt * 0x85EBCA77 + 0x27D4EB2F) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 0x2C1B3C6D) & 0xFFFFFFFF
    return x ^ (x >> 13)


def chance(i: int, salt: int, share: float) -> bool:
    return mixed(i, salt) < share * 0x100000000


def order_json(i: int, lines: int) -> str:
    """The JSON of an order; some 130 bytes for each line."""
    x = mixed(i)
    rows = ", ".join([
        f'{{"sku": "SKU-{(x * (k + 1)) & 0xFFFFFFFF:010d}", "quantity": {1 + (i + k) % 7}, "cents": {(x >> k) % 90000}, '
        f'"note": "{_NOTES[(i + k) % 5]} ({i}-{k})"}}'
        for k in range(lines)
    ])
    return f'{{"id": "ord_{i:09d}", "customer": "cus_{mixed(i, 7) % 50000:06d}", "lines": [{rows}]}}'


def text(i: int, size: int) -> str:
    """A text of so many bytes, unlike any other."""
    return f"<p>{i:09d}</p>".ljust(size, "etaoinshrdlu"[i % 12])


def answer(i: int) -> int:
    """Renders an answer and lets it go."""
    rows: list[dict[str, Any]] = [{"id": f"{i}-{k}", "cells": "." * (300 + 61 * (k + i % 5))} for k in range(4)]
    return sum(len(str(row)) for row in rows)
