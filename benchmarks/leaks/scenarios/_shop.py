"""What the scenarios' services do for a living: memory that comes and goes with each request."""

from __future__ import annotations

import json
from typing import Any

_ORDER = json.dumps({"lines": [{"sku": "cup", "n": 2, "price": 4.5}, {"sku": "tea", "n": 1, "price": 7.25}]})


def work(i: int) -> str:
    """Parse, compute, answer: nothing of it is kept."""
    order = json.loads(_ORDER)
    return f"{i}: {sum(line['n'] * line['price'] for line in order['lines']):.2f}"


def record(i: int, size: int) -> dict[str, Any]:
    """A row as a database driver hands it out: about `size` bytes, most of them in one text."""
    return {"id": i, "customer": f"c-{i * 7919 % 100_003}", "tags": [i % 7, i % 11], "text": f"{i:x}".ljust(size - 400, ".")}
