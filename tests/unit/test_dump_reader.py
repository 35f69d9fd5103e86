"""Dumps: what is written comes back, and what is damaged is refused by name."""

from __future__ import annotations

import gzip
import os
import pathlib
import subprocess
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanheap.dumps.reader import Dump, open_dump
from spanheap.errors import CorruptFile, DumpError
from spanheap.snapshot import NO_SPAN, Frame, Row

from ._pprof_encoder import Encoder, message, varint

LEAF = Frame("remember", "/srv/shop/orders.py", 41)
ROOT = Frame("handle", "/srv/shop/app.py", 7)
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
STACK = (LEAF, ROOT)
SAMPLE = Row(
    STACK, "GET /orders", "GET /", TRACE, SPAN, "worker-1", 2464, 525_000.0, 213.0, 525_000.0, 213.0, 1
)
RELEASED = Row(STACK, "GET /orders", "GET /", "", "", "", 0, 0.0, 0.0, 9_000_000.0, 3600.0, 0)

# Surrogates have no UTF-8, and so no place in a file.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
frames = st.builds(Frame, texts, texts, st.integers(0, 1 << 40))
stacks = st.lists(frames, max_size=5).map(tuple)
values = st.integers(0, 1 << 50).map(float)
hexadecimal = "0123456789abcdef"
released = st.builds(
    lambda stack, span, root, size, count: Row(stack, span, root, "", "", "", 0, 0.0, 0.0, size, count, 0),
    stacks, names, names, values, values,
)
live = st.builds(
    lambda stack, span, root, trace, id, thread, size, value, count:
        Row(stack, span, root, trace, id, thread, size, value, count, value, count, 1),
    stacks, names, names, st.just("") | st.text(hexadecimal, min_size=32, max_size=32),
    st.just("") | st.text(hexadecimal, min_size=16, max_size=16), texts, st.integers(0, 1 << 62),
    values, values,
)
any_path = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def encoded(*rows: Row, comments: tuple[str, ...] = (), packed: bool = True) -> bytes:
    """A dump of these rows, as spanheap writes it."""
    encoder = Encoder(packed=packed)
    for row in rows:
        encoder.row(row)
    return encoder.encode(comments=comments, time_nanos=1_700_000_000_250_000_000, period=524_288)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where to write a dump."""
    return tmp_path / "heap.pb.gz"


def opened(file: pathlib.Path, content: bytes) -> Dump:
    """The dump that these bytes make."""
    file.write_bytes(content)
    return open_dump(file)


@any_path
@given(st.lists(live | released, max_size=8), st.lists(texts, max_size=3), st.booleans(), st.booleans())
def test_round_trip(
    file: pathlib.Path, rows: list[Row], comments: list[str], packed: bool, zipped: bool
) -> None:
    """Rows and comments come back as they were written, packed or not, gzipped or not."""
    content = encoded(*rows, comments=tuple(comments), packed=packed)
    dump = opened(file, gzip.compress(content) if zipped else content)
    assert dump.rows == rows
    assert dump.comments == comments
    assert (dump.time, dump.period, dump.sample_interval) == (1_700_000_000.25, 524_288, 524_288.0)


def test_a_dump_is_a_snapshot(file: pathlib.Path) -> None:
    """The views of a snapshot work on a dump; released totals are allocated; equal stacks are one object."""
    dump = opened(file, encoded(SAMPLE, RELEASED))
    [site] = dump.sites()
    assert (site.live_bytes, site.allocated_bytes, site.samples) == (525_000.0, 9_525_000.0, 1)
    assert site.application_frame == LEAF
    assert [usage.name for usage in dump.by_trace()] == [TRACE]
    assert dump.diff(dump).live_bytes == 0
    assert dump.rows[0].stack is dump.rows[1].stack
    assert dump.path == file


def test_metadata_is_what_the_comments_say(file: pathlib.Path) -> None:
    """Comments of the form key=value are metadata, others are not; the resident set size is among them."""
    comments = ("service.name=shop", "rss_bytes=73400320", "why=a=b", "oldest active traces:", "x y=z")
    dump = opened(file, encoded(comments=comments))
    assert dump.metadata == {"service.name": "shop", "rss_bytes": "73400320", "why": "a=b"}
    assert dump.rss_bytes == 73400320
    assert opened(file, encoded(comments=("rss_bytes=much",))).rss_bytes == 0


def test_go_heap_profile(file: pathlib.Path) -> None:
    """In another tool's profile `bytes` on sums is no sample size: values hold, their error is unknown."""
    encoder = Encoder(sample_types=("inuse_objects", "inuse_space"))
    encoder.sample([LEAF], [512, 1_048_576], {}, {"bytes": 2048})
    [site] = opened(file, encoder.encode()).sites()
    assert (site.live_bytes, site.live_objects) == (1_048_576.0, 512.0)
    assert (site.allocated_bytes, site.samples) == (0.0, 0)
    assert site.relative_error == float("inf")
    assert site.span_names == [NO_SPAN]


