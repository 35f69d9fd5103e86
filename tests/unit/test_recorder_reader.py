"""What the reader of recorder files takes, and what it leaves out."""

from __future__ import annotations

import contextlib
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from spanheap.errors import CorruptFile, RecorderError, SpanheapError
from spanheap.recorder import reader
from spanheap.recorder.recording import Recording, RingCounts
from spanheap.snapshot.row import Frame

from ._recorder_encoder import ACTIVE, ENDS, NAMES, PAGE, RING, Encoder, example

pytestmark = pytest.mark.once(reason="pure functions of bytes")


def read(file: Encoder | bytes, second: bytes | None = None) -> Recording:
    """Both copies alike, unless a second one is given."""
    data = bytes(file.data) if isinstance(file, Encoder) else file
    return reader.parse(data, data if second is None else second, "FILE")


def test_everything_comes_back() -> None:
    """Each field of each section of a whole file."""
    found = read(example())
    assert found.damaged == {} and found.missing_bytes == 0
    who = found.identity
    assert (who.program, who.service, who.pid, who.boot_id, who.started, who.tick) == (
        "app.py", "orders", 7, (b"B" * 16).hex(), 1e9, 1.0)
    assert [point.resident_bytes >> 20 for point in found.points] == list(range(41, 51))
    assert found.points[-1].share == pytest.approx(0.9) and found.points[-1].time == 1e9 + 10
    job, get = found.active
    assert (job.trace_id, job.span_id, job.parent_id) == (f"{1:016x}{2:016x}", f"{3:016x}", f"{9:016x}")
    assert (job.name, job.root_name, get.name, get.parent_id, get.sampled) == ("job", "worker", "GET /orders", "", True)
    ended = [(span.name, span.ticket, span.thread, span.flags) for span in found.ended]
    assert ended == [(f"op-{n}", n, 3, 1) for n in range(3)]
    assert found.ended[0].duration == pytest.approx(0.001)
    assert found.counts == RingCounts(3, 3, 0, 0, 0, 0, 0)
    first, second = found.sites
    assert first.stack[:2] == (Frame("get_order", "/app/orders.py", 12), Frame("run", "/usr/lib/python3.11/threading.py", 5))
    assert first.stack[2] == reader.UNRESOLVED and first.depth == 3 and second.live_bytes == 100_000
    assert [(span.name, span.root_name, span.live_bytes) for span in first.spans] == [
        ("db", "GET /orders", 600_000), ("GET /orders", "GET /orders", 50_000)]
    assert [(span.name, span.live_bytes) for span in found.spans] == [("db", 600_000)]
    assert (found.live_bytes, found.live_samples, found.interval) == (1e6, 12, 4096)


def test_the_curve_is_a_ring() -> None:
    """Newer points stand in the places of older ones; what is older than an hour of points is not taken."""
    file = Encoder()
    for number in range(1, 3611):
        file.point(number)
    found = read(file)
    assert len(found.points) == 3600 and found.points[0].time == 1e9 + 11 and found.points[-1].time == 1e9 + 3610
    file.point(3611 + 3600)   # a gap of more than an hour: nothing of before it is left
    assert len(read(file).points) == 1


def test_counts_of_stripes_are_summed() -> None:
    """produced = retained + overwritten + expired + dropped + in_flight, over all stripes; torn records are in flight."""
    file = Encoder(capacity=5, stripes=2)
    file.stripe(0, 10, skipped=1, overwritten=4, expired=2)
    file.stripe(1, 4, dropped=1, refused=2)
    for ticket in (7, 8):
        file.record(ticket)
    file.record(9, seq=19)
    file.record(2, stripe=1)
    file.record(3, stripe=1, seq=(1 << 63) | 8)   # expired, and counted as such
    found = read(file)
    assert found.counts == RingCounts(produced=9 + 6, retained=3, overwritten=4, expired=2, dropped=3, in_flight=3, torn=1)
    assert sorted(span.ticket for span in found.ended) == [2, 7, 8]
    assert found.damaged == {}


