"""`spanheap report` and `spanheap diff` at the command line: what they print, and how they fail."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanheap import cli
from tests.report import dumps
from tests.unit._recorder_encoder import example

pytestmark = pytest.mark.once(reason="files and text")


def run(*arguments: object) -> int:
    """The exit status."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as wrong:   # argparse's way
        return int(wrong.code or 0)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_report_is_written_beside_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By default under the dump's name in this folder, for its owner alone; the sentence and the place are printed."""
    assert run("report", dumps.with_verdict(tmp_path)) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "`GET /orders` keeps 41.0 MiB more every minute; allocated at `store.py:88`; held by `app:_cache`.", "heap-24.html"]
    assert said.err == ""
    target = tmp_path / "heap-24.html"
    assert target.read_text().startswith("<!doctype html>") and target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heap-24.html", "heap-24.pb.gz"]


def test_a_report_replaces_an_older_one(tmp_path: Path) -> None:
    """Whole: nobody sees half of it."""
    target = tmp_path / "out.html"
    target.write_text("old")
    assert run("report", dumps.service(tmp_path), "-o", target) == 0
    assert "</html>" in target.read_text()


def test_a_recorder_file_makes_a_report_too(tmp_path: Path) -> None:
    """Told by its first bytes, not by its name."""
    path = tmp_path / "flight.bin"
    path.write_bytes(example().data)
    assert run("report", path, "--output", tmp_path / "out.html") == 0
    assert "It was in the middle of" in (tmp_path / "out.html").read_text()


def test_as_json_there_is_what_the_page_says_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sentence, notes, facts, and the verdicts in fields; of a recorder file likewise."""
    assert run("report", dumps.with_verdict(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == "heap-24.html" and (tmp_path / "heap-24.html").exists()
    assert said["sentence"].startswith("`GET /orders` keeps 41.0 MiB more every minute")
    assert said["verdicts"][0]["kind"] == "leak" and said["verdicts"][0]["holder"].startswith("app:_cache")
    assert any("Held by" in note for note in said["notes"]) and said["facts"]["process.pid"] and said["live_bytes"] > 0
    (tmp_path / "flight.rec").write_bytes(example().data)
    assert run("report", tmp_path / "flight.rec", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == "flight.html" and said["verdicts"] == [] and "It was in the middle of" in said["notes"][0]


def test_an_empty_heap_makes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dump without a sample is no error."""
    assert run("report", dumps.write(tmp_path / "none.pb.gz", [])) == 0
    assert capsys.readouterr().out.startswith("Nothing was live")


def test_progress_on_large_files_is_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And on small ones there is none."""
    path = tmp_path / "flight.rec"
    path.write_bytes(example().data + bytes(2 << 20))
    run("report", path, "-o", tmp_path / "out.html")
    assert "spanheap report: reading" in capsys.readouterr().err


MISSING, EMPTY, TEXT, CUT, OTHER = "missing.pb.gz", "empty.pb.gz", "notes.txt", "cut.pb.gz", "other.pb"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files that cannot be reported, by the names above."""
    good = dumps.service(tmp_path)
    (tmp_path / EMPTY).touch()
    (tmp_path / TEXT).write_text("hello, I am no dump\n")
    (tmp_path / CUT).write_bytes(good.read_bytes()[:-20])
    encoder = dumps.Encoder(sample_types=("samples", "cpu"))
    encoder.sample(dumps.SEARCH, [1, 2], {}, {})
    (tmp_path / OTHER).write_bytes(encoder.encode())
    (tmp_path / "folder").mkdir()
    (tmp_path / "flight.rec").write_bytes(example().data)
    (tmp_path / "flight-cut.rec").write_bytes(bytes(example().data[:100]))
    return good