def test_ids_of_another_kind_are_no_ids(file: pathlib.Path) -> None:
    """A label trace_id that is not 32 hexadecimal digits does not reach code that counts on it."""
    encoder = Encoder()
    labels = {"trace_id": "987654321", "span_id": SPAN.upper(), "thread": "worker"}
    encoder.sample([LEAF], [1, 1, 1, 1], labels, {"bytes": 1})
    [row] = opened(file, encoder.encode()).rows
    assert (row.trace_id, row.span_id) == ("", "")


def test_native_and_inlined_frames(file: pathlib.Path) -> None:
    """A location without lines shows its address; one with several is as many frames, inlined ones first."""
    strings = [(6, text) for text in ("", "inuse_space", "inner", "outer", "a.c")]
    content = message(
        (1, message((1, 1))), (2, message((1, 1), (1, 2), (2, 8))),
        (4, message((1, 1), (4, message((1, 1), (2, 3))), (4, message((1, 2), (2, 9))))),
        (4, message((1, 2), (3, 0x7F00))),
        (5, message((1, 1), (2, 2), (4, 4))), (5, message((1, 2), (2, 3), (4, 4))), *strings,
    )
    [row] = opened(file, content).rows
    assert row.stack == (Frame("inner", "a.c", 3), Frame("outer", "a.c", 9), Frame("0x7f00", "", 0))


def test_negative_values(file: pathlib.Path) -> None:
    """A profile that is itself a difference has negative values, which stay negative."""
    encoder = Encoder()
    encoder.sample([LEAF], [-1, -64, -1, -64], {}, {})
    assert opened(file, encoder.encode()).live_bytes == -64.0


def test_unknown_lines(file: pathlib.Path) -> None:
    """A line number below 0 is none."""
    encoder = Encoder()
    encoder.sample([LEAF._replace(line=-1)], [0, 0, 0, 0], {}, {})
    assert opened(file, encoder.encode()).rows[0].stack == (LEAF._replace(line=0),)


def test_unknown_fields_are_skipped(file: pathlib.Path) -> None:
    """Fields that a later version of the format adds, of any wire type, do not disturb."""
    fixed64, fixed32 = varint(102 << 3 | 1) + bytes(8), varint(103 << 3 | 5) + bytes(4)
    later = message((100, 7), (101, "later")) + fixed64 + fixed32
    assert opened(file, later + encoded(SAMPLE) + later).rows == [SAMPLE]


def test_several_gzip_members(file: pathlib.Path) -> None:
    """A gzip file may be a concatenation of gzip files."""
    content = encoded(SAMPLE)
    assert opened(file, gzip.compress(content[:50]) + gzip.compress(content[50:])).rows == [SAMPLE]


@pytest.mark.parametrize("zipped", [True, False])
def test_size_is_bounded(file: pathlib.Path, zipped: bool) -> None:
    """A file beyond the limit is refused; one at the limit is read."""
    content = encoded(SAMPLE, comments=("x" * 100_000,))
    file.write_bytes(gzip.compress(content) if zipped else content)
    assert open_dump(file, max_bytes=len(content)).rows == [SAMPLE]
    with pytest.raises(CorruptFile, match=f"heap.pb.gz: has more than {len(content) - 1} bytes"):
        open_dump(file, max_bytes=len(content) - 1)


