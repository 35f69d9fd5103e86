"""What the messages of the scenarios look like: texts unlike each other, and some work that leaves nothing behind."""

from __future__ import annotations

import json


def mix(i: int) -> int:
    """A well-mixed number of 32 bits."""
    x = (i + 1) * 2654435761 & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 2246822519 & 0xFFFFFFFF
    return x ^ (x >> 13)


def text(i: int, size: int) -> str:
    return (f"{mix(i):08x}-{i:07d}|" * (size // 17 + 1))[:size]


def blob(i: int, size: int) -> bytes:
    return ((b"%08x%08d" % (mix(i), i)) * (size // 16 + 1))[:size]


def message(i: int, size: int, fields: int = 6, **extra: object) -> str:
    """A JSON message of about so many bytes."""
    body = ", ".join([f'"f{k}": "{text(i * 31 + k, size // fields)}"' for k in range(fields)])
    head = json.dumps({"id": i, **extra})
    return f'{head[:-1]}, "body": {{{body}}}}}'


def churn(i: int) -> int:
    """Rows made and dropped, as by anything that answers."""
    rows = [{"n": k, "v": text(i + k, 180 + 40 * (k % 5))} for k in range(3)]
    return sum(len(row["v"]) for row in rows)  # type: ignore[arg-type]
