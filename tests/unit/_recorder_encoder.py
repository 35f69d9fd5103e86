"""Writes recorder files, right or wrong as a test wants them; shares no code with the reader."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

PAGE = 4096
ENDS, CURVE, NAMES, NAME_BYTES, ACTIVE, SITES, RING = range(7)
TOP_BYTES = 64 + 64 * 512 + 64 * 40
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD,
            0xC4CEB9FE1A85EC53, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
_MASK = (1 << 64) - 1


def sealed(content: bytes) -> bytes:
    """With its CRC-32 behind it."""
    return content + struct.pack("<I", zlib.crc32(content))


class Encoder:
    """One file. Slots are put in their places; what is not put is zero."""

    def __init__(self, *, capacity: int = 16, stripes: int = 1, names: int = 64, points: int = 3600) -> None:
        self.capacity, self.stripes = capacity, stripes
        ring = stripes * 128 + stripes * -(-capacity // stripes) * 64
        shapes = [(8 // 2, 256), (points, 64), (names, 16), (names * 64, 1), (capacity, 64), (2, TOP_BYTES), (ring, 1)]
        self.sections: list[tuple[int, int, int]] = []
        offset = PAGE
        for count, size in shapes:
            self.sections.append((offset, count, size))
            offset += -(-count * size // PAGE) * PAGE
        self.data = bytearray(offset + PAGE)
        self._names: dict[str, int] = {}
        self._name_bytes = 0
        self.name("")
        self.name("<other>")
        self.header()

    def header(self, *, boot_id: bytes = b"B" * 16, pid: int = 7, start: int = 99, tick: int = 10**9,
               program: str = "app.py", service: str = "orders", version: int = 1) -> None:
        """Both of them."""
        content = struct.pack("<8sIIQ16sQQQqq", b"SHAP_REC", version, 7, len(self.data), boot_id, pid, 1, start, 10**18, 0)
        for text in (program, service, "3.11.0", "0.1.0"):
            content += text.encode().ljust(64, b"\0")
        content += struct.pack("<dqIIIIqq", 4096.0, tick, self.capacity, self.stripes, 0, 0, 300 * 10**9, 0)
        for offset, count, size in self.sections:
            content += struct.pack("<QQII", offset, count, size, 0)
        content = sealed(content + bytes(4))
        self.data[: len(content)] = self.data[-PAGE : len(content) - PAGE] = content

    def put(self, section: int, place: int, content: bytes) -> int:
        """Returns where it is."""
        offset, _, size = self.sections[section]
        at = offset + place * size
        self.data[at : at + len(content)] = content
        return at

    def name(self, text: str) -> int:
        """The number of this name."""
        if text not in self._names:
            encoded = text.encode()
            number = self._names[text] = len(self._names)
            self.put(NAME_BYTES, self._name_bytes, encoded)
            self.put(NAMES, number, struct.pack("<IIII", self._name_bytes, len(encoded), zlib.crc32(encoded), number + 1))
            self._name_bytes += len(encoded)
        return self._names[text]

    def end(self, kind: int, *, code: int = 0, realtime: int = 10**18, text: bytes = b"") -> int:
        return self.put(ENDS, kind, sealed(struct.pack("<IiqqI224s", kind + 1, code, realtime, 0, len(text), text)))

    def point(self, number: int, *, realtime: int | None = None, resident: int = 50 << 20, used: int = 0, limit: int = 0,
              live: float = 1e6, active: int = 0) -> int:
        realtime = 10**18 + number * 10**9 if realtime is None else realtime
        return self.put(CURVE, (number - 1) % 3600, sealed(
            struct.pack("<QqQQQdIII", number, realtime, resident, used, limit, live, active, 3, 0)))

    def active(self, place: int, *, seq: int = 6, trace: int = 5, span: int = 6, parent: int = 0, start: int = 10**18,
               name: str = "GET /", root: str = "GET /", flags: int = 1) -> int:
        words = [seq, trace >> 64, trace & _MASK, span, parent, start, self.name(name) | self.name(root) << 32, flags]
        check = (sum(word * factor for word, factor in zip(words, _FACTORS, strict=True)) & _MASK) >> 32
        words[7] |= check << 32
        return self.put(ACTIVE, place, struct.pack("<8Q", *words))

    def stripe(self, number: int, head: int, *, skipped: int = 0, overwritten: int = 0, expired: int = 0, dropped: int = 0,
               refused: int = 0) -> int:
        return self.put(RING, number * 128, struct.pack("<Q56x5Q24x", head, skipped, overwritten, expired, dropped, refused))

    def record(self, ticket: int, *, stripe: int = 0, seq: int | None = None, trace: int = 5, span: int = 6, parent: int = 0,
               start: int = 10**18, duration: int = 10**6, name: str = "GET /", thread: int = 3, flags: int = 1) -> int:
        per_stripe = -(-self.capacity // self.stripes)
        slots = self.capacity // self.stripes + (stripe < self.capacity % self.stripes)
        words = [2 * ticket + 2 if seq is None else seq, trace >> 64, trace & _MASK, span, parent, start,
                 duration | flags << 48, self.name(name) | thread << 20]
        at = self.stripes * 128 + (stripe * per_stripe + ticket % slots) * 64
        return self.put(RING, at, struct.pack("<8Q", *words))

    def site(self, place: int, number: int, size: float, *, spans: Sequence[tuple[str, str, float]] = (),
             frames: Sequence[tuple[str, str, int]] = (), buffer: int = 0, objects: float = 10.0) -> int:
        names = b"".join(struct.pack("<IIIId", self.name(a), self.name(b), 1, 0, part) for a, b, part in spans)
        stack = b"".join(struct.pack("<III", self.name(a), self.name(b), line) for a, b, line in frames)
        head = struct.pack("<QddIIII", number, size, objects, 2, len(frames), len(frames), len(spans))
        content = head + names.ljust(96, b"\0") + stack.ljust(372, b"\0")
        return self._put_in_buffer(buffer, 64 + place * 512, sealed(content))

    def span(self, place: int, number: int, size: float, name: str, root: str, *, buffer: int = 0) -> int:
        content = struct.pack("<QddIII", number, size, 1.0, 2, self.name(name), self.name(root))
        return self._put_in_buffer(buffer, 64 + 64 * 512 + place * 40, sealed(content))

    def top(self, number: int, sites: int, spans: int, *, live: float = 1e6, buffer: int = 0, realtime: int = 10**18) -> int:
        content = struct.pack("<QqdddQIII", number, realtime, live, 100.0, 4096.0, 12, sites, spans, 0)
        return self._put_in_buffer(buffer, 0, sealed(content))

    def _put_in_buffer(self, buffer: int, at: int, content: bytes) -> int:
        at += self.sections[SITES][0] + buffer * TOP_BYTES
        self.data[at : at + len(content)] = content
        return at


def example() -> Encoder:
    """A file with some of everything."""
    file = Encoder()
    for number in range(1, 11):
        file.point(number, resident=(40 + number) << 20, used=(80 + number) << 20, limit=100 << 20, active=2)
    file.active(0, trace=1 << 64 | 2, span=3, parent=9, start=10**18 - 5 * 10**9, name="job", root="worker")
    file.active(3, span=4, name="GET /orders", root="GET /orders")
    file.stripe(0, 3)
    for ticket in range(3):
        file.record(ticket, span=10 + ticket, start=10**18 + ticket, name=f"op-{ticket}")
    frames = [("get_order", "/app/orders.py", 12), ("run", "/usr/lib/python3.11/threading.py", 5), ("", "", 0)]
    spans = [("db", "GET /orders", 600_000.0), ("GET /orders", "GET /orders", 50_000.0)]
    file.site(0, 1, 700_000.0, spans=spans, frames=frames)
    file.site(1, 1, 100_000.0, frames=[("main", "/app/main.py", 1)])
    file.span(0, 1, 600_000.0, "db", "GET /orders")
    file.top(1, 2, 1)
    return file
