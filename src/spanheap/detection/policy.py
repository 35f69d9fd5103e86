"""When growth is a leak."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


def _number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"LeakPolicy({name}=…) must be a number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"LeakPolicy({name}=…) must be between {low:,} and {high:,}, not {value!r}")


@dataclass(frozen=True)
class LeakPolicy:
    """Passed as `detect=`; None switches detection off. docs/detection.md says how it decides.

    Raises TypeError or ValueError for a value that cannot be.
    """

    min_growth_per_hour: float = 1024 * 1024
    """Bytes: slower growth of a group is not reported."""
    urgent_bytes: float = 32 * 1024 * 1024
    """Growth of this size is judged at once instead of after `patience` seconds."""
    urgent_within: float = 600.0
    """Seconds: so is growth that would reach the memory limit sooner."""
    patience: float = 300.0
    """Seconds of steady growth before what a container without eviction holds is called a leak."""
    bound_unknown_after: float = 2700.0
    """Seconds of steady growth before it is reported as `growing`, where nothing proves that it has no bound."""
    memory_limit: int | None = None
    """Bytes, for the projected time; None: that of the cgroup or RLIMIT_AS, if there is one."""
    holders: bool = True
    """Whether the detector may look for who holds what grows: one walk over the heap a verdict, within `pause_budget_ms`."""
    percent: float | None = None
    """The simple rule as well: `growing` when live bytes grew by more than this within `within` seconds (5 is a start)."""
    within: float = 60.0
    """Seconds, of `percent`."""

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "min_growth_per_hour": (0, 1e15), "urgent_bytes": (1, 1e15), "urgent_within": (0, 1e9), "patience": (10, 1e9),
        "bound_unknown_after": (10, 1e9), "memory_limit": (1, 1 << 60), "percent": (0.01, 1e6), "within": (1, 1e6),
    }

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in self.RANGES and not (value is None and "None" in str(field.type)):
                _number(field.name, value, *self.RANGES[field.name])
        if not isinstance(self.holders, bool):
            raise TypeError(f"LeakPolicy(holders=…) must be True or False, not {self.holders!r}")

    def __repr__(self) -> str:
        changed = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default)
        return f"LeakPolicy({', '.join(changed)})"