@pytest.mark.parametrize(("name", "message"), [
    (MISSING, "missing.pb.gz: cannot be read: No such file or directory"),
    (EMPTY, "empty.pb.gz: is empty: give a dump (.pb.gz) or a recorder file that was written to its end"),
    (TEXT, "notes.txt: not a valid pprof profile: "),
    (CUT, "cut.pb.gz: not a valid gzip file: it ends early"),
    (OTHER, "other.pb: not a heap profile: no sample type is inuse_space; those it has: samples, cpu"),
    ("folder", "folder: cannot be read: Is a directory"),
])
def test_what_cannot_be_read_is_named(files: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1; the file, what is wrong with it; nothing is written. So for each of the commands and places."""
    for arguments in (("report", name), ("report", files.name, "--baseline", name), ("diff", files.name, name),
                      ("diff", name, files.name)):
        before = sorted(os.listdir())
        assert run(*arguments) == 1
        said = capsys.readouterr()
        assert said.err.startswith(f"spanheap {arguments[0]}: error: {message}") and said.out == ""
        assert "Traceback" not in said.err and sorted(os.listdir()) == before


@contextlib.contextmanager
def nobody_may_read(path: Path) -> Iterator[None]:
    """Root would all the same: it becomes another user for that time, who finds what is imported already."""
    path.chmod(0)
    if was_root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)
        path.chmod(0o600)


@pytest.mark.parametrize("arguments", [
    ("report", "heap-24.pb.gz"), ("diff", "heap-24.pb.gz", "heap-24.pb.gz"),
    ("report", "flight.rec"), ("recover", "flight.rec"),
], ids=" ".join)
def test_what_one_may_not_read_is_named(files: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, the file and the reason, in one line; nothing is written."""
    assert run(*arguments) == 0
    capsys.readouterr()
    target = Path(tempfile.gettempdir(), f"{files.parent.name}.html")   # the other user does not see this folder at all
    with nobody_may_read(files.parent / arguments[1]):
        assert run(*arguments, *(("-o", target) if arguments[0] == "report" else ())) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and not target.exists()
    assert said.err.startswith(f"spanheap {arguments[0]}: error: {arguments[1]}: ") and "Permission denied" in said.err


def test_a_damaged_recorder_file_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `spanheap recover` names it."""
    assert run("report", "flight-cut.rec") == 1
    assert capsys.readouterr().err.startswith("spanheap report: error: flight-cut.rec: ")


def test_a_dump_that_is_given_to_recover_is_sent_to_report(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other way round each takes what the other one does."""
    assert run("recover", files) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"spanheap recover: error: {files}: not a recorder file, but")
    assert "`spanheap report FILE`" in said


