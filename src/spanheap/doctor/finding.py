"""What the doctor says of one mistake."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that the application has set up, and that costs memory."""

    check: str
    """Which check found it: `no-reader`, `in-memory-exporter`, …; docs/doctor.md lists them."""
    what: str
    """In one sentence, with names and numbers."""
    where: str
    """The class, and where the object was made: `opentelemetry.sdk.trace.TracerProvider, made at app.py:12 in setup`."""
    why: str
    """What it costs; with bytes where they can be measured or computed."""
    bytes: int | None
    """That it holds, or can come to hold; None: not to be said in bytes."""
    fix: str
    """Code, or an environment variable."""


class CannotTell(Exception):
    """Raised by a check where this SDK keeps something elsewhere than expected; the message says what is not known."""


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"
