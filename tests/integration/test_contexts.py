"""The current span is found in every shape of a context's tree of variables, as `Context.get` finds it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from spanheap import _core
from spanheap.spans import sdk

from ._witness import Witness, witnessing

Variable = ContextVar[Any]

_provider = TracerProvider()   # outlives the sessions, as a service's does
tracer = _provider.get_tracer("tests")


@pytest.fixture(params=["nodes", "traverse"])
def witness(request: pytest.FixtureRequest) -> Iterator[Witness]:
    """Every allocation is sampled; by the walk that is used, and by the one that stands in for it."""
    with witnessing(tracer_provider=_provider) as witness:
        assert _core.attribution() == _core.ATTRIBUTION_NODES   # on every supported CPython
        _core.set_attribution({"nodes": _core.ATTRIBUTION_NODES, "traverse": _core.ATTRIBUTION_TRAVERSE}[request.param])
        try:
            yield witness
        finally:
            _core.set_attribution(_core.ATTRIBUTION_NODES)


def variables(n: int) -> list[Variable]:
    """So many, with the hashes that they happen to have: those of their addresses."""
    return [ContextVar(f"v{i}") for i in range(n)]


def in_context(function: Callable[[], None]) -> None:
    """Call it in an empty context: no other test's variables, no span."""
    Context().run(function)


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 33, 200, 2_000])
def test_among_other_variables(witness: Witness, n: int) -> None:
    """Set before the span is current, while it is, and taken away again: the tree grows, splits and shrinks."""

    def run() -> None:
        before, during = variables(n), variables(n)
        for i, variable in enumerate(before):
            variable.set(i)
        witness()
        with tracer.start_as_current_span("one"):
            witness()
            tokens = [(variable, variable.set(i)) for i, variable in enumerate(during)]
            witness()
            with tracer.start_as_current_span("two"):
                for variable, token in tokens:
                    variable.reset(token)
                witness()
            witness()
        witness()
        assert [variable.get() for variable in before] == list(range(n))

    in_context(run)
    witness.check(6)


def _hashes_like(hash_: int) -> dict[str, Callable[[int], int]]:
    """Hashes that meet this one in the tree: the i-th of each kind."""
    low, high = hash_ & 0xFFFFFFFF, (hash_ >> 32) & 0x7FFFFFFF
    return {
        "equal": lambda i: hash_,
        # The tree's 32 bits are the halves' exclusive or: equal only when folded.
        "folded": lambda i: ((high ^ (i + 1)) << 32) | (low ^ (i + 1)),
        # Equal in the lowest 5, 10, … 30 bits: parted one level further down each time.
        "prefix": lambda i: (high << 32) | (low ^ (1 << (5 * (i % 6 + 1))) ^ (i // 6 << 31)),
    }


@pytest.mark.parametrize("n", [1, 2, 7, 40])
@pytest.mark.parametrize("kind", ["equal", "folded", "prefix"])
def test_among_variables_of_colliding_hashes(witness: Witness, kind: str, n: int) -> None:
    """Variables that share OpenTelemetry's place in the tree, above or below it, come and go around it."""
    otel = sdk.runtime_context_variable()

    def run() -> None:
        colliding = variables(n)
        for i, variable in enumerate(colliding):
            _core.force_hash(variable, _hashes_like(hash(otel))[kind](i))
        tokens = []
        for variable in colliding[::2]:
            tokens.append((variable, variable.set(variable)))
            witness()
        with tracer.start_as_current_span("one"):
            witness()
            for variable in colliding[1::2]:
                tokens.append((variable, variable.set(variable)))
                witness()
            random.Random(n).shuffle(tokens)
            for variable, token in tokens:
                variable.reset(token)
                witness()
        witness()
        assert not any(variable.get(None) for variable in colliding)

    in_context(run)
    witness.check(2 * n + 2)


def test_a_random_walk_through_contexts(witness: Witness) -> None:
    """Spans begin and end, variables come and go, contexts are copied, entered and left, in any order."""
    rng = random.Random(1)
    pool = variables(60)
    for variable in pool[:20]:
        _core.force_hash(variable, hash(sdk.runtime_context_variable()) ^ rng.choice([0, 0, 1 << 5, 1 << 10, 1 << 37]))
    made = 0

    def walk(depth: int) -> None:
        nonlocal made
        tokens: list[tuple[Variable, Any]] = []
        for step in range(rng.randrange(4, 12)):
            choice = rng.randrange(6)
            if choice == 0 and tokens:
                variable, token = tokens.pop(rng.randrange(len(tokens)))
                variable.reset(token)
            elif choice == 1 and depth:
                rng.choice([copy_context(), Context()]).run(walk, depth - 1)
            elif choice == 2 and depth:
                with tracer.start_as_current_span(f"{depth} {step}"):
                    walk(depth - 1)
            else:
                chosen = rng.sample(pool, rng.randrange(1, 8))
                tokens += [(variable, variable.set(object())) for variable in chosen]
            witness()
            made += 1

    while made < 800:
        in_context(lambda: walk(5))
    witness.check(made)


def test_nested_and_copied_contexts(witness: Witness) -> None:
    """A copy has the span of when it was made, an empty context none; leaving gives back the one outside."""

    def descend(depth: int) -> None:
        with tracer.start_as_current_span(f"level {depth}"):
            copy = copy_context()
            witness()
            if depth:
                copy.run(descend, depth - 1)
        witness()
        copy.run(witness)          # its own span, although that has ended
        Context().run(witness)

    descend(40)
    witness.check(41 * 4)


def test_the_variable_is_reset_and_deleted(witness: Witness) -> None:
    """By hand, in any order: no span where the variable is not, another where it holds another context."""
    otel = sdk.runtime_context_variable()

    def run() -> None:
        witness()                                   # never set
        first = otel.set(trace.set_span_in_context(tracer.start_span("first")))
        witness()
        second = context.attach(trace.set_span_in_context(tracer.start_span("second")))
        witness()
        otel.reset(first)                           # out of order: it is not in the tree any more
        witness()
        third = context.attach(context.Context())   # there, and without a span
        witness()
        context.detach(second)
        witness()                                   # the first again
        context.detach(third)
        witness()

    in_context(run)
    witness.check(7)


def test_the_end_of_a_thread(witness: Witness) -> None:
    """What is let go of with the thread, its context among it: the span that Python still sees then, or none."""

    class Mortal:
        def __del__(self) -> None:
            witness()

    local = threading.local()
    variable: Variable = ContextVar("mortal")

    def work() -> None:
        local.mortal = Mortal()
        variable.set(Mortal())
        context.attach(trace.set_span_in_context(tracer.start_span("never detached")))
        witness()

    def nested() -> None:
        with tracer.start_as_current_span("nested"):
            copy_context().run(work)

    for target in (work, nested):
        for _ in range(20):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    witness.check(2 * 20 * 3)


def test_values_that_end_while_a_variable_is_set(witness: Witness) -> None:
    """`__del__` runs in the middle of `set` and `reset`, when the tree has just been changed."""

    class Mortal:
        def __del__(self) -> None:
            witness()

    def run() -> None:
        some = variables(20)
        with tracer.start_as_current_span("outer"):
            for variable in some:
                variable.set(Mortal())
            with tracer.start_as_current_span("inner"):
                tokens = [(variable, variable.set(Mortal())) for variable in some]
                for variable, token in tokens:
                    variable.reset(token)
                del tokens, token
                for variable in some:
                    variable.set(None)

    in_context(run)
    witness.check(2 * 20)