@pytest.mark.parametrize(("put", "section", "lost"), [
    (lambda file: file.point(5), "curve", lambda found: len(found.points) == 9),
    (lambda file: file.end(0), "ends", lambda found: found.ends == {}),
    (lambda file: file.active(0, name="job"), "active spans", lambda found: len(found.active) == 1),
    (lambda file: file.site(1, 1, 5.0), "sites", lambda found: len(found.sites) == 1),
    (lambda file: file.span(0, 1, 5.0, "db", "db"), "sites", lambda found: found.spans == [] and len(found.sites) == 2),
], ids=["point", "end", "active", "site", "span"])
def test_a_damaged_slot_is_left_out_and_counted(
    put: Callable[[Encoder], int], section: str, lost: Callable[[Recording], bool]
) -> None:
    """One bit anywhere in it; all others stay."""
    file = example()
    at = put(file)
    whole = read(file)
    assert whole.damaged == {}
    for offset in (0, 9, 20, 30, 39):
        file.data[at + offset] ^= 0x40
        found = read(file)
        assert found.damaged == {section: 1} and lost(found), offset
        file.data[at + offset] ^= 0x40
    assert read(file) == whole


def test_a_damaged_name_loses_the_name_only() -> None:
    """What it names stays."""
    file = example()
    number = file.name("GET /orders")
    at = file.put(NAMES, number, b"")
    file.data[at + 8] ^= 1
    found = read(file)
    assert len(found.active) == 2 and found.active[1].name == reader.DAMAGED and found.active[0].name == "job"
    assert found.damaged == {"names": 1}


@pytest.mark.parametrize("words", [(0, 0xFFFFFFFF, 0, 0), (0xFFFFFFFF, 5, 0, 0), (0, 5, 0, 7), (0, 0, 0, 0)])
def test_a_name_beyond_the_file_is_no_name(words: tuple[int, int, int, int]) -> None:
    """Offsets and lengths are held against what there is."""
    file = example()
    file.put(NAMES, file.name("job"), struct.pack("<IIII", *words))
    assert read(file).active[0].name == reader.DAMAGED


def test_of_two_writings_the_last_whole_one_counts() -> None:
    """A process that dies while it writes sites leaves those of a tick before; slots of another writing are not taken."""
    file = example()
    file.site(0, 2, 5.0, buffer=1)
    file.top(2, 1, 0, live=5.0, buffer=1)
    assert read(file).live_bytes == 5.0
    file.put(5, 1, bytes(8))   # the number of the second buffer, which is being written
    assert read(file).live_bytes == 1e6 and read(file).damaged == {}
    file.site(1, 7, 5.0)
    assert len(read(file).sites) == 1 and read(file).damaged == {"sites": 1}


def test_a_damaged_ticket_is_left_out() -> None:
    """One that does not belong into its place, or that was never drawn."""
    for seq in (2 * 5 + 2, 2 * (16 * 9 + 1) + 2):
        file = example()
        file.record(1, seq=seq)
        found = read(file)
        assert [span.ticket for span in found.ended] == [0, 2] and found.damaged == {"ended spans": 1}


def test_what_changes_while_it_is_copied_is_not_taken() -> None:
    """A slot whose state differs between the two copies may be half of each."""
    first, second = example(), example()
    second.active(0, seq=10, span=99)
    second.record(1, seq=2 * (16 + 1) + 2)
    second.stripe(0, 18)
    found = read(first, bytes(second.data))
    assert [span.span_id for span in found.active] == [f"{4:016x}"]
    assert [span.ticket for span in found.ended] == [0, 2] and found.damaged == {}
    assert found.counts.produced == 3 and found.counts.in_flight == 1


def test_names_that_came_while_it_was_copied_are_there() -> None:
    """They stand before what speaks of them, so the first copy may have the one without the other."""
    first, second = example(), example()
    for file in (first, second):
        file.active(5, span=77, name="new")
    first.put(NAMES, first.name("new"), bytes(16))
    assert read(first, bytes(second.data)).active[-1].name == "new" and read(first).damaged == {"names": 1}


def test_spans_that_ended_after_the_copy_began_are_not_damage() -> None:
    """Their tickets are beyond the head that was copied first."""
    first, second = example(), example()
    for file in (first, second):
        file.record(3)
    second.stripe(0, 4)
    found = read(first, bytes(second.data))
    assert [span.ticket for span in found.ended] == [0, 1, 2] and found.damaged == {} and found.counts.in_flight == 0


@pytest.mark.parametrize("where", [0, 8, 100, 500])
def test_a_damaged_header_is_replaced_by_the_one_at_the_end(where: int) -> None:
    """And counted; when that is damaged too, the file is refused, with its name and what is wrong."""
    file = example()
    whole = read(file)
    file.data[where] ^= 1
    found = read(file)
    assert found.damaged == {"header": 1} and found.active == whole.active and found.points == whole.points
    file.data[len(file.data) - PAGE + where] ^= 1
    with pytest.raises(CorruptFile, match=r"FILE: (neither of its two headers|not a recorder file)"):
        read(file)


