"""When growth is a leak."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeakPolicy:
    """Passed as `detect=`; None switches detection off.

    This version detects nothing by itself yet: accepted, without effect.
    """
