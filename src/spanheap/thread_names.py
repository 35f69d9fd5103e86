"""Names for the threads that samples were taken on: the core knows them by number."""

from __future__ import annotations

import threading

from spanheap import _core

# Half of the table: then slots of threads that are gone are looked for, even when all have names.
_THREADS_TO_REAP = 512


def tick() -> None:
    unnamed, known = _core.unnamed_threads()
    if unnamed or known > _THREADS_TO_REAP:
        _name_all()


def add_missing() -> None:
    """Before the heap is looked at, which has them from here on."""
    if _core.unnamed_threads()[0]:
        _name_all()


def _name_all() -> None:
    _core.name_threads([(t.ident, t.name) for t in threading.enumerate() if t.ident is not None])
