"""What `spanheap recover` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import spanheap
from spanheap import cli
from spanheap.errors import RecorderError
from spanheap.recorder import pprof, reader, render
from spanheap.recorder.death import Death, Kind
from spanheap.recorder.recording import Recording

from ._recorder_encoder import Encoder, example

DEATH = Death(Kind.LIMIT, 1e9 + 10, "killed at 97 % of the memory limit")

pytestmark = pytest.mark.once(reason="text from data")


def read(file: Encoder) -> Recording:
    """A recording."""
    return reader.parse(bytes(file.data), bytes(file.data), "FILE")


def test_the_text_has_what_one_looks_for() -> None:
    """How it ended, the curve's last point, ages of active spans, the line and span with most memory, recent spans."""
    text = render.text(read(example()), DEATH)
    assert text.startswith("app.py (pid 7, service orders) killed at 97 % of the memory limit\n")
    for part in ("Memory (10 points", "0.0 s   50.0 MiB  976.6 KiB      2   ##################..  90% of 100.0 MiB",
                 "Active spans (2)", "15.0 s  job  in worker  trace 00000000000000010000000000000002",
                 "683.6 KiB  70.0%  get_order (/app/orders.py:12)", "85.7%    for db  in GET /orders",
                 "Live memory by span", "Ended spans (3 ended, 3 kept)", "op-2"):
        assert part in text, part
    assert "Left out" not in text


def test_an_empty_recording_says_so() -> None:
    """Killed before the first tick."""
    text = render.text(read(Encoder()), DEATH)
    assert "no point was recorded" in text and "not recorded before the end" in text and "Active spans (0)" in text


def test_what_is_left_out_is_said() -> None:
    """Torn records and damage, by section."""
    file = example()
    file.stripe(0, 4)
    file.record(3, seq=7)
    at = file.point(3)
    file.data[at + 9] ^= 1
    assert "Left out: 1 being written at the end, 1 not accounted for; 1 damaged in curve" in render.text(read(file), DEATH)


def test_names_cannot_move_the_cursor() -> None:
    """A span's name is whatever a client sent."""
    file = example()
    file.active(0, name="\x1b[2J\r\nGET", root="x" * 5000)
    text = render.text(read(file), DEATH)
    assert "\x1b" not in text and "\r" not in text and "x" * 201 not in text and "�[2J��GET" in text


def test_a_long_curve_is_shortened_to_rows() -> None:
    """The first, the last five, and some in between."""
    file = Encoder()
    for number in range(1, 3601):
        file.point(number)
    lines = [line for line in render.text(read(file), DEATH._replace(time=1e9 + 3600)).splitlines() if "no limit" in line]
    assert len(lines) == 16 and lines[0].split()[:2] == ["60.0", "min"]
    assert [line.split()[0] for line in lines[-5:]] == ["4.0", "3.0", "2.0", "1.0", "0.0"]


def test_the_document_has_everything() -> None:
    """As JSON, with plain numbers."""
    document = json.loads(json.dumps(render.document(read(example()), DEATH), allow_nan=False))
    assert document["format"] == "spanheap.recording/1" and document["death"]["kind"] == "limit"
    assert len(document["curve"]) == 10 and document["active_spans"][0]["age"] == 15.0
    assert document["sites"][0]["application_frame"] == {"function": "get_order", "filename": "/app/orders.py", "line": 12}
    assert document["ended_counts"]["produced"] == 3 and document["damaged"] == {}


def test_pprof_adds_up(tmp_path: Path) -> None:
    """The sum over the samples is the recording's; sites by span; what is beyond the sites is one sample more."""
    pprof.write(read(example()), DEATH, tmp_path / "out.pb.gz")
    dump = spanheap.open_dump(tmp_path / "out.pb.gz")
    assert dump.live_bytes == 1_000_000 and dump.metadata["end"] == DEATH.text and dump.rss_bytes == 50 << 20
    by_name = {usage.name: usage.live_bytes for usage in dump.by_span_name()}
    assert by_name == {"db": 600_000, "GET /orders": 50_000, "<no span>": 350_000}
    assert {site.stack[0].function for site in dump.sites()} == {"get_order", "main", "<beyond the largest sites>"}
    assert list(tmp_path.iterdir()) == [tmp_path / "out.pb.gz"]
    with pytest.raises(RecorderError, match="cannot be written"):
        pprof.write(read(example()), DEATH, tmp_path / "no" / "out.pb.gz")


def test_pprof_knows_its_samples(tmp_path: Path) -> None:
    """As many as the recording; and so the error of an estimate is known."""
    pprof.write(read(example()), DEATH, tmp_path / "out.pb.gz")
    dump = spanheap.open_dump(tmp_path / "out.pb.gz")
    assert dump.samples == 12 and {site.stack[0].function: site.samples for site in dump.sites()} == {
        "get_order": 2, "main": 2, "<beyond the largest sites>": 8,
    }
    assert next(site for site in dump.sites() if site.stack[0].function == "main").relative_error == pytest.approx(0.5**0.5)


def test_pprof_replaces_no_recorder_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither that which is read, by whatever name, nor another; 1, and nothing is lost."""
    content = bytes(example().data)
    path, other, link = tmp_path / "recorder", tmp_path / "other", tmp_path / "link"
    damaged = bytearray(content)
    damaged[0] ^= 1   # its second header is whole
    path.write_bytes(content)
    other.write_bytes(damaged)
    link.symlink_to(path)
    for file, out in ((path, path), (path, link), (link, path), (other, other), (other, path)):
        assert cli.main(["recover", str(file), "--pprof", str(out)]) == 1
        printed, error = capsys.readouterr()
        assert printed == "" and error.startswith(f"spanheap recover: error: {out}: is a recorder file")
        assert path.read_bytes() == content and other.read_bytes() == damaged and link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, other, path]
    plain = tmp_path / "old.pb.gz"
    plain.write_bytes(b"an older profile")
    assert cli.main(["recover", str(path), "--pprof", str(plain)]) == 0 and spanheap.open_dump(plain).samples == 12


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0: printed; 1: cannot be read, in one line that names the file; 2: wrong usage."""
    path = tmp_path / "recorder"
    path.write_bytes(example().data)
    assert cli.main(["recover", str(path)]) == 0
    assert "service orders" in capsys.readouterr().out
    assert cli.main(["recover", "--json", str(path), "--pprof", str(tmp_path / "out.pb.gz")]) == 0
    assert json.loads(capsys.readouterr().out)["death"]["kind"] == "limit" and (tmp_path / "out.pb.gz").stat().st_size
    (tmp_path / "other").write_bytes(b"something else")
    for wrong in (tmp_path / "other", tmp_path / "missing", tmp_path):
        assert cli.main(["recover", str(wrong)]) == 1
        out, error = capsys.readouterr()
        assert out == "" and error.startswith(f"spanheap recover: error: {wrong}: ") and len(error.splitlines()) == 1
    with pytest.raises(SystemExit, match="2"):
        cli.main(["recover"])
