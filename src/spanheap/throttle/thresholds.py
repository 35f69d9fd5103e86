"""From which use of memory on spans are shed: what the user gave, checked."""

from __future__ import annotations

from typing import NamedTuple

SOFT = 0.75
HARD = 0.90
_LEAST_BYTES = 1 << 20   # an interpreter alone takes more: a smaller one is a mistake (75 for 75 %, MiB for bytes)


class Thresholds(NamedTuple):
    """As parts of a limit, 0 < soft < hard <= 1."""

    soft: float
    hard: float
    bytes: int | None
    """The limit, where the user gave bytes: then `hard` is 1. None: the one that the system sets."""


def thresholds(soft: float | None, hard: float | None) -> Thresholds:
    """Both are bytes or both are parts of the limit; one that is None keeps its distance to the other.

    Raises TypeError or ValueError.
    """
    in_bytes = [_checked("soft_limit", soft), _checked("hard_limit", hard)]
    if True in in_bytes and False in in_bytes:
        raise ValueError(
            f"soft_limit and hard_limit must both be bytes or both be parts of the limit, not {soft!r} and {hard!r}"
        )
    if True in in_bytes:
        high = hard if hard is not None else (soft or 0) * HARD / SOFT
        low = soft if soft is not None else high * SOFT / HARD
        _ordered(low, high, soft, hard)
        return Thresholds(low / high, 1.0, int(high))
    low, high = SOFT if soft is None else soft, HARD if hard is None else hard
    _ordered(low, high, soft, hard)
    return Thresholds(low, high, None)


def _checked(name: str, value: float | None) -> bool | None:
    """Whether it is in bytes; None: not given."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of bytes or a part of the limit (0 to 1), not {value!r}")
    if 0 < value <= 1:
        return False
    if _LEAST_BYTES <= value <= 1 << 62:
        return True
    raise ValueError(
        f"{name} must be a part of the limit, above 0 and at most 1, or bytes, at least {_LEAST_BYTES:,}, not {value!r}"
    )


def _ordered(low: float, high: float, soft: float | None, hard: float | None) -> None:
    if low < high:
        return
    hint = ""
    if soft is None or hard is None:
        hint = f"; where one is not given it is {SOFT} and {HARD} of the limit: give both"
    raise ValueError(f"soft_limit must be below hard_limit, not {low!r} and {high!r}{hint}")
