"""Where error spans wait for a place in the queue: bounded in bytes, without a lock.

The bytes are tickets of 1 KiB in a deque: a span takes as many as it is large and gives them back when it leaves. Taking
and giving are single steps, so that any thread may come in at any moment, also one that a signal handler or a
deallocator interrupts in the middle of it.

Invariant: tickets free + tickets of the spans in here + tickets in somebody's hands = all tickets.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

TICKET = 1024
# An ended span without attributes keeps 3.1 KB on SDK 1.45 (more than half of it two empty deques).
_SPAN = 3100
_EVENT = 800
_LINK = 600
_VALUE = 100
_MEMBER = 60
_LARGEST = 256   # tickets: what takes more is refused, for the time it takes and because nobody else would fit


class WaitingRoom:
    """First in, first out."""

    def __init__(self, capacity: int) -> None:
        """Room for so many bytes."""
        self._tickets = capacity // TICKET
        self._free: deque[None] = deque(repeat(None, self._tickets))
        self._spans: deque[tuple[ReadableSpan, int]] = deque()

    def __len__(self) -> int:
        return len(self._spans)

    def offer(self, span: ReadableSpan) -> bool:
        """Whether there was room."""
        needed = -(-span_bytes(span) // TICKET)
        if needed > min(_LARGEST, len(self._free)):
            return False
        free = self._free
        for taken in range(needed):
            try:
                free.pop()
            except IndexError:   # somebody was faster
                free.extend(repeat(None, taken))
                return False
        self._spans.append((span, needed))
        return True

    def take(self) -> ReadableSpan | None:
        """The one that has waited longest; None: nobody waits."""
        try:
            span, tickets = self._spans.popleft()
        except IndexError:
            return None
        self._free.extend(repeat(None, tickets))
        return span

    def _valid(self) -> bool:
        """Whether no ticket is lost, while nobody comes or goes."""
        return len(self._free) + sum(tickets for _, tickets in self._spans) == self._tickets


def span_bytes(span: ReadableSpan) -> int:
    """About what an ended span keeps in memory: its texts are added up, the rest is counted in pieces."""
    size = _SPAN + _values(span.attributes)
    for event in span.events:
        size += _EVENT + _values(event.attributes)
    for link in span.links:
        size += _LINK + _values(link.attributes)
    return size


def _values(attributes: Any) -> int:
    size = 0
    for value in (attributes or {}).values():
        size += _VALUE
        if isinstance(value, (str, bytes)):
            size += len(value)   # of ASCII, which nearly all are, a character is a byte
        elif isinstance(value, tuple):
            size += sum(_MEMBER + (len(one) if isinstance(one, (str, bytes)) else 0) for one in value)
    return size
