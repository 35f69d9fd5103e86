"""Importing what only a dump needs, by the first one, where no fork can come into it."""

from __future__ import annotations

import importlib
import os
import threading

# A child inherits the import system as it is: of a module that another thread is half through, it would wait for ever.
_loading = threading.Lock()
os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


def load(*modules: str) -> None:
    """Import these modules of spanheap's, if they are not yet."""
    with _loading:
        for module in modules:
            importlib.import_module(f"spanheap.{module}")


DUMPING = ("dumps.folder", "dumps.budget", "dumps.prepared", "dumps.baseline", "dumps.annotated", "detection.holding",
           "retention.holders", "dumps.largest_holders")
