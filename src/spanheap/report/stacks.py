"""All sites of a heap in few bytes: one table of strings, one of frames, a tree of stacks, and one row for each of
(stack, root name, span name) with what is live, what grew and what was allocated.

The page makes its flame graphs from the rows: by endpoint or not, with all frames or only the application's.
"""

from __future__ import annotations

from typing import Any

from spanheap.report import words
from spanheap.report.subject import Subject
from spanheap.snapshot import NO_SPAN, Frame, Row
from spanheap.snapshot.application import file_origin

MOST_ROWS = 20_000   # some 2 MB; what is beyond the largest is one row
MOST_FRAMES = 500    # of a stack, next to the leaf: a page's own stack ends somewhere, too
SMALLER = (Frame("<smaller sites>", "", 0),)


class Strings:
    """Each text once, by number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self.numbers.setdefault(words.cut(text), len(self.numbers))


class _Tree:
    def __init__(self, strings: Strings) -> None:
        self._strings = strings
        self._frames: dict[Frame, int] = {}
        self._children: dict[tuple[int, int], int] = {}   # (parent, frame) -> node
        self.frames: list[list[int]] = [[], [], [], []]   # function, file, line, origin
        self.up: list[int] = []                           # how many nodes before this one its parent is; 0: it has none
        self.frame: list[int] = []

    def node(self, stack: tuple[Frame, ...]) -> int:
        """Of the leaf; -1 for an empty stack."""
        node = -1
        for frame in reversed(stack[:MOST_FRAMES]):
            number = self._frames.get(frame)
            if number is None:
                number = self._frames[frame] = len(self._frames)
                values = (self._strings.number(frame.function), self._strings.number(frame.filename), frame.line,
                          file_origin(frame.filename))
                for column, value in zip(self.frames, values, strict=True):
                    column.append(value)
            child = self._children.get((node, number))
            if child is None:
                child = self._children[node, number] = len(self.frame)
                self.up.append(child - node if node >= 0 else 0)
                self.frame.append(number)
            node = child
        return node


class _Sum:
    __slots__ = ("allocated", "growth", "live", "samples")

    def __init__(self) -> None:
        self.live = self.growth = self.allocated = 0.0
        self.samples = 0

    @property
    def weight(self) -> float:
        return max(self.live, abs(self.growth)) + self.allocated * 1e-6


def document(subject: Subject, strings: Strings) -> dict[str, Any]:
    """{"frames": columns, "up", "frame": the tree, "rows": columns, "left_out": how many rows are summed up}."""
    sums: dict[tuple[tuple[Frame, ...], str, str], _Sum] = {}
    same: dict[int, tuple[Frame, ...]] = {}   # hashing a stack costs more than all else: one tuple for equal ones, by id
    distinct: dict[tuple[Frame, ...], tuple[Frame, ...]] = {}

    def sum_of(row: Row) -> _Sum:
        stack = same.get(id(row.stack))
        if stack is None:
            stack = same[id(row.stack)] = distinct.setdefault(row.stack, row.stack)
        by_name = sums_of_stack.setdefault(id(stack), {})
        found = by_name.get((row.root_span_name, row.span_name))
        if found is None:
            found = by_name[row.root_span_name, row.span_name] = _Sum()
            sums[stack, row.root_span_name, row.span_name] = found
        return found

    sums_of_stack: dict[int, dict[tuple[str, str], _Sum]] = {}
    heap_rows = subject.heap.rows
    for row in heap_rows:
        total = sum_of(row)
        total.live += row.live_bytes
        total.allocated += row.allocated_bytes
        total.samples += row.samples
    growth_rows = subject.growth.rows if subject.growth is not None else ()
    for row in growth_rows:
        sum_of(row).growth += row.live_bytes

    ordered = sorted(sums.items(), key=lambda item: -item[1].weight)
    kept, rest = ordered[:MOST_ROWS], ordered[MOST_ROWS:]
    if rest:
        total = _Sum()
        for _, part in rest:
            total.live += part.live
            total.growth += part.growth
            total.allocated += part.allocated
            total.samples += part.samples
        kept.append(((SMALLER, NO_SPAN, NO_SPAN), total))
    tree = _Tree(strings)
    columns: list[list[int]] = [[], [], [], [], [], [], []]
    for (stack, root, span), part in kept:
        values = (tree.node(stack), strings.number(root), strings.number(span), round(part.live), round(part.growth),
                  round(part.allocated), part.samples)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return {"frames": tree.frames, "up": tree.up, "frame": tree.frame, "rows": columns, "left_out": len(rest)}
