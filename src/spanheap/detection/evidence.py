"""What a holder says about whether growth has a bound. Pure: of a path put into words, and what is known of its container.

Growth alone cannot tell a leak from a cache that is not full yet. Who holds the objects can: a container that nothing takes
from (eviction.py) has no bound.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Bound(enum.Enum):
    """What ends the growth."""

    NONE = "nothing takes from the container"
    RELEASE = "entries are taken out one by one, by whoever put them in"
    EVICTION = "the container has an eviction"
    EXCEEDED = "the container has more entries than its limit"
    OVERDUE = "entries stay longer than the code says that it keeps them"
    EVER_MORE = "each has a bound, and there are ever more of them"
    OUTER = "what the container is in is let go in time, it is said"
    BRANCH = "an object holds ever more things"
    TRANSIENT = "held by work that is under way"
    C = "held by C code: references that no Python object has"
    UNSEEN = "nothing that Python can see holds it: C code has lost it, or keeps it where it does not show"
    GARBAGE = "garbage that waits for the collector, which is switched off"
    COLLECTOR = "garbage that the collector has not come to yet"
    SPANS = "spans that have ended"
    UNKNOWN = "the holder is not known"


class Outside(NamedTuple):
    """A container, which nothing takes from, of what has a bound of its own."""

    container: str
    entries: Callable[[], int | None]


class Evidence(NamedTuple):
    """The answer to a question of the detector's."""

    bound: Bound
    holder: str | None = None   # in words
    detail: str = ""
    container: str = ""         # the part of `holder` that grows, without its size: the same for all that it holds
    entries: Callable[[], int | None] | None = None   # how many it has now; None: not known, or no more
    limit: float | None = None  # of entries, that code compares with; None: none is known
    age: float | None = None    # seconds, that code keeps an entry; None: none is known
    in_part: bool = False       # `entries` leaves out containers in objects in it
    is_estimate: bool = False   # `entries` is one, from some of the containers that are in an object each
    outside: Outside | None = None
    through: str = ""           # spans: what holds them, that is in the container; "": nothing, they are themselves
    turnover: float = 0.0       # bytes that the same lines made and that are gone, for each that is kept


class Step(Protocol):
    """One step of a holder's path: spanheap.retention.path.Step."""

    @property
    def owner(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def entries(self) -> int | None: ...


FRAMES = frozenset(("variable", "the caller's variable", "frame", "exception being handled"))
SUSPENDED = frozenset(("generator", "coroutine", "asynchronous generator"))


def widest(path: Sequence[Step]) -> int | None:
    """The step that grows: the container with most entries; None when no container has more than a few."""
    sized = [(step.entries or 0, -i) for i, step in enumerate(path)]
    entries, place = max(sized, default=(0, 0))
    return -place if entries >= 4 else None


def is_transient(path: Sequence[Step]) -> bool:
    """Whether the path leads from running code to the objects, and not from anything that stays."""
    return bool(path) and path[0].kind in FRAMES