def test_recorder_files_cannot_be_compared(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way out is in the message."""
    assert run("diff", files.name, "flight.rec") == 1
    assert "flight.rec: is a recorder file, not a dump: `spanheap recover flight.rec --pprof OUT`" in capsys.readouterr().err
    assert run("report", "flight.rec", "--baseline", files.name) == 1
    assert f"--baseline {files.name}: flight.rec is a recorder file" in capsys.readouterr().err
    assert run("report", "flight.rec", "--recorder", "flight.rec", "-o", "out.html") == 1
    assert "--recorder flight.rec: flight.rec is a recorder file itself" in capsys.readouterr().err
    assert run("report", files.name, "--recorder", EMPTY) == 1
    assert "spanheap report: error: empty.pb.gz" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["-o", "folder"], "-o folder: is a folder: give the name of a file in it"),
    (["-o", "nowhere/out.html"], "-o nowhere/out.html: there is no folder nowhere"),
    (["-o", "heap-24.pb.gz"], "-o heap-24.pb.gz: is the file to be read: give another name"),
    (["--baseline", "heap-24.pb.gz"], "--baseline heap-24.pb.gz: is the dump itself: give an earlier one"),
    (["--base-line", "x"], "unrecognized arguments: --base-line x"),
    (["-o"], "argument -o/--output: expected one argument"),
])
def test_wrong_usage_is_2(files: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And the dump that was to be read is as it was."""
    before = files.read_bytes()
    assert run("report", files.name, *arguments) == 2
    assert message in capsys.readouterr().err
    assert files.read_bytes() == before


@pytest.mark.parametrize("arguments", [["report"], ["diff"], ["diff", "a"], ["diff", "a", "b", "--jsn"]])
def test_what_is_left_out_is_asked_for(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, with the usage."""
    assert run(*arguments) == 2
    assert capsys.readouterr().err.startswith("usage: spanheap")


def test_a_place_that_cannot_be_written_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, the reason and the way out. In /proc not even root can make a file."""
    assert run("report", files.name, "-o", "/proc/out.html") == 1
    said = capsys.readouterr().err
    assert said.startswith("spanheap report: error: /proc/out.html: cannot be written: ")
    assert said.endswith(": give another place with -o\n")


def test_a_name_that_is_too_long_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Replacing fails after the writing: no temporary file is left."""
    before = sorted(os.listdir())
    assert run("report", files.name, "-o", "x" * 300) == 1
    assert "cannot be written: File name too long" in capsys.readouterr().err and sorted(os.listdir()) == before


def test_who_stops_reading_is_no_error(files: Path) -> None:
    """`spanheap diff A B | head -1`."""
    done = subprocess.run(f"{sys.executable} -m spanheap diff {files.name} {files.name} --json | head -c 1", shell=True,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "{" and done.stderr == ""


# ---------------------------------------------------------------- diff


def test_diff_prints_what_grew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By line, endpoint and span; with the rate."""
    old, new = dumps.pair(tmp_path)
    assert run("diff", old, new) == 0
    said = capsys.readouterr().out
    assert "Live memory: +80.0 MiB within 60 seconds, or 80.0 MiB every minute" in said
    line = next(line for line in said.splitlines() if "remember (" in line)
    assert " ".join(line.split()) == "+80.0 MiB ± 0% 80.0 MiB every minute remember (/srv/app/store.py:88)"
    for title, name in (("By line", "remember"), ("By endpoint", "GET /orders"), ("By span name", "SELECT orders")):
        assert name in said.partition(title)[2].partition("\n\n")[0]


def test_diff_as_json_has_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In names and units that stay."""
    old, new = dumps.pair(tmp_path)
    assert run("diff", old, new, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "spanheap.diff/1" and found["seconds"] == 60 and found["live_bytes"] == 80 * dumps.MIB
    first = found["by_root_name"][0]
    assert first["name"] == "GET /orders" and first["bytes_per_s"] == 80 * dumps.MIB / 60 and first["stands_out"] is True
    assert found["old"]["live_bytes"] + found["live_bytes"] == found["new"]["live_bytes"]


def test_diff_of_the_wrong_order_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Instead of a rate."""
    old, new = dumps.pair(tmp_path)
    assert run("diff", new, old) == 0
    said = capsys.readouterr().out
    assert "are the two the wrong way round?" in said and "every" not in said
    assert "nothing grew by more than the chance of sampling explains" in said and "-80.0 MiB" in said


def test_diff_of_two_processes_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two heaps have a difference, but no growth."""
    old = dumps.write(tmp_path / "old.pb.gz", [(dumps.SEARCH, 1, {})], time=1.7e9, comments=["process.pid=8"])
    assert run("diff", old, dumps.service(tmp_path)) == 0
    assert "These are two processes, 8 and 7" in capsys.readouterr().out


def test_names_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A span's name is whatever a client sent."""
    old = dumps.write(tmp_path / "old.pb.gz", [], time=1.7e9)
    new = dumps.write(tmp_path / "new.pb.gz", [(dumps.SEARCH, 5, dumps.labels("\x1b[2J", "\x1b[2Jroot"))])
    assert run("diff", old, new) == 0 and run("report", new, "--baseline", old) == 0
    assert "\x1b" not in capsys.readouterr().out
