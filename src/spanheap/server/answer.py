"""What a page of the debug server answers with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

JSON = "application/json"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
PPROF = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """body: bytes, or an open file that is sent whole and closed."""

    body: bytes | IO[bytes]
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Problem(Exception):
    """Why there is no answer: a status, and one line for people."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def as_json(document: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(_finite(document), indent=1).encode() + b"\n", JSON, status)


def _finite(value: Any) -> Any:
    """JSON has no infinity: the error of an estimate without samples is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
