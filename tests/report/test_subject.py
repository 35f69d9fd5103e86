"""What dumps and recordings give to a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanheap.report import stacks, subject, tables
from tests.report import dumps
from tests.unit._recorder_encoder import Encoder, example

pytestmark = pytest.mark.once(reason="data from data")


def test_rows_have_every_byte_of_the_heap(tmp_path: Path) -> None:
    """Live, grown and allocated: the sums over the rows are those of the snapshot."""
    old, new = dumps.pair(tmp_path)
    about = subject.of_file(new, old)
    rows = stacks.document(about, stacks.Strings())["rows"]
    assert sum(rows[3]) == about.heap.live_bytes == 152 * dumps.MIB
    assert sum(rows[4]) == 80 * dumps.MIB
    assert sum(rows[5]) == about.heap.allocated_bytes


def test_equal_stacks_of_two_files_are_one_site(tmp_path: Path) -> None:
    """A site that had 3 MiB and has 5 in other blocks has grown by 2."""
    old = dumps.write(tmp_path / "old.pb.gz", [(dumps.SEARCH, 3, {})], time=1.7e9)
    new = dumps.write(tmp_path / "new.pb.gz", [(dumps.SEARCH, 5, {})])
    rows = stacks.document(subject.of_file(new, old), stacks.Strings())["rows"]
    assert (rows[3], rows[4]) == ([5 * dumps.MIB], [2 * dumps.MIB])


def test_the_tree_gives_each_stack_back(tmp_path: Path) -> None:
    """Parents by distance, frames by number, texts by number: and one is back at the file."""
    about = subject.of_file(dumps.service(tmp_path))
    strings = stacks.Strings()
    packed = stacks.document(about, strings)
    texts, (functions, files, lines, _) = list(strings.numbers), packed["frames"]
    found = set()
    for node in packed["rows"][0]:
        stack = []
        while node >= 0:
            f = packed["frame"][node]
            stack.append((texts[functions[f]], texts[files[f]], lines[f]))
            node = node - packed["up"][node] if packed["up"][node] else -1
        found.add(tuple(stack))
    assert found == {row.stack for row in about.heap.rows}


def test_what_is_too_much_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest are summed up, counted, and not lost."""
    monkeypatch.setattr(stacks, "MOST_ROWS", 3)
    about = subject.of_file(dumps.service(tmp_path))
    strings = stacks.Strings()
    packed = stacks.document(about, strings)
    assert len(packed["rows"][0]) == 4 and packed["left_out"] > 0 and "<smaller sites>" in strings.numbers
    assert sum(packed["rows"][3]) == about.heap.live_bytes


def test_tables_by_endpoint_span_line_trace_label_and_thread(tmp_path: Path) -> None:
    """With the growth of each, and holders where the dump has them."""
    old = dumps.service(tmp_path, time=1.8e9 - 60, orders=8)
    found = {table["title"]: table for table in tables.document(subject.of_file(dumps.with_verdict(tmp_path), old))}
    assert list(found) == ["Endpoints", "Span names", "Lines", "Traces", "Label: tenant", "Threads", "Holders"]
    assert found["Endpoints"]["rows"][0][:3] == ["GET /orders", 120 * dumps.MIB, 80 * dumps.MIB]
    assert found["Traces"]["rows"][0][0] == "ab" * 16
    assert [row[0] for row in found["Label: tenant"]["rows"]] == ["acme", "umbrella"]
    assert found["Holders"]["rows"] == [
        [dumps.HOLDER, "", "remember (/srv/app/store.py:88)", "verdict: leak"],
        [dumps.HOLDER, "98%", "remember (/srv/app/store.py:88)", "largest site"]]


def test_what_is_gone_is_in_the_tables(tmp_path: Path) -> None:
    """Memory that was freed since the baseline has a row with negative growth."""
    new = dumps.service(tmp_path)
    empty = dumps.write(tmp_path / "empty.pb.gz", [], time=1.8e9 + 60)
    endpoints = tables.document(subject.of_file(empty, new))[0]
    assert endpoints["rows"][0][:3] == ["GET /orders", 0, -120 * dumps.MIB]


def test_a_table_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how many rows are not in it."""
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    lines = next(t for t in tables.document(subject.of_file(dumps.service(tmp_path))) if t["id"] == "line")
    assert len(lines["rows"]) == 2 and lines["left_out"] == 1


def test_two_dumps_make_a_time_line(tmp_path: Path) -> None:
    """Resident and live memory of both, and the spans that ended between them: 1,600 in a minute."""
    old, new = dumps.pair(tmp_path)
    earlier, later = subject.of_file(new, old).curve
    assert (earlier.rss_bytes, earlier.live_bytes, earlier.completed_per_s) == (200 * dumps.MIB, 72 * dumps.MIB, None)
    assert later.live_bytes == 152 * dumps.MIB and later.completed_per_s == pytest.approx(1600 / 60)


def recorded(folder: Path, ends: list[int], overwritten: int = 0) -> list[float | None]:
    """Completed spans a second at ten points a second apart, of spans that ended at these seconds."""
    file = Encoder()
    for number in range(1, 11):
        file.point(number)
    file.stripe(0, len(ends) + overwritten, overwritten=overwritten)
    for ticket, end in enumerate(ends, overwritten):
        file.record(ticket, span=10 + ticket, start=10**18 + end * 10**9 - 500_000_000, duration=100_000_000)
    path = folder / "flight.rec"
    path.write_bytes(file.data)
    return [moment.completed_per_s for moment in subject.of_file(path).curve]


def test_completed_spans_are_counted_between_the_points(tmp_path: Path) -> None:
    """At the first point nothing is known of the time before."""
    assert recorded(tmp_path, [3, 3, 3, 8]) == [None, 0, 3, 0, 0, 0, 0, 1, 0, 0]


def test_what_the_ring_has_lost_is_not_called_nothing(tmp_path: Path) -> None:
    """Before the oldest span that is kept the rate is unknown, not zero."""
    rates = recorded(tmp_path, [6, 7], overwritten=5)
    assert rates[:6] == [None] * 6 and rates[6:8] == [1, 0]


def test_a_dump_can_have_the_time_line_of_its_recorder(tmp_path: Path) -> None:
    """Ten points instead of one or two; of another process it is said."""
    path = tmp_path / "flight.rec"
    path.write_bytes(example().data)
    about = subject.of_file(dumps.service(tmp_path), None, path)
    assert len(about.curve) == 10 and not about.is_recording and "recorder of another process" not in dict(about.facts)
    other = dumps.write(tmp_path / "other.pb.gz", [(dumps.SEARCH, 1, {})], comments=["process.pid=8"])
    assert dict(subject.of_file(other, None, path).facts)["recorder of another process"].startswith("7, not 8")


def test_a_recording_has_the_same_shape(tmp_path: Path) -> None:
    """Sites become rows whose sum is the recording's; what is beyond the largest sites is one."""
    path = tmp_path / "flight.rec"
    path.write_bytes(example().data)
    about = subject.of_file(path)
    assert about.is_recording and about.heap.live_bytes == pytest.approx(1e6) and about.heap.samples == 12
    found = {table["title"]: table for table in tables.document(about)}
    assert {"Endpoints", "Span names", "Lines", "Active spans", "Ended spans"} <= set(found)
    assert found["Active spans"]["rows"][0][:3] == ["job", "worker", "15 seconds"]
    assert all(row[6] == -1 for table in found.values() if table["kind"] == "usage" for row in table["rows"])
