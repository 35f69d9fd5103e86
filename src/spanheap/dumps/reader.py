"""Opens heap dumps: spanheap's own, and what is common to all heap profiles in those of others."""

from __future__ import annotations

import os
import pathlib
import re
import zlib

from spanheap.dumps import pprof
from spanheap.errors import CorruptFile, DumpError
from spanheap.snapshot import NO_SPAN, HeapSnapshot, Row
from spanheap.snapshot.row import RESERVED_LABELS

# A dump of 8,192 live samples is some MiB. What is beyond this is no heap profile, or a gzip bomb.
MAX_BYTES = 256 << 20

METADATA = re.compile(r"([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)
BYTE_COUNT = re.compile(r"[0-9]{1,19}")
TRACE_ID = re.compile(r"[0-9a-f]{32}")
SPAN_ID = re.compile(r"[0-9a-f]{16}")


class Dump(HeapSnapshot):
    """A heap snapshot that was written to a file, with what was written beside it."""

    def __init__(self, path: pathlib.Path, profile: pprof.Profile) -> None:
        self.path = path
        self.comments = profile.comments
        matches = map(METADATA.fullmatch, profile.comments)
        self.metadata: dict[str, str] = {match[1]: match[2] for match in matches if match}
        self.period = profile.period   # mean bytes between samples
        rss = self.metadata.get("rss_bytes", "")
        super().__init__(
            _rows(profile, path), time=profile.time_nanos / 10**9,
            rss_bytes=int(rss) if BYTE_COUNT.fullmatch(rss) else 0, sample_interval=float(profile.period),
        )


def open_dump(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Dump:
    """Read a pprof heap profile, gzipped or plain.

    It must have the sample type inuse_space; the others count as 0 where they are missing. Raises DumpError
    when the file cannot be read or is no heap profile, and CorruptFile when it is damaged, or has more than
    `max_bytes` (decompressed).
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise DumpError(f"{path}: cannot be read: {error.strerror}") from error
    return Dump(path, pprof.parse_profile(_decompressed(content, path, max_bytes), str(path)))


def _decompressed(content: bytes, path: pathlib.Path, max_bytes: int) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        parts, size = [content], len(content)
    else:
        parts, size = [], 0
        while content and size <= max_bytes:   # a gzip file may have several members
            member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            try:
                parts.append(member.decompress(content, max_bytes + 1 - size))
            except zlib.error as error:
                raise CorruptFile(f"{path}: not a valid gzip file: {error}") from error
            size += len(parts[-1])
            if not member.eof and size <= max_bytes:
                raise CorruptFile(f"{path}: not a valid gzip file: it ends early, after {size} bytes of data")
            content = member.unused_data
    if size > max_bytes:
        raise CorruptFile(f"{path}: has more than {max_bytes} bytes (decompressed): pass a larger max_bytes")
    return b"".join(parts)


def _rows(profile: pprof.Profile, path: pathlib.Path) -> list[Row]:
    columns = {name: column for column, name in enumerate(profile.sample_types)}
    if "inuse_space" not in columns:
        types = ", ".join(columns) or "none"
        raise DumpError(f"{path}: not a heap profile: no sample type is inuse_space; those it has: {types}")
    alloc_objects, alloc_space = columns.get("alloc_objects"), columns.get("alloc_space")
    inuse_objects, inuse_space = columns.get("inuse_objects"), columns["inuse_space"]
    rows: list[Row] = []
    for stack, values, labels, numbers in profile.samples:
        span_name = labels.get("span_name", NO_SPAN)
        thread = labels.get("thread", "")
        # Go's heap profiles have a label `bytes` too, on sums. Beside one of these names it is of a sample. A sum that is
        # known to be of so many has `samples`.
        size = numbers.get("bytes", -1)
        is_sample = size >= 0 and ("thread" in labels or "span_name" in labels)
        rows.append(Row(
            stack, span_name, labels.get("root_span_name", span_name),
            _id(TRACE_ID, labels.get("trace_id", "")), _id(SPAN_ID, labels.get("span_id", "")),
            thread, size if is_sample else 0,
            float(values[inuse_space]), 0.0 if inuse_objects is None else float(values[inuse_objects]),
            0.0 if alloc_space is None else float(values[alloc_space]),
            0.0 if alloc_objects is None else float(values[alloc_objects]),
            1 if is_sample else max(0, numbers.get("samples", 0)), labels.get("sampled") != "false",
            tuple(sorted(pair for pair in labels.items() if pair[0] not in RESERVED_LABELS)),
        ))
    return rows


def _id(form: re.Pattern[str], label: str) -> str:
    # Another tool may have other ids under these names: no ids to us, and no reason to refuse the file.
    return label if form.fullmatch(label) else ""
