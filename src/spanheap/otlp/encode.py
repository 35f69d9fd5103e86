"""A heap snapshot as an OTLP request.

Four profiles, one for each type of pprof's heap profiles, over one dictionary: a Profile has a single sample type. Each
table of the dictionary begins with a zero element, which index 0 means "none" by. Values are unsampled estimates. They are
rounded so that they add up to the rounded total of the snapshot: the error of a rounded sample goes into the next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from spanheap.otlp.messages import Messages
from spanheap.snapshot import Frame, HeapSnapshot, Row
from spanheap.telemetry.instrument import SCHEMA_URL
from spanheap.version import __version__

OTHER = "<other>"
_FRAME_TYPE = ("profile.frame.type", "cpython")
_TURN = 64   # samples, some 0.5 ms, after which other threads get theirs: else they wait for the interpreter's 5 ms
_MAX_STRING = 1024   # of names, files and labels: they are the service's

_Stack = tuple[Frame, ...]
_Key = tuple[_Stack, str, str, str, bool, str, str, tuple[tuple[str, str], ...]]


class Encoded(NamedTuple):
    """A request."""

    body: bytes
    samples: int
    """Of each profile, at most."""
    merged: int
    """Samples that went into "<other>" for want of room."""


class _Group(NamedTuple):
    key: _Key
    values: tuple[float, float, float, float]   # as TYPES


TYPES: tuple[tuple[str, str, Callable[[Row], float]], ...] = (
    ("inuse_space", "bytes", lambda row: row.live_bytes),       # first: what viewers show unasked
    ("inuse_objects", "count", lambda row: row.live_objects),
    ("alloc_space", "bytes", lambda row: row.allocated_bytes),
    ("alloc_objects", "count", lambda row: row.allocated_objects),
)


def encode(
    messages: Messages, snapshot: HeapSnapshot, resource: Mapping[str, Any], *, seconds: float, max_samples: int,
    max_bytes: int,
) -> Encoded:
    """The request for this snapshot; `seconds`: since the session started.

    With more than `max_samples` samples, or more bytes than `max_bytes` when serialised, the smallest samples become one
    of the span "<other>" without a stack. Raises ValueError where not even a single sample fits.
    """
    groups = _grouped(snapshot.rows)
    room = max_samples
    while True:
        chosen = _largest(groups, room)
        body = _Request(messages).of(chosen, snapshot, resource, seconds).SerializeToString()
        if len(body) <= max_bytes:
            return Encoded(body, len(chosen), max(len(groups) - len(chosen) + 1, 0) if len(groups) > room else 0)
        if room <= 1:
            raise ValueError(f"a profile without samples has {len(body):,} bytes; max_bytes is {max_bytes:,}")
        room = max(min(int(len(chosen) * max_bytes / len(body) * 0.9), len(chosen) - 1), 1)


def _grouped(rows: Iterable[Row]) -> list[_Group]:
    """Samples of one stack, span, thread and set of labels are one: so the protocol wants it."""
    sums: dict[Any, list[float]] = {}
    # Hashing a stack costs more than all else here. Rows share the tuple, and keep it: an id is not used twice.
    numbers: dict[int, int] = {}
    by_content: dict[_Stack, int] = {}
    stacks: list[_Stack] = []
    for n, row in enumerate(rows):
        if n % _TURN == 0:
            time.sleep(0)
        number = numbers.get(id(row.stack))
        if number is None:
            number = numbers[id(row.stack)] = by_content.setdefault(row.stack, len(stacks))
            if number == len(stacks):
                stacks.append(row.stack)
        # A trace that was sampled out is in no backend: no link leads to it.
        trace_id, span_id = (row.trace_id, row.span_id) if row.sampled else ("", "")
        key = (number, row.span_name, row.root_span_name, row.thread, row.sampled, trace_id, span_id, row.labels)
        group = sums.setdefault(key, [0.0] * len(TYPES))
        for i, (_, _, value) in enumerate(TYPES):
            group[i] += value(row)
    return [_Group((stacks[key[0]], *key[1:]), (v[0], v[1], v[2], v[3])) for key, v in sums.items()]


def _largest(groups: list[_Group], room: int) -> list[_Group]:
    if len(groups) <= room:
        return groups
    by_size = sorted(groups, key=lambda g: (-g.values[0], -g.values[2]))
    rest = by_size[room - 1 :]
    sums = [sum(group.values[i] for group in rest) for i in range(len(TYPES))]
    other: _Key = ((), OTHER, OTHER, "", True, "", "", ())
    return [*by_size[: room - 1], _Group(other, (sums[0], sums[1], sums[2], sums[3]))]


class _Request:
    """One request, while it is put together."""

    def __init__(self, messages: Messages) -> None:
        self._m = messages
        self._request = messages.service.ExportProfilesServiceRequest()
        self._dictionary = self._request.dictionary
        for table in ("mapping_table", "location_table", "function_table", "link_table", "attribute_table", "stack_table"):
            getattr(self._dictionary, table).add()
        self._dictionary.string_table.append("")
        self._strings = {"": 0}
        self._indices: dict[Any, int] = {}   # of functions, stacks, links and attributes, by their content
        self._locations: dict[Frame, int] = {}
        self._attributes: dict[tuple[str, str, str, bool, tuple[tuple[str, str], ...]], tuple[int, ...]] = {}

    def of(self, groups: Sequence[_Group], snapshot: HeapSnapshot, resource: Mapping[str, Any], seconds: float) -> Any:
        of_resource = self._request.resource_profiles.add(schema_url=SCHEMA_URL)
        for name, value in resource.items():
            attribute = of_resource.resource.attributes.add(key=str(name))
            self._set(attribute.value, value)
        scope = of_resource.scope_profiles.add(schema_url=SCHEMA_URL)
        scope.scope.name, scope.scope.version = "spanheap", __version__
        identities = []
        for n, group in enumerate(groups):
            identities.append(self._identity(group.key))
            if n % _TURN == 0:
                time.sleep(0)
        now, ran = round(snapshot.time * 1e6) * 1000, max(round(seconds * 1e9), 0)
        for i, (name, unit, _) in enumerate(TYPES):
            profile = scope.profiles.add(
                time_unix_nano=max(now - ran, 0), duration_nano=ran, period=round(snapshot.sample_interval),
                profile_id=os.urandom(16))
            profile.sample_type.type_strindex, profile.sample_type.unit_strindex = self._string(name), self._string(unit)
            profile.period_type.type_strindex = self._string("space")
            profile.period_type.unit_strindex = self._string("bytes")
            exact, given = 0.0, 0
            for n, ((stack, link, attributes), group) in enumerate(zip(identities, groups, strict=True)):
                exact += group.values[i]
                value = round(exact) - given
                if n % _TURN == 0:
                    time.sleep(0)
                if value:
                    given += value
                    profile.samples.add(stack_index=stack, link_index=link, attribute_indices=attributes, values=(value,))
        return self._request

    def _identity(self, key: _Key) -> tuple[int, int, tuple[int, ...]]:
        stack, span_name, root_name, thread, sampled, trace_id, span_id, labels = key
        told = (span_name, root_name, thread, sampled, labels)
        attributes = self._attributes.get(told)
        if attributes is None:   # they are few: most samples differ in stack and span
            attributes = self._attributes[told] = self._all_attributes(*told)
        return self._stack(stack), self._link(trace_id, span_id), attributes

    def _all_attributes(
        self, span_name: str, root_name: str, thread: str, sampled: bool, labels: tuple[tuple[str, str], ...]
    ) -> tuple[int, ...]:
        told = [("spanheap.span.name", span_name), ("spanheap.root_span.name", root_name), ("thread.name", thread),
                *((f"spanheap.label.{name}", value) for name, value in labels)]
        attributes = [self._attribute(name, value) for name, value in told if value]
        if not sampled:
            attributes.append(self._attribute("spanheap.trace.sampled", False))
        return tuple(attributes)

    # ------------------------------------------------------------ the dictionary

    def _entry(self, key: Any, table: str, **fields: Any) -> int:
        """The index of a new entry."""
        entries = getattr(self._dictionary, table)
        index = self._indices[key] = len(entries)
        entries.add(**fields)
        return index

    def _string(self, text: str) -> int:
        index = self._strings.get(text)
        if index is None:
            # Surrogates, as in names of files that are not UTF-8, are not allowed in the protocol.
            clean = text[:_MAX_STRING].encode("utf-8", "replace").decode()
            index = self._strings.get(clean)
            if index is None:
                index = self._strings[clean] = len(self._dictionary.string_table)
                self._dictionary.string_table.append(clean)
            self._strings[text] = index
        return index

    def _attribute(self, name: str, value: str | bool) -> int:
        key = ("attribute", name, value)
        index = self._indices.get(key)
        if index is None:
            any_value = self._m.common.AnyValue()
            self._set(any_value, value)
            index = self._entry(key, "attribute_table", key_strindex=self._string(name), value=any_value)
        return index

    def _link(self, trace_id: str, span_id: str) -> int:
        if not trace_id or not span_id:
            return 0
        key = ("link", trace_id, span_id)
        found = self._indices.get(key)
        return found if found is not None else self._entry(
            key, "link_table", trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id))

    def _stack(self, stack: _Stack) -> int:
        if not stack:
            return 0
        key = ("stack", id(stack))   # the groups share and keep them
        found = self._indices.get(key)
        return found if found is not None else self._entry(
            key, "stack_table", location_indices=[self._location(frame) for frame in stack])

    def _location(self, frame: Frame) -> int:
        found = self._locations.get(frame)
        if found is not None:
            return found
        function_key = ("function", frame.function, frame.filename)
        function = self._indices.get(function_key)
        if function is None:
            function = self._entry(
                function_key, "function_table",
                name_strindex=self._string(frame.function), filename_strindex=self._string(frame.filename))
        line = self._m.profiles.Line(function_index=function, line=frame.line)
        self._locations[frame] = self._entry(
            ("location", frame), "location_table", lines=(line,), attribute_indices=(self._attribute(*_FRAME_TYPE),))
        return self._locations[frame]

    def _set(self, any_value: Any, value: Any) -> None:
        if isinstance(value, bool):
            any_value.bool_value = value
        elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            any_value.int_value = value
        elif isinstance(value, float):
            any_value.double_value = value
        elif isinstance(value, (tuple, list)):
            any_value.array_value.SetInParent()
            for item in value:
                self._set(any_value.array_value.values.add(), item)
        else:
            any_value.string_value = str(value)[:_MAX_STRING].encode("utf-8", "replace").decode()
