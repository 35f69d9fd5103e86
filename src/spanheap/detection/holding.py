"""Who holds what grows, as evidence: a walk over the heap, and a look at the container it leads to.

The walk is spanheap.retention's. Only where that says there is a container that grows is its owner's code read (eviction.py).
"""

from __future__ import annotations

from typing import Any

from spanheap import _core
from spanheap.detection.evidence import Evidence
from spanheap.detection.series import GroupKey

MAX_WALK_MS = 250.0          # the GIL is held: a walk above the pause budget, once a verdict
MS_PER_OBJECT = 0.25e-3      # 250 ms a million


def available() -> bool:
    """Whether there is a walk."""
    return hasattr(_core, "walk_to_group")


def predicted_ms(live_objects: float) -> float:
    return 1.0 + live_objects * MS_PER_OBJECT


def of_group(key: GroupKey, since: float, until: float, budget_ms: float) -> Evidence:
    """What holds the live samples of a group that were born between these times of the clock."""
    raise NotImplementedError


def of_spans(name: str, budget_ms: float) -> Evidence:
    raise NotImplementedError
