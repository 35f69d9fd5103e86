"""For how long does code keep an entry? Numbers in lines that are about times, in seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spanheap.detection.bytecode import Op

# Names in a line that is about times; about how long something is kept; about when something is done next, or given up.
_OF_TIME = re.compile(r"(?:^|_)(?:now|age|ttl|clock|monotonic)(?:_|$)|time|expir|deadline|idle|retention", re.I)
_OF_KEEPING = re.compile(r"(?:^|_)(?:ttl|max_age)(?:_|$)|expir|keep|retain|retention|lifetime|idle|stale|fresh", re.I)
_OF_TURNS = re.compile(
    r"swe|purge|prune|clean|flush|check|every|interval|poll|tick|next|period|rotat|report|scan|refresh", re.IGNORECASE)
_OF_WAITING = re.compile(r"timeout|sleep|wait|retry|retries|delay|backoff", re.I)
_SMALL_UNITS = re.compile(r"(?:^|_)(?:ms|us|ns)(?:_|$)|milli|micro|nano", re.I)
_UNITS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0, "weeks": 604800.0}
_AGES = (5.0, 7 * 86400.0)   # of entries
# Of BINARY_OP; the names are those of CPython 3.10.
_SUMS = frozenset(("BINARY_ADD", "BINARY_SUBTRACT", 0, 10))
_DIVISIONS = frozenset(("BINARY_FLOOR_DIVIDE", "BINARY_MODULO", 2, 6, 15, 19))   # a window's number, and not its length


class Times(NamedTuple):
    """Seconds in the lines of a function."""

    compared: list[float]   # with times
    added: list[float]      # to a time, or taken from it, where that is about keeping
    turns: list[float]      # that pass between two looks for what is too old


def read(ops: Sequence[Op], number: Callable[[Op], float]) -> Times:
    """number: what an instruction loads, if that is a number or a timedelta; else inf."""
    found = Times([], [], [])
    lines: dict[int, list[Op]] = {}
    for op in ops:
        lines.setdefault(op.line, []).append(op)
    for line in lines.values():
        words = [name for op in line for name in op.names]
        words += [word for op in line if op.name == "LOAD_CONST" and isinstance(op.value, tuple)   # of keyword arguments
                  for word in op.value if isinstance(word, str)]
        does = [op.value if op.name == "BINARY_OP" else op.name for op in line]
        if not any(map(_OF_TIME.search, words)) or any(
                _SMALL_UNITS.search(word) or _OF_WAITING.search(word) for word in words):
            continue
        unit_s = max((_UNITS[word] for word in words if word in _UNITS), default=1.0)
        loads = [(op, next_op) for op, next_op in zip(line, [*does[1:], None], strict=True)
                 if op.name.startswith("LOAD_") and not isinstance(op.value, bool)
                 and next_op != "BINARY_SUBSCR" and next_op not in _DIVISIONS]   # an index, the length of a window
        seconds = [s for s in (unit_s * number(op) for op, _ in loads) if _AGES[0] <= s <= _AGES[1]]
        if any(map(_OF_TURNS.search, words)):
            found.turns.extend(seconds)
        elif "COMPARE_OP" in does:
            found.compared.extend(seconds)
        elif not _SUMS.isdisjoint(does) and any(map(_OF_KEEPING.search, words)):
            summands = [s for s in (unit_s * number(op) for op, next_op in loads if next_op in _SUMS)
                        if _AGES[0] <= s <= _AGES[1]]
            found.added.extend(summands or seconds)   # `now + TTL`, or the other way round, or a timedelta
    return found
