"""Reads a recorder file: of a process that is dead, or of one that is writing it.

Rules of this file:

* The file is copied first, twice: what a writer changes meanwhile differs between the copies. A slot whose state is the same
  in both was not touched in between (a state never comes back), so the first copy has it whole. That is a
  seqlock, with reads in place of fences.
* No number from the file is used as an index, a length or a count before it was held against what there is.
* A slot that is not as it was written is left out and counted; only a file without any whole header is refused.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from typing import Any

from spanheap.errors import CorruptFile, RecorderError
from spanheap.recorder import layout
from spanheap.recorder.layout import Section
from spanheap.recorder.recording import (
    NO_COUNTS,
    ActiveSpan,
    End,
    EndedSpan,
    Identity,
    Point,
    Recording,
    RingCounts,
    Site,
    SpanUsage,
)
from spanheap.snapshot.row import Frame

SECTION_NAMES = ("ends", "curve", "names", "names", "active spans", "sites", "ended spans")
UNRESOLVED = Frame("<not looked up yet>", "", 0)
DAMAGED = "<damaged>"
_GZIP = b"\x1f\x8b"


def read_fd(fd: int, name: str, *, summary: bool = False) -> Recording:
    """What this open file has to say. Raises OSError when it cannot be read, RecorderError when it is none that can be, and
    CorruptFile when it is no recorder file; `name` is for the messages.

    summary: header, ends and curve only."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise RecorderError(f"{name}: is not a regular file")
    if found.st_size > layout.MOST_BYTES:
        raise CorruptFile(f"{name}: not a recorder file: it has {found.st_size:,} bytes, and none has more than "
                          f"{layout.MOST_BYTES:,}")
    first = _copy(fd, found.st_size)
    second = first if summary else _copy(fd, found.st_size)   # of what a summary has, all has a checksum
    return parse(first, second, name, summary=summary)


