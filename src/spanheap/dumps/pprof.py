"""Reads pprof's protobuf (perftools.profiles.Profile), strictly and without a protobuf library.

Everything in the file is checked before it is used: varints, lengths, wire types of known fields, indexes and
ids. What fails raises CorruptFile; nothing else is ever raised for the bytes of a file. Fields not listed
in MESSAGES are skipped, as protobuf asks of a reader.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn, TypeVar

from spanheap.errors import CorruptFile
from spanheap.snapshot import Frame

_T = TypeVar("_T")


class Kind(enum.Enum):
    INT = enum.auto()
    INTS = enum.auto()    # repeated: packed or one by one, a reader must take both
    BYTES = enum.auto()   # strings and messages


INT, INTS, BYTES = Kind.INT, Kind.INTS, Kind.BYTES

# message -> field number -> its name and kind
MESSAGES: dict[str, dict[int, tuple[str, Kind]]] = {
    "Profile": {
        1: ("sample_type", BYTES), 2: ("sample", BYTES), 4: ("location", BYTES), 5: ("function", BYTES),
        6: ("string_table", BYTES), 9: ("time_nanos", INT), 12: ("period", INT), 13: ("comment", INTS),
    },
    "ValueType": {1: ("type", INT), 2: ("unit", INT)},
    "Sample": {1: ("location_id", INTS), 2: ("value", INTS), 3: ("label", BYTES)},
    "Label": {1: ("key", INT), 2: ("str", INT), 3: ("num", INT)},
    "Location": {1: ("id", INT), 3: ("address", INT), 4: ("line", BYTES)},
    "Line": {1: ("function_id", INT), 2: ("line", INT)},
    "Function": {1: ("id", INT), 2: ("name", INT), 4: ("filename", INT)},
}

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5   # wire types; 3 and 4, groups, were never in pprof
WIRE_TYPES = {INT: (VARINT,), INTS: (VARINT, LENGTH_DELIMITED), BYTES: (LENGTH_DELIMITED,)}

# message -> tag -> name, with and without the message. One look-up: a dump has a million fields.
TAGS: dict[str, dict[int, tuple[str, str]]] = {
    message: {
        number << 3 | wire_type: (name, f"{message}.{name}")
        for number, (name, kind) in fields.items() for wire_type in WIRE_TYPES[kind]
    }
    for message, fields in MESSAGES.items()
}


class Sample(NamedTuple):
    stack: tuple[Frame, ...]    # leaf first; equal stacks are one object
    values: tuple[int, ...]     # one for each sample type
    labels: dict[str, str]
    numbers: dict[str, int]     # the numeric labels


@dataclasses.dataclass(frozen=True)
class Profile:
    """The parts of a pprof profile that a heap dump is read for."""

    sample_types: list[str]
    samples: list[Sample]
    comments: list[str]
    time_nanos: int
    period: int


class _Line(NamedTuple):
    function: int
    line: int


class _RawSample(NamedTuple):
    offset: int
    locations: tuple[int, ...]
    values: tuple[int, ...]
    labels: list[tuple[int, int, int]]   # key, str, num


def parse_profile(data: bytes, path: str) -> Profile:
    """The profile in these (uncompressed) bytes; `path` is for the messages of errors."""
    return _Parser(data, path).profile()


class _Parser:
    def __init__(self, data: bytes, path: str) -> None:
        self._data = data
        self._path = path

    def profile(self) -> Profile:
        strings: list[str] = []
        type_indexes: list[int] = []
        raw_samples: list[_RawSample] = []
        locations: dict[int, tuple[int, list[_Line]]] = {}   # id -> address, lines
        functions: dict[int, tuple[int, int]] = {}           # id -> name, filename
        comment_indexes: list[int] = []
        time_nanos = period = 0
        for field, a, b in self._fields("Profile", 0, len(self._data)):
            match field:
                case "sample_type":
                    type_indexes.append(self._integers("ValueType", a, b).get("type", 0))
                case "sample":
                    raw_samples.append(self._sample(a, b))
                case "location":
                    self._add(locations, "Location.id", a, *self._location(a, b))
                case "function":
                    self._add(functions, "Function.id", a, *self._function(a, b))
                case "string_table":
                    strings.append(self._string(a, b))
                case "time_nanos":
                    time_nanos = _signed(a)
                case "period":
                    period = _signed(a)
                case "comment":
                    comment_indexes.extend(self._ints("Profile.comment", a, b))
        if not strings or strings[0]:
            self._fail(len(self._data), "Profile.string_table", "does not begin with an empty string")

        # Indexes may point ahead in the file, so they are resolved now that all of it is read.
        self._strings = strings
        self._frames = {
            id: tuple(self._frame(line, functions) for line in lines) or (Frame(f"0x{address:x}", "", 0),)
            for id, (address, lines) in locations.items()
        }
        self._stacks: dict[tuple[int, ...], tuple[Frame, ...]] = {}
        return Profile(
            sample_types=[self._at(index, "ValueType.type") for index in type_indexes],
            samples=[self._resolved(sample, len(type_indexes)) for sample in raw_samples],
            comments=[self._at(index, "Profile.comment") for index in comment_indexes],
            time_nanos=time_nanos, period=period,
        )

    # Messages, as they stand in the file

    def _sample(self, start: int, end: int) -> _RawSample:
        locations: list[int] = []
        values: list[int] = []
        labels: list[tuple[int, int, int]] = []
        for field, a, b in self._fields("Sample", start, end):
            match field:
                case "location_id":
                    locations.extend(self._ints("Sample.location_id", a, b))
                case "value":
                    values.extend(map(_signed, self._ints("Sample.value", a, b)))
                case "label":
                    label = self._integers("Label", a, b)
                    labels.append((label.get("key", 0), label.get("str", 0), _signed(label.get("num", 0))))
        return _RawSample(start, tuple(locations), tuple(values), labels)

    def _location(self, start: int, end: int) -> tuple[int, tuple[int, list[_Line]]]:
        id = address = 0
        lines: list[_Line] = []
        for field, a, b in self._fields("Location", start, end):
            match field:
                case "id":
                    id = a
                case "address":
                    address = a
                case "line":
                    line = self._integers("Line", a, b)
                    lines.append(_Line(line.get("function_id", 0), _signed(line.get("line", 0))))
        return id, (address, lines)

    def _function(self, start: int, end: int) -> tuple[int, tuple[int, int]]:
        fields = self._integers("Function", start, end)
        return fields.get("id", 0), (fields.get("name", 0), fields.get("filename", 0))

    def _integers(self, message: str, start: int, end: int) -> dict[str, int]:
        """A message whose fields are all integers; the last of several holds, as protobuf has it."""
        return {field: value for field, value, _ in self._fields(message, start, end)}

    def _string(self, start: int, end: int) -> str:
        try:
            return self._data[start:end].decode()
        except UnicodeDecodeError as error:
            self._fail(start + error.start, "Profile.string_table", f"is not UTF-8: {error.reason}")

    # References between messages

    def _resolved(self, sample: _RawSample, type_count: int) -> Sample:
        if len(sample.values) != type_count:
            problem = f"has {len(sample.values)} values for {type_count} sample types"
            self._fail(sample.offset, "Sample.value", problem)
        labels: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for key, text, number in sample.labels:
            name = self._at(key, "Label.key")
            if text:
                labels[name] = self._at(text, "Label.str")
            else:
                numbers[name] = number
        return Sample(self._stack(sample), sample.values, labels, numbers)

    def _stack(self, sample: _RawSample) -> tuple[Frame, ...]:
        stack = self._stacks.get(sample.locations)
        if stack is None:
            frames: list[Frame] = []
            for id in sample.locations:
                if id not in self._frames:
                    self._fail(sample.offset, "Sample.location_id", f"{id} is not the id of a location")
                frames.extend(self._frames[id])
            stack = self._stacks[sample.locations] = tuple(frames)
        return stack

    def _frame(self, line: _Line, functions: dict[int, tuple[int, int]]) -> Frame:
        if line.function not in functions:
            self._fail(None, "Line.function_id", f"{line.function} is not the id of a function")
        name, filename = functions[line.function]
        return Frame(
            self._at(name, "Function.name"), self._at(filename, "Function.filename"), max(0, line.line)
        )

    def _at(self, index: int, field: str) -> str:
        if index >= len(self._strings):
            self._fail(None, field, f"{index} is beyond the {len(self._strings)} strings of the string table")
        return self._strings[index]

    def _add(self, table: dict[int, _T], field: str, offset: int, id: int, entry: _T) -> None:
        if id == 0 or id in table:
            self._fail(offset, field, f"{id} must not be 0" if id == 0 else f"{id} is used twice")
        table[id] = entry

    # The wire format

    def _fields(self, message: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Yields (name, value, -1) for an integer and (name, start, end) for bytes."""
        tags = TAGS[message]
        position = start
        while position < end:
            tag_at = position
            tag, position = self._varint(position, end, message)
            name, field = tags.get(tag) or (None, self._unknown(tag, tag_at, message))
            wire_type = tag & 7
            a, b = position, -1
            if wire_type == VARINT:
                a, position = self._varint(position, end, field)
            elif wire_type == LENGTH_DELIMITED:
                length, a = self._varint(position, end, field)
                position = b = a + length
            else:
                position += 4 if wire_type == FIXED32 else 8
            if position > end:
                self._fail(tag_at, field, f"needs {position - end} bytes more than there are")
            if name is not None:
                yield name, a, b

    def _unknown(self, tag: int, offset: int, message: str) -> str:
        """The name of a field that may be skipped; fails for those that may not."""
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            self._fail(offset, message, "has a field with the number 0")
        if number in MESSAGES[message]:
            name, kind = MESSAGES[message][number]
            problem = f"has the wire type {wire_type}, expected {WIRE_TYPES[kind]}"
            self._fail(offset, f"{message}.{name}", problem)
        field = f"{message}.{number}"
        if wire_type not in (VARINT, FIXED64, LENGTH_DELIMITED, FIXED32):
            self._fail(offset, field, f"has the wire type {wire_type}, which pprof does not use")
        return field

    def _ints(self, field: str, a: int, b: int) -> Sequence[int]:
        """The integers of a repeated field: the one of (value, -1), or those packed between start and end."""
        if b < 0:
            return (a,)
        values: list[int] = []
        while a < b:
            value, a = self._varint(a, b, field)
            values.append(value)
        return values

    def _varint(self, position: int, end: int, field: str) -> tuple[int, int]:
        """The varint at this position, and the position after it."""
        if position < end and self._data[position] < 0x80:   # most are short
            return self._data[position], position + 1
        value = 0
        for i in range(position, min(end, position + 10)):   # 64 bits, 7 a byte
            byte = self._data[i]
            value |= (byte & 0x7F) << 7 * (i - position)
            if byte < 0x80:
                if value >> 64:
                    break
                return value, i + 1
        else:
            if end < position + 10:
                self._fail(position, field, "ends inside an integer")
        self._fail(position, field, "has an integer of more than 64 bits")

    def _fail(self, offset: int | None, field: str, problem: str) -> NoReturn:
        place = field if offset is None else f"{field} at byte {offset}"
        raise CorruptFile(f"{self._path}: not a valid pprof profile: {place}: {problem}")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
