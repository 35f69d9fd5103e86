"""The bytes of a recorder file, as native/include/spanheap/recorder.h has them; a change here is a new VERSION there."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

MAGIC = b"SHAP_REC"
VERSION = 1
PAGE = 4096
POINTS = 3600
MOST_BYTES = 1 << 30   # 8 MiB is the default, 1 GiB beyond the largest span_capacity that can be asked for

ENDS, CURVE, NAMES, NAME_BYTES, ACTIVE, SITES, RING = range(7)
SECTIONS = 7

# magic, version, sections, file bytes | boot id, pid, pid namespace, start, realtime, monotonic | program, service, python,
# spanheap | sample interval, tick | ring: capacity, stripes, policy, -, time to live, epoch
HEADER = struct.Struct("<8sIIQ" "16sQQQqq" "64s64s64s64s" "dq" "IIIIqq")
SECTION = struct.Struct("<QQII")                 # offset, count, bytes of a slot, -
HEADER_CHECK = HEADER.size + SECTIONS * SECTION.size + 4
END = struct.Struct("<IiqqI224sI")               # kind + 1, code, realtime, monotonic, length, text, check
POINT = struct.Struct("<QqQQQdIIII")             # number, realtime, resident, used, limit, live, active, samples, -, check
NAME = struct.Struct("<IIII")                    # offset, length, check, id + 1
ACTIVE_SLOT = struct.Struct("<8Q")               # seq, trace (2), span, parent, start, name | root name, flags | check
RING_SLOT = struct.Struct("<8Q")
RING_STRIPE = struct.Struct("<Q56x5Q24x")        # head | skipped, overwritten, expired, dropped, refused
# number, realtime, live bytes, live objects, interval, samples, sites, spans, -, check
TOP = struct.Struct("<QqdddQIIII")
# number, bytes, objects, samples, depth, count of frames, count of names, names, frames, check
SITE = struct.Struct("<QddIIII96s372sI")
SITE_NAME = struct.Struct("<IIIId")              # name, root name, samples, -, bytes
SITE_FRAME = struct.Struct("<III")               # function, file, line
SPAN = struct.Struct("<QddIIII")                 # number, bytes, objects, samples, name, root name, check
MOST_SITES = MOST_SPANS = 64
TOP_BYTES = TOP.size + MOST_SITES * SITE.size + MOST_SPANS * SPAN.size

# Bytes of a slot, by section.
SLOT_BYTES = (END.size, POINT.size, NAME.size, 1, ACTIVE_SLOT.size, TOP_BYTES, 1)

CLEAN, EXCEPTION, SIGNAL, REPORTED = range(4)    # kinds of ends, which are their places

# Slots of a section that mean something, whatever a header says.
MOST_SLOTS = (4, POINTS, MOST_BYTES, MOST_BYTES, MOST_BYTES, 2, MOST_BYTES)

_ACTIVE_FACTORS = (
    0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD,
    0xC4CEB9FE1A85EC53, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB,
)


class Section(NamedTuple):
    """Where slots are, as far as the file goes."""

    offset: int
    slots: int


def has_check(slot: bytes) -> bool:
    """Whether the last four bytes of a slot are the CRC-32 of the others."""
    return zlib.crc32(slot[:-4]) == int.from_bytes(slot[-4:], "little")


def active_check(words: tuple[int, ...]) -> int:
    """The checksum of an active slot, over its state and its words (the last without the checksum)."""
    parts = (*words[:7], words[7] & 0xFFFFFFFF)
    return (sum(word * factor for word, factor in zip(parts, _ACTIVE_FACTORS, strict=True)) & (1 << 64) - 1) >> 32
