"""A mutation fuzzer on the reader of recorder files: `python -m tests.recorder.fuzz --seconds 600`.

It starts from real files (corpus/, gzipped; --record makes them anew), changes them as files get damaged and as an attacker
would, half of the time with the checksums put right again, so that what is behind them is reached, and has everything done
with the result that `spanheap recover` does. A finding is anything raised that is not a SpanheapError, an answer that takes
longer than a second, or one that is not JSON. It is written to --findings with the seed that made it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import struct
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

from spanheap.errors import SpanheapError
from spanheap.recorder import layout, pprof, reader, render
from spanheap.recorder.death import Writer, judge

CORPUS = Path(__file__).parent / "corpus"
SLOW_S = 1.0
INTERESTING = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
               (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 0x7FF0000000000000, 0x7FF8000000000000, 3600, 3601, 4096)


def corpus() -> list[bytes]:
    """The files to start from."""
    return [gzip.decompress(path.read_bytes()) for path in sorted(CORPUS.glob("*.gz"))]


# ---------------------------------------------------------------- mutations


def sections(data: bytes | bytearray) -> list[tuple[int, int, int]]:
    """(offset, slots, bytes of one) as the first header says, whatever it says."""
    at = layout.HEADER.size
    return [layout.SECTION.unpack_from(data, at + kind * layout.SECTION.size)[:3] for kind in range(layout.SECTIONS)]


def mutated(whole: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """This file with one to some dozens of changes."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        if len(data) > layout.PAGE:
            rng.choice(MUTATIONS)(data, others, rng)
    if rng.random() < 0.5 and len(data) >= layout.PAGE:
        seal(data, rng)
    return bytes(data)


def place_in(data: bytearray, rng: random.Random, size: int) -> int:
    """Rather in what is used than in the many zeros."""
    for _ in range(20):
        at = rng.randrange(max(1, len(data) - size))
        if any(data[at : at + 64]):
            return at
    return at


