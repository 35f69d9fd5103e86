"""Writes pprof's protobuf, right or wrong as a test wants it; shares no code with the reader."""

from __future__ import annotations

from collections.abc import Sequence

from spanheap.snapshot import Frame, Row

HEAP_TYPES = ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")
UNITS = {"alloc_objects": "count", "alloc_space": "bytes", "inuse_objects": "count", "inuse_space": "bytes"}

Field = tuple[int, "int | str | bytes"]   # number, value


def varint(value: int) -> bytes:
    """Encode 64 bits, signed or not."""
    value &= (1 << 64) - 1   # negative numbers are their two's complement
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def message(*fields: Field) -> bytes:
    """Encode these fields in this order."""
    encoded = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            encoded += varint(number << 3 | 2) + varint(len(content)) + content
    return bytes(encoded)


class Encoder:
    """One profile. `packed` chooses between the two ways in which protobuf writes repeated integers."""

    def __init__(self, *, sample_types: Sequence[str] = HEAP_TYPES, packed: bool = True) -> None:
        self._types = sample_types
        self._packed = packed
        self._strings = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}
        self._fields: list[Field] = [
            (1, message((1, self.string(name)), (2, self.string(UNITS.get(name, "count")))))
            for name in sample_types
        ]

    def string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def location(self, frame: Frame) -> int:
        self._functions.setdefault((frame.function, frame.filename), len(self._functions) + 1)
        return self._locations.setdefault(frame, len(self._locations) + 1)

    def integers(self, number: int, values: Sequence[int]) -> list[Field]:
        if self._packed:
            return [(number, b"".join(map(varint, values)))]
        return [(number, value) for value in values]

    def sample(
        self, stack: Sequence[Frame], values: Sequence[int], labels: dict[str, str], numbers: dict[str, int]
    ) -> None:
        encoded_labels: list[Field] = [
            *((3, message((1, self.string(key)), (2, self.string(text)))) for key, text in labels.items()),
            *((3, message((1, self.string(key)), (3, value))) for key, value in numbers.items()),
        ]
        locations = self.integers(1, [self.location(frame) for frame in stack])
        self._fields.append((2, message(*locations, *self.integers(2, values), *encoded_labels)))

    def row(self, row: Row) -> None:
        """A row as spanheap writes it: without labels that are not known, and `bytes` on samples alone."""
        values = {
            "alloc_objects": row.allocated_objects, "alloc_space": row.allocated_bytes,
            "inuse_objects": row.live_objects, "inuse_space": row.live_bytes,
        }
        labels = {
            "trace_id": row.trace_id, "span_id": row.span_id, "span_name": row.span_name,
            "root_span_name": row.root_span_name, "thread": row.thread,
        }
        self.sample(
            row.stack, [int(values[name]) for name in self._types],
            {key: text for key, text in labels.items() if text}, {"bytes": row.size} if row.samples else {},
        )

    def field(self, number: int, value: int | str | bytes) -> None:
        self._fields.append((number, value))

    def encode(self, *, comments: Sequence[str] = (), time_nanos: int = 0, period: int = 0) -> bytes:
        tables: list[Field] = []
        for frame, id in self._locations.items():
            line = message((1, self._functions[frame.function, frame.filename]), (2, frame.line))
            tables.append((4, message((1, id), (4, line))))
        for (function, filename), id in self._functions.items():
            tables.append((5, message((1, id), (2, self.string(function)), (4, self.string(filename)))))
        tables += self.integers(13, [self.string(comment) for comment in comments])
        strings: list[Field] = [(6, text) for text in self._strings]
        return message(*self._fields, *tables, *strings, (9, time_nanos), (12, period))
