"""A way from a root to what a walk has looked for, in words and as objects."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from spanheap import _core
from spanheap.detection.place import Place, place_of

FEW_ENTRIES = 8              # a container that grows has more
CHAIN = 8                    # objects alike, each holding the next
_TRANSIENT = frozenset(("variable", "the caller's variable", "exception being handled"))
_PLAIN = (dict, list, tuple, set, frozenset, collections.deque)
_SPAN_MODULES = ("opentelemetry.sdk.trace", "opentelemetry.trace", "opentelemetry.trace.span")
_SPAN_TYPES = frozenset(("Span", "_Span", "ReadableSpan"))


class Way(NamedTuple):
    """A path, in words and as objects."""

    steps: Sequence[Any]      # retention.path.Step
    objects: Sequence[Any]
    root: int                 # _core.ROOT_…
    widest: int | None        # step of the container with most entries
    place: int                # of that container among the objects; of the last object where there is none
    code: Any                 # of the frame that it begins at, if it does
    start: Any                # retention.path.Root
    skipped: Sequence[int]    # left out before each object
    branch: Any = None        # where no container is: the object by which the ways part

    @property
    def shape(self) -> tuple[Any, ...]:
        if self.branch is not None:
            return ("branch", id(self.branch))
        end = len(self.steps) if self.widest is None else self.widest + 1
        return tuple(step.shape for step in self.steps[:end])


def object_of(path: Sequence[Any], step: int | None, objects: Sequence[Any]) -> int:
    """The object that this step of the path tells of; the last where there is no such step."""
    from spanheap.retention import owner

    if step is not None:
        entries, shown = path[step].entries, path[step].type
        for i, o in enumerate(objects):
            if owner.entries(o) == entries and owner.short_type_name(type(o)) == shown:
                return i
    return len(objects) - 1


def is_transient(way: Way) -> bool:
    return way.steps[0].kind in _TRANSIENT or (way.root == _core.ROOT_TASK and not way.steps[0].owner)


def has_chain(steps: Sequence[Any]) -> bool:
    """Whether there are many objects alike, each holding the next."""
    in_a_row = max((sum(1 for _ in alike) for _, alike in itertools.groupby(steps, key=str)), default=0)
    return in_a_row >= CHAIN or any(step.skipped >= CHAIN for step in steps)


def naming_step(way: Way) -> Any:
    """The step of the container, or of the nearest that it is in, which has a name."""
    up_to = way.steps[: (way.widest or 0) + 1]
    return next((step for step in reversed(up_to) if step.name and (step.owner or step.kind != "item")), up_to[-1])


def name_of(step: Any) -> str:
    return f"{step.owner}:{step.name}:{step.kind}"


def place_of_container(way: Way) -> Place | None:
    """Where the container is found, or the nearest that it is in which has a name."""
    from spanheap.retention import owner

    step = naming_step(way)
    if not (step.name and step.owner) and step.kind != "thread-local":
        return None
    at = way.place
    if step is not way.steps[way.widest or 0]:   # the last object that is what this step tells of
        at = next((i for i in range(way.place - 1, -1, -1) if owner.short_type_name(type(way.objects[i])) == step.type), 0)
    found = place_of(step, way.objects, at, way.code)
    return found._replace(nested=at != way.place) if found is not None else None


def is_span(o: Any) -> bool:
    cls = type(o)
    return cls.__name__ in _SPAN_TYPES and cls.__module__ == "opentelemetry.sdk.trace"


def has_ended(span: Any) -> bool:
    from spanheap.spans import sdk

    return _core.attribute(span, sdk.SPAN_END) is not None


def through(way: Way) -> str:
    """What stands between the container and the span: a task, a token, an object of the application's; "" for nothing."""
    from spanheap.retention import owner

    spans = [i for i, o in enumerate(way.objects) if is_span(o)]
    for o in way.objects[way.place + 1: spans[0]] if spans else ():
        if type(o) not in _PLAIN and type(o).__module__ not in _SPAN_MODULES:
            return owner.short_type_name(type(o))
    return ""
