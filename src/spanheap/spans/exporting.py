"""Ended spans that are held rightly: by the queues in front of exporters, and by an export that is going on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spanheap.spans import sdk

# A processor may stand inside others (a filter, a throttle): so far is looked, and at so many processors.
_DEPTH = 3
_MOST = 64


def _inside(processor: Any) -> list[Any]:
    """The processors that this one hands spans on to, as far as its fields tell."""
    try:
        inner = [value for value in sdk.fields(processor) if callable(getattr(type(value), "on_end", None))]
        return [*sdk.members(processor), *inner]
    except Exception:   # the service's own make: anything may be asked for and not be there
        return []


def _with_inner(processors: list[Any]) -> Iterator[Any]:
    """These processors and those inside them, each once."""
    seen: set[int] = set()
    level = processors
    for _ in range(_DEPTH + 1):
        inner: list[Any] = []
        for processor in level:
            if id(processor) not in seen and len(seen) < _MOST:
                seen.add(id(processor))
                yield processor
                inner += _inside(processor)
        level = inner


def held(processors: list[Any]) -> tuple[list[list[Any]], int]:
    """What the export queues of these processors hold, as copies, and how many more spans are in batches being exported."""
    queues: list[list[Any]] = []
    in_flight = 0
    for processor in _with_inner(processors):
        try:
            found = sdk.export_queue(processor)
        except Exception:   # a processor of another make that happens to have these names
            continue
        if found is not None:
            queues.append(found[0])
            in_flight += found[1]
    return queues, in_flight
