"""For how long does code keep an entry? Numbers in lines that are about times, in seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spanheap.detection.bytecode import Op

# Names in a line that compares times, or adds to one; those of a line that tells when to do something next; units.
_OF_TIME = re.compile(r"(?:^|_)(?:now|age|ttl|clock|monotonic)(?:_|$)|time|expir|deadline|idle|retention", re.I)
_OF_TURNS = re.compile(r"swe|purge|prune|clean|flush|check|every|interval|poll|tick|next|period|rotat|report|scan", re.I)
_SMALL_UNITS = re.compile(r"(?:^|_)(?:ms|us|ns)(?:_|$)|milli|micro|nano", re.I)
_UNITS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0, "weeks": 604800.0}
_AGES = (1.0, 7 * 86400.0)   # of entries
_DIVISIONS = frozenset(("BINARY_FLOOR_DIVIDE", "BINARY_MODULO"))   # a window's number, and not its length
_DIVIDED_BY = frozenset((2, 6, 15, 19))   # the same in 3.11 and later, and in place


class Times(NamedTuple):
    """Seconds in the lines of a function."""

    ages: list[float]    # that times are compared with, or that are added to them
    turns: list[float]   # that pass between two looks for what is too old


def read(ops: Sequence[Op], number: Callable[[Op], float]) -> Times:
    """number: what an instruction loads, if that is a number or a timedelta; else inf."""
    found = Times([], [])
    lines: dict[int, list[Op]] = {}
    for op in ops:
        lines.setdefault(op.line, []).append(op)
    for line in lines.values():
        words = [name for op in line for name in op.names]
        words += [word for op in line if op.name == "LOAD_CONST" and isinstance(op.value, tuple)   # of keyword arguments
                  for word in op.value if isinstance(word, str)]
        divides = any(op.name in _DIVISIONS or (op.name == "BINARY_OP" and op.value in _DIVIDED_BY) for op in line)
        if divides or not any(map(_OF_TIME.search, words)) or any(map(_SMALL_UNITS.search, words)):
            continue
        unit_s = max((_UNITS[word] for word in words if word in _UNITS), default=1.0)
        seconds = [unit_s * number(op) for op in line if op.name.startswith("LOAD_")]
        where = found.turns if any(map(_OF_TURNS.search, words)) else found.ages
        where += [s for s in seconds if _AGES[0] <= s <= _AGES[1]]
    return found
