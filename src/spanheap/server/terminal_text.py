"""Text of strangers on a terminal: how wide it is, and nothing in it that a terminal would obey."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Without what a terminal would obey: names are whatever a service calls things."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)


def columns(text: str) -> int:
    return sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fitted(text: str, width: int) -> str:
    """Cut to this many columns, with an ellipsis where something was cut off."""
    text = printable(text)
    if columns(text) <= width:
        return text
    used, kept = 1, []
    for character in text:
        used += _columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…" if width > 0 else ""


def padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most this many columns, broken at blanks where that can be; all but the first are indented."""
    lines, line = [], ""
    for word in printable(text).split(" "):
        if line.strip() and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line = "  "
        line += word if not line.strip() else " " + word
    return [fitted(each, width) for each in (*lines, line)]
