"""The assertion, and how its failure reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spanheap.errors import SpanheapError
from spanheap.running import current
from spanheap.session import Session
from spanheap.snapshot import Frame
from spanheap.starting import start
from spanheap.testing.growth import GrowingLine, growing_lines

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

LIVE_BLOCKS = 1 << 18      # 12 MiB of table; more that are live at once are estimated
_LINES_TOLD = 5
_HOLDERS_TOLD = 2
_FRAMES_TOLD = 8
_SEARCH_MS = 2_000         # nobody waits for a response here


def assert_no_growth(
    call: Callable[[], Any], *, calls: int = 20, rounds: int = 4, warmup: int | None = None,
    allowed_bytes_per_call: float = 32, ignore: Sequence[str] = (), tracer_provider: TracerProvider | None = None,
) -> None:
    """Fail when calling `call` again and again leaves more and more memory behind.

    call: takes no argument. What it returns to be awaited is awaited, in an event loop of our own. What it raises is raised
        here.
    calls, rounds: after `warmup` calls (as many as in a round unless given), which may fill caches and import modules,
        `rounds` rounds of `calls` calls each are made, with a garbage collection after each. A line is growing when more
        memory allocated below it is live after all rounds than before, and after each of them but one; and when as many
        rounds of twice as many calls confirm it.
    allowed_bytes_per_call: growth that is let pass. Every allocation is looked at, so figures are exact while fewer than
        262,144 blocks made by the calls are live.
    ignore: growth at lines whose text (`function (file:line)`) has one of these in it is let pass.
    tracer_provider: instead of the global one, for the names of spans.

    Raises AssertionError that names each growing line, the span it was allocated for and who holds it; ValueError for an
    argument that cannot be; TypeError for a call that returns a generator, which nobody would run; SpanheapError where
    profiling cannot start, where a session runs already that does not look at every allocation, as the fixture
    `spanheap_session` does, and where something is to be awaited while an event loop is running.
    """
    warmup = calls if warmup is None else warmup
    for name, value, least in (("calls", calls, 1), ("rounds", rounds, 2), ("warmup", warmup, 0)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}, not {value!r}")
    if not allowed_bytes_per_call >= 0:
        raise ValueError(f"allowed_bytes_per_call must be a number of at least 0, not {allowed_bytes_per_call!r}")
    with every_allocation(tracer_provider) as session:
        grown = growing_lines(
            session, call, warmup=warmup, calls=calls, rounds=rounds, allowed=allowed_bytes_per_call, ignore=ignore
        )
        if grown:
            raise AssertionError(_message(session, call, grown))


@contextmanager
def every_allocation(tracer_provider: TracerProvider | None) -> Iterator[Session]:
    """A session that looks at every allocation: a new one, or the one that runs if it does so."""
    running = current()
    if running is not None:
        interval = running.stats().sample_interval
        if interval > 1:
            raise SpanheapError(
                f"a session is running that takes a sample every {interval:,.0f} bytes, which is too coarse for a test; "
                "shut it down first, or use the fixture spanheap_session"
            )
        yield running
        return
    session = start(
        sample_interval=1, max_samples=LIVE_BLOCKS, tracer_provider=tracer_provider, tick=None, detect=None, dumps=None
    )
    try:
        yield session
    finally:
        session.shutdown()


def _message(session: Session, call: Callable[[], Any], grown: list[GrowingLine]) -> str:
    name = getattr(call, "__qualname__", type(call).__qualname__)
    total = sum(line.bytes_per_call for line in grown)
    lines = [f"each call of {name} leaves {_size(total)} behind, seen over {grown[0].calls} calls:"]
    for line in grown[:_LINES_TOLD]:
        lines += ["", f"  {_size(line.bytes_per_call)} in {line.objects_per_call:.1f} blocks a call at {line.name}"]
        if line.span_names:
            lines.append(f"    in span {', '.join(line.span_names[:3])}")
        holders = session.holders(line.site, limit=_HOLDERS_TOLD, budget_ms=_SEARCH_MS)
        lines += [f"    held by {holder}" for holder in holders]
        lines += [f"      {frame}" for frame in _callers(line.site.stack)]
    if len(grown) > _LINES_TOLD:
        lines.append(f"\n  and {len(grown) - _LINES_TOLD} lines more")
    return "\n".join(lines)


def _callers(stack: Sequence[Frame]) -> list[str]:
    """The stack from the block out to the call: what called us is the test runner's."""
    told = itertools.takewhile(lambda frame: not frame.filename.startswith(_OWN_FOLDER), stack)
    return [str(frame) for frame in told][:_FRAMES_TOLD]


_OWN_FOLDER = __file__.rpartition("/")[0]


def _size(size: float) -> str:
    return f"{size:,.0f} bytes" if size < 10_000 else f"{size / 1024:,.1f} KiB"
