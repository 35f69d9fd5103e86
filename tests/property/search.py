"""Looks for a program that spanheap and the oracle see differently, and for the smallest such program."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.property.generation import programs
from tests.property.machine import Machine
from tests.property.program import Body, Step

OWNERS = (
    "of a span", "of a span below its root", "of a dropped span", "of a span that has ended", "of <no span>",
    "of <unsampled>",
)


class Counterexample(AssertionError):
    """The program found, and what is wrong with it."""

    def __init__(self, program: Body, problem: BaseException) -> None:
        super().__init__(f"{type(problem).__name__}: {problem}\nin this program (python -m tests.property --replay FILE):\n"
                         f"{program!r}")


def search(count: int, first_seed: int, progress: Callable[[int], None] = lambda done: None) -> Counter[str]:
    """What `count` programs did: steps, and owners of the blocks that were compared. Raises Counterexample."""
    totals: Counter[str] = Counter()
    failed: list[tuple[Body, BaseException]] = []

    # No Phase.explain: it traces what runs, and a tracer allocates in the frames that it traces.
    @seed(first_seed)
    @settings(
        max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(programs())
    def agree(program: Body) -> None:
        try:
            totals.update(Machine().run(program))
        except BaseException as problem:
            failed[:] = [(program, problem)]   # in the end, the smallest
            raise
        totals["programs"] += 1
        progress(totals["programs"])

    try:
        agree()
    except Exception as problem:   # Flaky, too: threads may take other turns the second time
        if not failed:
            raise
        raise Counterexample(*failed[0]) from problem
    finally:
        gc.unfreeze()
    return totals


def never_done(totals: Counter[str]) -> list[str]:
    """Steps and owners that did not occur: the search has not looked there."""
    return [name for name in (*Step.types, *OWNERS) if not totals[name]]


def replay(text: str, times: int) -> None:
    """Run a printed program. Raises what it raises."""
    program: Body = eval(text, dict(Step.types))
    for _ in range(times):
        Machine().run(program)
