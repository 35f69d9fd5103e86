"""Random programs."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.property import blocks, program
from tests.property.program import Body, Step

Steps = st.SearchStrategy[Step]

# So few that what is in a slot is often changed, ended or freed by someone else than its maker.
SLOTS = st.integers(0, 5)
PLACES = st.integers(0, 11)   # of things: more, as these are what is compared
# pymalloc serves up to 512 bytes; what is larger passes on to RAW, and from 128 KiB on to mmap.
EDGES = [64, 65, 512 - 33, 512 - 33 + 1, 512, 513, 4_000, 70_000, 200_000]
ITEMS = st.integers(blocks.LEAST, 600) | st.sampled_from(EDGES)
FLAG = st.booleans()
DECISIONS = st.sampled_from(["sample", "sample", "sample", "record", "drop"])
DEPTH = 3

MAKE = st.builds(program.Make, PLACES, st.sampled_from(sorted(blocks.KINDS)), ITEMS)


def weighted(choices: dict[Steps, int]) -> Steps:
    """`one_of` chooses evenly, whatever is nested in it or repeated."""
    return st.sampled_from([steps for steps, weight in choices.items() for _ in range(weight)]).flatmap(lambda steps: steps)


LEAVES = weighted({
    MAKE: 12,
    st.builds(program.Grow, PLACES, ITEMS): 5,
    st.builds(program.Cut, PLACES): 3,
    st.builds(program.Free, PLACES): 2,
    st.builds(program.Doom, PLACES, FLAG, MAKE): 1,
    st.builds(program.Cycle, PLACES): 1,
    st.just(program.Collect()): 1,
    st.builds(program.Start, SLOTS, DECISIONS, st.just("current") | st.just("none") | SLOTS): 3,
    st.builds(program.End, SLOTS): 1,
    st.builds(program.Forget, SLOTS): 1,
    st.just(program.Rename()): 1,
    st.just(program.Pause()): 6,
    st.builds(program.Resume, SLOTS): 3,
    st.builds(program.Close, SLOTS): 1,
    st.just(program.Fail()): 1,
    st.just(program.Check()): 1,
})


def _spans(body: st.SearchStrategy[Body]) -> Steps:
    """`inside` goes with spans that are made: what a dropped span's sampler keeps has no span to belong to."""
    return st.builds(program.Span, DECISIONS, FLAG, FLAG, st.none(), body) | st.builds(
        program.Span, st.sampled_from(["sample", "record"]), st.just(True), FLAG, st.none() | MAKE, body
    )


def _around(inner: Steps) -> Steps:
    """Steps around bodies of these."""
    body = st.lists(inner, min_size=1, max_size=6).map(tuple)
    several = st.lists(body, min_size=1, max_size=3).map(tuple)
    return weighted({
        inner: 20,
        _spans(body): 14,
        st.builds(program.Use, SLOTS, FLAG, body): 3,
        st.builds(program.Remote, body): 1,
        st.builds(program.InContext, FLAG, body): 1,
        st.builds(program.Variables, st.sampled_from([1, 5, 17, 40, 200]), body): 1,
        st.builds(program.Baggage, st.integers(1, 20), body): 1,
        st.builds(program.Try, body): 1,
        st.builds(program.Generate, SLOTS, FLAG, body): 3,
        st.builds(program.Gather, several): 3,
        st.builds(program.Task, body): 2,
        st.builds(program.Threads, FLAG, several): 1,
        st.builds(program.Pool, FLAG, body): 1,
        st.builds(program.Later, FLAG, body): 1,
    })


def programs() -> st.SearchStrategy[Body]:
    """Built outwards to a fixed depth: `st.recursive` makes most of them flat."""
    steps = LEAVES
    for _ in range(DEPTH):
        steps = _around(steps)
    return st.lists(steps, min_size=3, max_size=8).map(tuple)
