"""When a dump is written without being asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DumpPolicy:
    """Passed as `dumps=`; None switches automatic dumps off.

    This version writes dumps on request only: accepted, without effect.
    """
