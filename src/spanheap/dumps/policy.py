"""When a dump is written without being asked for, and how much of the disk that may take."""

from __future__ import annotations

import os
import signal as signals
from dataclasses import dataclass, fields
from typing import Any, ClassVar

# Raised by what the process itself did: Python's handler would run after the instruction, which is repeated for ever.
_FAULTS = {signals.SIGSEGV, signals.SIGBUS, signals.SIGFPE, signals.SIGILL, signals.SIGABRT, signals.SIGTRAP}
_NOT_TO_BE_HANDLED = {signals.SIGKILL, signals.SIGSTOP}


def _number(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise TypeError(f"DumpPolicy({name}=…) must be a {'whole ' if whole else ''}number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"DumpPolicy({name}=…) must be between {low:,} and {high:,}, not {value!r}")


def check_signal(name: str, value: Any) -> None:
    """Raises ValueError for what is no signal that a handler can be for."""
    if not isinstance(value, int) or isinstance(value, bool) or value not in signals.valid_signals():
        raise ValueError(f"{name} must be a signal, as signal.SIGUSR2, not {value!r}")
    if value in _FAULTS | _NOT_TO_BE_HANDLED:
        raise ValueError(f"{name} cannot be {signals.Signals(value).name}: SIGUSR2 can")


@dataclass(frozen=True)
class DumpPolicy:
    """Passed as `dumps=`; None switches automatic dumps off. docs/dumps.md says what each trigger does.

    Raises TypeError or ValueError for a value that cannot be.
    """

    on_leak: bool = True
    """A full dump for each verdict of the leak detector."""
    full_at: float | None = 0.60
    """Of the memory limit: above it, and growing, a full dump. None: not."""
    aggregates_at: float | None = 0.85
    """Of the memory limit: above it a dump that allocates nothing and looks for no holders. None: not."""
    limit_bytes: int | None = None
    """The memory limit, of the resident set; None: those of the cgroup and RLIMIT_AS, if there are any."""
    on_memory_error: bool = True
    """A dump that allocates nothing once the system refuses memory to the Python heap."""
    growth_percent: float | None = None
    """A full dump when live bytes grew by more than this within `growth_within` seconds (5 is a start). None: not."""
    growth_within: float = 60.0
    signal: int | None = None
    """A full dump when this signal arrives. A handler that was there is called as before."""
    folder: str | os.PathLike[str] | None = None
    """Where dumps go; None: `$XDG_STATE_HOME/spanheap`, or a folder of this user's in the temporary directory."""
    cooldown_s: float = 600.0
    """Between two automatic dumps of all processes that share the folder, restarts included."""
    max_per_day: int = 12
    """Of all these processes within 24 hours; the last one is kept for emergencies."""
    keep: int = 20
    """Automatic dumps that stay in the folder; older ones are removed after the next was written."""
    max_folder_bytes: int = 256 * 1024 * 1024
    """Of automatic dumps in the folder, likewise."""
    min_free_bytes: int = 256 * 1024 * 1024
    """No dump while the disk has less room than this."""
    baseline_after: float = 60.0
    """Seconds after the start at which what later dumps are compared with is captured anew: the service is warm."""

    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "full_at": (0.01, 1.0), "aggregates_at": (0.01, 1.0), "limit_bytes": (1, 1 << 60), "growth_percent": (0.01, 1e6),
        "growth_within": (1, 1e6), "cooldown_s": (0, 1e7), "max_per_day": (1, 1000), "keep": (1, 10_000),
        "max_folder_bytes": (1, 1 << 60), "min_free_bytes": (0, 1 << 60), "baseline_after": (0, 1e7),
    }

    def __post_init__(self) -> None:
        for name in ("on_leak", "on_memory_error"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"DumpPolicy({name}=…) must be True or False, not {getattr(self, name)!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in self.RANGES and not (value is None and "None" in str(field.type)):
                _number(field.name, value, *self.RANGES[field.name], whole="int" in str(field.type))
        if self.full_at is not None and self.aggregates_at is not None and self.full_at > self.aggregates_at:
            raise ValueError(
                f"DumpPolicy(full_at=…) must not be above aggregates_at={self.aggregates_at!r}, not {self.full_at!r}"
            )
        if self.signal is not None:
            check_signal("DumpPolicy(signal=…)", self.signal)
        if self.folder is not None and (not isinstance(self.folder, (str, os.PathLike)) or not os.fspath(self.folder)):
            raise TypeError(f"DumpPolicy(folder=…) must be None or the path of a directory, not {self.folder!r}")

    def __repr__(self) -> str:
        changed = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default)
        return f"DumpPolicy({', '.join(changed)})"
