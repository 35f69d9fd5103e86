"""Ended spans that are held rightly: by the queues in front of exporters, and by an export that is going on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spanheap.spans import sdk

# A processor may stand inside others (a filter, a throttle): so far is looked, and at so many processors.
_DEPTH = 3
_MOST = 64


def _processors(found: list[Any]) -> Iterator[Any]:
    """These processors and those inside them, each once."""
    seen: set[int] = set()
    level = found
    for _ in range(_DEPTH + 1):
        inner: list[Any] = []
        for processor in level:
            if id(processor) in seen or len(seen) >= _MOST:
                continue
            seen.add(id(processor))
            yield processor
            inner.extend(sdk.members(processor))
            inner.extend(value for value in sdk.fields(processor) if callable(getattr(type(value), "on_end", None)))
        level = inner


def held(processors: list[Any]) -> tuple[list[list[Any]], int]:
    """What the export queues of these processors hold, as copies, and how many more spans are in batches being exported."""
    queues: list[list[Any]] = []
    in_flight = 0
    for processor in _processors(processors):
        try:
            found = sdk.export_queue(processor)
            if found is not None:
                queue, batch, size = found
                queues.append(list(queue))   # in C, so that no other thread changes it meanwhile
                queues.append(list(batch))
                in_flight += size
        except Exception:   # a processor of another make that happens to have these names
            continue
    return queues, in_flight
