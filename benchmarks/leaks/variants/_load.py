"""What the variants' requests do besides."""

from __future__ import annotations

from typing import Any


def work(i: int) -> int:
    """Makes and drops some rows, as an answer does."""
    rows = [{"id": f"{i}-{k}", "text": "x" * (200 + 37 * k)} for k in range(12)]
    return sum(len(str(row)) for row in rows)


def text(i: int, size: int) -> str:
    """A text of about so many bytes, unlike any other."""
    return f"{i:09d} ".ljust(size, "abcdefghij"[i % 10])


def parts(i: int, size: int) -> dict[str, Any]:
    """Several objects of about so many bytes in all."""
    return {"id": text(i, 60), "lines": [text(i + k, size // 6) for k in range(5)], "total": i * 1.5}