def _copy(fd: int, size: int) -> bytes:
    parts, at = [], 0
    while at < size and (part := os.pread(fd, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def parse(first: bytes, second: bytes, name: str, *, summary: bool = False) -> Recording:
    """What these two copies of a file say; `second` was made when `first` was complete."""
    return _Parser(first, second, name).recording(summary)


class _Parser:
    def __init__(self, first: bytes, second: bytes, name: str) -> None:
        self._data = first
        self._second = second
        self._name = name
        self._damaged: dict[str, int] = {}

    def recording(self, summary: bool) -> Recording:
        header = self._header()
        self._sections = self._find_sections(header)
        values = layout.HEADER.unpack_from(header)
        self._ring = values[16:19]   # capacity, stripes, policy
        self._names: dict[int, str] = {}
        recording = Recording(self._name, self._identity(values))
        recording.missing_bytes = max(0, values[3] - len(self._data))
        recording.ends = dict(self._ends())
        recording.points = self._points()
        if not summary:
            recording.active = sorted(self._active(), key=lambda span: span.start)
            self._top(recording)
            recording.ended, recording.counts = self._ended()
        recording.damaged = self._damaged
        return recording

    # ------------------------------------------------------------ header

    def _header(self) -> bytes:
        """The first page; where that is damaged, the copy of it at the end of the file."""
        size = layout.HEADER_CHECK + 4
        at_end = max(0, len(self._data) - layout.PAGE)
        for offset in (0, at_end):
            header = self._data[offset : offset + size]
            if len(header) == size and header.startswith(layout.MAGIC) and layout.has_check(header):
                version, sections = layout.HEADER.unpack_from(header)[1:3]
                if version != layout.VERSION or sections != layout.SECTIONS:
                    raise CorruptFile(f"{self._name}: is a recorder file of version {version}, and this spanheap reads "
                                      f"version {layout.VERSION}: use the one that wrote it")
                if offset:
                    self._count("header")
                return header
        if self._data.startswith(layout.MAGIC):
            raise CorruptFile(f"{self._name}: neither of its two headers is whole: the process ended while it made the "
                              "file, or both are damaged")
        if self._data.startswith(_GZIP):
            raise CorruptFile(f"{self._name}: not a recorder file, but compressed as heap dumps are: for those there is "
                              "`spanheap report FILE`")
        raise CorruptFile(f"{self._name}: not a recorder file: it does not begin with {layout.MAGIC.decode()}, "
                          "and no copy of a header is at its end")

    def _find_sections(self, header: bytes) -> list[Section]:
        """With as many slots as there is file for."""
        sections = []
        for kind in range(layout.SECTIONS):
            at = layout.HEADER.size + kind * layout.SECTION.size
            offset, count, slot_bytes, _ = layout.SECTION.unpack_from(header, at)
            if slot_bytes != layout.SLOT_BYTES[kind] or offset < layout.PAGE:
                raise CorruptFile(f"{self._name}: its header does not describe a recorder file: the section of "
                                  f"{SECTION_NAMES[kind]} has slots of {slot_bytes} bytes at {offset}")
            there = max(0, min(len(self._data), len(self._second)) - offset) // slot_bytes
            sections.append(Section(offset, min(count, there, layout.MOST_SLOTS[kind])))
        return sections

    def _identity(self, values: tuple[Any, ...]) -> Identity:
        boot_id, pid, namespace, start, realtime, monotonic = values[4:10]
        texts = [_text(value) for value in values[10:14]]
        interval, tick = values[14:16]
        return Identity(texts[0], texts[1], pid, start, namespace, boot_id.hex(), realtime / 1e9, monotonic / 1e9,
                        texts[2], texts[3], _finite(interval), tick / 1e9)

    def _count(self, section: str, slots: int = 1) -> None:
        self._damaged[section] = self._damaged.get(section, 0) + slots

    # ------------------------------------------------------------ ends and curve

    def _ends(self) -> Iterator[tuple[int, End]]:
        section = self._sections[layout.ENDS]
        for place in range(section.slots):
            at = section.offset + place * layout.END.size
            slot = self._data[at : at + layout.END.size]
            kind, code, realtime, _, length, text, _ = layout.END.unpack(slot)
            if kind == 0 and not any(slot):
                continue
            if kind != place + 1 or length > len(text) or not layout.has_check(slot):
                self._count("ends")
                continue
            yield place, End(place, code, realtime / 1e9, text[:length].decode("utf-8", "replace"))

    def _points(self) -> list[Point]:
        found: dict[int, Point] = {}
        section = self._sections[layout.CURVE]
        for place in range(section.slots):
            at = section.offset + place * layout.POINT.size
            slot = self._data[at : at + layout.POINT.size]
            if not any(slot):
                continue
            number, realtime, resident, used, limit, live, active, samples, _, _ = layout.POINT.unpack(slot)
            if not layout.has_check(slot) or (number - 1) % layout.POINTS != place:
                self._count("curve")
                continue
            found[number] = Point(realtime / 1e9, resident, used, limit, _finite(live), active, samples)
        newest = max(found, default=0)
        return [found[number] for number in sorted(found) if number > newest - layout.POINTS]

    # ------------------------------------------------------------ names

    def _name_of(self, number: int) -> str:
        name = self._names.get(number)
        if name is None:
            name = self._names[number] = self._read_name(number)
        return name

    def _read_name(self, number: int) -> str:
        entries, texts = self._sections[layout.NAMES], self._sections[layout.NAME_BYTES]
        if number < entries.slots:
            at = entries.offset + number * layout.NAME.size
            # Names only become more: in the second copy are all that the first one speaks of.
            offset, length, check, entry = layout.NAME.unpack_from(self._second, at)
            if entry == number + 1 and offset + length <= texts.slots:
                text = self._second[texts.offset + offset : texts.offset + offset + length]
                if zlib.crc32(text) == check:
                    return text.decode("utf-8", "replace")
        self._count("names")
        return DAMAGED

    # ------------------------------------------------------------ spans

    def _active(self) -> Iterator[ActiveSpan]:
        section = self._sections[layout.ACTIVE]
        for place in range(section.slots):
            at = section.offset + place * layout.ACTIVE_SLOT.size
            words = layout.ACTIVE_SLOT.unpack_from(self._data, at)
            if words[0] & 3 != 2:
                if words[0] & 3 == 3:
                    self._count("active spans")
                continue   # empty, or its writer was killed
            if self._data[at : at + 8] != self._second[at : at + 8]:
                continue   # ended while the file was copied
            if words[7] >> 32 != layout.active_check(words):
                self._count("active spans")
                continue
            yield ActiveSpan(
                f"{words[1]:016x}{words[2]:016x}", f"{words[3]:016x}", f"{words[4]:016x}" if words[4] else "",
                self._name_of(words[6] & 0xFFFFFFFF), self._name_of(words[6] >> 32), _signed(words[5]) / 1e9,
                bool(words[7] & 1),
            )

    def _ended(self) -> tuple[list[EndedSpan], RingCounts]:
        """The records of all stripes in the order of their tickets, and the counts: span_ring.h, in Python."""
        capacity, stripes, _ = self._ring
        section = self._sections[layout.RING]
        found: list[EndedSpan] = []
        sums = [0] * 6
        torn = 0
        if not 0 < stripes <= 64 or capacity < stripes:
            self._count("ended spans")
            return [], NO_COUNTS
        slots_at = section.offset + stripes * layout.RING_STRIPE.size
        per_stripe = -(-capacity // stripes)
        end = section.offset + section.slots
        for stripe in range(stripes):
            at = section.offset + stripe * layout.RING_STRIPE.size
            if at + layout.RING_STRIPE.size > end:
                break
            head, skipped, overwritten, expired, dropped, refused = layout.RING_STRIPE.unpack_from(self._data, at)
            newest = max(head, int.from_bytes(self._second[at : at + 8], "little"))
            slots = per_stripe - (stripe >= (capacity % stripes or stripes))
            retained = 0
            for index in range(slots):
                at = slots_at + (stripe * per_stripe + index) * layout.RING_SLOT.size
                if at + layout.RING_SLOT.size > end:
                    break
                seq = int.from_bytes(self._data[at : at + 8], "little")
                if seq == 0 or seq >> 63:
                    continue   # empty, or past its time to live and counted as expired
                if self._data[at : at + 8] != self._second[at : at + 8]:
                    continue   # overwritten while the file was copied
                if seq & 1:
                    torn += 1
                    continue
                ticket = seq // 2 - 1
                if ticket % slots != index or ticket >= newest:
                    self._count("ended spans")
                    continue
                if ticket >= head:
                    continue   # ended after we began
                retained += 1
                found.append(self._record(ticket, layout.RING_SLOT.unpack_from(self._data, at)))
            produced = max(0, head - skipped + refused)
            counts = (produced, retained, overwritten, expired, dropped + refused)
            sums = [a + b for a, b in zip(sums, (*counts, produced - sum(counts[1:])), strict=True)]
        found.sort(key=lambda span: (span.ticket, span.start))
        produced, retained, overwritten, expired, dropped, in_flight = sums
        return found, RingCounts(produced, retained, overwritten, expired, dropped, in_flight, torn)

    def _record(self, ticket: int, words: tuple[int, ...]) -> EndedSpan:
        return EndedSpan(
            ticket, f"{words[1]:016x}{words[2]:016x}", f"{words[3]:016x}", f"{words[4]:016x}" if words[4] else "",
            self._name_of(words[7] & 0xFFFFF), _signed(words[5]) / 1e9, (words[6] & (1 << 48) - 1) / 1e9,
            words[7] >> 20 & 0xFFF, words[6] >> 48,
        )

    # ------------------------------------------------------------ sites

    def _top(self, recording: Recording) -> None:
        """Of the two writings the last one that is whole."""
        section = self._sections[layout.SITES]
        best = None
        for place in range(section.slots):
            at = section.offset + place * layout.TOP_BYTES
            header = self._data[at : at + layout.TOP.size]
            if layout.has_check(header) and layout.TOP.unpack(header)[0]:
                best = max(best or (0, 0), (layout.TOP.unpack(header)[0], at))
            elif int.from_bytes(header[:8], "little"):   # a number of 0: being written when the process ended
                self._count("sites")
        if best is None:
            return
        number, at = best
        values = layout.TOP.unpack_from(self._data, at)
        recording.sites_time = values[1] / 1e9
        recording.live_bytes, recording.live_objects, recording.interval = map(_finite, values[2:5])
        recording.live_samples = values[5]
        sites, spans = min(values[6], layout.MOST_SITES), min(values[7], layout.MOST_SPANS)
        for i in range(sites):
            start = at + layout.TOP.size + i * layout.SITE.size
            slot = self._data[start : start + layout.SITE.size]
            if layout.has_check(slot) and layout.SITE.unpack(slot)[0] == number:
                recording.sites.append(self._site(layout.SITE.unpack(slot)))
            else:
                self._count("sites")
        for i in range(spans):
            start = at + layout.TOP.size + layout.MOST_SITES * layout.SITE.size + i * layout.SPAN.size
            slot = self._data[start : start + layout.SPAN.size]
            found, size, objects, samples, name, root_name, _ = layout.SPAN.unpack(slot)
            if layout.has_check(slot) and found == number:
                recording.spans.append(SpanUsage(
                    self._name_of(name), self._name_of(root_name), _finite(size), _finite(objects), samples))
            else:
                self._count("sites")

    def _site(self, values: tuple[int, float, float, int, int, int, int, bytes, bytes, int]) -> Site:
        _, size, objects, samples, depth, frame_count, name_count, names, frames, _ = values
        stack = []
        for function, filename, line in list(layout.SITE_FRAME.iter_unpack(frames))[:frame_count]:
            stack.append(Frame(self._name_of(function), self._name_of(filename), line) if function else UNRESOLVED)
        spans = [
            SpanUsage(self._name_of(name), self._name_of(root_name), _finite(part), 0.0, count)
            for name, root_name, count, _, part in list(layout.SITE_NAME.iter_unpack(names))[:name_count]
        ]
        return Site(tuple(stack), depth, _finite(size), _finite(objects), samples, tuple(spans))


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("utf-8", "replace")


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _finite(value: float) -> float:
    """NaN and the infinities come from damage alone, and would spoil every sum."""
    return value if abs(value) < 1e30 else 0.0
