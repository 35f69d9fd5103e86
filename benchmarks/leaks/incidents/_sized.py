"""A cache with a budget in bytes, right and wrong."""

from __future__ import annotations

from collections import OrderedDict


class SizedCache:
    """Least recently written goes first."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    def put(self, key: str, value: str) -> None:
        self._remove(key)
        self._entries[key] = value
        self._size += self._added(key, value)
        while self._size > self.max_bytes and self._entries:
            self._remove(next(iter(self._entries)))

    def _added(self, key: str, value: str) -> int:
        return len(value)

    def _remove(self, key: str) -> str | None:
        value = self._entries.pop(key, None)
        if value is not None:
            self._size -= len(value)
        return value
