"""Whether a container says itself how many entries it may have."""

from __future__ import annotations

import collections
from typing import Any

from spanheap import _core
from spanheap.retention import owner

# What those who bound a container call the bound: queue.Queue, cachetools and what people write.
_NAMES = (
    "maxsize", "max_size", "maxlen", "max_len", "max_entries", "max_items", "max_length", "capacity",
    "_maxsize", "_max_size", "_maxlen", "_max_len", "_max_entries", "_max_items", "_max_length", "_capacity",
    "_Cache__maxsize",
)
_maxlen: Any = collections.deque.__dict__["maxlen"]


def bound(container: Any, holder: Any) -> int | None:
    """The most entries that a container says to have; None: it does not.

    A deque's maxlen, an lru_cache's maxsize, or an attribute of the container or of the object that has it. No code of
    either runs.
    """
    if owner.is_a(container, collections.deque):
        own: int | None = _maxlen.__get__(container)
        if own is not None:
            return own
    if owner.is_a(holder, owner.LruCache):
        size: int | None = owner.LruCache.cache_info(holder).maxsize
        return size
    if owner.is_a(holder, owner.CONTAINERS):   # the bound of a container that has this one as an entry is not of this one
        holder = None
    for who in (container, holder):
        for name in _NAMES if who is not None else ():
            value = _core.attribute(who, name)
            if type(value) is int and value > 0:
                return value
    return None
