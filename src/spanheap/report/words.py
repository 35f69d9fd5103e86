"""Sizes, rates, times and places, as people say them."""

from __future__ import annotations

import os
import time

from spanheap.snapshot import Frame

MOST_CHARACTERS = 1000   # of a name


def size(value: float) -> str:
    """Three figures: "41.3 MiB"."""
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1000:
            return _figures(value, unit)
        value /= 1024
    return _figures(value, "GiB")


def _figures(value: float, unit: str) -> str:
    digits = 0 if unit == "B" or abs(value) >= 99.95 else 1
    return f"{value:,.{digits}f} {unit}"


def rate(bytes_per_s: float) -> tuple[str, str]:
    """How much, and how often, so that the figure is one that can be imagined: ("41.0 MiB", "every minute")."""
    for seconds, often in ((60, "every minute"), (3600, "every hour")):
        if abs(bytes_per_s) * seconds >= 1 << 20:
            return size(bytes_per_s * seconds), often
    return size(bytes_per_s * 86400), "every day"


def duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.1f} seconds" if seconds < 10 else f"{seconds:,.0f} seconds"


def date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds)) if seconds > 0 else "an unknown time"
    except (OverflowError, ValueError, OSError):
        return "an unknown time"


def place(frame: Frame) -> str:
    """The last part of the file's name, and the line: "store.py:88"."""
    name = os.path.basename(frame.filename) or frame.function
    return f"{name}:{frame.line}" if frame.line else name


def cut(text: str) -> str:
    """What a page can show: a file may have names of megabytes."""
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """For a terminal: a span's name is whatever a client sent, and must not move the cursor."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
