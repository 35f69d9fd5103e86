"""Where errors wait: bounded in bytes, for any thread."""

from __future__ import annotations

import threading
import tracemalloc
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from spanheap.throttle.counts import Tally
from spanheap.throttle.waiting_room import TICKET, WaitingRoom, span_bytes

pytestmark = pytest.mark.once(reason="arithmetic")


def span(name: str = "", **attributes: Any) -> Any:
    """What is looked at of an ended span."""
    return SimpleNamespace(name=name, attributes=attributes, events=(), links=())


def test_first_in_first_out() -> None:
    """Until it is empty; what has left makes room."""
    room = WaitingRoom(1 << 16)
    spans = [span(str(i)) for i in range(10)]
    assert room.take() is None
    assert all(room.offer(one) for one in spans) and len(room) == 10
    assert [room.take() for _ in spans] == spans
    assert room.take() is None and len(room) == 0 and room._valid()


def test_it_is_bounded_in_bytes() -> None:
    """What does not fit is refused, and fits once others have left."""
    room = WaitingRoom(10 * TICKET * 4)   # a span without attributes takes 4 tickets
    while room.offer(span()):
        pass
    assert len(room) == 10 and room._valid()
    room.take()
    assert not room.offer(span(text="x" * 2 * TICKET)) and room._valid()
    assert room.offer(span()) and not room.offer(span()) and room._valid()


def test_one_span_cannot_take_the_room() -> None:
    """One of 300 KiB is refused though it would fit; so is everything where there is no room."""
    room = WaitingRoom(16 << 20)
    assert not room.offer(span(text="x" * 300 * 1024)) and room.offer(span(text="x" * 200 * 1024))
    assert not WaitingRoom(0).offer(span())


def test_tickets_are_not_lost_between_threads() -> None:
    """Offers and takes at once, most of the offers refused for want of room."""
    room = WaitingRoom(8 * TICKET * 4)
    came, left, gone = Tally(), Tally(), threading.Event()

    def come() -> None:
        for i in range(300):
            while not room.offer(span(text="x" * (i % 5) * TICKET)):
                gone.wait(0.0001)
            came.add()

    def leave() -> None:
        while not gone.wait(0.001):
            while room.take() is not None:
                left.add()

    coming, leaving = ([threading.Thread(target=f) for _ in range(3)] for f in (come, leave))
    for thread in coming + leaving:
        thread.start()
    for thread in coming:
        thread.join(60)
    gone.set()
    for thread in leaving:
        thread.join(60)
    assert came.value() == left.value() + len(room) == 900
    assert room._valid()


def test_tickets_are_given_back_when_somebody_was_faster() -> None:
    """Between the look whether there are enough and the last that is taken."""
    room = WaitingRoom(8 * TICKET)
    stolen: list[None] = []

    class Raced(deque[None]):
        def pop(self) -> None:   # type: ignore[override]
            super().pop()
            while len(stolen) < 6:
                stolen.append(super().pop())

    room._free = Raced(room._free)
    assert not room.offer(span()) and len(room) == 0
    assert len(room._free) + len(stolen) == 8


def test_a_tally_is_exact() -> None:
    """From threads, from 0."""
    tally = Tally()
    assert tally.value() == 0
    threads = [threading.Thread(target=lambda: [tally.add() for _ in range(20_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert tally.value() == 80_000


@pytest.mark.no_sanitizer(reason="memory is measured")
@pytest.mark.parametrize("kind", ["bare", "attributes", "exception", "tuples"])
def test_the_size_of_a_span_is_about_what_it_keeps(kind: str) -> None:
    """Between two thirds and twice what tracemalloc finds."""
    tracer = TracerProvider().get_tracer("tests")

    def make(i: int) -> Any:
        made = tracer.start_span("a name")
        if kind == "attributes":
            made.set_attributes({f"key{k}": f"{i}" + "x" * 200 for k in range(20)})
        elif kind == "exception":
            made.record_exception(ValueError(str(i)), {"exception.stacktrace": f"{i}" + "  File x, line 1\n" * 400})
        elif kind == "tuples":
            made.set_attribute("key", [f"{i} {k}" + "x" * 50 for k in range(100)])
        made.end()
        return made._readable_span()   # type: ignore[attr-defined]

    make(0)
    tracemalloc.start()
    try:
        kept = [make(i) for i in range(300)]
        measured = tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()
    assert measured / 1.5 < span_bytes(kept[0]) < measured * 2
