"""What a program acts on: its things, spans and the session, each change together with the oracle's note of it.

Every method of a World that a thread may call holds its lock. So however threads take turns the oracle knows what has
happened, and a comparison may be made while other threads run.
"""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

import spanheap
from spanheap import _core
from tests.property import blocks, program
from tests.property.owner import Block, Comparison, Owner, Starting, Witness
from tests.property.program import Make, Step

DECISIONS = {"sample": Decision.RECORD_AND_SAMPLE, "record": Decision.RECORD_ONLY, "drop": Decision.DROP}


class ProgramError(Exception):
    """What Fail raises."""


class Mismatch(AssertionError):
    """spanheap and the oracle do not agree."""


class Locked:
    """A context manager that is entered and left under the lock, which is not held in between."""

    def __init__(self, lock: AbstractContextManager[Any], manager: AbstractContextManager[Any]) -> None:
        self.lock, self.manager = lock, manager

    def __enter__(self) -> Any:
        with self.lock:
            return self.manager.__enter__()

    def __exit__(self, *exception: Any) -> bool | None:
        with self.lock:
            return self.manager.__exit__(*exception)


class ByName(Sampler):
    """Decides as the span's name says."""

    def __init__(self, keep: Callable[[], None]) -> None:
        self.keep = keep

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> SamplingResult:
        """Keeps something for itself, when the program says so."""
        self.keep()
        return SamplingResult(DECISIONS[name.split()[0]])

    def get_description(self) -> str:
        """For the SDK."""
        return "by name"


class Doomed:
    """Makes something when it dies."""

    def __init__(self, world: World, make: Make) -> None:
        self.world, self.make = world, make
        self.me: Doomed | None = None

    def __del__(self) -> None:
        if not self.world.over:
            self.world.make(self.make)


