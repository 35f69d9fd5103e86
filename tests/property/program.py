"""The language of the programs: trees of steps, as plain data. Printed, a program is the expression that makes it.

Every step may stand anywhere. What needs an event loop starts one, and where it stands inside a loop but outside a
coroutine (in a plain generator, say) its bodies run one after the other. `slot`s are places for things, spans and
generators, shared by the whole program: what is in one is used, ended or freed by whoever comes next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Step:
    """What a program consists of."""

    types: ClassVar[dict[str, type[Step]]] = {}

    def __init_subclass__(cls) -> None:
        Step.types[cls.__name__] = cls


Body = tuple[Step, ...]


# ------------------------------------------------------------ memory


@dataclass(frozen=True)
class Make(Step):
    """A new thing of n items; what was in the slot is freed."""

    slot: int
    kind: str
    n: int


@dataclass(frozen=True)
class Grow(Step):
    """n more items."""

    slot: int
    n: int


@dataclass(frozen=True)
class Cut(Step):
    """Down to a third."""

    slot: int


@dataclass(frozen=True)
class Free(Step):
    """Let go of it, whoever made it."""

    slot: int


@dataclass(frozen=True)
class Doom(Step):
    """Put something into the slot that makes a thing in its `__del__`. `cyclic`: when the collector finds it."""

    slot: int
    cyclic: bool
    make: Make


@dataclass(frozen=True)
class Cycle(Step):
    """Lose the thing in a reference cycle: it lives until the next Collect."""

    slot: int


@dataclass(frozen=True)
class Collect(Step):
    """`gc.collect()`, the only one there is: automatic collection is off."""


# ------------------------------------------------------------ spans


@dataclass(frozen=True)
class Span(Step):
    """start_as_current_span. `decision`: the sampler's. `tracked`: of the provider that spanheap was told
    of; else of one that it has met, whose sampler names what it drops. `inside`: what the sampler makes and keeps."""

    decision: str
    tracked: bool
    linked: bool
    inside: Make | None
    body: Body


@dataclass(frozen=True)
class Start(Step):
    """start_span: below the current span, below none, or below that of another slot."""

    slot: int
    decision: str
    below: int | str


@dataclass(frozen=True)
class Use(Step):
    """use_span."""

    slot: int
    end_on_exit: bool
    body: Body


@dataclass(frozen=True)
class End(Step):
    """span.end(), wherever it was started and may be current."""

    slot: int


@dataclass(frozen=True)
class Forget(Step):
    """The last reference, perhaps, to a span that was never ended."""

    slot: int


@dataclass(frozen=True)
class Rename(Step):
    """update_name of the current span."""


@dataclass(frozen=True)
class Remote(Step):
    """Inside a span context that another process has sent."""

    body: Body


# ------------------------------------------------------------ contexts


@dataclass(frozen=True)
class InContext(Step):
    """Context.run, of a copy of this one or of an empty one."""

    empty: bool
    body: Body


@dataclass(frozen=True)
class Variables(Step):
    """With n other ContextVars set, and reset at the end."""

    n: int
    body: Body


@dataclass(frozen=True)
class Baggage(Step):
    """With n further keys in OpenTelemetry's context."""

    n: int
    body: Body


# ------------------------------------------------------------ control


@dataclass(frozen=True)
class Try(Step):
    """Where a Fail inside is caught."""

    body: Body


@dataclass(frozen=True)
class Fail(Step):
    """Unwind to the Try around, or end the task, thread, generator or program."""


@dataclass(frozen=True)
class Pause(Step):
    """Let others go on: an await in a task, a yield in a generator, a switch in a thread."""


@dataclass(frozen=True)
class Generate(Step):
    """Put a generator of this body into the slot."""

    slot: int
    asynchronous: bool
    body: Body


@dataclass(frozen=True)
class Resume(Step):
    """Run it to its next Pause."""

    slot: int


@dataclass(frozen=True)
class Close(Step):
    """Give it up, unwinding what it holds open."""

    slot: int


@dataclass(frozen=True)
class Gather(Step):
    """Tasks that take turns, awaited together."""

    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Task(Step):
    """create_task; awaited when the loop's other work is done, with this span perhaps ended."""

    body: Body


@dataclass(frozen=True)
class Threads(Step):
    """Threads that run at the same time, joined together. `copied`: each in a copy of this context."""

    copied: bool
    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Pool(Step):
    """One of the program's pool threads: asyncio.to_thread, run_in_executor, or submit outside of tasks."""

    copied: bool
    body: Body


@dataclass(frozen=True)
class Later(Step):
    """At the end of the program, in a copy of this context."""

    in_thread: bool
    body: Body


@dataclass(frozen=True)
class Check(Step):
    """Compare now, not only at the end."""
