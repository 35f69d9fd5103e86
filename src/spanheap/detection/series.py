"""What the detector is given: survivors by birth, for each group of live samples. See native/include/spanheap/cohorts.h."""

from __future__ import annotations

from typing import Any, NamedTuple


class GroupKey(NamedTuple):
    """String ids of the core; 0 = any, in a group that several were added up to."""

    function: int
    filename: int
    root_name: int


class Group(NamedTuple):
    """Live samples of one application frame and one local root, or of all that share one of the two."""

    key: GroupKey
    alive: tuple[int, ...]
    """Samples by epoch of birth."""
    lost: tuple[float, ...]
    """Deaths of those, fading with a time constant of a third of the epoch's age."""
    live_bytes: tuple[float, ...]
    """What the survivors stand for."""
    traces: int
    """Distinct traces among them, counted in 64 classes; of what has no span, distinct seconds of birth."""
    in_span: bool
    """False: made while no span was current, so that traffic says nothing about it."""


class Aggregate(NamedTuple):
    """One look at the heap. Epoch i lasts from starts[i] to starts[i + 1]; epoch 0 is what there was before the first."""

    starts: tuple[float, ...]
    """Seconds, one more than there are epochs: the last is now."""
    spans_ended: tuple[float, ...]
    """Spans completed until then, one for each of `starts`."""
    heap_bytes: tuple[float, ...]
    """All live bytes, one for each of `starts`."""
    groups: list[Group]
    """Those worth a look, most newborn bytes first."""
    by_site: list[Group]
    """Added up over the roots, where a site has several."""
    by_root: list[Group]
    """Added up over the sites, where a root has several."""
    rss_bytes: int = 0
    collected_at: float = -1.0
    """Since when everything that is garbage has been collected once; -1: never seen."""
    largest: tuple[Any, ...] = ()
    """The largest blocks, largest first: (group's key, bytes, birth, made in a span)."""
    arena_bytes: int = 0
    """Of the arenas that pymalloc has taken since the session started, and has."""
