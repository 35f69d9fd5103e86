"""What `spanheap top` shows, as lines of text that fit a terminal. Pure functions."""

from __future__ import annotations

from typing import Any, NamedTuple

from spanheap.server.look import History, Look
from spanheap.server.pages import duration, size
from spanheap.server.terminal_text import columns, fitted, padded, printable, wrapped

_ENDPOINT = 28
_SPANS = 3


class Line(NamedTuple):
    text: str
    style: str = ""   # of rich: "bold", "red", "dim"


def lines(look: Look, history: History, width: int, height: int, *, status: str = "") -> list[Line]:
    """At most `height` lines of at most `width` columns. status: the last line, what went wrong."""
    head = _head(look, history)
    leaks = _leaks(look, width, max(2, height // 4))
    spans = _spans(look)
    room = height - len(head) - len(leaks) - len(spans) - (1 if status else 0) - 3
    rows = look.document["lines"]
    shown = [*head, *leaks, *_table(rows[:max(1, room)], history, width), *spans]
    shown = shown[:max(0, height - (1 if status else 0))]
    if status:
        shown.append(Line(status, "yellow"))
    return [Line(fitted(line.text, width), line.style) for line in shown]


def _head(look: Look, history: History) -> list[Line]:
    who, memory, heap, spans = (look.document[key] for key in ("process", "memory", "heap", "spans"))
    growth = history.growth()
    most = memory["limit_bytes"]
    limit = f" of {size(most)} ({look.rss_bytes / most:.0%})" if most else ""
    return [
        Line(f"{who['service'] or who['program']}  pid {who['pid']}  Python {who['python']}  profiled for "
             f"{duration(who['profiled_s'])}", "bold"),
        Line(f"resident {size(look.rss_bytes)}{limit}{_rate(growth[1] if growth else None)}   "
             f"live heap {size(look.live_bytes)}{_rate(growth[0] if growth else None)}   "
             f"{heap['live_objects']:,.0f} objects, {heap['samples']:,} samples"),
        Line(f"spans: {spans['active']:,} active, {spans['ended']:,} ended, {spans['retained']:,.0f} ended and kept "
             f"({size(spans['retained_bytes'])}), {spans['unended']:,.0f} never ended"),
        Line(""),
    ]


def _leaks(look: Look, width: int, room: int) -> list[Line]:
    """Whole ones, as long as there is room: who holds it is at the end of each."""
    found = [Line(row, "red") for leak in look.document["leaks"] for row in wrapped(leak["text"], width)]
    return [*found[:room], Line("")] if found else []


def _rate(bytes_per_s: float | None) -> str:
    return "" if bytes_per_s is None else f" ({'+' if bytes_per_s >= 0 else ''}{size(bytes_per_s * 60)}/min)"


def _table(rows: list[dict[str, Any]], history: History, width: int) -> list[Line]:
    shown = [Line(f"{'live':>10} {'±':>5} {'growth/min':>11}  {'endpoint':<{_ENDPOINT}}  line", "bold")]
    for row in rows:
        grown = history.growth_of_line(row["line"])
        growth = "-" if grown is None else f"{'+' if grown > 0 else ''}{size(grown * 60)}"
        error = row["relative_error"]
        off = "-" if error is None or error > 9.99 else f"{error:.0%}"
        endpoint = padded(fitted(row["root_name"], _ENDPOINT), _ENDPOINT)
        room = width - 10 - 1 - 5 - 1 - 11 - 2 - _ENDPOINT - 2
        shown.append(Line(f"{size(row['live_bytes']):>10} {off:>5} {growth:>11}  {endpoint}  {_end_of(row['line'], room)}"))
    if not rows:
        shown.append(Line("  no live samples yet"))
    return shown


def _spans(look: Look) -> list[Line]:
    active = look.document["active_spans"][:_SPANS]
    if not active:
        return []
    return [Line(""), Line("active spans, oldest first", "bold"), *(
        Line(f"{duration(span['age_s']):>10}  {span['name']}  of {span['root_name']}  trace {span['trace_id']}")
        for span in active)]


def _end_of(line: str, room: int) -> str:
    """function (…/end/of/the/path.py:7): what tells lines apart is at both ends."""
    line = printable(line)
    function, bracket, place = line.partition(" (")
    excess = columns(line) - room
    if excess <= 0 or not bracket:
        return line
    kept = place[min(len(place), excess + 1):]
    return f"{function} (…{kept}" if len(kept) > 8 else line