NO_RECORDERS = (b"", b"SHAP", b"SHAP_REC", b"\x1f\x8b" + bytes(100_000), bytes(8192), b"SHAP_REC" + bytes(8192))


@pytest.mark.parametrize("content", NO_RECORDERS, ids=range(len(NO_RECORDERS)))
def test_what_is_no_recorder_file_is_refused(content: bytes) -> None:
    """With CorruptFile, whatever it is."""
    with pytest.raises(CorruptFile, match="FILE: "):
        read(content)


def test_another_version_is_refused_by_its_number() -> None:
    """Rather than read wrongly."""
    file = example()
    file.header(version=2)
    with pytest.raises(CorruptFile, match="version 2, and this spanheap reads version 1"):
        read(file)


def test_a_shortened_file_has_what_is_left() -> None:
    """At every length: the sections before the end are whole, and how much is missing is said."""
    data = bytes(example().data)
    for length in range(PAGE, len(data), 4999):
        found = read(data[:length])
        assert found.missing_bytes == len(data) - length
    assert len(read(data[: example().sections[NAMES][0]]).points) == 10


def test_absurd_numbers_do_no_harm() -> None:
    """Extreme words in every section, with their checksums right."""
    file = Encoder()
    for number, value in enumerate((0, 1, (1 << 63) - 1, -(1 << 63), -1), 1):
        file.point(number, realtime=value, resident=(1 << 64) - 1, used=(1 << 64) - 1, limit=1, live=float("nan"))
        file.end(number % 4, realtime=value, code=-(1 << 31), text=b"\xff" * 224)
    file.active(0, trace=(1 << 128) - 1, span=(1 << 64) - 1, start=(1 << 64) - 1, flags=0xFFFFFFFF, seq=(1 << 64) - 2)
    file.stripe(0, (1 << 64) - 1, skipped=(1 << 64) - 1, overwritten=(1 << 64) - 1)
    file.record((1 << 62) + 1, trace=(1 << 128) - 1, start=(1 << 64) - 1, duration=(1 << 48) - 1, flags=0xFFFF)
    file.site(0, 1, float("inf"), spans=[("a", "b", float("-inf"))], frames=[("f", "g", 0xFFFFFFFF)], objects=float("nan"))
    file.top(1, 0xFFFFFFFF, 0xFFFFFFFF, live=float("inf"))
    found = read(file)
    assert found.live_bytes == 0.0 and found.sites[0].live_bytes == 0.0 and len(found.points) == 5


def test_a_section_that_ends_beyond_the_file_is_cut() -> None:
    """A header with a whole checksum is no reason to trust its numbers."""
    file = example()
    offset, _, size = file.sections[ACTIVE]
    file.sections[ACTIVE] = (offset, (1 << 64) - 1, size)
    file.sections[RING] = ((1 << 64) - 1, (1 << 64) - 1, 1)
    file.header()
    found = read(file)
    assert len(found.active) >= 2 and found.ended == []
    for wrong in ((offset, 1, 63), (0, 1, 64)):
        file.sections[ACTIVE] = wrong
        file.header()
        with pytest.raises(CorruptFile, match="does not describe a recorder file"):
            read(file)


def test_ends_of_an_unknown_kind_are_not_taken() -> None:
    """Beyond the places that mean something, whatever the header says of their number. (Found by the fuzzer.)"""
    file = example()
    offset, _, size = file.sections[ENDS]
    file.sections[ENDS] = (offset, 9, size)
    file.header()
    file.end(5, text=b"of a kind that there is not")
    found = read(file)
    assert found.ends == {} and found.damaged == {}


def test_random_damage_raises_nothing_else() -> None:
    """A slice of the fuzzer: `python -m tests.fuzz_recover`."""
    whole, rng = bytes(example().data), random.Random(1)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 10, 1000))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(SpanheapError):
            read(bytes(data[: rng.choice((len(data), rng.randrange(len(data))))]))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A FIFO is not waited for, a device not read to its end."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with pytest.raises(RecorderError, match="is not a regular file"):
            reader.read_fd(fd, str(path))
        os.close(fd)