def flip(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """One bit."""
    data[place_in(data, rng, 1)] ^= 1 << rng.randrange(8)


def set_word(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """A number, mostly one at the edge of something."""
    size = rng.choice((1, 2, 4, 8))
    at = place_in(data, rng, 8) // size * size
    value = rng.choice(INTERESTING) if rng.random() < 0.8 else rng.getrandbits(64)
    data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def fill(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """A block, with one byte."""
    at, size = place_in(data, rng, 1), rng.choice((1, 16, 64, 512, 4096))
    data[at : at + size] = bytes([rng.choice((0, 0xFF, rng.randrange(256)))]) * len(data[at : at + size])


def copy_within(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """A slot or so, to another place."""
    size = rng.choice((8, 64, 256, 512, 4096))
    a, b = (rng.randrange(len(data)) // 8 * 8 for _ in range(2))
    piece = data[a : a + size]
    data[b : b + len(piece)] = piece[: len(data) - b]


def splice(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    """A page or some of another file: what a file system does that loses writes."""
    other, size = rng.choice(others), rng.choice((1, 2, 8)) * layout.PAGE
    at = rng.randrange(min(len(data), len(other))) // layout.PAGE * layout.PAGE
    piece = other[at : at + size][: len(data) - at]
    data[at : at + len(piece)] = piece


def shorten(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """Now and then, by any length."""
    if rng.random() < 0.3:
        del data[rng.randrange(layout.PAGE, len(data)) :]


def change_header(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """A field of the first header."""
    at = rng.randrange(0, layout.HEADER_CHECK, 4)
    data[at : at + 4] = rng.choice((rng.choice(INTERESTING), rng.getrandbits(32))).to_bytes(16, "little")[:4]


def shuffle_slots(data: bytearray, _: list[bytes], rng: random.Random) -> None:
    """Two slots of a section change places."""
    offset, slots, size = rng.choice(sections(data))
    if slots > 1 and size and offset + slots * size <= len(data):
        a, b = (offset + rng.randrange(slots) * size for _ in range(2))
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


MUTATIONS = (flip, set_word, set_word, fill, copy_within, splice, shorten, change_header, shuffle_slots)


def seal(data: bytearray, rng: random.Random) -> None:
    """Put right the checksums of the headers and of the slots in use, most of them."""

    def crc(at: int, size: int) -> None:
        if at >= 0 and at + size <= len(data) and rng.random() < 0.9 and any(data[at : at + size]):
            data[at + size - 4 : at + size] = zlib.crc32(data[at : at + size - 4]).to_bytes(4, "little")

    for at in (0, len(data) - layout.PAGE):
        if rng.random() < 0.9:
            data[at : at + 8] = layout.MAGIC
            struct.pack_into("<II", data, at + 8, layout.VERSION, layout.SECTIONS)
        crc(at, layout.HEADER_CHECK + 4)
    for kind, (offset, slots, size) in enumerate(sections(data)):
        if offset > len(data) or size == 0:
            continue
        slots = min(slots, (len(data) - offset) // size, 5000)
        if kind in (layout.ENDS, layout.CURVE):
            for place in range(slots):
                crc(offset + place * size, size)
        elif kind == layout.SITES:
            for place in range(slots):
                at = offset + place * size
                crc(at, layout.TOP.size)
                for i in range(layout.MOST_SITES):
                    crc(at + layout.TOP.size + i * layout.SITE.size, layout.SITE.size)
                for i in range(layout.MOST_SPANS):
                    crc(at + layout.TOP.size + layout.MOST_SITES * layout.SITE.size + i * layout.SPAN.size, layout.SPAN.size)
        elif kind == layout.ACTIVE:
            for place in range(slots):
                at = offset + place * size
                if any(data[at : at + size]) and at + 64 <= len(data):
                    check = layout.active_check(layout.ACTIVE_SLOT.unpack_from(data, at))
                    data[at + 60 : at + 64] = check.to_bytes(4, "little")


# ---------------------------------------------------------------- what is done with each


def examine(first: bytes, second: bytes, rng: random.Random, folder: Path) -> str:
    """Everything that the command does. Returns "read" or "refused"; raises what it finds."""
    writer = Writer(locked=rng.random() < 0.2, running=rng.random() < 0.2, boot_id=rng.choice(("", "00" * 16)))
    try:
        reader.parse(first, second, "FILE", summary=True)
        recording = reader.parse(first, second, "FILE")
    except SpanheapError as error:
        assert str(error).startswith("FILE: ")
        return "refused"
    death = judge(recording, writer)
    text = render.text(recording, death)
    assert "\x1b" not in text and text.count("\n") < 200
    json.dumps(render.document(recording, death), allow_nan=False)
    slots = len(first) // 40
    assert len(recording.active) + len(recording.ended) + len(recording.points) <= slots
    if rng.random() < 0.1:
        pprof.write(recording, death, folder / "fuzz.pb.gz")
    return "read"


def run(seconds: float, seed: int, findings: Path, most: int | None = None) -> tuple[int, dict[str, int]]:
    """Returns the number of findings, and how often what was the outcome."""
    files, outcomes, found, number = corpus(), {"read": 0, "refused": 0}, 0, 0
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end and (most is None or number < most):
            number += 1
            rng = random.Random(f"{seed}-{number}")
            first = mutated(rng.choice(files), files, rng)
            second = first if rng.random() < 0.7 else mutated(first, files, rng)
            started = time.thread_time()
            try:
                outcomes[examine(first, second, rng, Path(folder))] += 1
                assert time.thread_time() - started < SLOW_S, "slow"
            except Exception:
                found += 1
                findings.mkdir(parents=True, exist_ok=True)
                (findings / f"{seed}-{number}.gz").write_bytes(gzip.compress(first))
                print(f"finding {seed}-{number}:", traceback.format_exc(), file=sys.stderr)
    return found, outcomes


# ---------------------------------------------------------------- the corpus


def shrunk(data: bytes) -> bytes:
    """The same recording in a smaller file: sections cut after what is in them, which the format allows."""
    parts, headers, offset = [], [], layout.PAGE
    for kind, (start, slots, size) in enumerate(sections(data)):
        content = data[start : start + slots * size]
        used = len(content.rstrip(b"\0")) if kind != layout.RING else len(content)
        slots = min(slots, used // size + 1)
        parts.append(content[: slots * size].ljust(-(-slots * size // layout.PAGE) * layout.PAGE, b"\0"))
        headers.append(layout.SECTION.pack(offset, slots, size, 0))
        offset += len(parts[-1])
    values = list(layout.HEADER.unpack_from(data))
    values[3] = offset + layout.PAGE
    header = layout.HEADER.pack(*values) + b"".join(headers) + bytes(4)
    header = (header + zlib.crc32(header).to_bytes(4, "little")).ljust(layout.PAGE, b"\0")
    return header + b"".join(parts) + header


def record() -> None:
    """Make the corpus anew, from processes that end in different ways."""
    from tests.recorder.service import run_once

    CORPUS.mkdir(exist_ok=True)
    for how in ("kill", "clean", "raise", "segv", "abort"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "recorder")
            run_once(path, how)
            packed = gzip.compress(shrunk(path.read_bytes()), mtime=0)
            (CORPUS / f"{how}.gz").write_bytes(packed)
            print(f"{how}: {len(packed):,} bytes")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--record", action="store_true", help="make the corpus anew, and end")
    options = parser.parse_args()
    if options.record:
        record()
        return 0
    found, outcomes = run(options.seconds, options.seed, options.findings)
    print(f"seed {options.seed}: {sum(outcomes.values()):,} files in {options.seconds:.0f} s, {outcomes['read']:,} read, "
          f"{outcomes['refused']:,} refused, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