def test_a_bomb_is_not_decompressed(file: pathlib.Path) -> None:
    """What is beyond the limit never comes to stand in memory."""
    file.write_bytes(gzip.compress(bytes(64 << 20), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptFile, match="has more than 1048576 bytes"):
            open_dump(file, max_bytes=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_what_cannot_be_opened(tmp_path: pathlib.Path) -> None:
    """A file that is missing or is a folder: the error names the path and the reason."""
    with pytest.raises(DumpError, match=r"gone\.pb\.gz: cannot be read: No such file"):
        open_dump(tmp_path / "gone.pb.gz")
    with pytest.raises(DumpError, match=r"cannot be read: Is a directory"):
        open_dump(str(tmp_path))


def test_profiles_that_are_no_heap_profiles(file: pathlib.Path) -> None:
    """A CPU profile is read without fault, and refused for what it is."""
    encoder = Encoder(sample_types=("samples", "cpu"))
    with pytest.raises(DumpError, match=r"no sample type is inuse_space; .* has: samples, cpu") as raised:
        opened(file, encoder.encode())
    assert not isinstance(raised.value, CorruptFile)


STRINGS = message((6, ""), (6, "inuse_space"))
TYPE = message((1, message((1, 1))))


@pytest.mark.parametrize(("content", "fault"), [
    (b"", "Profile.string_table at byte 0: does not begin with an empty string"),
    (message((6, "x")), "Profile.string_table at byte 3: does not begin with an empty string"),
    (message((6, "")) + b"\x32\x02\xff\xfe", "Profile.string_table at byte 4: is not UTF-8"),
    (b"\x48\xff", "Profile.time_nanos at byte 1: ends inside an integer"),
    (b"\x48" + b"\xff" * 10, "Profile.time_nanos at byte 1: has an integer of more than 64 bits"),
    (b"\x48" + b"\xff" * 9 + b"\x02", "Profile.time_nanos at byte 1: has an integer of more than 64 bits"),
    (b"\x32\x05abc", "Profile.string_table at byte 0: needs 2 bytes more than there are"),
    (varint(99 << 3 | 1) + b"1234567", "Profile.99 at byte 0: needs 1 bytes more than there are"),
    (b"\x00\x00", "Profile at byte 0: has a field with the number 0"),
    (varint(99 << 3 | 3), "Profile.99 at byte 0: has the wire type 3, which pprof does not use"),
    (message((6, 1)), "Profile.string_table at byte 0: has the wire type 0, expected"),
    (message((9, "x")), "Profile.time_nanos at byte 0: has the wire type 2, expected"),
    (message((2, message((1, 1)) + b"\x12\x01\x80")), "Sample.value at byte 6: ends inside an integer"),
    (message((1, message((1, 2)))) + STRINGS, "ValueType.type: 2 is beyond the 2 strings"),
    (message((13, 2)) + STRINGS, "Profile.comment: 2 is beyond the 2 strings"),
    (TYPE + message((2, b"")) + STRINGS, "Sample.value at byte 6: has 0 values for 1 sample types"),
    (TYPE + message((2, message((2, 1), (1, 7)))) + STRINGS, "Sample.location_id at byte 6: 7 is not the id"),
    (TYPE + message((2, message((2, 1), (3, message((1, 9)))))) + STRINGS, "Label.key: 9 is beyond"),
    (TYPE + message((2, message((2, 1), (3, message((1, 1), (2, 9)))))) + STRINGS, "Label.str: 9 is beyond"),
    (message((4, message((3, 1)))) + STRINGS, "Location.id at byte 2: 0 must not be 0"),
    (message((4, message((1, 1)))) * 2 + STRINGS, "Location.id at byte 6: 1 is used twice"),
    (message((5, message((1, 1)))) * 2 + STRINGS, "Function.id at byte 6: 1 is used twice"),
    (message((4, message((1, 1), (4, message((1, 5)))))) + STRINGS, "Line.function_id: 5 is not the id"),
    (message((5, message((1, 1), (2, 5))), (4, message((1, 1), (4, message((1, 1)))))) + STRINGS,
     "Function.name: 5 is beyond"),
    (b"\x1f\x8b", "not a valid gzip file: it ends early"),
    (b"\x1f\x8bnot so", "not a valid gzip file"),
    (gzip.compress(TYPE + STRINGS)[:-1], "not a valid gzip file: it ends early"),
    (gzip.compress(TYPE + STRINGS) + b"more", "not a valid gzip file"),
])
def test_what_is_wrong_is_named(file: pathlib.Path, content: bytes, fault: str) -> None:
    """Each kind of damage is refused with the file, the field, where it is, and what is wrong with it."""
    with pytest.raises(CorruptFile) as raised:
        opened(file, content)
    assert str(raised.value).startswith(f"{file}: ")
    assert fault in str(raised.value)


@any_path
@given(st.data())
def test_damage_raises_nothing_else(file: pathlib.Path, data: st.DataObject) -> None:
    """Whatever bytes are changed or cut off, plain or gzipped, the outcome is a dump or a DumpError."""
    content = bytearray(encoded(SAMPLE, RELEASED, comments=("service.name=shop", "rss_bytes=1")))
    if data.draw(st.booleans()):
        content = bytearray(gzip.compress(content))
    changes = st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=4)
    for place, byte in data.draw(changes).items():
        content[place] = byte
    content = content[:data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    try:
        dump = opened(file, bytes(content))
    except DumpError:
        return
    dump.sites()
    dump.by_thread()
    dump.to_numpy()


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_no_cut_within_gzip_is_accepted(file: pathlib.Path, cut: int) -> None:
    """A file that was not written to its end is never read as a smaller heap."""
    content = gzip.compress(encoded(SAMPLE, RELEASED, comments=tuple("abcdefgh")))
    with pytest.raises(CorruptFile):
        opened(file, content[:-cut])


@pytest.mark.needs("go", "golang-go")
def test_the_encoder_of_these_tests_speaks_pprof(file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """pprof itself reads the files of these tests: encoder and reader do not share a mistake."""
    file.write_bytes(encoded(SAMPLE, RELEASED, comments=("service.name=shop",)))
    command = ["go", "tool", "pprof", "-top", "-sample_index=inuse_space", "-unit=B", str(file)]
    environment = {**os.environ, "PPROF_TMPDIR": str(tmp_path)}
    top = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "525000B" in top.stdout and "remember" in top.stdout
