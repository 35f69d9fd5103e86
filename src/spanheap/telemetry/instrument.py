"""What an instrument is here: a row of docs/metrics.md with the function that reads it.

Each module of this package that is named for a noun has a tuple INSTRUMENTS; `catalogue` joins them. A reader is given the
session's `Reading` and returns pairs of value and attributes. It may raise: `gauges` keeps that from the metric reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from spanheap.telemetry.reading import Reading

Values: TypeAlias = Iterable[tuple[float, dict[str, str]]]
Kind = Literal["observable gauge", "observable counter", "observable up-down counter", "histogram"]
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
OTHER = "<other>"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Instrument:
    """One instrument of the meter `spanheap`."""

    name: str
    kind: Kind
    unit: str
    """UCUM, as OpenTelemetry writes it: `By`, `s`, `{span}`."""
    description: str
    read: Callable[[Reading], Values] | None
    """None: a synchronous instrument, which the tick records to, or one that needs no session and has its own reader."""
    attributes: tuple[str, ...] = ()
    """The keys that its points may have."""


def gauge(name: str, unit: str, description: str, read: Callable[[Reading], Values], *attributes: str) -> Instrument:
    return Instrument(name, "observable gauge", unit, description, read, attributes)


def counter(name: str, unit: str, description: str, read: Callable[[Reading], Values], *attributes: str) -> Instrument:
    return Instrument(name, "observable counter", unit, description, read, attributes)


def up_down_counter(name: str, unit: str, description: str, read: Callable[[Reading], Values],
                    *attributes: str) -> Instrument:
    return Instrument(name, "observable up-down counter", unit, description, read, attributes)


def one(value: float | None) -> Values:
    """A point without attributes; None: no point."""
    return () if value is None else ((value, {}),)


def largest(sums: dict[str, float], most: int) -> Sequence[tuple[str, float]]:
    """The largest of them, and what the rest sums up to as OTHER: at most `most` rows."""
    rows = sorted(sums.items(), key=lambda item: (item[0] == OTHER, -item[1]))
    shown = rows if len(rows) <= most else rows[: most - 1]
    rest = sum(value for _, value in rows[len(shown) :])
    return [*shown, (OTHER, rest)] if rest else shown
