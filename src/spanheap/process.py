"""Facts about this process from /proc. None where the system does not tell."""

from __future__ import annotations

import os
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessMemory(NamedTuple):
    """Bytes."""

    virtual: int
    resident: int


def memory(root: str = "/") -> ProcessMemory | None:
    """Virtual and resident size; source: /proc/self/statm, below `root`."""
    try:
        with open(os.path.join(root, "proc/self/statm"), "rb") as f:
            virtual, resident = f.read().split()[:2]
        return ProcessMemory(int(virtual) * _PAGE, int(resident) * _PAGE)
    except (OSError, ValueError):
        return None