class World:
    """One program's world. The leaves of its tree are methods here, by the lower-case name of the step."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.over = False
        self.counts: Counter[str] = Counter()
        self.witness = Witness()
        sampler = ByName(self._make_inside)
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(self.witness)
        other = TracerProvider(sampler=spanheap.NamingSampler(sampler), shutdown_on_exit=False)
        other.add_span_processor(self.witness)
        self.tracers = {True: self.provider.get_tracer("told of"), False: other.get_tracer("met")}
        self.session: spanheap.Session
        self.spans: dict[int, trace.Span] = {}
        self.generators: dict[int, Generator[Any, None, None] | AsyncGenerator[None, None]] = {}
        self._blocks: dict[int, Block] = {}
        self._garbage: list[Block] = []   # what the next collection frees
        self._doomed: dict[int, Doomed] = {}
        self._inside: Make | None = None
        self._starting = Starting()
        self._names = 0

    def begin(self) -> None:
        """Lets spanheap meet the provider that nobody tells it of: from then on it is told of every span."""
        with self.tracers[False].start_as_current_span(self.name("sample")) as span:
            kept = bytearray(1_000)
            self.session.force_flush()
            del kept
        assert self.witness.record_of(span.get_span_context())

    def name(self, prefix: str) -> str:
        """Another one than all before."""
        with self.lock:
            self._names += 1
            return f"{prefix} {self._names}"

    def do(self, step: Step) -> None:
        """A leaf."""
        with self.lock:
            getattr(self, type(step).__name__.lower())(step)

    # ------------------------------------------------------------ memory

    def make(self, step: Make, owner: Owner | Starting | None = None) -> None:
        """For whoever is current, unless an owner is given. Called from `__del__` and the sampler, too."""
        with self.lock:
            self._free(step.slot)
            box = blocks.make(step.kind, step.n)
            self._blocks[step.slot] = Block(step.kind, box, owner or self.witness.current())
            self.counts["of a span that has ended"] += owner is None and not trace.get_current_span().is_recording() and (
                isinstance(trace.get_current_span(), ReadableSpan)
            )

    def _make_inside(self) -> None:
        with self.lock:
            make, self._inside = self._inside, None
            if make:
                self.make(make, self._starting)

    def _free(self, slot: int) -> None:
        block = self._blocks.pop(slot, None)
        if block:
            block.box[0] = None

    def free(self, step: program.Free) -> None:
        """What is doomed there, too."""
        self._free(step.slot)
        self._doomed.pop(step.slot, None)

    def grow(self, step: program.Grow) -> None:
        """Its data may be allocated anew, for whoever grows it."""
        block = self._blocks.get(step.slot)
        if block:
            block.changed(blocks.grow(block.kind, block.box, step.n), self.witness.current())

    def cut(self, step: program.Cut) -> None:
        """The same, to less."""
        block = self._blocks.get(step.slot)
        if block:
            block.changed(blocks.cut(block.kind, block.box), self.witness.current())

    def doom(self, step: program.Doom) -> None:
        """One in a cycle has no slot."""
        doomed = Doomed(self, step.make)
        if step.cyclic:
            doomed.me = doomed
        else:
            self._doomed[step.slot] = doomed

    def cycle(self, step: program.Cycle) -> None:
        """Only the cycle holds the box from here on."""
        block = self._blocks.pop(step.slot, None)
        if block:
            cycle: list[Any] = [block.box]
            cycle.append(cycle)
            block.box = []
            self._garbage.append(block)

    def collect(self, step: program.Collect) -> None:
        """What dies here may make things."""
        gc.collect()
        self._garbage.clear()

    # ------------------------------------------------------------ spans

    def new_span(self, step: program.Span) -> AbstractContextManager[Any]:
        """One around what follows."""
        links = [trace.Link(trace.get_current_span().get_span_context())] if step.linked else []
        name = self.name(step.decision)
        manager = self.tracers[step.tracked].start_as_current_span(name, links=links)
        return Entering(self, step.inside, manager, dropped="" if step.tracked else name)

    def start(self, step: program.Start) -> None:
        """A new span that is not current."""
        below = None
        if step.below == "none":
            below = context.Context()
        elif step.below in self.spans:
            below = trace.set_span_in_context(self.spans[step.below])
        self.spans[step.slot] = self.tracers[True].start_span(self.name(step.decision), context=below)

    def end(self, step: program.End) -> None:
        """Where it is current it stays so."""
        span = self.spans.pop(step.slot, None)
        if span:
            span.end()

    def forget(self, step: program.Forget) -> None:
        """Without end()."""
        self.spans.pop(step.slot, None)

    def rename(self, step: program.Rename) -> None:
        """No span that has ended: the SDK warns of that."""
        span = trace.get_current_span()
        if span.is_recording():
            self.witness.rename(span, self.name("renamed"))

    # ------------------------------------------------------------ control

    def fail(self, step: program.Fail) -> None:
        """To the Try around."""
        raise ProgramError

    def check(self, step: program.Check | None = None) -> None:
        """Raises Mismatch."""
        with self.lock:
            comparison = Comparison(self.witness, [*self._blocks.values(), *self._garbage], self.session.snapshot())
            if comparison.problems:
                raise Mismatch("\n".join(comparison.problems))
            for part, count in comparison.expected.items():
                self.counts["blocks"] += count
                self.counts["bytes"] += count * part.size
                owner = part.owner if isinstance(part.owner, str) else "a dropped span" if part.owner.dropped else "a span"
                self.counts[f"of {owner}"] += count
                self.counts["of a span below its root"] += count * (part.root is not part.owner)

    def check_tables(self) -> None:
        """Nothing was lost, and the core's tables are as they should be."""
        stats = self.session.stats()
        lost = stats.samples_dropped, stats.samples_replaced, stats.spans_untracked, stats.processor_errors
        if any(lost) or not _core.valid():
            raise Mismatch(f"something was lost, or the tables are not valid: {stats}")


class Entering:
    """start_as_current_span, in which the sampler may keep something: that is the new span's, if one is made."""

    def __init__(self, world: World, inside: Make | None, manager: AbstractContextManager[Any], dropped: str) -> None:
        self.world, self.inside, self.manager = world, inside, manager
        self.dropped = dropped   # the name that a NamingSampler is told

    def __enter__(self) -> None:
        world = self.world
        world._inside, world._starting = self.inside, Starting()
        parent = trace.get_current_span()
        span = self.manager.__enter__()
        if self.dropped and not span.is_recording():
            world.witness.dropped(self.dropped, span, parent)
        world._starting.owner = world.witness.current()

    def __exit__(self, *exception: Any) -> bool | None:
        return self.manager.__exit__(*exception)
